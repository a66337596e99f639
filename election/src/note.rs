//! What a node tells the log: one value per event, with the rule that decided. The texts are the
//! lines that an operator reads.

use std::fmt;

use crate::cluster_state::HoldOffCause;
use crate::id::{Epoch, Incarnation, NodeId, Term, Version};
use crate::message::Refusal;
use crate::moment::Span;
use crate::ready::Reason;

/// One event.
#[allow(missing_docs, reason = "the fields are named by their types and the variants' docs")]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Note {
    /// This voter refused.
    RefusedVote { candidate: NodeId, term: Term, pre_vote: bool, refusal: Refusal },
    /// This voter granted a vote.
    Voted { candidate: NodeId, term: Term, ground: &'static str },
    /// An attempt at an election ended without a quorum.
    AttemptFailed { term: Term, pre_vote: bool, refusals: Vec<(NodeId, Refusal)> },
    /// This candidate lets a better one go first.
    Yielded { to: NodeId },
    /// This node won a term.
    BecameLeader { term: Term, votes: Vec<NodeId>, ground: &'static str },
    /// This node follows another leader.
    Following { leader: NodeId, term: Term },
    /// This leader stepped down.
    SteppedDown { term: Term, reason: Reason },
    /// This leader waits out a predecessor's fence window (W2).
    WaitingForFence { predecessor: Option<NodeId>, left: Span },
    /// The predecessor's window is closed (W2).
    WindowClosed { how: &'static str },
    /// This node's promote hooks start.
    Promoting { epoch: Epoch },
    /// This node is boss.
    BecameBoss { epoch: Epoch, votes: Vec<NodeId>, window: &'static str },
    /// This node's promote hooks failed.
    PromoteFailed { epoch: Epoch },
    /// This boss lets go in order.
    Demoting { epoch: Epoch, reason: Reason },
    /// This boss lets go at once.
    Fencing { epoch: Epoch, reason: Reason },
    /// Nothing of this node is active.
    Idle { epoch: Epoch },
    /// The successor was told to take over.
    HandingOver { to: NodeId, reason: Reason },
    /// The handover did not come about.
    HandoverFailed { to: Option<NodeId> },
    /// A voter's promise ended early (V5, V7).
    PromiseEnded { node: NodeId, term: Term, rule: &'static str },
    /// A voter promises this leader nothing: it was told that this node is off (V7).
    Unpromised { by: NodeId, term: Term },
    /// A node acts that was said to be off (V7).
    Disbelieved { node: NodeId, epoch: Epoch },
    /// A word from `node` that changes nothing, and why.
    Ignored { node: NodeId, what: &'static str, rule: &'static str, why: &'static str },
    /// A leader moves to a higher term (R1) or a new epoch (R2).
    Refreshing { term: Term, rule: &'static str },
    /// It won.
    Refreshed { term: Term, rule: &'static str },
    /// A version is committed (K1).
    Committed { version: Version },
    /// A node is held off.
    HeldOff { node: NodeId, cause: HoldOffCause, span: Span },
    /// A hold-off is over.
    HoldOffEnded { node: NodeId },
    /// A peer that the certificate proves, but whose state directory is not the one that the
    /// cluster knows.
    UnknownIncarnation { node: NodeId, incarnation: Incarnation, known: Option<Incarnation> },
    /// This node's own state directory is not the one that the cluster knows.
    NotReadmitted { known: Option<Incarnation> },
    /// A term that no cluster reaches by counting (T0).
    CorruptTerm { node: NodeId, term: Term },
    /// The disk refused a write.
    DiskRefused,
    /// The disk takes writes again.
    DiskRecovered,
    /// The executor says that letting go failed for good.
    LettingGoFailed { epoch: Epoch },
    /// Another node leads although this one's lease lived: the clocks are worse than rho.
    LeaseViolated { by: NodeId, term: Term },
}

/// How loud a note is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For someone who traces the protocol.
    Debug,
    /// One line per transition.
    Info,
    /// Somebody should look.
    Warn,
}

impl Note {
    /// How loud it is.
    pub const fn level(&self) -> Level {
        match self {
            Self::RefusedVote { pre_vote: true, .. }
            | Self::AttemptFailed { .. }
            | Self::Yielded { .. }
            | Self::Ignored { .. }
            | Self::Committed { .. } => Level::Debug,
            Self::PromoteFailed { .. }
            | Self::Fencing { .. }
            | Self::UnknownIncarnation { .. }
            | Self::NotReadmitted { .. }
            | Self::CorruptTerm { .. }
            | Self::DiskRefused
            | Self::LettingGoFailed { .. }
            | Self::Unpromised { .. }
            | Self::Disbelieved { .. }
            | Self::LeaseViolated { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::RefusedVote { refusal, .. } => Some(refusal.rule()),
            Self::WaitingForFence { .. } | Self::WindowClosed { .. } => Some("W2"),
            Self::PromiseEnded { rule, .. }
            | Self::Ignored { rule, .. }
            | Self::Refreshing { rule, .. }
            | Self::Refreshed { rule, .. } => Some(rule),
            Self::Unpromised { .. } | Self::Disbelieved { .. } => Some("V7"),
            Self::Committed { .. } => Some("K1"),
            Self::CorruptTerm { .. } => Some("T0"),
            Self::SteppedDown { reason: Reason::LeaseOver | Reason::NoLease, .. } => Some("L2"),
            _ => None,
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

fn kind(pre_vote: bool) -> &'static str {
    if pre_vote { "pre-vote" } else { "vote" }
}

fn known_as(known: Option<Incarnation>) -> String {
    known.map_or_else(|| "none".to_owned(), |k| k.to_string())
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefusedVote { candidate, term, pre_vote, refusal } => {
                write!(f, "{} refused to {candidate} for term {term}: {refusal}", kind(*pre_vote))
            }
            Self::Voted { candidate, term, ground } => {
                write!(f, "voted for {candidate} in term {term}{ground}")
            }
            Self::AttemptFailed { term, pre_vote, refusals } => {
                write!(f, "no quorum for a {} in term {term}", kind(*pre_vote))?;
                for (node, refusal) in refusals {
                    write!(f, "; {node} refused: {refusal}")?;
                }
                Ok(())
            }
            Self::Yielded { to } => write!(f, "lets {to} go first: it is the better candidate"),
            Self::BecameLeader { term, votes, ground } => {
                write!(f, "became leader of term {term}{ground} (votes {})", names(votes))
            }
            Self::Following { leader, term } => write!(f, "follows {leader} in term {term}"),
            Self::SteppedDown { term, reason } => {
                write!(f, "stepped down from term {term}: {reason}")
            }
            Self::WaitingForFence { predecessor: Some(node), left } => {
                write!(f, "waits for the fence window of {node}, {left} left")
            }
            Self::WaitingForFence { predecessor: None, left } => {
                write!(f, "waits for the fence window of an unknown predecessor, {left} left")
            }
            Self::WindowClosed { how } => write!(f, "fence window closed: {how}"),
            Self::Promoting { epoch } => write!(f, "promotes, epoch {epoch}"),
            Self::BecameBoss { epoch, votes, window } => {
                write!(f, "became boss, epoch {epoch} (votes {}; {window})", names(votes))
            }
            Self::PromoteFailed { epoch } => write!(f, "promote failed, epoch {epoch}"),
            Self::Demoting { epoch, reason } => write!(f, "lets go of epoch {epoch}: {reason}"),
            Self::Fencing { epoch, reason } => {
                write!(f, "lets go of epoch {epoch} at once: {reason}")
            }
            Self::Idle { epoch } => write!(f, "idle, last epoch {epoch}"),
            Self::HandingOver { to, reason } => write!(f, "hands over to {to}: {reason}"),
            Self::HandoverFailed { to: Some(to) } => write!(f, "{to} did not take over"),
            Self::HandoverFailed { to: None } => write!(f, "nobody could take over"),
            Self::PromiseEnded { node, term, rule } => {
                write!(f, "the promise to {node} of term {term} ends: {rule}")
            }
            Self::Unpromised { by, term } => write!(
                f,
                "{by} promises nothing in term {term}, as if this node were off: a higher term \
                 follows, R1"
            ),
            Self::Disbelieved { node, epoch } => write!(
                f,
                "{node} acts, epoch {epoch}, and was said to be off: that counts no more, V7"
            ),
            Self::Ignored { node, what, rule, why } => {
                write!(f, "{what} from {node} ignored, {rule}: {why}")
            }
            Self::Refreshing { term, rule } => write!(f, "asks for term {term}, {rule}"),
            Self::Refreshed { term, rule } => write!(f, "moved to term {term}, {rule}"),
            Self::Committed { version } => write!(f, "version {version} is committed"),
            Self::HeldOff { node, cause, span } => {
                write!(f, "holds {node} off for {span}: {cause}")
            }
            Self::HoldOffEnded { node } => write!(f, "ends the hold-off of {node}"),
            Self::UnknownIncarnation { node, incarnation, known } => write!(
                f,
                "{node} comes with incarnation {incarnation}, the cluster knows {}: its state \
                 directory is not the one it had. Its vote does not count",
                known_as(*known)
            ),
            Self::NotReadmitted { known } => write!(
                f,
                "this node's state directory is new, the cluster knows incarnation {} of it: it \
                 does not vote. Put the old state directory back, or let the cluster remove and \
                 add the node",
                known_as(*known)
            ),
            Self::CorruptTerm { node, term } => {
                write!(f, "{node} is in term {term}, which no cluster reaches: ignored")
            }
            Self::DiskRefused => {
                write!(f, "the state directory refuses writes: this node gives no vote")
            }
            Self::DiskRecovered => write!(f, "the state directory takes writes again"),
            Self::LettingGoFailed { epoch } => write!(
                f,
                "letting go of epoch {epoch} failed: its effects may still stand, the claim stays"
            ),
            Self::LeaseViolated { by, term } => write!(
                f,
                "{by} leads term {term} while this node's lease lived: a clock is worse than rho"
            ),
        }
    }
}
