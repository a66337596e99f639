//! A preview as text: what would come of an order, and who could be boss.

use control::preview::{Candidate, Preview};

use super::page::Page;

/// The whole preview.
pub fn preview(preview: &Preview) -> String {
    let mut page = Page::new(false);
    page.item("order", &format!("{}, as {} foresees it", preview.order, preview.leader));
    let boss = match (&preview.boss, preview.epoch) {
        (Some(boss), Some(epoch)) => format!("{boss}, epoch {epoch}"),
        (Some(boss), None) => boss.clone(),
        (None, _) => "none".to_owned(),
    };
    page.item("boss", &boss);
    page.item(if preview.accepted { "yes" } else { "no" }, &preview.text);
    page.blank();
    page.text.push_str(&candidates(preview));
    page.text
}

/// Who could be boss, and why each other could not.
pub fn candidates(preview: &Preview) -> String {
    let mut page = Page::new(false);
    for Candidate { node, fit: _, why_not } in &preview.candidates {
        let could = match why_not {
            None if preview.successor.as_ref() == Some(node) => "would take over".to_owned(),
            None => "could be boss".to_owned(),
            Some(why) => format!("could not be boss: {why}"),
        };
        page.wrapped("", 2, &format!("{node} {could}"));
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::super::page::COLUMNS;
    use super::*;

    fn golden() -> Preview {
        let golden = include_str!("../../../control/tests/preview.json");
        serde_json::from_str(golden).expect("golden")
    }

    #[test]
    fn a_preview_is_shown_with_each_candidate() {
        let text = preview(&golden());
        assert_eq!(text, include_str!("../../tests/preview.txt"));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn who_would_take_over_is_said_and_commands_no_terminal() {
        let mut hostile = golden();
        (hostile.accepted, hostile.successor) = (true, Some("beta".to_owned()));
        hostile.candidates[1].why_not = Some("\x1b[2Jdrained".to_owned());
        let text = preview(&hostile);
        assert!(text.contains("\n  beta would take over\n"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
