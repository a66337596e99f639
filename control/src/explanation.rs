//! Why a node is boss or is not, ground by ground: the document that `bossctl explain` shows. bossd
//! finds the grounds; nothing is computed here. Field names in JSON are the names here.

use serde::{Deserialize, Serialize};

/// Why a node is boss or is not, as the node that was asked sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The node that is explained.
    pub node: String,
    /// The node that answers. Of others it knows less than they do themselves.
    pub asked: String,
    /// How old the picture is that this was found in.
    pub age_ms: u64,
    /// It acts as boss.
    pub boss: bool,
    /// That, in a sentence.
    pub verdict: String,
    /// The reasons: what stands against it first, then what is not known, then what speaks for it;
    /// among each the weightiest first.
    pub grounds: Vec<Ground>,
    /// What would happen if the boss died now, in a sentence.
    pub if_lost: String,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// What it is about.
    pub about: About,
    /// The rule of protocol.md that asks for it: `W1` to `W5`, `V1`, `L1`; None where there is none.
    pub rule: Option<String>,
    /// True: it speaks for the node being boss. False: it stands against it. None: not known here,
    /// or not asked yet.
    pub holds: Option<bool>,
    /// The ground, in words and figures.
    pub text: String,
}

/// What a ground is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// How old the picture is.
    Picture,
    /// Whether it can be boss at all.
    Eligibility,
    /// Whether an operator froze the choice.
    Pause,
    /// Whether a majority can be reached.
    Quorum,
    /// Who leads the election.
    Leader,
    /// Its promise not to vote.
    Promise,
    /// Its lease.
    Lease,
    /// Whether a version of its own term is committed.
    Commit,
    /// Whether its predecessor has surely let go.
    Window,
    /// Its claim.
    Claim,
    /// Whether enough of the lease is left to begin.
    Margin,
    /// Where in the boss's life it is.
    Phase,
    /// Its place in the order of preference.
    Preference,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_written_as_the_golden_document() {
        let golden = include_str!("../tests/explanation.json");
        let read: Explanation = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(serde_json::to_string_pretty(&read).expect("JSON"), golden.trim_end());
    }
}
