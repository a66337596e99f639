//! 9.3: one vote per term and life, across restarts: as it is written, and as it is answered. A voter
//! that is asked twice while it writes may answer for a term of which its disk shows only a later one.

use std::collections::VecDeque;

use election::{Incarnation, NodeId, Term};

use super::Verdict;
use crate::world::HostId;

struct Vote {
    life: Incarnation,
    term: Term,
    candidate: NodeId,
}

/// So many votes of each host are remembered: a candidate that stood still may count old ones.
const MOST: usize = 32;

/// The last votes of each host, the newest last.
#[derive(Default)]
pub(super) struct OneVote(Vec<VecDeque<Vote>>);

impl OneVote {
    pub(super) fn new(hosts: usize) -> Self {
        Self((0..hosts).map(|_| VecDeque::new()).collect())
    }

    /// It is on the disk, or on its way to the candidate.
    pub(super) fn votes(
        &mut self,
        host: HostId,
        life: Incarnation,
        term: Term,
        candidate: &NodeId,
    ) -> Verdict {
        let votes = &mut self.0[host];
        let given = votes.iter().rev().find(|vote| vote.life == life && vote.term == term);
        if let Some(Vote { candidate: first, .. }) = given {
            if first == candidate {
                return Ok(());
            }
            return Err(format!(
                "9.3: host {host} votes for {first} and {candidate} in term {term}"
            ));
        }
        if votes.len() == MOST {
            votes.pop_front();
        }
        votes.push_back(Vote { life, term, candidate: candidate.clone() });
        Ok(())
    }

    /// Which life of `host` gave `candidate` its vote in `term`.
    pub(super) fn who(&self, host: HostId, term: Term, candidate: &NodeId) -> Option<Incarnation> {
        let mut votes = self.0[host].iter().rev();
        let vote = votes.find(|vote| vote.term == term && vote.candidate == *candidate)?;
        Some(vote.life)
    }
}
