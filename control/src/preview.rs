//! The preview document: what would come of a drain, a resignation or a switchover if it were ordered
//! now, as the leader knows it. Found by the leader with the order's own checks; nothing is computed
//! here. Field names in JSON are the names here.

use serde::{Deserialize, Serialize};

/// The parameters of `io.boss.Cluster.PreviewOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewOrder {
    /// Which order.
    pub order: OrderKind,
    /// Of a drain which node, without it the one that is asked; of a switchover to whom.
    pub node: Option<String>,
    /// As the order's own; without it, no.
    pub force: Option<bool>,
}

/// The orders that take the boss's part from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// A node goes out of service.
    Drain,
    /// The boss gives up.
    Resign,
    /// The boss hands over to a node.
    Switchover,
}

/// The reply to `PreviewOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReply {
    /// What would come of it.
    pub preview: Preview,
}

/// What would come of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The order, in words: `switchover to beta`.
    pub order: String,
    /// Who foresees it: the leader, for only it knows who is fit.
    pub leader: String,
    /// The order would be accepted.
    pub accepted: bool,
    /// What would happen, or why nothing would, in a sentence.
    pub text: String,
    /// The error that the order would earn, by its name in the interface.
    pub refusal: Option<String>,
    /// Who is boss now.
    pub boss: Option<String>,
    /// Its epoch; a successor's is higher.
    pub epoch: Option<u64>,
    /// The boss would let go because of the order.
    pub lets_go: bool,
    /// Who would take over then; None if nobody could, or if the boss stays.
    pub successor: Option<String>,
    /// Every member but the one that the order takes out: first those that could be boss, among each
    /// the preferred first.
    pub candidates: Vec<Candidate>,
}

/// A member that could be boss, or could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub node: String,
    /// It could be boss now.
    pub fit: bool,
    /// If not, why not.
    pub why_not: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_written_as_the_golden_document() {
        let golden = include_str!("../tests/preview.json");
        let read: Preview = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(serde_json::to_string_pretty(&read).expect("JSON"), golden.trim_end());
    }

    #[test]
    fn the_orders_are_written_as_the_interface_names_them() {
        let written = |order| serde_json::to_value(order).expect("a word");
        assert_eq!(written(OrderKind::Drain), "drain");
        assert_eq!(written(OrderKind::Resign), "resign");
        assert_eq!(written(OrderKind::Switchover), "switchover");
    }
}
