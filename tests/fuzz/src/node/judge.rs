//! The judge of one node: it sees what the node is told, what it writes and what leaves it, and
//! panics when the node breaks a rule that one node can break alone (protocol.md 9). Others may lie;
//! what is judged are this node's own obligations.

use std::collections::{BTreeMap, BTreeSet};

use election::{
    Act, Envelope, Epoch, HardState, Incarnation, Kind, LONGEST_PROMISE, Message, Moment, NodeId,
    Note, Permit, Snapshot, Span, Term, Version, VoteKind,
};

type Life = (NodeId, Incarnation);

/// What this node promised, as far as it has left the node.
struct Promise {
    until: Moment,
    to: Option<Life>,
    term: Term,
}

/// A permit that is out: nobody has said Idle since.
#[derive(Clone, Copy)]
struct Out {
    epoch: Epoch,
    until: Moment,
}

/// A heartbeat that was heard.
struct Heard {
    at: Moment,
    promise: Span,
}

/// Knows what one node owes.
pub(crate) struct Judge {
    me: NodeId,
    life: Incarnation,
    votes: BTreeMap<Term, NodeId>,
    promise: Promise,
    released: BTreeMap<Life, Term>,
    /// Who asked for a vote, and whether a promise or a lease stood against it each time.
    asked: BTreeMap<(NodeId, Term), bool>,
    heard: BTreeMap<(NodeId, Term, u64), Heard>,
    /// 9.15: whether the last message came from a life that the node knows.
    counts: bool,
    permit: Option<Out>,
    last_epoch: Epoch,
    /// Until when each heartbeat asks for a promise, counted from when it was sent.
    sent: BTreeMap<(Term, u64), Moment>,
    acked: BTreeMap<NodeId, Moment>,
    accepted: BTreeSet<(NodeId, Version)>,
    claimed: BTreeMap<Version, Epoch>,
}

impl Judge {
    /// Of a node that has just started (S1).
    pub(crate) fn new(now: Moment, me: NodeId, life: Incarnation, disk: &HardState) -> Self {
        Self {
            me,
            life,
            votes: BTreeMap::new(),
            promise: since_start(now, disk),
            released: BTreeMap::new(),
            asked: BTreeMap::new(),
            heard: BTreeMap::new(),
            counts: false,
            permit: None,
            last_epoch: Epoch(0),
            sent: BTreeMap::new(),
            acked: BTreeMap::new(),
            accepted: BTreeSet::new(),
            claimed: BTreeMap::new(),
        }
    }

    /// The node starts again from what is on disk; its executor has let go before (X2).
    pub(crate) fn restarted(&mut self, now: Moment, disk: &HardState) {
        self.promise = since_start(now, disk);
        self.released.clear();
        self.asked.clear();
        self.heard.clear();
        self.permit = None;
        self.sent.clear();
        self.acked.clear();
    }

    /// Before the node is told. 9.15: what comes from a life that its state does not know counts
    /// for nothing, so it is not written down; section 6 has the one exception.
    pub(crate) fn hears(&mut self, now: Moment, envelope: &Envelope, before: &Snapshot) {
        let Envelope { from, incarnation, term, message, .. } = envelope;
        self.counts = before.state.knows(from, *incarnation) || introduces_itself(envelope, before);
        if !self.counts {
            return;
        }
        let life = (from.clone(), *incarnation);
        match message {
            Message::Heartbeat { seq, promise, .. } => {
                let promise = (*promise).min(LONGEST_PROMISE);
                let heard = Heard { at: now, promise };
                // Several may have that number, and an answer names one: the least is certain.
                let least = self.heard.entry((from.clone(), *term, *seq)).or_insert(heard);
                least.promise = least.promise.min(promise);
            }
            Message::HeartbeatReply { seq, version, .. } => {
                if let Some(sent) = seq.and_then(|seq| self.sent.get(&(*term, seq))) {
                    let acked = self.acked.entry(from.clone()).or_insert(*sent);
                    *acked = acked.latest(*sent);
                }
                self.accepted.insert((from.clone(), *version));
            }
            Message::PublishReply { version } => {
                self.accepted.insert((from.clone(), *version));
            }
            Message::Vote { kind, .. } => {
                let free = self.may_vote(now, &life, *term, kind);
                *self.asked.entry((from.clone(), *term)).or_default() |= free;
            }
            Message::Released { term: of, .. } if of <= term => self.let_off(now, life, *of),
            Message::Confirmed { node, incarnation, term: of } if of <= term => {
                self.let_off(now, (node.clone(), *incarnation), *of);
            }
            _ => {}
        }
    }

    /// After it was told: A1, whose promise it is now.
    pub(crate) fn heard(&mut self, envelope: &Envelope, after: &Snapshot) {
        let leads = matches!(envelope.message, Message::Heartbeat { .. } | Message::Publish { .. });
        if self.counts
            && leads
            && after.leader.as_ref() == Some(&envelope.from)
            && after.term == envelope.term
        {
            self.promise.to = Some((envelope.from.clone(), envelope.incarnation));
            self.promise.term = envelope.term;
        }
    }

    /// V7: an operator vouches for it.
    pub(crate) fn confirmed(&mut self, now: Moment, node: &NodeId, term: Term) {
        if let Some(life) = self.promise.to.clone().filter(|(name, _)| name == node) {
            self.let_off(now, life, term);
        }
    }

    fn let_off(&mut self, now: Moment, life: Life, term: Term) {
        if self.promise.to.as_ref() == Some(&life) && self.promise.term <= term {
            self.promise.until = self.promise.until.earliest(now);
        }
        let known = self.released.entry(life).or_insert(term);
        *known = (*known).max(term);
    }

    /// 9.9, V2: whether neither a promise nor an own lease stands against this vote.
    fn may_vote(&self, now: Moment, asks: &Life, term: Term, kind: &VoteKind) -> bool {
        if self.permit.is_some_and(|out| !out.until.over_when_both(now)) {
            return false;
        }
        if self.promise.until.over_when_both(now) {
            return true;
        }
        match kind {
            VoteKind::Normal => false,
            VoteKind::Handover { from, incarnation, term: of } => {
                let to = (from.clone(), *incarnation);
                of.0.checked_add(1) == Some(term.0)
                    && (*from == self.me
                        || (self.promise.to == Some(to) && self.promise.term == *of))
            }
            VoteKind::Refresh => self.promise.to.as_ref() == Some(asks),
        }
    }

    /// A word of the executor that counts by X4.
    pub(crate) fn idle(&mut self, epoch: Epoch) {
        self.permit = self.permit.filter(|out| out.epoch > epoch);
    }

    /// 9.4.
    pub(crate) fn written(before: &HardState, after: &HardState) {
        assert!(after.term >= before.term, "9.4: the term fell on disk");
        assert!(after.state.version >= before.state.version, "9.4: the version fell on disk");
        assert!(after.promise_hiwater >= before.promise_hiwater, "S1: the longest promise fell");
        assert!(after.state.version.term <= after.term, "A2: the state is ahead of the term");
        if after.term == before.term && before.voted_for.is_some() {
            assert_eq!(after.voted_for, before.voted_for, "9.3: another vote in the same term");
        }
    }

    /// What leaves the node, with what is on its disk then (9.16).
    pub(crate) fn sends(
        &mut self,
        now: Moment,
        to: &NodeId,
        envelope: &Envelope,
        disk: &HardState,
    ) {
        let term = envelope.term;
        assert_eq!((&envelope.from, envelope.incarnation), (&self.me, self.life));
        assert!(term <= disk.term, "9.16: says term {term}, the disk has {}", disk.term);
        match &envelope.message {
            Message::Vote { version, .. } => {
                self.votes_for(term, &self.me.clone(), disk);
                assert!(*version <= disk.state.version, "9.16: a vote for what is not on disk");
            }
            Message::VoteReply { vote, refusal: None } => {
                self.votes_for(*vote, to, disk);
                let free = self.asked.get(&(to.clone(), *vote)).copied();
                assert_eq!(free, Some(true), "9.9: votes for {to} in {vote} within a promise");
            }
            Message::Heartbeat { seq, promise, .. } => {
                let mine = disk.term > term || disk.voted_for.as_ref() == Some(&self.me);
                assert!(mine, "9.16: leads {term} without its own vote on disk");
                self.sent.entry((term, *seq)).or_insert(now.plus(*promise));
            }
            Message::HeartbeatReply { seq: Some(seq), version, .. } => {
                assert!(*version <= disk.state.version, "9.16: has a state that is not on disk");
                self.promises(to, term, *seq, disk);
            }
            Message::HeartbeatReply { seq: None, version, .. }
            | Message::PublishReply { version }
            | Message::PreVoteReply { version, .. } => {
                assert!(*version <= disk.state.version, "9.16: has a state that is not on disk");
            }
            Message::Publish { state } => {
                assert!(
                    state.version <= disk.state.version,
                    "9.16: publishes before it is on disk"
                );
                let claim = state.claim.held_by(&self.me, self.life).map(|held| held.epoch);
                if let Some(out) = self.permit {
                    assert_eq!(
                        claim,
                        Some(out.epoch),
                        "9.11: the claim is gone, the permit is out"
                    );
                }
                if let Some(epoch) = claim {
                    self.claimed.insert(state.version, epoch);
                }
            }
            Message::TakeOver { version, .. } => {
                assert!(*version <= disk.state.version, "9.16");
                assert!(self.permit.is_none(), "X6: hands over with a permit out");
            }
            Message::Released { epoch, term: of } => {
                assert!(*of <= disk.term, "9.16: released a term that is not on disk");
                if let Some(out) = self.permit {
                    let later = out.epoch > *epoch && out.epoch.0 > of.0;
                    assert!(later, "9.10: released {epoch} with a permit for {} out", out.epoch);
                }
                // Nothing at or below becomes active (section 2).
                self.last_epoch = self.last_epoch.max(*epoch).max(Epoch(of.0));
            }
            Message::PreVote { .. }
            | Message::VoteReply { refusal: Some(_), .. }
            | Message::Confirmed { .. } => {}
        }
    }

    /// 9.3, 9.16.
    fn votes_for(&mut self, term: Term, candidate: &NodeId, disk: &HardState) {
        let durable =
            disk.term > term || (disk.term == term && disk.voted_for.as_ref() == Some(candidate));
        assert!(durable, "9.16: a vote for {candidate} in {term} that is not on disk");
        let voted = self.votes.entry(term).or_insert_with(|| candidate.clone());
        assert_eq!(voted, candidate, "9.3: two votes in term {term}");
    }

    fn promises(&mut self, to: &NodeId, term: Term, seq: u64, disk: &HardState) {
        let heard = self.heard.get(&(to.clone(), term, seq));
        let heard = heard.expect("A1: acknowledges what it never heard");
        assert!(disk.promise_hiwater >= heard.promise, "S1: a promise that is not on disk");
        let until = heard.at.plus(heard.promise);
        let Some(life) = self.promise.to.clone().filter(|(name, _)| name == to) else { return };
        // V5: released between the answer and its leaving.
        let released = self.released.get(&life).is_some_and(|released| *released >= term);
        if self.promise.term == term && !released {
            self.promise.until = self.promise.until.latest(until);
        }
    }

    /// An order to the executor.
    pub(crate) fn acts(&mut self, now: Moment, act: &Act, disk: &HardState, seen: &Snapshot) {
        match act {
            Act::Promote { permit, .. } => self.promotes(now, *permit, disk, seen),
            Act::Extend { epoch, until } => {
                let out = self.permit.as_mut().expect("X1: extends no permit");
                assert_eq!(out.epoch, *epoch, "X1: extends another epoch");
                assert_eq!(out.until.latest(*until), *until, "X1: extends backwards");
                out.until = *until;
                self.is_earned(*until, seen);
            }
            Act::Demote { epoch, .. } | Act::Revoke { epoch, .. } => {
                assert!(*epoch <= self.last_epoch, "X4: revokes what was never permitted");
            }
            Act::Follow { .. } => {}
        }
    }

    fn promotes(&mut self, now: Moment, permit: Permit, disk: &HardState, seen: &Snapshot) {
        let Permit { epoch, until, fence } = permit;
        assert!(epoch > self.last_epoch, "9.13: epoch {epoch} after {}", self.last_epoch);
        assert!(self.permit.is_none(), "X4: a permit before the executor was idle");
        let state = &disk.state;
        // By the version that has the claim; the next, with other timing, may be on its way already.
        let margin = state.timing.promote_margin();
        assert!(until.left_until_either(now) >= margin, "W4, 9.7: a permit that is all but over");
        let claim = state.claim.held_by(&self.me, self.life);
        let claim = claim.expect("9.6: a permit without a claim on disk");
        assert_eq!((claim.epoch, claim.fence), (epoch, fence), "X1, W3: the claim's epoch and D");
        let member = state.members.find(&self.me).expect("9.17: no member");
        assert!(member.kind == Kind::Voter && member.drained.is_none(), "9.17: {member:?}");
        assert!(state.paused.is_none(), "9.17: paused");
        self.is_committed(epoch, disk);
        self.permit = Some(Out { epoch, until });
        self.last_epoch = epoch;
        self.is_earned(until, seen);
    }

    /// K1, W3: a majority replied with a version that has the claim.
    fn is_committed(&self, epoch: Epoch, disk: &HardState) {
        let members = &disk.state.members;
        let have = |version: &Version| {
            let others = members.voting().filter(|voter| **voter != self.me);
            others.filter(|voter| self.accepted.contains(&((*voter).clone(), *version))).count()
        };
        let published = self.claimed.iter().filter(|(_, of)| **of == epoch);
        let most = published.map(|(version, _)| have(version)).max().unwrap_or(0);
        assert!(most + 1 >= members.quorum(), "9.6: epoch {epoch}, {most} others have the claim");
    }

    /// L1: a majority acknowledged heartbeats whose promises, from when they were sent, last at least as
    /// long, on each clock. The lease that goes with a promise is a little shorter; which one that
    /// was is not known here, for an operator may have changed the timing since.
    fn is_earned(&self, until: Moment, seen: &Snapshot) {
        let members = &seen.state.members;
        for clock in [|m: &Moment| m.boot, |m: &Moment| m.raw] {
            let others = members.voting().filter(|voter| **voter != self.me);
            let others = others.filter_map(|voter| self.acked.get(voter));
            let enough = others.filter(|promised| clock(promised) >= clock(&until)).count();
            assert!(enough + 1 >= members.quorum(), "L1: a lease until {until:?} that nobody gave");
        }
    }

    /// What it tells the log.
    pub(crate) fn notes(&mut self, now: Moment, note: &Note) {
        if let Note::BecameLeader { .. } = note {
            // E1: its own promise, over at once; V2 guards from here.
            self.promise.until = now;
        }
    }
}

/// Section 6: a member whose life is not known here yet, with a newer state that knows it, or that
/// nobody without a life in it could have.
fn introduces_itself(envelope: &Envelope, before: &Snapshot) -> bool {
    let mine = &before.state;
    let Envelope { from, incarnation, message, .. } = envelope;
    if mine.members.find(from).is_none_or(|member| member.incarnation.is_some()) {
        return false;
    }
    match message {
        Message::Publish { state } => {
            let same_lives = mine.members.iter().all(|(name, member)| {
                member.incarnation.is_none_or(|life| state.knows(name, life))
            });
            state.version > mine.version && state.knows(from, *incarnation) && same_lives
        }
        Message::PreVote { version, .. } | Message::Vote { version, .. } => *version > mine.version,
        _ => false,
    }
}

/// S1: to nobody.
fn since_start(now: Moment, disk: &HardState) -> Promise {
    let silence = disk.promise_hiwater.max(disk.state.timing.promise());
    Promise { until: now.plus(silence), to: None, term: disk.term }
}
