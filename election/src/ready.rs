//! What a node wants done, and in which order relative to its writes: an [`Outbox`] holds back
//! every effect until the generation of hard state that it depends on is durable, so that the
//! shell cannot send too early (protocol.md 3, "durable before dependent").

use std::collections::VecDeque;
use std::fmt;

use crate::cluster_state::Cause;
use crate::command::Answer;
use crate::hard_state::{HardState, Write};
use crate::id::{Epoch, Incarnation, NodeId};
use crate::message::Envelope;
use crate::moment::Moment;
#[cfg(feature = "model")]
use crate::moment::Passed;
use crate::note::Note;
use crate::word::Permit;

/// Something for the shell to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Send a message.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        envelope: Envelope,
    },
    /// To the executor.
    Act(Act),
    /// The answer to a command that was accepted earlier.
    Answer {
        /// Which command.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// Tell the log.
    Note(Note),
    /// The node has left in order (after [`crate::Command::Leave`]): the elector may end.
    Left,
}

/// An order to the executor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// Promote, under this permit.
    Promote {
        /// Leave to act.
        permit: Permit,
        /// Why this node becomes boss.
        cause: Cause,
        /// The boss before, if the history knows one.
        previous: Option<NodeId>,
    },
    /// The lease was renewed.
    Extend {
        /// Whose permit.
        epoch: Epoch,
        /// Its new end.
        until: Moment,
    },
    /// Let go in order.
    Demote {
        /// The fencing token of what to let go.
        epoch: Epoch,
        /// Why.
        reason: Reason,
    },
    /// Let go at once.
    Revoke {
        /// The fencing token of what to let go.
        epoch: Epoch,
        /// Why.
        reason: Reason,
    },
    /// Another node is boss.
    Follow {
        /// Who.
        boss: NodeId,
        /// Under which epoch.
        epoch: Epoch,
    },
}

/// Why a boss gives up, or a leader steps down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// An operator asked the boss to resign.
    Resigned,
    /// An operator chose another boss.
    Switchover,
    /// A better node has been healthy for long enough.
    Failback,
    /// The node is drained, held off, or not ready.
    Ineligible,
    /// A better node is there and no hook has run yet.
    BetterNode,
    /// A promote hook failed.
    PromoteFailed,
    /// The executor's permit ended although the lease lives.
    PermitOver,
    /// The daemon stops.
    Leaving,
    /// The disk refuses writes.
    DiskRefused,
    /// Letting go failed for good.
    LettingGoFailed,
    /// L2: the lease is over.
    LeaseOver,
    /// L2: no quorum acknowledged within P.
    NoLease,
    /// Another node leads a higher term.
    HigherTerm,
}

/// What may be done now.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ready {
    /// In this order.
    pub effects: Vec<Effect>,
    /// To be made durable; at most one is outstanding.
    pub write: Option<Write>,
}

/// How many effects may wait for a disk that hangs. Beyond it the oldest message is lost, which
/// the protocol bears: fifteen voters exchange a few per attempt.
const MOST_WAITING: usize = 1024;

/// A life of a node.
pub(crate) type Life = (NodeId, Incarnation);

/// Effects, and the writes that they wait for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Outbox {
    /// Counts the changes of the hard state.
    generation: u64,
    /// The last generation handed to the shell.
    submitted: u64,
    /// The last generation that is on disk.
    durable: u64,
    in_flight: Option<HardState>,
    now: Vec<Effect>,
    waiting: VecDeque<(u64, Effect)>,
}

impl Outbox {
    pub(crate) fn changed(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_durable(&self, generation: u64) -> bool {
        generation <= self.durable
    }

    /// Whether something is not yet on disk.
    pub(crate) fn is_outstanding(&self) -> bool {
        self.durable < self.generation
    }

    pub(crate) fn push(&mut self, after: u64, effect: Effect) {
        if self.is_durable(after) {
            self.now.push(effect);
        } else {
            self.waiting.push_back((after, effect));
            if self.waiting.len() > MOST_WAITING
                && let Some(oldest) =
                    self.waiting.iter().position(|(_, e)| matches!(e, Effect::Send { .. }))
            {
                self.waiting.remove(oldest);
            }
        }
    }

    pub(crate) fn take(&mut self, hard: &HardState) -> Ready {
        let write = if self.in_flight.is_none() && self.submitted < self.generation {
            self.submitted = self.generation;
            self.in_flight = Some(hard.clone());
            Some(Write { generation: self.generation, hard: hard.clone() })
        } else {
            None
        };
        Ready { effects: std::mem::take(&mut self.now), write }
    }

    /// A write is on disk: frees what waited for it and returns what is durable now.
    pub(crate) fn written(&mut self, generation: u64) -> Option<HardState> {
        if generation != self.submitted {
            return None;
        }
        let hard = self.in_flight.take()?;
        self.durable = generation;
        let (free, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(g, _)| *g <= generation);
        self.waiting = waiting;
        self.now.extend(free.into_iter().map(|(_, effect)| effect));
        Some(hard)
    }

    /// A write was refused: everything since the last durable one is taken back.
    pub(crate) fn refused(&mut self, generation: u64) -> bool {
        if generation != self.submitted || self.in_flight.take().is_none() {
            return false;
        }
        self.durable = self.generation;
        self.submitted = self.generation;
        self.waiting.clear();
        true
    }
}

#[cfg(feature = "model")]
impl Outbox {
    /// Every moment in it is `passed` earlier.
    pub(crate) fn shift(&mut self, passed: Passed) {
        let Self { generation: _, submitted: _, durable: _, in_flight: _, now, waiting } = self;
        let waiting = waiting.iter_mut().map(|(_, effect)| effect);
        now.iter_mut().chain(waiting).for_each(|effect| effect.shift(passed));
    }

    /// Counts the generations from the durable one, and returns which that was.
    pub(crate) fn count_from_durable(&mut self) -> u64 {
        let base = self.durable;
        self.generation -= base;
        self.submitted = self.submitted.saturating_sub(base);
        self.durable = 0;
        for (generation, _) in &mut self.waiting {
            *generation = generation.saturating_sub(base);
        }
        base
    }
}

#[cfg(feature = "model")]
impl Effect {
    fn shift(&mut self, passed: Passed) {
        match self {
            Self::Act(act) => act.shift(passed),
            // A message or a note carries spans, never moments.
            Self::Send { .. } | Self::Answer { .. } | Self::Note(_) | Self::Left => {}
        }
    }
}

#[cfg(feature = "model")]
impl Act {
    /// Every moment in it is `passed` earlier.
    pub fn shift(&mut self, passed: Passed) {
        match self {
            Self::Promote { permit, cause: _, previous: _ } => permit.shift(passed),
            Self::Extend { epoch: _, until } => *until = until.before(passed),
            Self::Demote { epoch: _, reason: _ }
            | Self::Revoke { epoch: _, reason: _ }
            | Self::Follow { boss: _, epoch: _ } => {}
        }
    }
}

impl Reason {
    /// Whether the boss was lost rather than handed over.
    pub const fn is_unclean(self) -> bool {
        matches!(self, Self::PermitOver | Self::LeaseOver | Self::NoLease | Self::HigherTerm)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resigned => "resigned",
            Self::Switchover => "switchover",
            Self::Failback => "failback",
            Self::Ineligible => "not eligible",
            Self::BetterNode => "a better node is there",
            Self::PromoteFailed => "promote failed",
            Self::PermitOver => "permit over",
            Self::Leaving => "leaving",
            Self::DiskRefused => "the disk refuses writes",
            Self::LettingGoFailed => "letting go failed",
            Self::LeaseOver => "lease over",
            Self::NoLease => "no quorum acknowledged in time",
            Self::HigherTerm => "another node leads a higher term",
        })
    }
}
