//! What a follower does: accepts a leader (A1), adopts its state (A2), and campaigns when its
//! promise is over (C1).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::boss::Phase;
use crate::candidate::PreCandidate;
use crate::cluster_state::ClusterState;
use crate::id::{Epoch, NodeId, Term, Version};
use crate::lease::Promise;
use crate::message::{Envelope, Facts, Message, VoteKind};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::ready::{Act, Reason};

/// When and how often this node has tried.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Campaign {
    /// Attempts that failed since the last promise.
    pub failures: u32,
    /// C2: votes that this node gave, to itself as well, since it last saw a boss or held a lease.
    pub votes: u32,
    /// Drawn anew for each attempt from the second on.
    pub jitter: Span,
    /// Not before BOTH clocks have reached this.
    pub not_before: Moment,
    /// Numbers the attempts, so that answers to an earlier one do not count (C2).
    pub attempt: u64,
    /// It let a better candidate go first already.
    pub yielded: bool,
    /// Leaderships without a lease in a row (L2).
    pub without_lease: u32,
    /// L2: held off until then, whoever else leads meanwhile and asks it to take over.
    pub no_lease_until: Moment,
    /// No quorum answered a moment ago: until then no leader hands over to it by preference.
    pub cut_off_until: Moment,
    /// Who answered the present attempt, whatever they said.
    pub answered: BTreeSet<NodeId>,
}

impl Campaign {
    pub(crate) fn count_vote(&mut self, kind: &VoteKind) {
        if *kind == VoteKind::Normal {
            self.votes = self.votes.saturating_add(1);
        }
    }
}

/// How often the waits may double.
pub(crate) const MOST_DOUBLINGS: u32 = 3;

impl Node {
    /// A1: a heartbeat of a term that is not below mine makes a promise; then the reply.
    pub(crate) fn handle_heartbeat(
        &mut self,
        now: Moment,
        env: &Envelope,
        seq: u64,
        promise: Span,
        (phase, epoch): (Phase, Option<Epoch>),
    ) {
        let accepted = self.accept_leader(now, env, promise);
        if let Some(epoch) = epoch.filter(|_| accepted && phase.has_permit()) {
            self.disbelieve(env, epoch);
        }
        match (phase, epoch) {
            (Phase::Boss, Some(epoch)) if accepted => {
                self.campaign.votes = 0;
                self.follow(env, epoch);
            }
            (Phase::Waiting, _) if accepted && self.is_cut_off(now) => self.look_for_quorum(now),
            _ => {}
        }
        // What promises nothing (V5, V7) earns no lease either.
        let released = accepted && self.is_released(&env.from, env.incarnation, env.term);
        let reply = Message::HeartbeatReply {
            seq: (accepted && !released).then_some(seq),
            version: self.durable.state.version,
            facts: Facts {
                ready: self.could_take_over(now),
                cut_off: self.is_cut_off(now),
                epoch: self.epoch_beyond(env.term),
                released,
                ..self.facts
            },
        };
        if self.sabotage.is(Mutant::A1RepliesEarly) {
            return self.send_at_once(env.from.clone(), reply);
        }
        self.send_beside(env.from.clone(), reply);
    }

    /// X4, 9.13: an epoch that the executor knows and `term` has not reached: the state directories
    /// are younger than its marker. The next term would not be above it.
    pub(crate) fn epoch_beyond(&self, term: Term) -> Option<Epoch> {
        let known = self.runner.sent.max(self.runner.idle);
        (known.0 > term.0 && !self.sabotage.is(Mutant::X4ReusesEpochs)).then_some(known)
    }

    /// L2: its last leadership earned no lease, so that another would not either.
    pub(crate) fn lacks_lease(&self, now: Moment) -> bool {
        !self.campaign.no_lease_until.over_when_both(now)
    }

    /// What the leader is told as `ready`: nothing that only this node knows stands against it.
    pub(crate) fn could_take_over(&self, now: Moment) -> bool {
        self.facts.ready
            && !self.leaving
            && self.phase == Phase::Idle
            && self.runner.is_idle()
            && !self.lacks_lease(now)
    }

    /// A1, A2: a state of a term that is not below mine.
    pub(crate) fn handle_publish(
        &mut self,
        now: Moment,
        env: &Envelope,
        state: &Arc<ClusterState>,
    ) {
        if state.version.term != env.term {
            let (node, why) = (env.from.clone(), "its version is not of its leader's term");
            self.note(Note::Ignored { node, what: "publish", rule: "A2", why });
            return;
        }
        let promise = self.hard.state.timing.promise().max(state.timing.promise());
        if self.accept_leader(now, env, promise) {
            let newer =
                state.version > self.hard.state.version || self.sabotage.is(Mutant::A2AdoptsOlder);
            if newer {
                self.adopt_state(now, state.clone());
            }
        }
        let version = self.hard.state.version;
        if self.sabotage.is(Mutant::A2RepliesEarly) {
            return self.send_beside(env.from.clone(), Message::PublishReply { version });
        }
        self.send(env.from.clone(), Message::PublishReply { version });
    }

    /// A1: adopts the term and promises. False for a lower term.
    fn accept_leader(&mut self, now: Moment, env: &Envelope, promise: Span) -> bool {
        if env.term < self.hard.term || !self.hard.state.members.has_vote(&env.from) {
            return false;
        }
        self.see_rival(now, env);
        self.judge_interrupted_campaign(now);
        self.adopt_term(env.term);
        self.standing = Standing::Follower;
        let promise = promise.min(crate::timing::LONGEST_PROMISE);
        if self.hard.promise_hiwater < promise {
            // S1 waits out the longest promise ever made, so it is on disk before it is made.
            self.hard.promise_hiwater = promise;
            self.term_generation = self.outbox.changed();
        }
        let promise =
            if self.sabotage.is(Mutant::A1PromisesNothing) { Span::ZERO } else { promise };
        let short = self.sabotage.is(Mutant::PromiseShorterThanLease);
        let promise = if short { promise.part(2) } else { promise };
        // V5: a datagram may have been overtaken by its sender's Released.
        if !self.is_released(&env.from, env.incarnation, env.term) {
            self.promise = Promise {
                until: self.promise.until.latest(now.plus(promise)),
                to: Some((env.from.clone(), env.incarnation)),
                term: env.term,
            };
        }
        self.campaign.failures = 0;
        self.campaign.jitter = Span::ZERO;
        self.campaign.not_before = now;
        self.campaign.yielded = false;
        self.trials.remove(&env.from);
        if self.leader.as_ref() != Some(&env.from) {
            self.leader = Some(env.from.clone());
            self.note(Note::Following { leader: env.from.clone(), term: env.term });
            self.announce_released(Some(&env.from));
        }
        true
    }

    /// Another leads while this node leads. By section 9.8 its own lease is over or released;
    /// else a clock is worse than rho, which must be known.
    fn see_rival(&mut self, now: Moment, env: &Envelope) {
        if !matches!(self.standing, Standing::Leader(_)) {
            return;
        }
        if self.own_lease.is_some_and(|lease| lease.is_live(now)) {
            self.note(Note::LeaseViolated { by: env.from.clone(), term: env.term });
        }
        self.leave_leadership(Reason::HigherTerm);
    }

    /// The `follow` event: once per boss and epoch.
    fn follow(&mut self, env: &Envelope, epoch: Epoch) {
        let boss = (env.from.clone(), epoch);
        if self.followed.as_ref() != Some(&boss) {
            self.followed = Some(boss);
            self.act(Act::Follow { boss: env.from.clone(), epoch });
        }
    }

    /// A2: replaces the state whole.
    pub(crate) fn adopt_state(&mut self, now: Moment, state: Arc<ClusterState>) {
        self.hard.state = state;
        self.outbox.changed();
        self.time_hold_offs(now);
        if !self.counts() {
            let known = self.hard.state.members.find(&self.me).and_then(|m| m.incarnation);
            if known.is_some() {
                self.note(Note::NotReadmitted { known });
            }
        }
    }

    /// Each node times a hold-off from when it first sees it.
    pub(crate) fn time_hold_offs(&mut self, now: Moment) {
        let state = self.hard.state.clone();
        self.hold_off_ends.retain(|node, (begun, _)| {
            state.hold_offs.get(node).is_some_and(|h| h.begun == *begun && !h.ended)
        });
        for (node, hold_off) in state.hold_offs.iter().filter(|(_, h)| !h.ended) {
            self.hold_off_ends
                .entry(node.clone())
                .or_insert((hold_off.begun, now.plus(hold_off.span)));
        }
    }

    /// C1: when nothing withholds this node any more; None if it never campaigns.
    fn free_at(&self) -> Option<Moment> {
        let may = self.phase == Phase::Idle
            && self.runner.is_idle()
            // What it would ask for rests on a term that is still on its way to the disk.
            && self.outbox.is_durable(self.term_generation)
            && self.facts.disk_ok
            && !self.leaving
            && self.counts()
            && self.hard.state.members.has_vote(&self.me);
        if !may {
            return None;
        }
        let free = self.promise.until.latest(self.campaign.not_before);
        let free = free.latest(self.campaign.no_lease_until);
        Some(self.own_lease.map_or(free, |lease| free.latest(lease.until)))
    }

    /// C1: when to look again whether this node may campaign; None if it never does. Its slot is
    /// asked for only then: it costs a look at every member, and each heartbeat moves this.
    pub(crate) fn campaign_at(&self, now: Moment) -> Option<Moment> {
        let free = self.free_at()?;
        if !free.over_when_both(now) {
            return Some(free);
        }
        Some(free.plus(self.slot(now)).plus(self.campaign.jitter))
    }

    /// C1: how long this node lets better ones go first.
    fn slot(&self, now: Moment) -> Span {
        let timing = &self.hard.state.timing;
        let rank = if self.sabotage.is(Mutant::C1IgnoresRank) { Some(0) } else { self.rank(now) };
        if let Some(rank) = rank {
            return timing.slot.times(u64::from(rank));
        }
        // A last resort: nobody eligible came. One after the other as well, by name.
        let place = self.hard.state.members.voting().position(|name| *name == self.me);
        let slots = self.voters() + place.unwrap_or_default();
        timing.slot.times(slots as u64).plus(timing.promise().part(2))
    }

    /// C1: the promise is over, the slot has come.
    pub(crate) fn campaign_if_due(&mut self, now: Moment) {
        if self.campaign_at(now).is_none_or(|at| !at.over_when_both(now)) {
            return;
        }
        self.leader = None;
        if self.sabotage.is(Mutant::P1SkipsPreVote) {
            let term = self.proposed_term();
            self.start_vote(now, term, VoteKind::Normal);
            return;
        }
        self.start_pre_vote(now);
    }

    /// An attempt failed: the next one comes later, by chance, so that liveness never depends on
    /// rank. `free` is when the voters that refused would not withhold any more.
    pub(crate) fn attempt_failed(&mut self, now: Moment, free: Moment) {
        self.standing = Standing::Follower;
        self.campaign.failures = self.campaign.failures.saturating_add(1);
        let most = 1_u64 << self.campaign.failures.min(MOST_DOUBLINGS);
        self.campaign.jitter = self.jitter.up_to(self.hard.state.timing.slot.times(most));
        self.campaign.not_before = free.latest(now);
    }

    /// C1, P1: asks whether an election would succeed.
    fn start_pre_vote(&mut self, now: Moment) {
        let proposed = self.proposed_term();
        self.standing = Standing::PreCandidate(PreCandidate::new(self, now, proposed));
        self.send_pre_vote(now, proposed);
    }

    /// Asks everybody anew; answers to what was asked before do not count (C2).
    pub(crate) fn send_pre_vote(&mut self, now: Moment, proposed: Term) {
        self.campaign.attempt = self.campaign.attempt.wrapping_add(1);
        self.campaign.answered = BTreeSet::from([self.me.clone()]);
        let (attempt, version) = (self.campaign.attempt, self.version());
        let rank = self.rank(now).unwrap_or_else(|| u32::try_from(self.voters()).unwrap_or(0));
        self.send_to_voters(&Message::PreVote { proposed, version, attempt, rank });
    }

    fn version(&self) -> Version {
        self.hard.state.version
    }
}
