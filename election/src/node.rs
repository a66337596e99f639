//! The node: every input comes in through a `handle_*`, every output leaves through
//! [`Node::ready`]. What is the same in each standing lives here; the rest is in the file of
//! its concern.

use std::collections::{BTreeMap, BTreeSet};

use crate::boss::{Phase, Runner};
use crate::candidate::{Candidate, PreCandidate};
use crate::command::{Command, CommandError};
use crate::follower::Campaign;
use crate::handover::Trial;
use crate::hard_state::{HardState, Written};
use crate::id::{ClusterId, Epoch, Incarnation, NodeId, Term};
use crate::jitter::Jitter;
use crate::leader::Leader;
use crate::lease::{Lease, Promise};
use crate::message::{Envelope, Facts, Message};
use crate::moment::{Moment, Span};
use crate::mutant::{Mutant, Sabotage};
use crate::note::Note;
use crate::ready::{Life, Outbox, Ready, Reason};
use crate::word::Word;

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
    /// V7: by the word of an operator or a fence agent, not by the node's own.
    pub vouched: bool,
}

impl ReleasedWord {
    /// Of all that the node may have done up to `term`.
    pub(crate) fn vouched_for(term: Term) -> Self {
        Self { epoch: Epoch(term.0), term, vouched: true }
    }
}

/// A peer that has said Hello.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peer {
    pub incarnation: Incarnation,
    pub connected: bool,
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
    pub(crate) complaints: BTreeMap<NodeId, (Incarnation, bool)>,
    pub(crate) hold_off_ends: BTreeMap<NodeId, (u64, Moment)>,
    pub(crate) campaign: Campaign,
    /// Whom this node told to take over, and who has not been heard leading since.
    pub(crate) trials: BTreeMap<NodeId, Trial>,
    pub(crate) highest_term: Term,
    pub(crate) first_term: Term,
    pub(crate) facts: Facts,
    pub(crate) leaving: bool,
    pub(crate) left: bool,
    pub(crate) probe_at: Option<Moment>,
    pub(crate) followed: Option<(NodeId, Epoch)>,
    pub(crate) jitter: Jitter,
    pub(crate) sabotage: Sabotage,
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
            own_word: Some(ReleasedWord { epoch: last, term: hard.term, vouched: false }),
            released: BTreeMap::new(),
            peers: BTreeMap::new(),
            complaints: BTreeMap::new(),
            hold_off_ends: BTreeMap::new(),
            campaign: Campaign {
                failures: 0,
                votes: 0,
                jitter: Span::ZERO,
                not_before: now,
                // An answer to an attempt of an earlier life must not fit one of this life.
                attempt: seed,
                yielded: false,
                without_lease: 0,
                no_lease_until: now,
                cut_off_until: now,
                answered: BTreeSet::new(),
            },
            trials: BTreeMap::new(),
            // X4, 9.13: an epoch is a term, which this disk may not have seen, if it is another.
            highest_term: hard.term.max(Term(last.0)),
            first_term,
            facts: Facts { ready, ..Facts::default() },
            leaving: false,
            left: false,
            probe_at: None,
            followed: None,
            jitter: Jitter::new(seed),
            sabotage: Sabotage::default(),
            me,
            hard,
        };
        node.time_hold_offs(now);
        node
    }

    /// Breaks one rule on purpose.
    #[cfg(feature = "mutants")]
    pub fn set_mutant(&mut self, now: Moment, mutant: Option<Mutant>) {
        self.sabotage = Sabotage::of(mutant);
        if self.sabotage.is(Mutant::S1WaitsHalf) {
            self.promise.until = now.plus(self.promise.left(now).part(2));
        }
        if self.sabotage.is(Mutant::S1VotesAtOnce) && self.promise.to.is_none() {
            self.promise.until = now;
        }
        if self.sabotage.is(Mutant::X4ReusesEpochs) {
            self.highest_term = self.hard.term;
        }
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
                let before = std::mem::replace(&mut self.durable, hard);
                self.leave_winner_time(now, &before);
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
                self.handle_heartbeat(now, env, *seq, *promise, (*phase, *epoch));
            }
            Message::HeartbeatReply { seq, version, facts } => {
                self.handle_heartbeat_reply(now, from, env.term, *seq, *version, *facts);
            }
            Message::Publish { state } => self.handle_publish(now, env, state),
            Message::PublishReply { version } => {
                self.handle_publish_reply(from, env.term, *version);
            }
            Message::TakeOver { version, window } => {
                self.handle_take_over(now, env, *version, *window);
            }
            Message::Released { epoch, term } => {
                let word = ReleasedWord { epoch: *epoch, term: *term, vouched: false };
                if word.term <= env.term {
                    self.take_released(now, from, env.incarnation, word, "V5");
                }
            }
            Message::Confirmed { node, incarnation, term } => {
                let word = ReleasedWord::vouched_for(*term);
                if self.sabotage.is(Mutant::V7IgnoresConfirmed) {
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

    pub(crate) fn probe_at(&self) -> Option<Moment> {
        self.probe_at
    }
}
