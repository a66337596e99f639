//! The hooks of a node: which there are and why one does not run, for `bossctl hooks list`; and what
//! an event would call, for `bossctl hooks run --dry-run`. bossd reads and plans them; nothing is
//! run by asking.

use serde::{Deserialize, Serialize};

/// The hooks as the node's executor found them last; it looks every few seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// The node that answers.
    pub node: String,
    /// Where they are.
    pub directory: String,
    /// They are in order: the node can become boss as far as they go.
    pub ready: bool,
    /// If not, why not.
    pub why_not: Option<String>,
    /// How they are started.
    pub runner: RunnerInUse,
    /// In the order in which a promote calls them; those that do not run among them.
    pub files: Vec<HookFile>,
}

/// How a node starts its hooks; settled when its bossd starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInUse {
    /// `systemd`: each in a unit of its own. `direct`: as children of bossd.
    pub runner: String,
    /// What settled it, in words.
    pub why: String,
}

/// A file that is a hook, or could be taken for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookFile {
    /// Its name, by which it is ordered.
    pub hook: String,
    /// Where it is.
    pub path: String,
    /// It is called.
    pub runs: bool,
    /// If not, why not.
    pub why_not: Option<String>,
}

/// What an event would call, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The node that answers.
    pub node: String,
    /// The event.
    pub event: String,
    /// The hooks would run: none of them is refused, or the event does not mind.
    pub would_run: bool,
    /// What to know about it.
    pub notes: Vec<String>,
    /// The calls.
    pub calls: Vec<PlannedCall>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The hook's name.
    pub hook: String,
    /// What is started.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment, as NAME=value.
    pub environment: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_and_plans_are_written_as_the_golden_documents() {
        let golden = include_str!("../tests/hooks.json");
        let hooks: Hooks = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(serde_json::to_string_pretty(&hooks).expect("JSON"), golden.trim_end());
        let golden = include_str!("../tests/plan.json");
        let plan: Plan = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(serde_json::to_string_pretty(&plan).expect("JSON"), golden.trim_end());
    }
}
