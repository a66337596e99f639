//! Hooks and plans as text: a line for each file with the reason if it does not run, and for each
//! call that an event would make.

use control::hooks::{Hooks, Plan, RunnerInUse};

use super::page::Page;

/// The hooks of a node.
pub fn hooks(hooks: &Hooks) -> String {
    let mut page = Page::new(false);
    page.item("hooks", &format!("{} of {}", hooks.directory, hooks.node));
    page.item("run", &runner(&hooks.runner));
    page.blank();
    for file in &hooks.files {
        let label = if file.runs { "runs" } else { "not" };
        let why = file.why_not.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        page.item(label, &format!("{}{why}", file.hook));
    }
    if hooks.files.is_empty() {
        page.line("no hooks");
    }
    page.blank();
    match &hooks.why_not {
        None => page.wrapped("", 0, "in order: they keep this node from nothing"),
        Some(why) => {
            page.wrapped(
                "",
                0,
                &format!("not in order, so that this node cannot become boss: {why}"),
            );
        }
    }
    page.text
}

/// How hooks are started, and why so.
pub(super) fn runner(runner: &RunnerInUse) -> String {
    let how = match runner.runner.as_str() {
        "systemd" => "each in a unit of its own",
        "direct" => "as children of bossd",
        other => other,
    };
    format!("{how} ({})", runner.why)
}

/// What an event would call.
pub fn plan(plan: &Plan) -> String {
    let mut page = Page::new(false);
    page.item("event", &format!("{} on {}; nothing is run", plan.event, plan.node));
    page.blank();
    for call in &plan.calls {
        page.line(&format!("{} {}", call.path, call.arguments.join(" ")));
    }
    if plan.calls.is_empty() {
        page.line("no call");
    }
    // What is the same for all is shown once.
    if let Some(first) = plan.calls.first() {
        page.blank();
        for (at, variable) in first.environment.iter().enumerate() {
            page.item(if at == 0 { "with" } else { "" }, variable);
        }
    }
    page.blank();
    for note in &plan.notes {
        page.item("note", note);
    }
    page.text
}

#[cfg(test)]
mod tests {
    use super::super::page::COLUMNS;
    use super::*;

    fn plan_document() -> Plan {
        serde_json::from_str(include_str!("../../../control/tests/plan.json")).expect("golden")
    }

    #[test]
    fn each_file_has_a_line_with_the_reason_if_it_does_not_run() {
        let golden = include_str!("../../../control/tests/hooks.json");
        let text = hooks(&serde_json::from_str(golden).expect("golden"));
        assert_eq!(text, include_str!("../../tests/hooks.txt"));
        // A path is one word, however long.
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn a_plan_shows_the_calls_and_what_they_are_told() {
        let text = plan(&plan_document());
        assert_eq!(text, include_str!("../../tests/plan.txt"));
        let none = Plan { calls: Vec::new(), ..plan_document() };
        assert!(plan(&none).contains("no call"));
    }
}
