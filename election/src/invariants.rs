//! What must hold after every event, in every build (protocol.md 9, as far as one node can see).
//! A violation is a fault of this program: it ends the elector, and the executor demotes.

use crate::boss::Phase;
use crate::moment::Moment;
use crate::node::{Node, Standing};

impl Node {
    /// Panics with the rule's name when the node is in a state that cannot be.
    pub(crate) fn check_invariants(&self, now: Moment) {
        if self.sabotage.is_any() {
            // A mutant is to be caught by what it does to the cluster, not here.
            return;
        }
        let hard = &self.hard;
        assert!(hard.term >= self.durable.term, "9.4: the term fell");
        assert!(hard.state.version >= self.durable.state.version, "9.4: the version fell");
        assert!(hard.promise_hiwater >= self.durable.promise_hiwater, "S1: the promise shrank");
        assert!(hard.state.version.term <= hard.term, "A2: the state is ahead of the term");
        match &self.standing {
            Standing::Follower | Standing::PreCandidate(_) => assert!(
                matches!(self.phase, Phase::Idle | Phase::Fencing),
                "4: {} without leading",
                self.phase
            ),
            Standing::Candidate(_) => {
                assert!(self.phase == Phase::Idle, "C1: {} while campaigning", self.phase);
                assert!(hard.voted_for.as_ref() == Some(&self.me), "C2: voted for another");
            }
            Standing::Leader(leader) => {
                assert!(
                    hard.voted_for.as_ref() == Some(&self.me),
                    "9.3: leads and voted otherwise"
                );
                assert!(leader.term <= hard.term, "9.4: leads a term that it never entered");
                assert!(
                    leader.refresh.is_some()
                        || leader.term == hard.term
                        || leader.higher_term >= Some(hard.term),
                    "R1: the term moved without a refresh"
                );
                self.check_boss(now);
            }
        }
    }

    fn check_boss(&self, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        if self.phase.has_permit() {
            let claim = self.own_claim();
            assert!(claim.is_some(), "9.6: {} without a claim", self.phase);
            assert!(
                claim.is_some_and(|held| held.epoch == self.runner.sent),
                "W3: the permit is not of the claim's epoch"
            );
            assert!(!leader.released, "9.10: {} after the release", self.phase);
            let lease = leader.lease.expect("W4: a permit without a lease");
            assert!(lease.is_live(now), "L2: {} after the lease", self.phase);
        }
        if leader.released {
            assert!(self.own_lease.is_none(), "V2: a released lease still withholds");
        }
    }
}
