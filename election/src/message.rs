//! What electors say to each other (protocol.md 2).

use std::fmt;
use std::sync::Arc;

use crate::boss::Phase;
use crate::cluster_state::ClusterState;
use crate::id::{ClusterId, Epoch, Incarnation, NodeId, Term, Version};
use crate::moment::Span;

/// A message with its sender. The shell has checked that the TLS identity is `from`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Envelope {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Who sent it.
    pub from: NodeId,
    /// Which life of the sender.
    pub incarnation: Incarnation,
    /// The sender's term.
    pub term: Term,
    /// What it says.
    pub message: Message,
}

/// The kinds of messages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// Would you vote for me? Changes nothing (P1).
    PreVote {
        /// The term that the vote would be for (T0).
        proposed: Term,
        /// The candidate's cluster state.
        version: Version,
        /// Which attempt: answers to another one do not count (C2).
        attempt: u64,
        /// The candidate's own place in the order of preference; 0 is the best.
        rank: u32,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// Which attempt it answers.
        attempt: u64,
        /// Why not, or None when it is granted.
        refusal: Option<Refusal>,
        /// The voter's cluster state.
        version: Version,
        /// A better candidate that the voter knows to be there and up to date.
        better: Option<NodeId>,
        /// How long the voter's promise still runs.
        promise_left: Span,
    },
    /// Vote for me in the envelope's term.
    Vote {
        /// The candidate's cluster state.
        version: Version,
        /// On what ground.
        kind: VoteKind,
    },
    /// The answer to a vote.
    VoteReply {
        /// The term that was asked for.
        vote: Term,
        /// Why not, or None when it is granted.
        refusal: Option<Refusal>,
    },
    /// The leader is there.
    Heartbeat {
        /// Counts the leader's heartbeats of this term.
        seq: u64,
        /// The leader's cluster state.
        version: Version,
        /// P: what the receiver promises by accepting.
        promise: Span,
        /// The leader's phase as boss.
        phase: Phase,
        /// Under which epoch it acts.
        epoch: Option<Epoch>,
    },
    /// The answer to a heartbeat of the same term.
    HeartbeatReply {
        /// Which one; None when it was refused.
        seq: Option<u64>,
        /// The voter's durable cluster state.
        version: Version,
        /// What the leader should know of the voter.
        facts: Facts,
    },
    /// Adopt this cluster state.
    Publish {
        /// The whole document.
        state: Arc<ClusterState>,
    },
    /// The answer to a publish.
    PublishReply {
        /// The version that is durable at the voter.
        version: Version,
    },
    /// A released boss to its successor: ask for votes by V4.
    TakeOver {
        /// The state that the successor must have.
        version: Version,
        /// What is left, at the sender, of the fence window of whom that state's claim names (W2).
        window: Span,
    },
    /// Nothing of mine is active, and nothing at or below these will become active.
    Released {
        /// The highest epoch that the executor has read.
        epoch: Epoch,
        /// The sender's term at the moment of the executor's word.
        term: Term,
    },
    /// That node's host is surely off.
    Confirmed {
        /// Which node.
        node: NodeId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Nothing of it at or below this term is active.
        term: Term,
    },
}

impl Message {
    /// Its name in logs and scripts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PreVote { .. } => "pre-vote",
            Self::PreVoteReply { .. } => "pre-vote-reply",
            Self::Vote { .. } => "vote",
            Self::VoteReply { .. } => "vote-reply",
            Self::Heartbeat { .. } => "heartbeat",
            Self::HeartbeatReply { .. } => "heartbeat-reply",
            Self::Publish { .. } => "publish",
            Self::PublishReply { .. } => "publish-reply",
            Self::TakeOver { .. } => "take-over",
            Self::Released { .. } => "released",
            Self::Confirmed { .. } => "confirmed",
        }
    }

    /// Whether it goes as a datagram: it may be lost, and never waits behind another message.
    pub const fn is_datagram(&self) -> bool {
        matches!(self, Self::Heartbeat { .. } | Self::HeartbeatReply { .. })
    }
}

/// On what ground a vote is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum VoteKind {
    /// After a pre-vote.
    Normal,
    /// By a TakeOver from a released boss (V4).
    Handover {
        /// The released boss.
        from: NodeId,
        /// Its life.
        incarnation: Incarnation,
        /// The term in which it led.
        term: Term,
    },
    /// A leader whose lease lives moves to a higher term (R1, R2).
    Refresh,
}

/// What a leader should know of a voter.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Facts {
    /// Its hooks are in order and it is not about to leave: it could be promoted.
    pub ready: bool,
    /// Its last durable write succeeded.
    pub disk_ok: bool,
    /// Its last campaign, or its last lease, ended without the answers of a quorum, a moment ago.
    pub cut_off: bool,
    /// X4: its executor knows this epoch, which no term of the cluster has reached.
    pub epoch: Option<Epoch>,
    /// V5, V7: it takes this life of the leader for released in its term, and promises it nothing.
    pub released: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { ready: true, disk_ok: true, cut_off: false, epoch: None, released: false }
    }
}

/// Why a vote or pre-vote was refused.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// V1: a promise runs.
    Promise {
        /// To whom.
        to: Option<NodeId>,
        /// How long still.
        left: Span,
    },
    /// V2: the voter's own lease is live and not released.
    OwnLease {
        /// How long still.
        left: Span,
    },
    /// V3: the term is not above the voter's.
    OldTerm(Term),
    /// V3: the vote of that term is given.
    Voted(NodeId),
    /// V3: the candidate's cluster state is older.
    OldVersion(Version),
    /// The voter's disk refused a write; it gives no vote.
    Disk,
    /// The voter has no vote, or its life is not the one that counts.
    NoVote,
}

impl Refusal {
    /// The name of the rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Promise { .. } => "V1",
            Self::OwnLease { .. } => "V2",
            Self::OldTerm(_) | Self::Voted(_) | Self::OldVersion(_) => "V3",
            Self::Disk => "disk",
            Self::NoVote => "no vote",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise { to: Some(to), left } => {
                write!(f, "V1, promise to {to}, {left} left")
            }
            Self::Promise { to: None, left } => {
                write!(f, "V1, restarted, {left} left")
            }
            Self::OwnLease { left } => write!(f, "V2, own lease, {left} left"),
            Self::OldTerm(term) => write!(f, "V3, already in term {term}"),
            Self::Voted(node) => write!(f, "V3, voted for {node}"),
            Self::OldVersion(version) => write!(f, "V3, has newer state {version}"),
            Self::Disk => write!(f, "its disk refuses writes"),
            Self::NoVote => write!(f, "it has no vote"),
        }
    }
}
