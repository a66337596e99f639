//! 9.20: a node whose lease ended for want of a quorum tells its leader so, until a quorum answers it
//! again: the leader must not lose a boss to it (preference).

use std::collections::BTreeSet;

use election::{Moment, Span, Timing};

use super::Verdict;
use crate::world::HostId;

/// Of each host, when its lease was lost and who has answered it since.
pub(super) struct CutOff {
    lost: Vec<Option<Lost>>,
    quorum: usize,
    /// For how long it is said at least.
    said: Span,
}

#[derive(Clone)]
struct Lost {
    at: Moment,
    answered: BTreeSet<HostId>,
}

impl CutOff {
    pub(super) fn new(hosts: usize, voters: usize, timing: &Timing) -> Self {
        // P + D', less what clocks may differ.
        let said = timing.promise().plus(timing.fence_wait()).times(9).part(10);
        Self { lost: vec![None; hosts], quorum: voters / 2 + 1, said }
    }

    /// A new process knows nothing of it, and a new leader has its quorum.
    pub(super) fn forgets(&mut self, host: HostId) {
        self.lost[host] = None;
    }

    pub(super) fn loses(&mut self, host: HostId, at: Moment) {
        self.lost[host] = Some(Lost { at, answered: BTreeSet::from([host]) });
    }

    /// A voter's answer to a pre-vote arrives.
    pub(super) fn is_answered(&mut self, host: HostId, voter: HostId) {
        if let Some(lost) = &mut self.lost[host] {
            lost.answered.insert(voter);
            if lost.answered.len() >= self.quorum {
                self.lost[host] = None;
            }
        }
    }

    /// It answers a leader, and says `cut_off` or not.
    pub(super) fn says(&self, host: HostId, now: Moment, cut_off: bool) -> Verdict {
        match &self.lost[host] {
            Some(lost) if !cut_off && !lost.at.plus(self.said).over_when_either(now) => {
                Err(format!("9.20: host {host} lost its quorum and does not tell its leader"))
            }
            _ => Ok(()),
        }
    }
}
