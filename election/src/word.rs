//! What elector, executor and its shell say to each other: the permit, the marker, orders, words
//! and alarms.

use std::fmt;

use crate::id::Epoch;
#[cfg(feature = "model")]
use crate::moment::Passed;
use crate::moment::{Moment, Span};

/// What the hooks of an urgent demote leave of D for killing them and for the last writes.
pub const FENCE_RESERVE: Span = Span::from_millis(50);

/// How much of D is kept back from the hooks: [`FENCE_RESERVE`], or a quarter of a D so short
/// that this would leave the hooks too little.
pub fn fence_reserve(fence: Span) -> Span {
    FENCE_RESERVE.min(fence.part(4))
}

/// Leave to act until `until`, over when EITHER clock says so (X1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Permit {
    /// The fencing token.
    pub epoch: Epoch,
    /// The end of the lease.
    pub until: Moment,
    /// D of the committed claim: how long letting go may take.
    pub fence: Span,
}

#[cfg(feature = "model")]
impl Permit {
    pub(crate) fn shift(&mut self, passed: Passed) {
        let Self { epoch: _, until, fence: _ } = self;
        *until = until.before(passed);
    }
}

/// What a start finds of the run before (X5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Marker {
    /// No marker: nothing was promoted since the host booted.
    Missing,
    /// There is one, but nobody can read it.
    Unreadable,
    /// Effects of this epoch may stand.
    Acting {
        /// Which epoch.
        epoch: Epoch,
        /// D of that permit.
        fence: Span,
    },
    /// Nothing stands of this epoch or any earlier one.
    Idle {
        /// The last epoch.
        epoch: Epoch,
    },
}

/// What the shell is to do, in this order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// Write the marker "acting" durably, before anything else.
    MarkActing(Permit),
    /// Start the promote hooks.
    Promote {
        /// The fencing token.
        epoch: Epoch,
    },
    /// End a running promote, and demote; or, when demoting, keep to the new limit.
    Demote {
        /// The fencing token of what is let go.
        epoch: Epoch,
        /// The hooks must have ended by then; over when EITHER clock says so.
        limit: Moment,
        /// An emergency: fence window, not `hooks.timeout`.
        urgent: bool,
    },
    /// The hooks failed to let go: do what `on-fence-failure` says, by `limit`.
    Escalate {
        /// The fencing token.
        epoch: Epoch,
        /// D ends then.
        limit: Moment,
    },
    /// Write the marker "idle" durably, before the word.
    MarkIdle {
        /// The last epoch.
        epoch: Epoch,
    },
    /// Tell the elector, if there is one.
    Say(Word),
    /// Tell the operator.
    Alarm(ExecutorAlarm),
    /// Nothing stands: a new elector may be started, told the last epoch.
    Idle {
        /// The last epoch.
        last: Epoch,
    },
}

#[cfg(feature = "model")]
impl Order {
    /// Every moment in it is `passed` earlier.
    pub fn shift(&mut self, passed: Passed) {
        match self {
            Self::MarkActing(permit) => permit.shift(passed),
            Self::Demote { epoch: _, limit, urgent: _ } | Self::Escalate { epoch: _, limit } => {
                *limit = limit.before(passed);
            }
            Self::MarkIdle { epoch: _ }
            | Self::Promote { epoch: _ }
            | Self::Say(_)
            | Self::Alarm(_)
            | Self::Idle { last: _ } => {}
        }
    }
}

/// What the executor says to the elector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Word {
    /// All promote hooks succeeded.
    Promoted {
        /// The fencing token.
        epoch: Epoch,
    },
    /// A promote hook failed; what had started is being demoted.
    PromoteFailed {
        /// The fencing token.
        epoch: Epoch,
    },
    /// Nothing stands; `epoch` is the highest permit or revoke that the executor has READ (X4).
    Idle {
        /// The highest epoch read.
        epoch: Epoch,
    },
    /// Letting go failed, nothing more can be done: never Idle.
    Stuck {
        /// The fencing token of what still stands.
        epoch: Epoch,
    },
}

/// What an operator must know of the executor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExecutorAlarm {
    /// The demote hooks failed; the escalation begins.
    DemoteFailed(Epoch),
    /// The escalation failed as well: effects may stand for ever.
    LettingGoFailed(Epoch),
    /// D passed and letting go had not ended.
    FenceOverrun(Epoch),
}

impl fmt::Display for ExecutorAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DemoteFailed(epoch) => {
                write!(f, "the demote hooks of epoch {epoch} failed: on-fence-failure follows")
            }
            Self::LettingGoFailed(epoch) => write!(
                f,
                "letting go of epoch {epoch} failed and nothing more can be done: its effects may \
                 still stand on this node. End them by hand, then restart bossd"
            ),
            Self::FenceOverrun(epoch) => write!(
                f,
                "letting go of epoch {epoch} took longer than the fence window: another node may \
                 act already. Make the demote hooks faster or fence-window longer"
            ),
        }
    }
}
