//! The two halves of exclusivity: what a voter promised, and what a leader may rely on.

use crate::id::{Incarnation, NodeId, Term};
use crate::moment::{Moment, Span};

/// A voter's word not to vote for another until `until`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Promise {
    /// Over when BOTH clocks have reached it.
    pub until: Moment,
    /// To whom; None after a restart (S1).
    pub to: Option<(NodeId, Incarnation)>,
    /// Of which term.
    pub term: Term,
}

impl Promise {
    pub(crate) fn runs(&self, now: Moment) -> bool {
        !self.until.over_when_both(now)
    }

    pub(crate) fn left(&self, now: Moment) -> Span {
        self.until.left_until_both(now)
    }

    pub(crate) fn is_to(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        self.to.as_ref().is_some_and(|(n, i)| n == node && *i == incarnation)
    }
}

/// A leader's time to act: over when EITHER clock has reached `until`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Lease {
    pub until: Moment,
}

impl Lease {
    pub(crate) fn is_live(&self, now: Moment) -> bool {
        !self.until.over_when_either(now)
    }

    pub(crate) fn left(&self, now: Moment) -> Span {
        self.until.left_until_either(now)
    }
}
