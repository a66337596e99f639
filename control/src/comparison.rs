//! How a cluster.toml differs from what the cluster has agreed on.

use serde::{Deserialize, Serialize};

/// The differences of the cluster-wide part, by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The file, as the caller named it.
    pub file: String,
    /// None: the file says what the cluster says.
    pub differences: Vec<Difference>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// As in `timing.lease` or `member.alpha.priority`; `member.alpha` is a whole member.
    pub key: String,
    /// What the cluster has; None: nothing of that name.
    pub cluster: Option<String>,
    /// What the file has.
    pub file: Option<String>,
    /// Whether `Apply` publishes it. Members do not come, go or move this way.
    pub applies: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_stays_what_it_was() {
        let golden = include_str!("../tests/comparison.json");
        let comparison: Comparison = serde_json::from_str(golden).expect("ours");
        let again = serde_json::to_value(&comparison).expect("JSON");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(golden).expect("JSON"));
    }
}
