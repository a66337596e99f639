//! The node: every input comes in through a `handle_*`, every output leaves through
//! [`Node::ready`]. What is the same in each standing lives here: who is listened to (T0,
//! section 6), terms, eligibility and rank; the rest is in the file of its concern.

use std::collections::BTreeMap;
use std::fmt;

use crate::boss::{Phase, Runner};
use crate::candidate::{Candidate, PreCandidate};
use crate::command::{Command, CommandError};
use crate::follower::Campaign;
use crate::hard_state::{HardState, Written};
use crate::id::{ClusterId, Epoch, Incarnation, NodeId, Term};
use crate::jitter::Jitter;
use crate::leader::{Leader, MOST_ORDERS};
use crate::lease::{Lease, Promise};
use crate::members::{Kind, Member};
use crate::message::{Envelope, Facts, Message};
use crate::moment::{Moment, Span};
#[cfg(feature = "mutants")]
use crate::mutant::Mutant;
use crate::note::Note;
use crate::permit::Word;
use crate::preference::{compare, ranking};
use crate::ready::{Act, Effect, Life, Outbox, Ready, Reason};

/// T0: a term this far ahead was not reached by counting.
const CORRUPT_TERM_DISTANCE: u64 = 1 << 32;
/// How often a disk that refused a write is tried again.
const PROBE: Span = Span::from_secs(1);
/// A chain of standings that an event can run through: follower, pre-candidate, candidate, leader.
const MOST_STEPS: usize = 4;

/// What a node needs to begin.
#[derive(Clone, Debug)]
pub struct Start {
    /// This member.
    pub me: NodeId,
    /// The life of its state directory.
    pub incarnation: Incarnation,
    /// The cluster.
    pub cluster: ClusterId,
    /// What the state directory holds.
    pub hard: HardState,
    /// The lowest term that an unborn cluster may begin with: the wall clock's seconds, so that
    /// epochs grow even across a wiped cluster.
    pub first_term: Term,
    /// The executor's word "idle": the last epoch that it knows (X5).
    pub last_epoch: Epoch,
    /// Whether its hooks are in order.
    pub ready: bool,
    /// Seeds the jitter.
    pub seed: u64,
}

/// What a node is in its term. ("Role" is the operator's word for something else.)
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Standing {
    Follower,
    PreCandidate(PreCandidate),
    Candidate(Candidate),
    Leader(Box<Leader>),
}

/// What a node said of itself, or somebody surely knows of it: nothing at or below is active.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ReleasedWord {
    pub epoch: Epoch,
    pub term: Term,
}

/// A peer that has said Hello.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peer {
    pub incarnation: Incarnation,
    pub connected: bool,
}

/// Why a node cannot be boss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ineligible {
    /// It is no member.
    Unknown,
    /// A witness never becomes boss.
    Witness,
    /// An observer never becomes boss.
    Observer,
    /// It is drained.
    Drained,
    /// It is held off for so long still.
    HeldOff(Span),
    /// Its hooks are not in order.
    NotReady,
    /// It is stopping.
    Leaving,
    /// Its disk refuses writes.
    Disk,
    /// Its life is not the one that the cluster knows.
    OtherIncarnation,
}

/// The election's state machine on one node. Pure: time, messages and outcomes are given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    pub(crate) me: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) cluster: ClusterId,
    pub(crate) hard: HardState,
    /// What is on disk.
    pub(crate) durable: HardState,
    pub(crate) outbox: Outbox,
    /// The generation that made the present term (or promise_hiwater) durable: all that a
    /// heartbeat and its reply depend on.
    pub(crate) term_generation: u64,
    pub(crate) promise: Promise,
    /// V2: the end of an own unreleased lease, in any standing.
    pub(crate) own_lease: Option<Lease>,
    pub(crate) standing: Standing,
    pub(crate) leader: Option<NodeId>,
    pub(crate) phase: Phase,
    pub(crate) runner: Runner,
    /// X6: what this node may say of itself.
    pub(crate) own_word: Option<ReleasedWord>,
    pub(crate) released: BTreeMap<Life, ReleasedWord>,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Of each member the last life that was not listened to, and whether for its term.
    complaints: BTreeMap<NodeId, (Incarnation, bool)>,
    pub(crate) hold_off_ends: BTreeMap<NodeId, (u64, Moment)>,
    pub(crate) campaign: Campaign,
    pub(crate) highest_term: Term,
    pub(crate) first_term: Term,
    pub(crate) facts: Facts,
    pub(crate) leaving: bool,
    pub(crate) left: bool,
    probe_at: Option<Moment>,
    pub(crate) followed: Option<(NodeId, Epoch)>,
    pub(crate) jitter: Jitter,
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<Mutant>,
}

impl Node {
    /// S1: whatever it was before, a node starts as a follower that withholds its vote for as long
    /// as it may ever have promised.
    pub fn start(now: Moment, start: Start) -> Self {
        let Start { me, incarnation, cluster, hard, first_term, last_epoch, ready, seed } = start;
        let silence = hard.promise_hiwater.max(hard.state.timing.promise());
        let claimed = hard.state.claim.held_by(&me, incarnation).map(|held| held.epoch);
        let last = last_epoch.max(claimed.unwrap_or_default());
        let mut node = Self {
            incarnation,
            cluster,
            durable: hard.clone(),
            outbox: Outbox::default(),
            term_generation: 0,
            promise: Promise { until: now.plus(silence), to: None, term: hard.term },
            own_lease: None,
            standing: Standing::Follower,
            leader: None,
            phase: Phase::Idle,
            runner: Runner { sent: last, idle: last, stuck: false },
            own_word: Some(ReleasedWord { epoch: last, term: hard.term }),
            released: BTreeMap::new(),
            peers: BTreeMap::new(),
            complaints: BTreeMap::new(),
            hold_off_ends: BTreeMap::new(),
            campaign: Campaign {
                failures: 0,
                jitter: Span::ZERO,
                not_before: now,
                // An answer to an attempt of an earlier life must not fit one of this life.
                attempt: seed,
                yielded: false,
                without_lease: 0,
                no_lease_until: now,
            },
            highest_term: hard.term,
            // Epochs grow strictly: also when the state directory was wiped and the executor's
            // marker was not.
            first_term: first_term.max(Term(last.0).next()),
            facts: Facts { ready, disk_ok: true },
            leaving: false,
            left: false,
            probe_at: None,
            followed: None,
            jitter: Jitter::new(seed),
            #[cfg(feature = "mutants")]
            mutant: None,
            me,
            hard,
        };
        node.time_hold_offs(now);
        node
    }

    /// Breaks one rule on purpose.
    #[cfg(feature = "mutants")]
    pub fn set_mutant(&mut self, now: Moment, mutant: Option<Mutant>) {
        self.mutant = mutant;
        if self.mutant == Some(Mutant::S1VotesAtOnce) && self.promise.to.is_none() {
            self.promise.until = now;
        }
    }

    #[cfg(feature = "mutants")]
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// A message whose sender the shell has authenticated.
    pub fn handle_message(&mut self, now: Moment, env: &Envelope) {
        if self.listens_to(env) {
            self.dispatch(now, env);
        }
        self.advance(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.probe_at.is_some_and(|at| at.over_when_either(now)) {
            self.probe_at = Some(now.plus(PROBE));
            self.outbox.changed();
        }
        self.advance(now);
    }

    /// A peer's Hello was accepted, on a new connection.
    pub fn handle_connected(&mut self, now: Moment, peer: &NodeId, incarnation: Incarnation) {
        self.peers.insert(peer.clone(), Peer { incarnation, connected: true });
        self.announce_released(Some(peer));
        if matches!(self.standing, Standing::Leader(_)) {
            let state = self.hard.state.clone();
            self.send(peer.clone(), Message::Publish { state });
        }
        self.advance(now);
    }

    /// A connection is gone. It is evidence of nothing (protocol.md 7): only the view changes.
    pub fn handle_lost(&mut self, now: Moment, peer: &NodeId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.connected = false;
        }
        self.advance(now);
    }

    /// The executor's word.
    pub fn handle_hook_outcome(&mut self, now: Moment, word: Word) {
        self.take_word(word);
        self.advance(now);
    }

    /// A write is durable, or was refused before it reached the disk.
    pub fn handle_written(&mut self, now: Moment, written: Written) {
        if written.durable {
            if let Some(hard) = self.outbox.written(written.generation) {
                self.durable = hard;
                if !self.facts.disk_ok {
                    self.facts.disk_ok = true;
                    self.probe_at = None;
                    self.note(Note::DiskRecovered);
                }
            }
        } else if self.outbox.refused(written.generation) {
            self.take_back(now);
        }
        self.advance(now);
    }

    /// What an operator, or the shell, asks. `id` comes back in [`Effect::Answer`] when the answer
    /// is not immediate; Ok(true) is "done already", Ok(false) "an answer will come".
    pub fn handle_command(
        &mut self,
        now: Moment,
        id: u64,
        command: Command,
    ) -> Result<bool, CommandError> {
        let answer = self.take_command(now, id, command);
        self.advance(now);
        answer
    }

    /// What may be done now, and what is to be written.
    pub fn ready(&mut self) -> Ready {
        self.outbox.take(&self.hard)
    }

    /// Whose messages count: this cluster's, a member's, the life that the cluster knows.
    fn listens_to(&mut self, env: &Envelope) -> bool {
        if env.cluster != self.cluster || env.from == self.me {
            return false;
        }
        let state = self.hard.state.clone();
        let Some(member) = state.members.find(&env.from).cloned() else { return false };
        #[cfg(feature = "mutants")]
        let state = if self.is(Mutant::HearsUnknownLives) { self.blind_state() } else { state };
        if !state.knows(&env.from, env.incarnation) {
            let known = member.incarnation;
            let (node, incarnation) = (env.from.clone(), env.incarnation);
            if self.complains_first(env, false) {
                self.note(Note::UnknownIncarnation { node, incarnation, known });
            }
            return false;
        }
        let highest = self.hard.term.max(self.first_term).0;
        if env.term.0 > highest.saturating_add(CORRUPT_TERM_DISTANCE) {
            if self.complains_first(env, true) {
                self.note(Note::CorruptTerm { node: env.from.clone(), term: env.term });
            }
            return false;
        }
        if member.kind.votes() {
            self.highest_term = self.highest_term.max(env.term);
            if let Standing::Leader(leader) = &mut self.standing
                && env.term > leader.term
            {
                leader.higher_term = leader.higher_term.max(Some(env.term));
            }
        }
        true
    }

    #[cfg(feature = "mutants")]
    fn blind_state(&self) -> std::sync::Arc<crate::cluster_state::ClusterState> {
        let mut state = (*self.hard.state).clone();
        let peers: Vec<_> = self.peers.iter().map(|(n, p)| (n.clone(), p.incarnation)).collect();
        for (name, life) in peers {
            state.members.bind(&name, life);
        }
        std::sync::Arc::new(state)
    }

    /// A peer that is not listened to goes on sending: it is worth one line, not one per message.
    fn complains_first(&mut self, env: &Envelope, corrupt: bool) -> bool {
        let complaint = (env.incarnation, corrupt);
        self.complaints.insert(env.from.clone(), complaint) != Some(complaint)
    }

    fn dispatch(&mut self, now: Moment, env: &Envelope) {
        let from = &env.from;
        match &env.message {
            Message::PreVote { proposed, version, attempt, rank } => {
                self.handle_pre_vote(now, env, (*proposed, *version), *attempt, *rank);
            }
            Message::PreVoteReply { attempt, refusal, better, promise_left, .. } => {
                let (refusal, better) = (refusal.as_ref(), better.as_ref());
                self.handle_pre_vote_reply(now, from, *attempt, refusal, better, *promise_left);
            }
            Message::Vote { version, kind } => self.handle_vote(now, env, *version, kind),
            Message::VoteReply { vote, refusal } => {
                self.handle_vote_reply(env, *vote, refusal.as_ref());
            }
            Message::Heartbeat { seq, promise, phase, epoch, .. } => {
                let boss = epoch.map(|epoch| (*phase, epoch));
                self.handle_heartbeat(now, env, *seq, *promise, boss);
            }
            Message::HeartbeatReply { seq, version, facts } => {
                self.handle_heartbeat_reply(now, from, env.term, *seq, *version, *facts);
            }
            Message::Publish { state } => self.handle_publish(now, env, state),
            Message::PublishReply { version } => {
                self.handle_publish_reply(from, env.term, *version);
            }
            Message::TakeOver { version } => self.handle_take_over(now, env, *version),
            Message::Released { epoch, term } => {
                let word = ReleasedWord { epoch: *epoch, term: *term };
                if word.term <= env.term {
                    self.take_released(now, from, env.incarnation, word, "V5");
                }
            }
            Message::Confirmed { node, incarnation, term } => {
                let word = ReleasedWord { epoch: Epoch(term.0), term: *term };
                #[cfg(feature = "mutants")]
                if self.is(Mutant::V7IgnoresConfirmed) {
                    return;
                }
                if *node != self.me && *term <= env.term {
                    self.take_released(now, node, *incarnation, word, "V7");
                }
            }
        }
    }

    /// Every event ends here: whatever has become possible or due happens.
    fn advance(&mut self, now: Moment) {
        for _ in 0..MOST_STEPS {
            let before = std::mem::discriminant(&self.standing);
            match &self.standing {
                Standing::Follower => self.campaign_if_due(now),
                Standing::PreCandidate(_) => self.advance_pre_candidate(now),
                Standing::Candidate(_) => self.advance_candidate(now),
                Standing::Leader(_) => self.lead(now),
            }
            if before == std::mem::discriminant(&self.standing) {
                break;
            }
        }
        self.leave_if_done();
        self.check_invariants(now);
    }

    /// A write was refused: what it would have made durable never happened.
    fn take_back(&mut self, now: Moment) {
        self.hard = self.durable.clone();
        self.term_generation = self.outbox.generation();
        self.probe_at = Some(now.plus(PROBE));
        if std::mem::replace(&mut self.facts.disk_ok, false) {
            self.note(Note::DiskRefused);
        }
        let durable = self.hard.term;
        match &mut self.standing {
            Standing::Leader(leader) => {
                // An earlier attempt of a refresh may be durable already: it is still to be won.
                leader.refresh = None;
                if durable > leader.term {
                    leader.higher_term = leader.higher_term.max(Some(durable));
                }
                self.give_up(None, Reason::DiskRefused);
            }
            Standing::PreCandidate(_) | Standing::Candidate(_) => {
                self.standing = Standing::Follower;
            }
            Standing::Follower => {}
        }
    }

    fn take_command(
        &mut self,
        now: Moment,
        id: u64,
        command: Command,
    ) -> Result<bool, CommandError> {
        match command {
            Command::SetReady(ready) => self.facts.ready = ready,
            Command::Leave => self.leave(now),
            Command::Confirm { node } => self.confirm(now, &node)?,
            Command::Resign { force } => self.resign(now, force)?,
            Command::Switchover { to } => self.switch_over(now, to)?,
            Command::Drain { ref node, force, .. } => {
                self.require_leader()?;
                self.require_other_eligible(node, now, force)?;
                return self.enqueue(id, command);
            }
            Command::Undrain { ref node } | Command::Clear { ref node } => {
                self.require_leader()?;
                self.require_member(node)?;
                return self.enqueue(id, command);
            }
            Command::Pause { .. } | Command::Resume => {
                self.require_leader()?;
                return self.enqueue(id, command);
            }
        }
        Ok(true)
    }

    fn enqueue(&mut self, id: u64, command: Command) -> Result<bool, CommandError> {
        let Standing::Leader(leader) = &mut self.standing else {
            return Err(CommandError::NotLeader(self.leader.clone()));
        };
        if leader.orders.len() >= MOST_ORDERS {
            return Err(CommandError::TryAgain("too many orders wait to be written"));
        }
        leader.orders.push_back((id, command));
        Ok(false)
    }

    fn require_leader(&self) -> Result<&Leader, CommandError> {
        match &self.standing {
            Standing::Leader(leader) => Ok(leader),
            _ => Err(CommandError::NotLeader(self.leader.clone())),
        }
    }

    fn require_member(&self, node: &NodeId) -> Result<&Member, CommandError> {
        let member = self.hard.state.members.find(node);
        member.ok_or_else(|| CommandError::UnknownNode(node.clone()))
    }

    /// A drain that would leave nobody who could be boss needs force.
    fn require_other_eligible(
        &self,
        node: &NodeId,
        now: Moment,
        force: bool,
    ) -> Result<(), CommandError> {
        self.require_member(node)?;
        let other = self.ranking(now).into_iter().any(|candidate| candidate != node);
        if other || force { Ok(()) } else { Err(self.nobody_eligible(now)) }
    }

    fn resign(&mut self, now: Moment, force: bool) -> Result<(), CommandError> {
        self.require_boss()?;
        if !force && self.best_successor(now).is_none() {
            return Err(self.nobody_eligible(now));
        }
        if let Standing::Leader(leader) = &mut self.standing {
            leader.hold_off_me = Some(crate::cluster_state::HoldOffCause::Resigned);
        }
        self.give_up(None, Reason::Resigned);
        Ok(())
    }

    fn switch_over(&mut self, now: Moment, to: NodeId) -> Result<(), CommandError> {
        self.require_boss()?;
        self.require_member(&to)?;
        if to == self.me {
            return Err(CommandError::AlreadyBoss(to));
        }
        if let Some(why) = self.unfit(&to, now) {
            return Err(CommandError::Unfit(to, why));
        }
        if let Standing::Leader(leader) = &mut self.standing {
            leader.set_stay = true;
        }
        self.give_up(Some(to), Reason::Switchover);
        Ok(())
    }

    fn require_boss(&self) -> Result<(), CommandError> {
        self.require_leader()?;
        if self.phase == Phase::Boss { Ok(()) } else { Err(CommandError::NoBoss) }
    }

    /// V7, W2: a host that is surely off. Told to everybody; it counts here at once.
    fn confirm(&mut self, now: Moment, node: &NodeId) -> Result<(), CommandError> {
        let member = self.require_member(node)?;
        let Some(incarnation) = member.incarnation else {
            return Err(CommandError::UnknownNode(node.clone()));
        };
        let term = self.hard.term;
        let word = ReleasedWord { epoch: Epoch(term.0), term };
        #[cfg(feature = "mutants")]
        if self.is(Mutant::V7IgnoresConfirmed) {
            return Ok(());
        }
        self.take_released(now, node, incarnation, word, "V7");
        self.send_to_all(&Message::Confirmed { node: node.clone(), incarnation, term });
        Ok(())
    }

    fn leave(&mut self, now: Moment) {
        self.leaving = true;
        match self.standing {
            Standing::Leader(_)
                if self.best_successor(now).is_none() && !self.phase.has_permit() =>
            {
                self.abdicate(Reason::Leaving);
            }
            Standing::Leader(_) => self.give_up(None, Reason::Leaving),
            Standing::PreCandidate(_) | Standing::Candidate(_) => {
                self.standing = Standing::Follower;
            }
            Standing::Follower => {}
        }
    }

    fn leave_if_done(&mut self) {
        let follows = matches!(self.standing, Standing::Follower);
        // What the successor must hear is behind the writes; a disk that refuses them frees it.
        let said = !self.outbox.is_outstanding();
        if self.leaving && !self.left && follows && said && self.phase == Phase::Idle {
            self.left = true;
            self.outbox.push(0, Effect::Left);
        }
    }

    /// Whether this node's own life is the one that the cluster knows.
    pub(crate) fn counts(&self) -> bool {
        self.hard.state.knows(&self.me, self.incarnation)
    }

    /// Enters a higher term without a vote. A candidate of a lower one is none any more; a leader
    /// has left before.
    pub(crate) fn adopt_term(&mut self, term: Term) {
        if term > self.hard.term {
            self.hard.term = term;
            self.hard.voted_for = None;
            self.term_generation = self.outbox.changed();
            self.standing = Standing::Follower;
        }
    }

    /// How many have a vote.
    pub(crate) fn voters(&self) -> usize {
        self.hard.state.members.voting().count()
    }

    /// Why `name` cannot be boss; None if it can. Facts are known only of this node itself.
    pub(crate) fn ineligible(&self, name: &NodeId, now: Moment) -> Option<Ineligible> {
        let state = &self.hard.state;
        let Some(member) = state.members.find(name) else { return Some(Ineligible::Unknown) };
        match member.kind {
            Kind::Witness => return Some(Ineligible::Witness),
            Kind::Observer => return Some(Ineligible::Observer),
            Kind::Voter => {}
        }
        if member.drained.is_some() {
            return Some(Ineligible::Drained);
        }
        if let Some(left) = self.held_off(name, now) {
            return Some(Ineligible::HeldOff(left));
        }
        if *name == self.me { self.own_fault() } else { None }
    }

    fn own_fault(&self) -> Option<Ineligible> {
        if self.leaving {
            Some(Ineligible::Leaving)
        } else if !self.facts.ready {
            Some(Ineligible::NotReady)
        } else if !self.facts.disk_ok {
            Some(Ineligible::Disk)
        } else if !self.counts() {
            Some(Ineligible::OtherIncarnation)
        } else {
            None
        }
    }

    pub(crate) fn held_off(&self, name: &NodeId, now: Moment) -> Option<Span> {
        let (_, end) = self.hold_off_ends.get(name)?;
        (!end.over_when_both(now)).then(|| end.left_until_both(now))
    }

    /// The nodes that can be boss, the preferred first.
    pub(crate) fn ranking(&self, now: Moment) -> Vec<&NodeId> {
        let state = &self.hard.state;
        ranking(&state.members, &state.policy.prefer, |name, _| {
            self.ineligible(name, now).is_none()
        })
    }

    /// This node's place in the order; None when it cannot be boss.
    pub(crate) fn rank(&self, now: Moment) -> Option<u32> {
        let place = self.ranking(now).into_iter().position(|name| *name == self.me)?;
        u32::try_from(place).ok()
    }

    pub(crate) fn is_better(&self, a: &NodeId, b: &NodeId) -> bool {
        let state = &self.hard.state;
        let (Some(first), Some(second)) = (state.members.find(a), state.members.find(b)) else {
            return false;
        };
        compare(&state.policy.prefer, (a, first), (b, second)).is_lt()
    }

    /// Sends what depends on everything so far.
    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        #[cfg(feature = "mutants")]
        if self.is(Mutant::SendsBeforeDurable) {
            return self.outbox.push(0, Effect::Send { to, envelope });
        }
        self.outbox.push(self.outbox.generation(), Effect::Send { to, envelope });
    }

    /// Sends what depends on the term alone: heartbeats and their replies go on beside a write.
    pub(crate) fn send_beside(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        self.outbox.push(self.term_generation, Effect::Send { to, envelope });
    }

    pub(crate) fn send_to_all(&mut self, message: &Message) {
        for to in self.others(|_| true) {
            self.send(to, message.clone());
        }
    }

    pub(crate) fn send_to_voters(&mut self, message: &Message) {
        for to in self.others(|member| member.kind.votes()) {
            self.send(to, message.clone());
        }
    }

    pub(crate) fn send_beside_to_all(&mut self, message: &Message) {
        for to in self.others(|_| true) {
            self.send_beside(to, message.clone());
        }
    }

    fn others(&self, which: impl Fn(&Member) -> bool) -> Vec<NodeId> {
        let members = &self.hard.state.members;
        let chosen = members.iter().filter(|(name, m)| **name != self.me && which(m));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    fn envelope(&self, message: Message) -> Envelope {
        // During a refresh the hard state's term is ahead of the one that is led.
        let term = match (&self.standing, &message) {
            (Standing::Leader(leader), Message::Heartbeat { .. } | Message::Publish { .. }) => {
                leader.term
            }
            _ => self.hard.term,
        };
        let (cluster, incarnation) = (self.cluster, self.incarnation);
        Envelope { cluster, from: self.me.clone(), incarnation, term, message }
    }

    pub(crate) fn act(&mut self, act: Act) {
        self.outbox.push(0, Effect::Act(act));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.outbox.push(0, Effect::Note(note));
    }

    pub(crate) fn probe_at(&self) -> Option<Moment> {
        self.probe_at
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it is no member"),
            Self::Witness => f.write_str("it is a witness"),
            Self::Observer => f.write_str("it is an observer"),
            Self::Drained => f.write_str("it is drained"),
            Self::HeldOff(left) => write!(f, "it is held off, {left} left"),
            Self::NotReady => f.write_str("its hooks are not in order"),
            Self::Leaving => f.write_str("it is stopping"),
            Self::Disk => f.write_str("its disk refuses writes"),
            Self::OtherIncarnation => {
                f.write_str("its state directory is not the one that the cluster knows")
            }
        }
    }
}
