//! What a reload changed, as text: what counts now, what needs a restart, what is the cluster's. Or
//! everything that is wrong, with its places.

use std::fmt::Write;

use control::reload::{Change, Effect, Reload};

use super::page::plain;

/// What was taken.
pub fn reload(reload: &Reload) -> String {
    let Reload { node, changes, notes, .. } = reload;
    let mut text = String::new();
    let of = |effect| changes.iter().filter(move |change| change.effect == effect);
    if changes.is_empty() {
        let _ = writeln!(text, "{}: reloaded, and nothing had changed", plain(node));
    } else {
        let _ = writeln!(text, "{}: reloaded", plain(node));
    }
    part(&mut text, "taken", of(Effect::Taken));
    part(&mut text, "needs a restart", of(Effect::Restart));
    part(&mut text, "differs from the cluster", of(Effect::Cluster));
    for note in notes {
        let _ = writeln!(text, "note: {}", plain(note));
    }
    text
}

/// What kept it from being taken, one below the other, each with its lines.
pub fn problems(reload: &Reload) -> String {
    let mut text = format!("{}: not reloaded, and nothing has changed:", plain(&reload.node));
    for problem in &reload.problems {
        for line in problem.lines() {
            let _ = write!(text, "\n{}", plain(line));
        }
    }
    text
}

fn part<'a>(text: &mut String, title: &str, changes: impl Iterator<Item = &'a Change>) {
    let mut changes = changes.peekable();
    if changes.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for Change { key, old, new, effect: _, why } in changes {
        let shown = |value: &Option<String>| plain(value.as_deref().unwrap_or("none"));
        let (old, new) = (shown(old), shown(new));
        let _ = writeln!(text, "  {}: {old} -> {new}", plain(key));
        if let Some(why) = why {
            let _ = writeln!(text, "    {}", plain(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Reload {
        serde_json::from_str(include_str!("../../../control/tests/reload.json")).expect("golden")
    }

    #[test]
    fn what_was_taken_is_told_by_what_came_of_each_key() {
        let text = reload(&golden());
        assert_eq!(text, include_str!("../../tests/reload.txt"));
        let nothing = Reload { node: "beta".to_owned(), taken: true, ..Reload::default() };
        assert_eq!(reload(&nothing), "beta: reloaded, and nothing had changed\n");
    }

    #[test]
    fn problems_keep_their_lines_and_command_no_terminal() {
        let refused = Reload {
            node: "beta".to_owned(),
            problems: vec![
                "f:1:2: m\n    x\u{1b}[2J\n    ^\n    help: h".to_owned(),
                "g: m".to_owned(),
            ],
            ..Reload::default()
        };
        assert_eq!(
            problems(&refused),
            "beta: not reloaded, and nothing has changed:\nf:1:2: m\n    x?[2J\n    ^\n    \
             help: h\ng: m"
        );
    }
}
