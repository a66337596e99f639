//! Majorities: of votes, and of acknowledged moments.

use std::collections::BTreeSet;

use crate::id::NodeId;
use crate::members::{MOST_VOTERS, Members};
use crate::moment::Moment;

/// Votes for one attempt.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct VoteTally {
    granted: BTreeSet<NodeId>,
    refused: BTreeSet<NodeId>,
}

/// What the votes so far mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VoteResult {
    Pending,
    Lost,
    Won,
}

impl VoteTally {
    /// Counts one answer; only the first of each voter counts, except that a grant is never
    /// taken back.
    pub(crate) fn count(&mut self, voter: &NodeId, granted: bool) {
        if granted {
            self.granted.insert(voter.clone());
        } else {
            self.refused.insert(voter.clone());
        }
    }

    /// Judged by `members`: only those who have a vote there count.
    pub(crate) fn result(&self, members: &Members) -> VoteResult {
        let granted = members.voting().filter(|v| self.granted.contains(*v)).count();
        let lost = members
            .voting()
            .filter(|v| self.refused.contains(*v) && !self.granted.contains(*v))
            .count();
        let quorum = members.quorum();
        if granted >= quorum {
            VoteResult::Won
        } else if members.voting().count() - lost < quorum {
            VoteResult::Lost
        } else {
            VoteResult::Pending
        }
    }

    /// Who granted, for the log.
    pub(crate) fn voters(&self) -> Vec<NodeId> {
        self.granted.iter().cloned().collect()
    }
}

/// L1: the moment that a majority of `members` has reached, each component for itself; None as
/// long as fewer than a majority have any.
pub(crate) fn acknowledged(
    members: &Members,
    moment_of: impl Fn(&NodeId) -> Option<Moment>,
) -> Option<Moment> {
    // Called at every event of a leader: no allocation.
    let (mut boot, mut raw) = ([0; MOST_VOTERS], [0; MOST_VOTERS]);
    let mut have = 0;
    for moment in members.voting().filter_map(moment_of) {
        (boot[have], raw[have]) = (moment.boot, moment.raw);
        have += 1;
    }
    let nth = members.quorum().checked_sub(1).filter(|nth| *nth < have)?;
    let component = |values: &mut [u64]| *values.select_nth_unstable_by(nth, |a, b| b.cmp(a)).1;
    Some(Moment { boot: component(&mut boot[..have]), raw: component(&mut raw[..have]) })
}
