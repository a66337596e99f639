//! The leader: heartbeats and the lease they earn (E1, L1, L2), versions and their commit (K1),
//! and the operator's orders that become versions.

use std::collections::{BTreeMap, VecDeque};

use crate::apply::Beat;
use crate::boss::Phase;
use crate::cluster_state::{Cause, Claim, HoldOffCause};
use crate::command::{Answer, Command, CommandError};
use crate::handover::Handover;
use crate::hearing::CORRUPT_TERM_DISTANCE;
use crate::id::{Epoch, NodeId, Term, Version};
use crate::lease::{Lease, Promise};
use crate::message::{Facts, Message};
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::node::{Node, ReleasedWord, Standing};
use crate::note::Note;
use crate::quorum::acknowledged;
use crate::ready::{Act, Effect, Reason};
use crate::refresh::Refresh;
use crate::window::Window;

/// How many heartbeats may be unanswered before the oldest is forgotten: at h = L/4 this is
/// sixteen leases.
const SENT: usize = 64;
/// How many orders may wait for a version.
pub(crate) const MOST_ORDERS: usize = 16;

/// How a leader came to its term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Ground {
    Elected,
    Handover,
    Renewed,
}

/// What only a leader has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leader {
    /// The term that it leads; during a refresh the hard state's term is higher.
    pub term: Term,
    /// Read after the event that won it.
    pub elected_at: Moment,
    pub ground: Ground,
    pub votes: Vec<NodeId>,
    /// How W2 was met, for the log.
    pub window: &'static str,
    /// W2: when the predecessor's window is closed, by the word of whoever handed over.
    pub window_by: Option<Moment>,
    /// Nothing of this term will become active.
    pub released: bool,
    pub lease: Option<Lease>,
    /// The epoch of the own claim.
    pub epoch: Option<Epoch>,
    pub committed: Version,
    pub progress: BTreeMap<NodeId, Progress>,
    pub(crate) sent: VecDeque<Beat>,
    pub(crate) seq: u64,
    pub(crate) next_heartbeat: Moment,
    pub handover: Option<Handover>,
    /// To be published with the release.
    pub hold_off_me: Option<HoldOffCause>,
    pub set_stay: bool,
    pub handovers_failed: u32,
    /// No new successor is sought before BOTH clocks have reached this.
    pub seek_after: Moment,
    pub better_since: Option<(NodeId, Moment)>,
    pub refresh: Option<Refresh>,
    /// R1: a member is in this higher term.
    pub higher_term: Option<Term>,
    pub orders: VecDeque<(u64, Command)>,
    /// Answered when this version is committed.
    pub answers: Vec<u64>,
}

/// What a leader knows of another member.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Progress {
    /// L1: until when the heartbeats that it acknowledged let the leader act.
    pub bears: Option<Moment>,
    /// K1: the version that it replied with in this term.
    pub accepted: Option<Version>,
    pub facts: Facts,
    /// When it last answered a heartbeat: only that carries its facts.
    pub heard: Option<Moment>,
    pub published: Option<Moment>,
}

impl Leader {
    pub(crate) fn cause(&self) -> Cause {
        match self.ground {
            Ground::Elected => Cause::Elected,
            Ground::Handover => Cause::Handover,
            Ground::Renewed => Cause::Renewed,
        }
    }

    pub(crate) fn next_heartbeat(&self) -> Moment {
        self.next_heartbeat
    }

    /// R2: as freshly elected, under a new epoch.
    pub(crate) fn renew(&mut self, now: Moment, votes: Vec<NodeId>) {
        self.ground = Ground::Renewed;
        self.votes = votes;
        self.elected_at = now;
        self.released = false;
        self.epoch = None;
        self.lease = None;
        // What was acknowledged before the renewal may have promised nothing (V5).
        for progress in self.progress.values_mut() {
            progress.bears = None;
        }
    }

    /// After a change of term: heartbeats go out at once, earlier ones no longer count.
    pub(crate) fn enter_term(&mut self, term: Term, now: Moment) {
        self.term = term;
        self.next_heartbeat = now;
        self.sent.clear();
        self.higher_term = self.higher_term.filter(|higher| *higher > term);
        for progress in self.progress.values_mut() {
            progress.accepted = None;
        }
    }
}

impl Node {
    /// E1.
    pub(crate) fn become_leader(&mut self, now: Moment, ground: Ground, votes: Vec<NodeId>) {
        let term = self.hard.term;
        self.promise = Promise { until: now, to: Some((self.me.clone(), self.incarnation)), term };
        self.leader = Some(self.me.clone());
        self.phase = Phase::Waiting;
        let what = if ground == Ground::Handover { " by handover" } else { "" };
        self.note(Note::BecameLeader { term, votes: votes.clone(), ground: what });
        self.standing = Standing::Leader(Box::new(Leader {
            term,
            elected_at: now,
            ground,
            votes,
            window: "nobody had effects",
            window_by: None,
            released: false,
            lease: None,
            epoch: None,
            committed: Version::default(),
            progress: BTreeMap::new(),
            sent: VecDeque::new(),
            seq: 0,
            next_heartbeat: now,
            handover: None,
            hold_off_me: None,
            set_stay: false,
            handovers_failed: 0,
            seek_after: now,
            better_since: None,
            refresh: None,
            higher_term: None,
            orders: VecDeque::new(),
            answers: Vec::new(),
        }));
        self.restamp(now);
    }

    /// W2: says whose window a new leader waits for.
    pub(crate) fn say_window(&mut self, now: Moment) {
        if let Window::Open(left) = self.window(now) {
            let predecessor = match &self.hard.state.claim {
                Claim::Held(held) => Some(held.node.clone()),
                Claim::Unknown | Claim::None => None,
            };
            self.note(Note::WaitingForFence { predecessor, left });
        }
    }

    /// Everything that a leader does by itself, after every event.
    pub(crate) fn lead(&mut self, now: Moment) {
        self.renew_lease(now);
        if self.has_lost_its_lease(now) {
            return;
        }
        self.watch_commit();
        self.advance_refresh(now);
        self.heartbeat_if_due(now);
        if matches!(&self.standing, Standing::Leader(l) if l.refresh.is_none()) {
            self.live_as_boss(now);
            self.advance_handover(now);
            self.publish_if_due(now);
        }
    }

    /// L1: what a majority acknowledged, each heartbeat counted from the moment that it was SENT and
    /// for the lease that its promise covers.
    fn renew_lease(&mut self, now: Moment) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        if self.sabotage.is(Mutant::L2KeepsActing) && leader.lease.is_some() {
            let forever = now.plus(self.hard.state.timing.lease);
            leader.lease = Some(Lease { until: forever });
        }
        let (me, span) = (&self.me, self.hard.state.timing.lease);
        let progress = &leader.progress;
        let quorum = acknowledged(&self.hard.state.members, |voter| {
            if voter == me { Some(now.plus(span)) } else { progress.get(voter)?.bears }
        });
        let any = self.sabotage.is(Mutant::L1CountsAnyReply);
        let any = progress.values().filter(|_| any).filter_map(|p| p.bears).reduce(Moment::latest);
        let quorum = any.or(quorum);
        let assumed = leader.lease.is_none() && self.sabotage.is(Mutant::E1AssumesLease);
        let quorum = if assumed { Some(leader.elected_at.plus(span)) } else { quorum };
        let Some(until) = quorum else { return };
        if leader.lease.is_some_and(|lease| lease.is_over(now)) {
            // L2 comes first: a lease that was held and is over is never revived.
            return;
        }
        let longer = leader.lease.map_or(until, |lease| lease.until.latest(until));
        if leader.lease.is_some_and(|lease| lease.until == longer) {
            return;
        }
        let lease = Lease { until: longer };
        leader.lease = Some(lease);
        self.campaign.without_lease = 0;
        self.campaign.votes = 0;
        self.campaign.cut_off_until = now;
        if !leader.released {
            self.own_lease = Some(lease);
            if self.phase == Phase::Demoting && self.sabotage.is(Mutant::X3StopsExtending) {
                return;
            }
            if self.phase.has_permit() {
                self.act(Act::Extend { epoch: self.runner.sent, until: longer });
            }
        }
    }

    /// L2.
    fn has_lost_its_lease(&mut self, now: Moment) -> bool {
        let Standing::Leader(leader) = &self.standing else { return true };
        let promise = self.hard.state.timing.promise();
        if self.sabotage.is(Mutant::LeaseNeedsBothClocks)
            && leader.lease.is_some_and(|lease| !lease.until.over_when_both(now))
        {
            return false;
        }
        let reason = match leader.lease {
            Some(lease) if lease.is_over(now) => Reason::LeaseOver,
            None if leader.elected_at.plus(promise).over_when_both(now) => Reason::NoLease,
            Some(_) | None => return false,
        };
        if self.sabotage.is(Mutant::L2KeepsActing) {
            return false;
        }
        if reason == Reason::NoLease {
            let doubled = promise.times(1 << self.campaign.without_lease.min(6));
            self.campaign.without_lease = self.campaign.without_lease.saturating_add(1);
            self.campaign.no_lease_until = now.plus(doubled);
        }
        self.note_cut_off(now);
        self.leave_leadership(reason);
        true
    }

    /// Stops leading, for whatever reason; what is in effect ends at once. An unreleased lease
    /// goes on withholding this node's vote (V2).
    pub(crate) fn leave_leadership(&mut self, reason: Reason) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        let (term, released) = (leader.term, leader.released);
        let lost = leader.answers.drain(..).chain(leader.orders.drain(..).map(|(id, _)| id));
        let lost: Vec<u64> = lost.collect();
        let handed_over = released && reason == Reason::HigherTerm;
        self.standing = Standing::Follower;
        self.leader = None;
        for id in lost {
            let error = CommandError::TryAgain("leadership was lost on the way");
            self.outbox.push(0, Effect::Answer { id, answer: Answer::Refused(error) });
        }
        if !handed_over {
            self.note(Note::SteppedDown { term, reason });
        }
        if matches!(self.phase, Phase::Waiting | Phase::Idle)
            && self.runner.is_idle()
            && let Some(held) = self.own_claim()
        {
            // The claim was written, no permit was sent: nothing of it will become active.
            let epoch = self.runner.idle.max(held.epoch);
            self.own_word = Some(ReleasedWord { epoch, term, vouched: false });
        }
        self.fence(reason);
        self.announce_released(None);
    }

    /// Lets everybody choose again at once: nothing of this node is active, and it goes.
    pub(crate) fn abdicate(&mut self, reason: Reason) {
        let Standing::Leader(leader) = &self.standing else { return };
        let claimed = self.own_claim().map(|held| held.epoch).unwrap_or_default();
        let epoch = self.runner.idle.max(claimed);
        let word = ReleasedWord { epoch, term: leader.term, vouched: false };
        self.own_word = Some(word);
        self.own_lease = None;
        let announced = self.own_claim().is_some();
        self.leave_leadership(reason);
        if !announced {
            self.send_released(word, None);
        }
    }

    fn heartbeat_if_due(&mut self, now: Moment) {
        let lease = self.hard.state.timing.lease;
        let Standing::Leader(leader) = &mut self.standing else { return };
        if leader.refresh.is_some() || !leader.next_heartbeat.over_when_either(now) {
            return;
        }
        leader.seq += 1;
        leader.sent.push_back(Beat { seq: leader.seq, sent: now, lease });
        if leader.sent.len() > SENT {
            leader.sent.pop_front();
        }
        leader.next_heartbeat = now.plus(self.hard.state.timing.heartbeat);
        let message = Message::Heartbeat {
            seq: leader.seq,
            version: self.durable.state.version,
            promise: self.hard.state.timing.promise(),
            phase: self.phase,
            epoch: leader.epoch,
        };
        self.send_beside_to_all(&message);
    }

    /// L1, and what the leader should know of the voter.
    pub(crate) fn handle_heartbeat_reply(
        &mut self,
        now: Moment,
        from: &NodeId,
        term: Term,
        seq: Option<u64>,
        version: Version,
        facts: Facts,
    ) {
        let current = self.durable.state.version;
        let lease = self.hard.state.timing.lease;
        let early = self.sabotage.is(Mutant::L1ReliesEarly);
        let votes = self.hard.state.members.has_vote(from);
        let Standing::Leader(leader) = &mut self.standing else { return };
        if facts.released && term == leader.term && votes && !leader.released {
            return self.leave_unpromised_term(from);
        }
        let any = self.sabotage.is(Mutant::L1CountsOtherTerms);
        let (Some(seq), true) = (seq, any || term == leader.term) else { return };
        let mut beat = leader.sent.iter().find(|beat| beat.seq == seq).cloned();
        if self.sabotage.is(Mutant::L1CountsFromReceipt) {
            beat = Some(Beat { seq, sent: now, lease });
        }
        let progress = leader.progress.entry(from.clone()).or_default();
        progress.facts = facts;
        let ahead = |epoch: &Epoch| epoch.0.saturating_sub(leader.term.0);
        let beyond = facts.epoch.filter(|it| (1..=CORRUPT_TERM_DISTANCE).contains(&ahead(it)));
        if let Some(Epoch(epoch)) = beyond.filter(|_| votes) {
            // It could act only in a term above: R1.
            self.highest_term = self.highest_term.max(Term(epoch));
            leader.higher_term = leader.higher_term.max(Some(Term(epoch)));
        }
        progress.heard = Some(now);
        if version.term == leader.term {
            // K1 as well: it is durable there, and a lost reply to the publish is made good.
            progress.accepted = progress.accepted.max(Some(version));
        }
        if let Some(beat) = beat {
            let until = beat.sent.plus(if early { lease } else { beat.lease });
            progress.bears = Some(progress.bears.map_or(until, |bears| bears.latest(until)));
        }
        let quiet = progress.published.is_none_or(|at| at.plus(lease).over_when_both(now));
        if version < current && quiet {
            progress.published = Some(now);
            let state = self.hard.state.clone();
            self.send(from.clone(), Message::Publish { state });
        }
    }

    /// R1: a voter was told that this node is off (V7), and promises it nothing in this term for ever;
    /// in the next it will.
    fn leave_unpromised_term(&mut self, by: &NodeId) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        let (term, next) = (leader.term, Some(leader.term.next()));
        if leader.higher_term < next && !self.sabotage.is(Mutant::R1IgnoresUnpromised) {
            leader.higher_term = next;
            self.note(Note::Unpromised { by: by.clone(), term });
        }
    }

    /// K1.
    pub(crate) fn handle_publish_reply(&mut self, from: &NodeId, term: Term, version: Version) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        if term != leader.term {
            return;
        }
        let progress = leader.progress.entry(from.clone()).or_default();
        progress.accepted = progress.accepted.max(Some(version));
    }
}

impl Lease {
    fn is_over(&self, now: Moment) -> bool {
        !self.is_live(now)
    }
}
