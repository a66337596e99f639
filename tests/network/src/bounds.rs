//! What `bossd --check` promises of a configuration, read from what it prints.

/// The time between the loss of the boss's host and the start of the next boss's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In milliseconds.
    pub least_ms: u64,
    /// In milliseconds, at worst.
    pub worst_ms: u64,
}

impl Bounds {
    /// Reads them from a report; None if they are not in it.
    pub fn parse(report: &str) -> Option<Self> {
        let line = report.lines().find(|line| line.trim_start().starts_with("host lost"))?;
        let (worst, least) = line.split_once(" starts after ")?.1.split_once(" at worst, ")?;
        let least_ms = milliseconds(least.strip_suffix(" at least")?)?;
        Some(Self { least_ms, worst_ms: milliseconds(worst)? })
    }
}

/// A time as it is printed.
fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    match unit {
        "ms" => number.parse().ok(),
        "s" => {
            let (seconds, tenths) = number.split_once('.')?;
            let (seconds, tenths): (u64, u64) = (seconds.parse().ok()?, tenths.parse().ok()?);
            Some(seconds * 1000 + tenths * 100)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_printed() {
        let line = "  host lost              the next boss starts after 1302 ms at worst, 1142 ms at \
                    least\n";
        let bounds = Bounds { least_ms: 1142, worst_ms: 1302 };
        assert_eq!(Bounds::parse(&format!("what to expect\n{line}\n")), Some(bounds));
        let long = line.replace("1302 ms", "12.4 s");
        assert_eq!(Bounds::parse(&long).map(|it| it.worst_ms), Some(12_400));
        assert_eq!(Bounds::parse("valid."), None);
    }
}
