//! 9.3: one vote per term and node, across restarts.

use std::collections::HashMap;

use election::{NodeId, Term};

use super::Verdict;
use crate::world::HostId;

#[derive(Default)]
pub(super) struct OneVote(HashMap<(HostId, Term), NodeId>);

impl OneVote {
    pub(super) fn votes(&mut self, host: HostId, term: Term, candidate: &NodeId) -> Verdict {
        let first = self.0.entry((host, term)).or_insert_with(|| candidate.clone());
        if first == candidate {
            Ok(())
        } else {
            Err(format!("9.3: host {host} votes for {first} and {candidate} in term {term}"))
        }
    }
}
