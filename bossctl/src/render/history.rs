//! The history as text: a line for each epoch, with the times that the answering node saw, and what
//! it did not see said as such.

use control::history::{Entry, History};

use super::page::{Page, duration, wall_clock};

/// The newest `last` epochs, or all.
pub fn history(history: &History, last: Option<usize>) -> String {
    let mut page = Page::new(false);
    let since = wall_clock(history.looks_since_s);
    page.item(
        "cluster",
        &format!("{}, times as {} saw them since {since}", history.cluster, history.node),
    );
    page.blank();
    if history.entries.is_empty() {
        page.line("no boss yet");
        return page.text;
    }
    page.line(&format!(
        "  {:<10} {:<13} {:<8} {:<16} {:<13} {}",
        "epoch", "boss", "cause", "began (UTC)", "acted", "no boss"
    ));
    for entry in history.entries.iter().take(last.unwrap_or(usize::MAX)) {
        row(entry, &mut page);
    }
    page.text
}

fn row(entry: &Entry, page: &mut Page) {
    let node: String = entry.node.chars().take(13).collect();
    let began = match (entry.seen_s, entry.from_start) {
        (Some(seen), true) => wall_clock(seen).trim_end_matches(" UTC").to_owned(),
        (Some(_), false) => "earlier".to_owned(),
        (None, _) => "not seen".to_owned(),
    };
    let unknown = || "-".to_owned();
    // Of one that began before it was seen only the least is known.
    let least = if entry.from_start { "" } else { "> " };
    let acted = entry.acted_ms.map_or_else(unknown, |ms| format!("{least}{}", duration(ms)));
    let without = entry.without_boss_ms.map_or_else(unknown, duration);
    page.line(&format!(
        "{} {:<10} {node:<13} {:<8} {began:<16} {acted:<13} {without}",
        if entry.acts { '*' } else { ' ' },
        entry.epoch,
        entry.cause,
    ));
}

#[cfg(test)]
mod tests {
    use super::super::page::COLUMNS;
    use super::*;

    fn golden() -> History {
        serde_json::from_str(include_str!("../../../control/tests/history.json")).expect("golden")
    }

    #[test]
    fn each_epoch_has_a_line_and_what_was_not_seen_is_said() {
        let text = history(&golden(), None);
        assert_eq!(text, include_str!("../../tests/history.txt"));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn the_newest_may_be_asked_for_alone() {
        let text = history(&golden(), Some(1));
        assert!(text.contains("* 9 ") && !text.contains("\n  8 "), "{text}");
    }

    #[test]
    fn the_longest_of_all_fits() {
        let mut wide = golden();
        let entry = &mut wide.entries[0];
        entry.epoch = 1_790_000_000;
        entry.node = "n".repeat(63);
        entry.acted_ms = Some(11 * 3_600_000 + 59 * 60_000);
        entry.from_start = false;
        entry.without_boss_ms = Some(59 * 60_000 + 59_000);
        let text = history(&wide, None);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    }

    #[test]
    fn a_cluster_without_a_past_says_so() {
        let mut young = golden();
        young.entries.clear();
        assert!(history(&young, None).contains("no boss yet"));
    }
}
