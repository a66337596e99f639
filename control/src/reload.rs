//! What `bossctl reload` tells: whether the files were taken that the node found, and what that
//! changed; or everything that is wrong with them, and then nothing was taken.

use serde::{Deserialize, Serialize};

/// What came of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The node that answers.
    pub node: String,
    /// The files were taken; if not, all is as it was.
    pub taken: bool,
    /// What differs from before, or from the cluster.
    pub changes: Vec<Change>,
    /// What is wrong, each as `bossd --check` tells it; empty when taken.
    pub problems: Vec<String>,
    /// What to know beside that.
    pub notes: Vec<String>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `section.key`.
    pub key: String,
    /// What counted before; None if there was none. Of the cluster's keys: what the cluster has.
    pub old: Option<String>,
    /// What the files have; None if there is none.
    pub new: Option<String>,
    /// What came of it.
    pub effect: Effect,
    /// Why it has no effect yet, and what gives it one.
    pub why: Option<String>,
}

/// What came of a key that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It counts from now on.
    Taken,
    /// It counts after a restart of bossd.
    Restart,
    /// It is the cluster's: `bossctl apply` publishes it.
    Cluster,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_written_as_the_golden_document() {
        let golden = include_str!("../tests/reload.json");
        let reload: Reload = serde_json::from_str(golden).expect("the golden document");
        let written = serde_json::to_string_pretty(&reload).expect("JSON");
        assert_eq!(written, golden.trim_end());
    }
}
