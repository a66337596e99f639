//! An explanation as text: the verdict, each ground with what it says for or against, and what
//! would happen without the boss.

use control::explanation::{Explanation, Ground};

use super::page::Page;

/// The whole explanation.
pub fn explanation(explanation: &Explanation) -> String {
    let mut page = Page::new(false);
    page.wrapped("", 0, &explanation.verdict);
    if explanation.node != explanation.asked {
        page.wrapped("", 0, &format!("(as {} sees it)", explanation.asked));
    }
    page.blank();
    for ground in &explanation.grounds {
        ground_line(ground, &mut page);
    }
    page.blank();
    page.wrapped("", 0, &explanation.if_lost);
    page.text
}

fn ground_line(ground: &Ground, page: &mut Page) {
    let label = match ground.holds {
        Some(true) => "for",
        Some(false) => "against",
        None => "open",
    };
    let rule = ground.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
    page.item(label, &format!("{}{rule}", ground.text));
}

#[cfg(test)]
mod tests {
    use super::super::page::COLUMNS;
    use super::*;

    #[test]
    fn an_explanation_fits_on_a_screen() {
        let golden = include_str!("../../../control/tests/explanation.json");
        let text = explanation(&serde_json::from_str(golden).expect("golden"));
        assert_eq!(text, include_str!("../../tests/explanation.txt"));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(text.lines().count() <= 24);
    }

    #[test]
    fn it_says_who_sees_it_so_and_commands_no_terminal() {
        let golden = include_str!("../../../control/tests/explanation.json");
        let mut hostile: Explanation = serde_json::from_str(golden).expect("golden");
        hostile.asked = "gamma".to_owned();
        hostile.grounds[0].text = "\x1b[2Jdrained".to_owned();
        let text = explanation(&hostile);
        assert!(text.contains("(as gamma sees it)"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
