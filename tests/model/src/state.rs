//! One state of a small cluster: hosts with the real elector and executor as separate actors, what
//! is on its way between them, and what an observer outside remembers.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use election::{
    Act, Envelope, Epoch, Executor, Folding, HardState, Marker, Message, Moment, Node, Order,
    Refusal, Term, Version, Word, Write,
};

use crate::setup::{Budget, Setup, TICK};

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Parcel {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) envelope: Envelope,
}

/// Hooks that run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Run {
    Promote,
    Demote,
    Escalate,
}

/// One host.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Host {
    pub(crate) elector: Option<Node>,
    pub(crate) executor: Option<Executor>,
    pub(crate) disk: HardState,
    /// Handed to the disk and not yet there.
    pub(crate) writing: Option<Write>,
    /// To the executor, and from it.
    pub(crate) acts: VecDeque<Act>,
    pub(crate) words: VecDeque<Word>,
    pub(crate) marker: Marker,
    /// On its way to /run; what the executor orders next waits for it.
    pub(crate) marking: Option<Marker>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) run: Option<Run>,
    /// What stands here, from the start of the promote to the successful end of the demote.
    pub(crate) effect: Option<Epoch>,
    /// It woke with an effect whose time was over: protocol.md 7 excuses it until D is over.
    pub(crate) excused: bool,
    /// Both processes are dead, the clean-up ends by then.
    pub(crate) cleaning: Option<Moment>,
    /// The executor wants an elector.
    pub(crate) restart: bool,
    pub(crate) frozen: bool,
    pub(crate) asleep: bool,
    /// Without power, which ended every effect.
    pub(crate) off: bool,
    /// How often its state directory was lost.
    pub(crate) wiped: u8,
    pub(crate) mute: bool,
    pub(crate) deaf: bool,
}

/// What the observer remembers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) leaders: BTreeMap<Term, usize>,
    pub(crate) last_epoch: Epoch,
    pub(crate) committed: Version,
}

/// One state. What a step does not touch is shared with the state before, with its fingerprint.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) hosts: Vec<(u64, Arc<Host>)>,
    /// What goes on the stream of each ordered pair, the oldest first.
    pub(crate) streams: Vec<Vec<(u64, Arc<Parcel>)>>,
    /// What arrives in any order, sorted by fingerprint.
    pub(crate) bag: Vec<(u64, Arc<Parcel>)>,
    pub(crate) left: Budget,
    pub(crate) remembered: Remembered,
    /// What went wrong on the way here.
    pub(crate) violation: Option<Arc<str>>,
}

impl Host {
    pub(crate) fn new(disk: HardState) -> Self {
        Self {
            elector: None,
            executor: None,
            disk,
            writing: None,
            acts: VecDeque::new(),
            words: VecDeque::new(),
            marker: Marker::Missing,
            marking: None,
            orders: VecDeque::new(),
            run: None,
            effect: None,
            excused: false,
            cleaning: None,
            restart: false,
            frozen: false,
            asleep: false,
            off: false,
            wiped: 0,
            mute: false,
            deaf: false,
        }
    }

    /// Whether its elector takes anything in.
    pub(crate) fn listens(&self) -> bool {
        self.elector.is_some() && !self.frozen && !self.asleep
    }

    /// What its channels and its disk keep waiting.
    pub(crate) fn waiting(&self) -> usize {
        if self.asleep {
            return 0;
        }
        let words =
            if self.frozen { 0 } else { self.words.len() + usize::from(self.writing.is_some()) };
        self.acts.len() + words + usize::from(self.marking.is_some())
    }
}

impl State {
    /// The highest term on any disk.
    pub(crate) fn term(&self) -> Term {
        self.hosts.iter().map(|(_, host)| host.disk.term).max().unwrap_or_default()
    }

    pub(crate) fn stream(&mut self, from: usize, to: usize) -> &mut Vec<(u64, Arc<Parcel>)> {
        let count = self.hosts.len();
        &mut self.streams[from * count + to]
    }

    /// Everything on its way to `to`, and from it, is lost.
    pub(crate) fn lose_all(&mut self, host: usize) {
        let count = self.hosts.len();
        for other in 0..count {
            self.streams[other * count + host].clear();
            self.streams[host * count + other].clear();
        }
        self.bag.retain(|(_, parcel)| parcel.to != host);
    }

    /// How many things are on their way to somebody who listens.
    pub(crate) fn late(&self) -> usize {
        let here = |to: usize| self.hosts[to].1.listens() || self.hosts[to].1.elector.is_none();
        let streams = self.streams.iter().flatten();
        let parcels = streams.chain(&self.bag).filter(|(_, parcel)| here(parcel.to)).count();
        parcels + self.hosts.iter().map(|(_, host)| host.waiting()).sum::<usize>()
    }

    /// The canonical form of what a step touched (`touched` by host): counters are counted from
    /// where they matter ([`Folding`]), and what only the log would show is forgotten.
    pub(crate) fn canonical(&mut self, setup: &Setup, touched: &[bool]) {
        for (host, _) in touched.iter().enumerate().filter(|(_, touched)| **touched) {
            let here = Arc::make_mut(&mut self.hosts[host].1);
            if let Some(node) = &mut here.elector {
                let folding = node.fold(setup.now(), TICK);
                if let Some(write) = &mut here.writing {
                    write.generation = write.generation.saturating_sub(folding.generation);
                }
                for parcel in self.streams.iter_mut().flatten().chain(&mut self.bag) {
                    rename(parcel, host, folding);
                }
            }
            self.hosts[host].0 = print_of(&*self.hosts[host].1);
        }
        for (print, parcel) in self.streams.iter_mut().flatten().chain(&mut self.bag) {
            if *print == 0 {
                *print = print_of(&**parcel);
            }
        }
        self.bag.sort_by_key(|(print, _)| *print);
    }
}

/// Equal for states that will go on alike.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for (print, _) in &self.hosts {
            hasher.write_u64(*print);
        }
        for stream in &self.streams {
            hasher.write_usize(stream.len());
            for (print, _) in stream {
                hasher.write_u64(*print);
            }
        }
        for (print, _) in &self.bag {
            hasher.write_u64(*print);
        }
        (self.left, &self.remembered, self.violation.is_some()).hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let prints = |state: &Self| {
            let mut hasher = Folded::default();
            state.hash(&mut hasher);
            hasher.finish()
        };
        prints(self) == prints(other)
    }
}

/// A message from or to `host` in the numbers that the host has now.
fn rename((print, parcel): &mut (u64, Arc<Parcel>), host: usize, folding: Folding) {
    if parcel.from != host && parcel.to != host && *print != 0 {
        return;
    }
    let (from, to, term) = (parcel.from == host, parcel.to == host, parcel.envelope.term);
    let seq_now = |seq: u64| match folding.heartbeats {
        Some((led, base)) if led == term => seq.saturating_sub(base),
        _ => 0,
    };
    let mut message = parcel.envelope.message.clone();
    match &mut message {
        Message::PreVote { attempt, .. } if from => {
            *attempt = u64::from(*attempt == folding.attempt);
        }
        Message::PreVoteReply { attempt, .. } if to => {
            *attempt = u64::from(*attempt == folding.attempt);
        }
        Message::Heartbeat { seq, .. } if from => *seq = seq_now(*seq),
        Message::HeartbeatReply { seq: Some(seq), .. } if to => *seq = seq_now(*seq),
        _ => {}
    }
    if let Message::PreVoteReply { refusal: Some(why), .. }
    | Message::VoteReply { refusal: Some(why), .. } = &mut message
    {
        // The receiver counts that it was refused; the words go to its log.
        *why = Refusal::Disk;
    }
    if message != parcel.envelope.message {
        Arc::make_mut(parcel).envelope.message = message;
        *print = 0;
    }
}

/// Multiplies and folds, a few times faster than the library's hasher; nobody attacks it here.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        mixed(self.0, 0x9e37_79b9_7f4a_7c15).max(1)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mixed(self.0 ^ 0x2d35_8dcc_aa6c_78a5, word ^ 0x8bb8_4b93_962e_acc9);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
fn mixed(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64) ^ a.rotate_left(23)
}

/// Never zero, which marks what has no fingerprint yet.
pub(crate) fn print_of(value: &impl Hash) -> u64 {
    let mut hasher = Folded::default();
    value.hash(&mut hasher);
    hasher.finish()
}
