//! How a leader moves on without an election: to a higher term that a member brought (R1), or to
//! a new epoch when the old one is spent (R2). No hook runs and no heartbeat goes out meanwhile.

use crate::boss::Phase;
use crate::id::Term;
use crate::lease::Lease;
use crate::message::{Message, VoteKind};
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::quorum::{VoteResult, VoteTally};
use crate::ready::Reason;

/// A vote of kind Refresh under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Refresh {
    pub term: Term,
    pub tally: VoteTally,
    /// When the own vote went to the disk.
    pub begun: Moment,
    /// None until the own vote is durable: nobody is asked before.
    pub deadline: Option<Moment>,
    pub vote_generation: u64,
    /// R2, not R1.
    pub renews: bool,
}

impl Refresh {
    fn rule(renews: bool) -> &'static str {
        if renews { "R2" } else { "R1" }
    }
}

impl Node {
    /// Begins, judges or repeats a refresh. The caller has made sure that the lease is live.
    pub(crate) fn advance_refresh(&mut self, now: Moment) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        let Some(refresh) = &mut leader.refresh else { return self.refresh_if_due(now) };
        if self.outbox.is_durable(refresh.vote_generation) {
            refresh.tally.count(&self.me, true);
            if refresh.deadline.is_none() {
                let attempt = self.hard.state.timing.attempt_on(refresh.begun.elapsed(now));
                refresh.deadline = Some(now.plus(attempt));
            }
        }
        let over = refresh.deadline.is_some_and(|deadline| deadline.over_when_either(now));
        match refresh.tally.result(&self.hard.state.members) {
            VoteResult::Won => self.finish_refresh(now),
            // Also a lost one waits for its end: two that refuse each other would otherwise raise
            // their terms as fast as the network lets them.
            VoteResult::Pending | VoteResult::Lost if !over => {}
            VoteResult::Pending | VoteResult::Lost => {
                // Retried with the highest term seen, as long as the lease lives.
                let renews = refresh.renews;
                leader.refresh = None;
                self.start_refresh(now, renews);
            }
        }
    }

    fn refresh_if_due(&mut self, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        if self.sabotage.is(Mutant::R1StepsDown) && leader.higher_term.is_some() {
            let term = leader.higher_term.unwrap_or_default();
            self.own_lease = None;
            self.leave_leadership(Reason::HigherTerm);
            return self.adopt_term(term);
        }
        let Some(lease) = leader.lease else { return };
        let timing = &self.hard.state.timing;
        let quiet = !self.outbox.is_outstanding() && self.facts.disk_ok;
        let fresh = lease.left(now) >= timing.lease.minus(timing.heartbeat.times(2));
        let spent = leader.released
            && leader.handover.is_none()
            && self.phase == Phase::Idle
            && self.runner.is_idle()
            && self.own_claim().is_none()
            && !self.leaving;
        // Who cannot renew (a witness, a pause) must still reach who is in a higher term: nobody else
        // may be there to become boss.
        let refreshes =
            leader.higher_term.is_some() && (!leader.released || spent) && fresh && quiet;
        let renews = spent
            && quiet
            && self.is_committed()
            && self.hard.state.paused.is_none()
            && self.ineligible(&self.me, now).is_none();
        let refreshes = refreshes && !self.sabotage.is(Mutant::R1NeverRefreshes);
        let renews = renews && !self.sabotage.is(Mutant::R2NeverRenews);
        if refreshes || renews {
            self.start_refresh(now, renews);
        }
    }

    fn start_refresh(&mut self, now: Moment, renews: bool) {
        let term = self.hard.term.max(self.highest_term).next();
        self.hard.term = term;
        self.hard.voted_for = Some(self.me.clone());
        self.term_generation = self.outbox.changed();
        let refresh = Refresh {
            term,
            tally: VoteTally::default(),
            begun: now,
            deadline: None,
            vote_generation: self.term_generation,
            renews,
        };
        self.note(Note::Refreshing { term, rule: Refresh::rule(renews) });
        if let Standing::Leader(leader) = &mut self.standing {
            leader.refresh = Some(refresh);
        }
        let version = self.hard.state.version;
        self.send_to_voters(&Message::Vote { version, kind: VoteKind::Refresh });
    }

    /// R1: the claim keeps its epoch and no hook runs. R2: as freshly elected.
    fn finish_refresh(&mut self, now: Moment) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        let Some(refresh) = leader.refresh.take() else { return };
        let votes = refresh.tally.voters();
        leader.enter_term(refresh.term, now);
        // Whoever began to hand over meanwhile does so in the new term, under no new epoch.
        let renews = refresh.renews && leader.handover.is_none();
        if !renews && self.sabotage.is(Mutant::R1ExtendsLease) && leader.lease.is_some() {
            leader.lease = Some(Lease { until: now.plus(self.hard.state.timing.lease) });
            self.own_lease = leader.lease;
        }
        if renews {
            let epoch = leader.epoch;
            // What was waited of a predecessor's window, whose claim still stands, is not lost.
            let window_by = now.plus(self.window_left(now));
            let Standing::Leader(leader) = &mut self.standing else { return };
            leader.renew(now, votes);
            leader.window_by = Some(window_by);
            if self.sabotage.is(Mutant::R2KeepsEpoch) {
                leader.epoch = epoch;
            }
            self.phase = Phase::Waiting;
        }
        let rule = Refresh::rule(renews);
        self.note(Note::Refreshed { term: refresh.term, rule });
        self.restamp(now);
    }
}
