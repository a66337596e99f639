//! What `bossctl config check --json` prints: whether a configuration is valid, and what bossd says
//! of it.

use serde::{Deserialize, Serialize};

/// The verdict on a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Nothing in it is wrong.
    pub valid: bool,
    /// What `bossd --check` says: what to expect of it, or all that is wrong, with places.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_written_with_these_names() {
        let report = Report { valid: false, text: "line 1".to_owned() };
        let written = serde_json::to_string(&report).expect("JSON");
        assert_eq!(written, r#"{"valid":false,"text":"line 1"}"#);
    }
}
