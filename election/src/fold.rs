//! For a model checker alone (feature `model`): lets time pass without the time growing, and counts
//! counters from where they matter, so that two nodes that will behave the same are equal.
//!
//! Every struct that holds a moment is taken apart without `..`: a new field does not compile until
//! somebody has said here whether the time is in it.

use crate::apply::Beat;
use crate::candidate::{Candidate, PreCandidate};
use crate::follower::Campaign;
use crate::handover::{Handover, Stage, Trial};
use crate::jitter::Jitter;
use crate::leader::{Leader, Progress};
use crate::lease::{Lease, Promise};
use crate::moment::{Moment, Passed, Span};
use crate::node::{Node, Standing};
use crate::refresh::Refresh;

/// No wait doubles beyond this many failures (candidate, leader, handover).
const MOST_FAILURES: u32 = 6;

/// How the counters of a node were renamed: what is on its way must be renamed likewise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Folding {
    /// Generations up to this one are durable; take it off the others.
    pub generation: u64,
    /// The attempt that was the present one; it is 1 now, every other one 0.
    pub attempt: u64,
    /// Of a leader: its term, and what to take off its heartbeats' numbers.
    pub heartbeats: Option<(crate::id::Term, u64)>,
}

fn earlier(moment: &mut Moment, passed: Passed) {
    *moment = moment.before(passed);
}

fn maybe_earlier(moment: &mut Option<Moment>, passed: Passed) {
    if let Some(moment) = moment {
        earlier(moment, passed);
    }
}

/// How long ago it was over does not matter.
fn forget_when_over(moment: &mut Moment, now: Moment) {
    if moment.over_when_both(now) {
        *moment = Moment::default();
    }
}

impl Node {
    /// Every moment that this node knows is `passed` earlier: at `now - passed` it behaves as it
    /// would have at `now`. What would come before zero is at zero, so keep `now` above the longest
    /// time that a moment of the past still matters.
    pub fn shift(&mut self, passed: Passed) {
        let Self {
            me: _,
            incarnation: _,
            cluster: _,
            hard: _,
            durable: _,
            outbox,
            term_generation: _,
            promise,
            own_lease,
            standing,
            leader: _,
            phase: _,
            runner: _,
            own_word: _,
            released: _,
            peers: _,
            complaints: _,
            hold_off_ends,
            campaign,
            trials,
            highest_term: _,
            first_term: _,
            facts: _,
            leaving: _,
            left: _,
            probe_at,
            followed: _,
            jitter: _,
            sabotage: _,
        } = self;
        outbox.shift(passed);
        promise.shift(passed);
        if let Some(lease) = own_lease {
            lease.shift(passed);
        }
        standing.shift(passed);
        for (_, end) in hold_off_ends.values_mut() {
            earlier(end, passed);
        }
        campaign.shift(passed);
        for trial in trials.values_mut() {
            trial.shift(passed);
        }
        maybe_earlier(probe_at, passed);
    }

    /// Renames counters and forgets what only the log would show. A node so folded answers every
    /// event as before, if what is on its way to it is renamed likewise. Jitter begins again: a
    /// model takes the same draw each time. Its waits all stay below `tick`, the model's step of
    /// time, so that only whether there is one matters.
    pub fn fold(&mut self, now: Moment, tick: Span) -> Folding {
        let generation = self.outbox.count_from_durable();
        self.term_generation = self.term_generation.saturating_sub(generation);
        self.complaints.clear();
        self.followed = None;
        self.jitter = Jitter::new(0);
        if self.hard.state.timing.slot.times(8) < tick {
            self.campaign.failures = self.campaign.failures.min(1);
            self.campaign.jitter = self.campaign.jitter.min(Span::from_nanos(1));
        }
        self.campaign.votes = self.campaign.votes.min(MOST_FAILURES + 1);
        self.campaign.without_lease = self.campaign.without_lease.min(MOST_FAILURES);
        forget_when_over(&mut self.campaign.cut_off_until, now);
        if matches!(self.standing, Standing::Follower) && !self.is_cut_off(now) {
            self.campaign.answered.clear();
        }
        let attempt = std::mem::replace(&mut self.campaign.attempt, 1);
        for trial in self.trials.values_mut() {
            forget_when_over(&mut trial.until, now);
        }
        let promise = self.hard.state.timing.promise();
        let heartbeats = match &mut self.standing {
            Standing::Follower => None,
            Standing::PreCandidate(candidate) => {
                candidate.refusals.clear();
                None
            }
            Standing::Candidate(candidate) => {
                candidate.refusals.clear();
                candidate.vote_generation = candidate.vote_generation.saturating_sub(generation);
                if candidate.deadline.is_some() {
                    candidate.begun = Moment::default();
                }
                if let Some(window) = &mut candidate.window {
                    forget_when_over(window, now);
                }
                None
            }
            Standing::Leader(leader) => Some((leader.term, leader.fold(now, promise, generation))),
        };
        Folding { generation, attempt, heartbeats }
    }
}

impl Leader {
    /// Returns what was taken off the heartbeats' numbers. One sent longer than a promise ago
    /// earns no lease that lives, and is forgotten.
    fn fold(&mut self, now: Moment, promise: Span, generation: u64) -> u64 {
        self.votes.clear();
        self.window = "";
        if let Some(by) = &mut self.window_by {
            forget_when_over(by, now);
        }
        self.handovers_failed = self.handovers_failed.min(MOST_FAILURES);
        if let Some(refresh) = &mut self.refresh {
            refresh.vote_generation = refresh.vote_generation.saturating_sub(generation);
            if refresh.deadline.is_some() {
                refresh.begun = Moment::default();
            }
        }
        self.sent.retain(|beat| !beat.sent.plus(promise.max(beat.lease)).over_when_either(now));
        let base = self.sent.front().map_or(self.seq, |beat| beat.seq - 1);
        self.sent.iter_mut().for_each(|beat| beat.seq -= base);
        self.seq -= base;
        base
    }

    fn shift(&mut self, passed: Passed) {
        let Self {
            term: _,
            elected_at,
            ground: _,
            votes: _,
            window: _,
            window_by,
            released: _,
            lease,
            epoch: _,
            committed: _,
            progress,
            sent,
            seq: _,
            next_heartbeat,
            handover,
            hold_off_me: _,
            set_stay: _,
            handovers_failed: _,
            seek_after,
            better_since,
            refresh,
            higher_term: _,
            orders: _,
            answers: _,
        } = self;
        earlier(elected_at, passed);
        maybe_earlier(window_by, passed);
        if let Some(lease) = lease {
            lease.shift(passed);
        }
        for progress in progress.values_mut() {
            progress.shift(passed);
        }
        for beat in sent {
            beat.shift(passed);
        }
        earlier(next_heartbeat, passed);
        if let Some(handover) = handover {
            handover.shift(passed);
        }
        earlier(seek_after, passed);
        if let Some((_, since)) = better_since {
            earlier(since, passed);
        }
        if let Some(refresh) = refresh {
            refresh.shift(passed);
        }
    }
}

impl Beat {
    fn shift(&mut self, passed: Passed) {
        let Self { seq: _, sent, lease: _ } = self;
        earlier(sent, passed);
    }
}

impl Standing {
    fn shift(&mut self, passed: Passed) {
        match self {
            Self::Follower => {}
            Self::PreCandidate(candidate) => candidate.shift(passed),
            Self::Candidate(candidate) => candidate.shift(passed),
            Self::Leader(leader) => leader.shift(passed),
        }
    }
}

impl PreCandidate {
    fn shift(&mut self, passed: Passed) {
        let Self { proposed: _, tally: _, deadline, refusals: _, promises_left: _ } = self;
        earlier(deadline, passed);
    }
}

impl Candidate {
    fn shift(&mut self, passed: Passed) {
        let Self { kind: _, tally: _, begun, deadline, refusals: _, vote_generation: _, window } =
            self;
        earlier(begun, passed);
        maybe_earlier(deadline, passed);
        maybe_earlier(window, passed);
    }
}

impl Refresh {
    fn shift(&mut self, passed: Passed) {
        let Self { term: _, tally: _, begun, deadline, vote_generation: _, renews: _ } = self;
        earlier(begun, passed);
        maybe_earlier(deadline, passed);
    }
}

impl Progress {
    fn shift(&mut self, passed: Passed) {
        let Self { bears, accepted: _, facts: _, heard, published } = self;
        maybe_earlier(bears, passed);
        maybe_earlier(heard, passed);
        maybe_earlier(published, passed);
    }
}

impl Handover {
    fn shift(&mut self, passed: Passed) {
        let Self { to: _, reason: _, stage } = self;
        match stage {
            Stage::LettingGo => {}
            Stage::Publishing { since } => earlier(since, passed),
            Stage::Sent { to: _, at } => earlier(at, passed),
        }
    }
}

impl Trial {
    fn shift(&mut self, passed: Passed) {
        let Self { count: _, until } = self;
        earlier(until, passed);
    }
}

impl Campaign {
    fn shift(&mut self, passed: Passed) {
        let Self {
            failures: _,
            votes: _,
            jitter: _,
            not_before,
            attempt: _,
            yielded: _,
            without_lease: _,
            no_lease_until,
            cut_off_until,
            answered: _,
        } = self;
        earlier(not_before, passed);
        earlier(no_lease_until, passed);
        earlier(cut_off_until, passed);
    }
}

impl Promise {
    fn shift(&mut self, passed: Passed) {
        let Self { until, to: _, term: _ } = self;
        earlier(until, passed);
    }
}

impl Lease {
    fn shift(&mut self, passed: Passed) {
        let Self { until } = self;
        earlier(until, passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster_state::{ClusterState, Policy};
    use crate::hard_state::{HardState, Written};
    use crate::id::{ClusterId, Epoch, Incarnation, NodeId, Term};
    use crate::members::{Address, Kind, Member, Members};
    use crate::node::Start;
    use crate::ready::{Act, Effect};
    use crate::timing::{Profile, Timing};
    use crate::word::{Permit, Word};

    const MINUTE: Span = Span::from_secs(60);
    const PASSED: Passed = Passed { boot: MINUTE, raw: MINUTE };

    fn at(ms: u64) -> Moment {
        Moment::default().plus(MINUTE.times(2)).plus(Span::from_millis(ms))
    }

    /// The only voter: it becomes leader, then boss, by the time alone.
    fn lonely(now: Moment) -> Node {
        let me = NodeId::new("a");
        let member = Member {
            address: Address::Host("a".to_owned(), 1),
            kind: Kind::Voter,
            priority: 100,
            incarnation: None,
            joined: 0,
            drained: None,
        };
        let members = Members::new([(me.clone(), member)]).expect("one voter");
        let state = ClusterState::unborn(members, Timing::of(Profile::Lan), Policy::default());
        Node::start(
            now,
            Start {
                me,
                incarnation: Incarnation(1),
                cluster: ClusterId(1),
                hard: HardState::unborn(state),
                first_term: Term(1),
                last_epoch: Epoch(0),
                ready: true,
                seed: 7,
            },
        )
    }

    /// One wake-up; what it did, every moment told as a span from now.
    fn step(node: &mut Node, now: Moment) -> Vec<Effect> {
        node.handle_timeout(now);
        let mut done = Vec::new();
        loop {
            let ready = node.ready();
            for effect in ready.effects {
                if let Effect::Act(Act::Promote { permit: Permit { epoch, .. }, .. }) = effect {
                    node.handle_hook_outcome(now, Word::Promoted { epoch });
                }
                done.push(effect);
            }
            let Some(write) = ready.write else { break };
            node.handle_written(now, Written { generation: write.generation, durable: true });
        }
        for effect in &mut done {
            if let Effect::Act(act) = effect {
                let boot = Span::from_nanos(now.boot);
                act.shift(Passed { boot, raw: boot });
            }
        }
        done
    }

    #[test]
    fn a_shifted_node_behaves_as_it_would_have_at_its_own_time() {
        for shifted_at in [0, 300, 900, 1_400, 2_000] {
            let (mut plain, mut shifted) = (lonely(at(0)), lonely(at(0)));
            let mut boss = false;
            for ms in (0..4_000).step_by(20) {
                if ms == shifted_at {
                    shifted.shift(PASSED);
                }
                let other = if ms >= shifted_at { at(ms).minus(MINUTE) } else { at(ms) };
                assert_eq!(step(&mut plain, at(ms)), step(&mut shifted, other), "at {ms} ms");
                boss |= plain.phase == crate::boss::Phase::Boss;
            }
            assert!(boss, "the story went far enough");
            plain.shift(PASSED);
            assert_eq!(plain, shifted);
        }
    }

    #[test]
    fn a_folded_node_behaves_as_before() {
        let (mut plain, mut folded) = (lonely(at(0)), lonely(at(0)));
        for ms in (0..4_000).step_by(20) {
            let (expected, mut seen) = (step(&mut plain, at(ms)), step(&mut folded, at(ms)));
            seen.retain(|effect| !matches!(effect, Effect::Note(_)));
            let expected: Vec<_> =
                expected.into_iter().filter(|e| !matches!(e, Effect::Note(_))).collect();
            assert_eq!(expected, seen, "at {ms} ms");
            // With a tick below every slot no jitter is renamed.
            folded.fold(at(ms), Span::ZERO);
        }
    }
}
