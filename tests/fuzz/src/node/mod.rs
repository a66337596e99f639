//! One real Node among 1 to 5 members, whom everybody tells everything: messages near what it
//! knows from members, strangers and earlier lives, times of both clocks, words of its executor,
//! writes that succeed, are refused or come in the wrong order, commands, restarts. Messages are
//! those that the wire lets through: all that a member with a valid certificate can say. None may
//! make it panic, and it keeps its own obligations whoever lies ([`judge`]).

pub(crate) mod judge;
mod surroundings;

use std::collections::VecDeque;

use election::{
    Act, Command, Effect, Envelope, Epoch, HardState, Incarnation, Message, Moment, Node, NodeId,
    Snapshot, Span, Term, Word, Write, Written,
};

use crate::draw::Draw;
use crate::values::{
    self, CLUSTER, MOST, NAMES, Near, hard, life, life_of, name_of, over_the_wire, span,
};
use judge::Judge;
use surroundings::{favour, readable, start};

/// How many messages of the node may wait for an answer.
const MOST_ASKED: usize = 32;
/// The longest promise of an earlier life: a longer one only makes the node wait.
const HIWATER: Span = Span::from_secs(5);

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut bench = Bench::start(&mut draw);
    while !draw.is_over() {
        bench.step(&mut draw);
    }
}

/// The node with its shell.
struct Bench {
    me: usize,
    life: Incarnation,
    node: Node,
    now: Moment,
    disk: HardState,
    write: Option<Write>,
    judge: Judge,
    /// What the node said to others, for them to answer.
    asked: VecDeque<(NodeId, Envelope)>,
    /// The highest epoch that the executor has read.
    read: Epoch,
    /// A permit or revoke is out that the executor may not have read.
    stuck: bool,
    seq: u64,
    attempt: u64,
    commands: u64,
}

impl Bench {
    fn start(draw: &mut Draw<'_>) -> Self {
        let count = 1 + draw.below(MOST);
        let me = draw.below(count);
        let mut disk = readable(hard(draw, count), me);
        disk.promise_hiwater = disk.promise_hiwater.min(HIWATER);
        let life = life(draw, me);
        let now = Moment { boot: 50_000_000_000, raw: 40_000_000_000 };
        // An epoch is a term that this disk has seen, unless the disk was wiped.
        let last = draw.near(disk.state.version.term.0);
        let last = if disk.state.is_unborn() { last.min(1 << 40) } else { last.min(disk.term.0) };
        let read = Epoch(last);
        let judge = Judge::new(now, name_of(me), life, &disk);
        let mut node = Node::start(now, start(me, life, &disk, read));
        crate::sabotage::node(&mut node, now);
        Self {
            me,
            life,
            node,
            now,
            disk,
            write: None,
            judge,
            asked: VecDeque::new(),
            read,
            stuck: false,
            seq: 1,
            attempt: 1,
            commands: 0,
        }
    }

    fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.below(16) {
            0 => self.calm(draw),
            1 => self.pass(draw, true, true),
            2 => self.pass(draw, true, false),
            3 => self.pass(draw, false, true),
            4 | 5 => self.message(draw),
            6 => self.message_of_a_leader(draw),
            7 | 8 => self.answer(draw),
            9 => self.written(draw),
            10 => self.word(draw),
            11 => {
                let member = draw.below(NAMES.len());
                let life = life(draw, member);
                self.node.handle_connected(self.now, &name_of(member), life);
            }
            12 => self.node.handle_lost(self.now, &name_of(draw.below(NAMES.len()))),
            13 | 14 => self.command(draw),
            _ => self.restart(draw),
        }
        self.carry_out();
    }

    fn snapshot(&self) -> Snapshot {
        self.node.snapshot(self.now)
    }

    fn near(&self) -> Near {
        let Snapshot { term, state, .. } = self.snapshot();
        let epoch = self.node.last_permit();
        Near { term, state, epoch, seq: self.seq, attempt: self.attempt }
    }

    /// Time goes on, on both clocks or one; mostly the node is woken then.
    fn pass(&mut self, draw: &mut Draw<'_>, boot: bool, raw: bool) {
        let timing = self.snapshot().state.timing;
        let usual = [timing.heartbeat, timing.lease, timing.promise(), timing.fence_wait()];
        let wake = self.node.wake(self.now);
        let span = if draw.flag() {
            wake
        } else {
            {
                let usual = draw.pick(&usual);
                span(draw, usual)
            }
        };
        let later = self.now.plus(span.min(Span::from_secs(1000)));
        self.now = Moment {
            boot: if boot { later.boot } else { self.now.boot },
            raw: if raw { later.raw } else { self.now.raw },
        };
        if !draw.rarely(4) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.node.handle_timeout(self.now);
        let wake = self.node.wake(self.now);
        assert!(wake > Span::ZERO, "a timer that is never met: {:?}", self.snapshot().standing);
    }

    /// Anything from anybody, with a term near the node's.
    fn message(&mut self, draw: &mut Draw<'_>) {
        let near = self.near();
        let term = Term(draw.near(near.term.0));
        let message = near.message(draw, term);
        self.tell(draw, term, message);
    }

    /// What a leader would say next: its term is as high as needed.
    fn message_of_a_leader(&mut self, draw: &mut Draw<'_>) {
        let mut near = self.near();
        near.term = Term(near.term.0 + u64::from(draw.byte() % 3));
        let message = near.message(draw, near.term);
        self.tell(draw, near.term, message);
    }

    fn tell(&mut self, draw: &mut Draw<'_>, term: Term, message: Message) {
        let from = draw.below(NAMES.len());
        let cluster = if draw.rarely(32) { election::ClusterId(8) } else { CLUSTER };
        let (from, incarnation) = (name_of(from), life(draw, from));
        self.hear(&Envelope { cluster, from, incarnation, term, message });
    }

    fn hear(&mut self, envelope: &Envelope) {
        let Some(envelope) = over_the_wire(envelope) else { return };
        if envelope.cluster == CLUSTER {
            self.judge.hears(self.now, &envelope, &self.node.snapshot(self.now));
        }
        self.node.handle_message(self.now, &envelope);
        self.judge.heard(&envelope, &self.snapshot());
    }

    /// Somebody answers what it was asked, in the node's favour.
    fn answer(&mut self, draw: &mut Draw<'_>) {
        if self.asked.is_empty() {
            return;
        }
        let place = draw.below(self.asked.len());
        let asked =
            if draw.rarely(4) { self.asked.get(place).cloned() } else { self.asked.remove(place) };
        if let Some((from, envelope)) = asked {
            self.answer_to(&from, &envelope);
        }
    }

    fn answer_to(&mut self, from: &NodeId, asked: &Envelope) {
        let Some(message) = favour(&asked.message, asked.term) else { return };
        let member = NAMES.iter().position(|name| *name == from.as_str()).unwrap_or(0);
        let (from, incarnation) = (from.clone(), life_of(member));
        self.hear(&Envelope { cluster: CLUSTER, from, incarnation, term: asked.term, message });
    }

    /// For a while everything goes well: disks write, peers answer, hooks succeed.
    fn calm(&mut self, draw: &mut Draw<'_>) {
        for _ in 0..=draw.below(24) {
            self.now = self.now.plus(self.node.wake(self.now));
            self.tick();
            self.carry_out();
            for _ in 0..4 {
                if let Some(write) = self.write.take() {
                    self.lands(write);
                }
                self.carry_out();
                while let Some((from, envelope)) = self.asked.pop_front() {
                    self.answer_to(&from, &envelope);
                    self.carry_out();
                }
            }
            if draw.flag() && !self.stuck {
                let epoch = self.node.last_permit();
                self.say(Word::Promoted { epoch });
            }
        }
    }

    /// The disk has done its work, or refuses; or says something about another write.
    fn written(&mut self, draw: &mut Draw<'_>) {
        match draw.below(4) {
            0 | 1 => {
                if let Some(write) = self.write.take() {
                    self.lands(write);
                }
            }
            2 => {
                if let Some(write) = self.write.take() {
                    let written = Written { generation: write.generation, durable: false };
                    self.node.handle_written(self.now, written);
                }
            }
            _ => {
                let mut generation = draw.near(self.write.as_ref().map_or(1, |w| w.generation));
                if self.write.as_ref().is_some_and(|write| write.generation == generation) {
                    generation += 1;
                }
                let written = Written { generation, durable: draw.flag() };
                self.node.handle_written(self.now, written);
            }
        }
    }

    fn lands(&mut self, write: Write) {
        Judge::written(&self.disk, &write.hard);
        self.disk = write.hard;
        let written = Written { generation: write.generation, durable: true };
        self.node.handle_written(self.now, written);
    }

    /// An honest executor: it never names an epoch that it was not given.
    fn word(&mut self, draw: &mut Draw<'_>) {
        let sent = self.node.last_permit();
        let epoch = if draw.rarely(4) { Epoch(draw.near(sent.0).min(sent.0)) } else { sent };
        let word = match draw.below(8) {
            0..=2 => Word::Promoted { epoch },
            3 => Word::PromoteFailed { epoch },
            4..=6 => Word::Idle { epoch: epoch.max(self.read.min(sent)) },
            _ => Word::Stuck { epoch },
        };
        self.say(word);
    }

    fn say(&mut self, word: Word) {
        match word {
            Word::Idle { .. } if self.stuck => return,
            Word::Idle { epoch } => {
                self.read = self.read.max(epoch);
                self.judge.idle(epoch);
            }
            Word::Stuck { .. } => self.stuck = true,
            Word::Promoted { .. } | Word::PromoteFailed { .. } => {}
        }
        self.node.handle_hook_outcome(self.now, word);
    }

    fn command(&mut self, draw: &mut Draw<'_>) {
        let node = name_of(draw.below(NAMES.len()));
        let (force, reason) = (draw.flag(), String::from("why"));
        let command = match draw.below(12) {
            0 => Command::Resign { force },
            1 => Command::Switchover { to: node },
            2 => Command::Drain { node, until: None, reason, force },
            3 => Command::Undrain { node },
            4 => Command::Pause { until: None, reason },
            5 => Command::Resume,
            6 => Command::Clear { node },
            11 => Command::Apply(Box::new(values::settings(draw, self.node.state(), node))),
            7 => {
                self.judge.confirmed(self.now, &node, self.snapshot().term);
                Command::Confirm { node }
            }
            8 => Command::Leave,
            _ => Command::SetReady(force),
        };
        self.commands += 1;
        let _ = self.node.handle_command(self.now, self.commands, command);
    }

    /// The elector dies; the executor lets go of what it was permitted and starts another. The
    /// write that was under way has landed, or not.
    fn restart(&mut self, draw: &mut Draw<'_>) {
        if let Some(write) = self.write.take()
            && draw.flag()
        {
            Judge::written(&self.disk, &write.hard);
            self.disk = write.hard;
        }
        if draw.flag() {
            // What was in the channel was read.
            self.read = self.read.max(self.node.last_permit());
        }
        if self.stuck {
            // Never Idle: no elector starts until somebody has ended the effects by hand.
            self.stuck = false;
        }
        self.asked.clear();
        self.now = self.now.plus(span(draw, Span::from_millis(200)).min(Span::from_secs(100)));
        self.judge.restarted(self.now, &self.disk);
        self.node = Node::start(self.now, start(self.me, self.life, &self.disk, self.read));
        crate::sabotage::node(&mut self.node, self.now);
    }

    fn carry_out(&mut self) {
        let ready = self.node.ready();
        if let Some(write) = ready.write {
            assert!(self.write.is_none(), "one write at a time");
            self.write = Some(write);
        }
        let seen = self.snapshot();
        for effect in ready.effects {
            match effect {
                Effect::Send { to, envelope } => {
                    self.judge.sends(self.now, &to, &envelope, &self.disk);
                    let there = over_the_wire(&envelope);
                    assert_eq!(there.as_ref(), Some(&envelope), "said what no peer takes");
                    match &envelope.message {
                        Message::PreVote { attempt, .. } => self.attempt = *attempt,
                        Message::Heartbeat { seq, .. } => self.seq = *seq,
                        _ => {}
                    }
                    self.asked.push_back((to, envelope));
                    if self.asked.len() > MOST_ASKED {
                        self.asked.pop_front();
                    }
                }
                Effect::Act(act) => {
                    self.judge.acts(self.now, &act, &self.disk, &seen);
                    if let Act::Promote { .. } = act {
                        assert!(!self.stuck, "X4: a permit for what is stuck");
                    }
                }
                Effect::Note(note) => {
                    self.judge.notes(self.now, &note);
                    assert!(!note.to_string().is_empty());
                }
                Effect::Answer { id, .. } => assert!(id <= self.commands, "answers nobody"),
                Effect::Left => assert!(self.node.has_left()),
            }
        }
    }
}
