//! Who can be boss and in which order they are preferred, as this node knows it.

use std::fmt;

use crate::id::NodeId;
use crate::members::{Kind, Member};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::Node;
use crate::preference::compare;

/// Why a node cannot be boss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ineligible {
    /// It is no member.
    Unknown,
    /// A witness never becomes boss.
    Witness,
    /// An observer never becomes boss.
    Observer,
    /// It is drained.
    Drained,
    /// It is held off for so long still.
    HeldOff(Span),
    /// Its hooks are not in order.
    NotReady,
    /// It is stopping.
    Leaving,
    /// Its disk refuses writes.
    Disk,
    /// Its life is not the one that the cluster knows.
    OtherIncarnation,
}

impl Node {
    /// How many have a vote.
    pub(crate) fn voters(&self) -> usize {
        self.hard.state.members.voting().count()
    }

    /// Why `name` cannot be boss; None if it can. Facts are known only of this node itself.
    pub(crate) fn ineligible(&self, name: &NodeId, now: Moment) -> Option<Ineligible> {
        let state = &self.hard.state;
        let Some(member) = state.members.find(name) else { return Some(Ineligible::Unknown) };
        match member.kind {
            Kind::Witness => return Some(Ineligible::Witness),
            Kind::Observer => return Some(Ineligible::Observer),
            Kind::Voter => {}
        }
        if member.drained.is_some() {
            return Some(Ineligible::Drained);
        }
        if let Some(left) = self.held_off(name, now) {
            return Some(Ineligible::HeldOff(left));
        }
        if *name == self.me { self.own_fault() } else { None }
    }

    fn own_fault(&self) -> Option<Ineligible> {
        if self.leaving {
            Some(Ineligible::Leaving)
        } else if !self.facts.ready {
            Some(Ineligible::NotReady)
        } else if !self.facts.disk_ok {
            Some(Ineligible::Disk)
        } else if !self.counts() {
            Some(Ineligible::OtherIncarnation)
        } else {
            None
        }
    }

    pub(crate) fn held_off(&self, name: &NodeId, now: Moment) -> Option<Span> {
        if *name == self.me && self.sabotage.is(Mutant::W5ForgetsHoldOff) {
            return None;
        }
        let (_, end) = self.hold_off_ends.get(name)?;
        (!end.over_when_both(now)).then(|| end.left_until_both(now))
    }

    /// The nodes that can be boss, in no order.
    pub(crate) fn eligible(&self, now: Moment) -> impl Iterator<Item = (&NodeId, &Member)> {
        let members = &self.hard.state.members;
        members.iter().filter(move |(name, _)| self.ineligible(name, now).is_none())
    }

    /// This node's place in the order; None when it cannot be boss.
    pub(crate) fn rank(&self, now: Moment) -> Option<u32> {
        let state = &self.hard.state;
        let mine = (&self.me, state.members.find(&self.me)?);
        if self.ineligible(&self.me, now).is_some() {
            return None;
        }
        let better =
            self.eligible(now).filter(|other| compare(&state.policy.prefer, *other, mine).is_lt());
        u32::try_from(better.count()).ok()
    }

    pub(crate) fn is_better(&self, a: &NodeId, b: &NodeId) -> bool {
        let state = &self.hard.state;
        let (Some(first), Some(second)) = (state.members.find(a), state.members.find(b)) else {
            return false;
        };
        compare(&state.policy.prefer, (a, first), (b, second)).is_lt()
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it is no member"),
            Self::Witness => f.write_str("it is a witness"),
            Self::Observer => f.write_str("it is an observer"),
            Self::Drained => f.write_str("it is drained"),
            Self::HeldOff(left) => write!(f, "it is held off, {left} left"),
            Self::NotReady => f.write_str("its hooks are not in order"),
            Self::Leaving => f.write_str("it is stopping"),
            Self::Disk => f.write_str("its disk refuses writes"),
            Self::OtherIncarnation => {
                f.write_str("its state directory is not the one that the cluster knows")
            }
        }
    }
}
