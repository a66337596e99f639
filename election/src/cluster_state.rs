//! The cluster state: one versioned document that replaces the previous one whole, a log of
//! length one (protocol.md 1). It says who the members are, how they elect, who may hold effects
//! (the claim), and what happened last.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{Epoch, Incarnation, NodeId, Version};
use crate::members::Members;
use crate::moment::Span;
use crate::preference::Criterion;
use crate::timing::Timing;

/// How many entries the history keeps.
pub const HISTORY: usize = 64;
/// A hold-off doubles with each failure up to this.
pub const LONGEST_HOLD_OFF: Span = Span::from_secs(600);

/// The document that the voters agree on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClusterState {
    /// Which edition; index 0 is unborn: from the file, agreed on by nobody yet.
    pub version: Version,
    /// Who belongs to the cluster.
    pub members: Members,
    /// How fast it elects.
    pub timing: Timing,
    /// Whom it prefers.
    pub policy: Policy,
    /// Set by a switchover: no failback until the next unclean change.
    pub stay: bool,
    /// Nobody new becomes boss.
    pub paused: Option<Paused>,
    /// Who may hold effects.
    pub claim: Claim,
    /// Who may not become boss for a while.
    pub hold_offs: BTreeMap<NodeId, HoldOff>,
    /// The latest claims, oldest first, at most [`HISTORY`].
    pub history: Vec<HistoryEntry>,
}

/// Whom the cluster prefers as boss and when a better one takes over.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Policy {
    /// The criteria, the weightiest first.
    pub prefer: Vec<Criterion>,
    /// Whether a better node takes over from a healthy boss.
    pub failback: Failback,
    /// The first hold-off after a failed promote.
    pub hold_off: Span,
}

/// Whether a better node takes over from a healthy boss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failback {
    /// The boss stays.
    Never,
    /// It hands over when a better node has been healthy for this long.
    After(Span),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            prefer: vec![Criterion::Priority, Criterion::Oldest, Criterion::LowestAddress],
            failback: Failback::Never,
            hold_off: Span::from_secs(60),
        }
    }
}

/// An operator froze the choice.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Paused {
    /// When it ends by itself, in seconds of the wall clock; the shell watches it.
    pub until: Option<u64>,
    /// What the operator gave as the reason.
    pub reason: String,
}

/// Whose effects may stand. Written before the first effect (W3), None after the last (X6).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Claim {
    /// Nobody knows: an unborn cluster. A successor waits out its own fence window.
    Unknown,
    /// Nobody has effects.
    None,
    /// This node may have effects.
    Held(Held),
}

/// A claim that is held.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    /// Whose effects.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// The fencing token that its hooks got.
    pub epoch: Epoch,
    /// D under which it acts.
    pub fence: Span,
    /// rho under which it acts.
    pub rho_ppm: u32,
}

impl Claim {
    /// The claim, if it is held by that life of that node.
    pub fn held_by(&self, node: &NodeId, incarnation: Incarnation) -> Option<&Held> {
        match self {
            Self::Held(held) if held.node == *node && held.incarnation == incarnation => Some(held),
            Self::Held(_) | Self::Unknown | Self::None => None,
        }
    }
}

/// Why a node is held off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HoldOffCause {
    /// Its promote hooks failed.
    PromoteFailed,
    /// An operator made it resign.
    Resigned,
}

/// A node that may not become boss for a while. Every node times it from when it first saw it:
/// no clock is compared between hosts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HoldOff {
    /// Failed promotes in a row; it doubles the span.
    pub failures: u32,
    /// How long, from when each node first saw it.
    pub span: Span,
    /// Why.
    pub cause: HoldOffCause,
    /// The index of the version that began it: which hold-off of this node it is.
    pub begun: u64,
    /// It is over; the entry stays to remember the failures.
    pub ended: bool,
}

/// Why a boss came to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// An election, nobody handed over.
    Elected,
    /// The predecessor handed over.
    Handover,
    /// The same leader again, under a new epoch (R2).
    Renewed,
    /// Somebody vouched that the predecessor's host is off (V7), so that nobody waited for it (W2).
    Confirmed,
}

/// One boss of the past, or the present one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HistoryEntry {
    /// Its fencing token.
    pub epoch: Epoch,
    /// Who.
    pub node: NodeId,
    /// Why.
    pub cause: Cause,
}

impl ClusterState {
    /// The state of a cluster that was never started, from the cluster-wide part of the file.
    pub fn unborn(members: Members, timing: Timing, policy: Policy) -> Self {
        Self {
            version: Version::default(),
            members,
            timing,
            policy,
            stay: false,
            paused: None,
            claim: Claim::Unknown,
            hold_offs: BTreeMap::new(),
            history: Vec::new(),
        }
    }

    /// Whether no leader has ever published it.
    pub fn is_unborn(&self) -> bool {
        self.version.index == 0
    }

    /// Whether messages of that life of `node` count: before the first version everybody that the
    /// certificate names does, afterwards only the life that a version bound (9.15). A member that
    /// no version has bound counts nowhere: the life that wrote for others may have been wiped
    /// since, and a voter that has forgotten must not make a quorum with one that never knew.
    pub fn knows(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        self.members
            .find(node)
            .is_some_and(|m| self.is_unborn() || m.incarnation == Some(incarnation))
    }

    /// Adds to the history and forgets the oldest beyond [`HISTORY`].
    pub(crate) fn record(&mut self, entry: HistoryEntry) {
        self.history.push(entry);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// Holds `node` off; a failed promote doubles the previous span.
    pub(crate) fn hold_off(&mut self, node: &NodeId, cause: HoldOffCause) {
        let before = self.hold_offs.get(node).map_or(0, |h| h.failures);
        let failures = match cause {
            HoldOffCause::PromoteFailed => before.saturating_add(1),
            HoldOffCause::Resigned => before,
        };
        let doublings = failures.saturating_sub(1).min(10);
        let span = self.policy.hold_off.times(1 << doublings).min(LONGEST_HOLD_OFF);
        let begun = self.version.index;
        let entry = HoldOff { failures, span, cause, begun, ended: false };
        self.hold_offs.insert(node.clone(), entry);
    }
}

impl fmt::Display for HoldOffCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PromoteFailed => "promote failed",
            Self::Resigned => "resigned",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elected => "elected",
            Self::Handover => "handover",
            Self::Renewed => "renewed",
            Self::Confirmed => "confirmed-dead",
        })
    }
}
