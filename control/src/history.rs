//! Who was boss, when and for how long: the document that `bossctl history` shows. The cluster
//! agrees on the epochs, the names and the causes; the times are what the node that answers saw
//! with its own clocks, and are None where it did not look.

use serde::{Deserialize, Serialize};

/// The epochs that the cluster remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The cluster's name.
    pub cluster: String,
    /// The node that answers: the times are as it saw them.
    pub node: String,
    /// Since when it looks, on its wall clock, in seconds since 1970: the start of its elector.
    pub looks_since_s: u64,
    /// The newest first, at most 64.
    pub entries: Vec<Entry>,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The fencing token.
    pub epoch: u64,
    /// Who was to be boss.
    pub node: String,
    /// Why: `elected`, `handover`, `renewed` or `confirmed-dead`.
    pub cause: String,
    /// The id of its promote in log, hooks and both processes.
    pub transition: String,
    /// It acts now.
    pub acts: bool,
    /// When it was first seen to act, on the wall clock, in seconds since 1970; None if it was not.
    pub seen_s: Option<u64>,
    /// Its beginning was seen: if not, it acted before that already.
    pub from_start: bool,
    /// How long it was seen to act, until now if it does; None if it was not seen.
    pub acted_ms: Option<u64>,
    /// How long no boss was known before it began; None if that was not seen.
    pub without_boss_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_written_as_the_golden_document() {
        let golden = include_str!("../tests/history.json");
        let read: History = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(serde_json::to_string_pretty(&read).expect("JSON"), golden.trim_end());
    }
}
