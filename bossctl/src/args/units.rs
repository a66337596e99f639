//! Distances in time as people write them on the command line.

use std::time::Duration;

use control::interface::MAX_FOR_S;

/// A distance in time, in milliseconds or more.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    in_units(text)
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write it as in 500ms, 30s or 5min".to_owned())
}

/// A distance in time, in whole seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let duration =
        in_units(text).ok_or_else(|| "write it as in 90s, 30min, 2h or 1d12h".to_owned())?;
    match u64::try_from(duration.as_secs()) {
        Ok(seconds @ 1..=MAX_FOR_S) => Ok(seconds),
        _ => Err(format!("it may be from a second to {} days", MAX_FOR_S / 86_400)),
    }
}

/// A distance in time as people write it. Months have no length.
fn in_units(text: &str) -> Option<jiff::SignedDuration> {
    let span: jiff::Span = text.parse().ok()?;
    span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_units() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("2min", 120_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "1mo", "-5s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_told_in_units_and_is_neither_none_nor_for_ever() {
        let cases = [("90s", 90), ("30min", 1_800), ("30m", 1_800), ("2h", 7_200)];
        let more = [("1h30m", 5_400), ("1d12h", 129_600), ("366d", MAX_FOR_S), ("1.5h", 5_400)];
        for (text, wanted) in cases.into_iter().chain(more) {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in
            ["", "2", "h", "2 fortnights", "1mo", "1y", "0s", "0.9s", "-2h", "367d", "2h ago"]
        {
            assert!(seconds(text).is_err(), "{text}: {:?}", seconds(text));
        }
    }
}
