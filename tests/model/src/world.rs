//! One state of a small cluster: hosts with the real elector and executor as separate actors, what
//! is on its way between them, and what an observer outside remembers.
//!
//! Time is folded: every host's clock stands at [`NOW`], and a tick moves all moments back.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use election::{
    Act, Address, Claim, ClusterId, ClusterState, Command, DEFAULT_PRIORITY, Epoch, Executor,
    HardState, Incarnation, Kind, Marker, Member, Members, Message, Moment, Node, NodeId, Policy,
    Refusal, Span, Start, Term, Timing, Version, Word, Write,
};

/// The rule that every node and executor breaks.
#[cfg(feature = "mutants")]
pub(crate) type Broken = Option<election::Mutant>;
/// Without the feature nothing is broken.
#[cfg(not(feature = "mutants"))]
pub(crate) type Broken = Option<std::convert::Infallible>;

/// The step of time. Everything shorter (a slot, an attempt) takes until the next one.
pub(crate) const TICK: Span = Span::from_millis(100);
/// What every clock shows, always. A moment of the past further back than this is at zero; no rule
/// looks back further than two leases.
pub(crate) const NOW: Moment = Moment { boot: 900_000_000, raw: 900_000_000 };
/// Answers to attempts of an earlier life must not fit a later one: no folded attempt is this high.
const SEED: u64 = 100;
/// A graceful demote may take this long before it becomes urgent.
const GRACEFUL: Span = Span::from_millis(300);

/// What may still go wrong, and how often; part of the state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Budget {
    /// Messages lost.
    pub(crate) losses: u8,
    /// Messages delivered twice.
    pub(crate) doubles: u8,
    /// Ticks that a message, an act or a word is late, summed over all.
    pub(crate) delays: u8,
    /// Changes of a host's connection: cut, or healed.
    pub(crate) cuts: u8,
    pub(crate) elector_crashes: u8,
    /// Elector and executor die together; the clean-up follows within D.
    pub(crate) unit_crashes: u8,
    pub(crate) hook_failures: u8,
    /// Orders of an operator.
    pub(crate) orders: u8,
}

/// A small world.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) members: Vec<Kind>,
    pub(crate) timing: Timing,
    /// How much of a tick each host's clock counts, in per cent.
    pub(crate) rates: Vec<u64>,
    pub(crate) highest_term: u64,
    pub(crate) budget: Budget,
    /// One-way cuts as well.
    pub(crate) one_way: bool,
    pub(crate) orders: Vec<Command>,
    /// Heartbeats, pre-votes, the answers to them and to publishes, and extensions arrive at once or,
    /// over a cut, never; a connection changes only while nothing is on its way. Votes and their
    /// answers, publishes, TakeOver, Released, permits and words stay as late as the budget allows.
    pub(crate) swift: bool,
    /// No version was ever published.
    pub(crate) unborn: bool,
    #[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "nothing is broken"))]
    pub(crate) broken: Broken,
    /// What must have been seen when everything was searched.
    pub(crate) sometimes: &'static [&'static str],
}

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Parcel {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) envelope: election::Envelope,
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
    /// To the executor, and from it.
    pub(crate) acts: VecDeque<Act>,
    pub(crate) words: VecDeque<Word>,
    pub(crate) marker: Marker,
    pub(crate) run: Option<Run>,
    /// What stands here, from the start of the promote to the successful end of the demote.
    pub(crate) effect: Option<Epoch>,
    /// Both processes are dead, the clean-up ends by then.
    pub(crate) cleaning: Option<Moment>,
    /// The executor wants an elector.
    pub(crate) restart: bool,
    pub(crate) mute: bool,
    pub(crate) deaf: bool,
}

/// What the observer remembers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) leaders: BTreeMap<Term, usize>,
    pub(crate) last_epoch: Epoch,
    pub(crate) committed: Version,
}

/// One state. A host that a step does not touch is shared with the state before.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) hosts: Vec<(u64, Arc<Host>)>,
    /// With their fingerprints, in the order of these.
    pub(crate) parcels: Vec<(u64, Arc<Parcel>)>,
    pub(crate) left: Budget,
    pub(crate) seen: Seen,
}

pub(crate) fn name_of(host: usize) -> NodeId {
    NodeId::new(["a", "b", "c", "d", "e"][host])
}

pub(crate) fn life_of(host: usize) -> Incarnation {
    Incarnation(host as u128 + 1)
}

/// Multiplies and folds, a few times faster than the library's hasher; nobody attacks it here.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        mixed(self.0, 0x9e37_79b9_7f4a_7c15)
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

pub(crate) fn print_of(value: &impl Hash) -> u64 {
    let mut hasher = Folded::default();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Setup {
    /// What a tick is by the clock of `host`.
    pub(crate) fn tick_of(&self, host: usize) -> Span {
        TICK.times(self.rates.get(host).copied().unwrap_or(100)).part(100)
    }

    fn cluster_state(&self) -> ClusterState {
        let list = self.members.iter().enumerate().map(|(index, kind)| {
            let member = Member {
                address: Address::Host(String::new(), 1),
                kind: *kind,
                priority: DEFAULT_PRIORITY,
                incarnation: (!self.unborn).then(|| life_of(index)),
                joined: u32::try_from(index).unwrap_or(0),
                drained: None,
            };
            (name_of(index), member)
        });
        let members = Members::new(list).expect("a small list of members");
        let policy = Policy { hold_off: TICK.times(2), ..Policy::default() };
        let mut state = ClusterState::unborn(members, self.timing, policy);
        if !self.unborn {
            state.version = Version { term: Term(1), index: 1 };
            state.claim = Claim::None;
        }
        state
    }

    /// All hosts were just switched on.
    pub(crate) fn first(&self) -> State {
        let mut hard = HardState::unborn(self.cluster_state());
        if !self.unborn {
            hard.term = Term(1);
            hard.promise_hiwater = self.timing.promise();
        }
        let host = |_| {
            let host = Host {
                elector: None,
                executor: None,
                disk: hard.clone(),
                acts: VecDeque::new(),
                words: VecDeque::new(),
                marker: Marker::Missing,
                run: None,
                effect: None,
                cleaning: None,
                restart: false,
                mute: false,
                deaf: false,
            };
            (0, Arc::new(host))
        };
        State {
            hosts: (0..self.members.len()).map(host).collect(),
            parcels: Vec::new(),
            left: self.budget,
            seen: Seen { committed: hard.state.version, ..Seen::default() },
        }
    }

    #[cfg_attr(not(feature = "mutants"), expect(clippy::unused_self, reason = "nothing is broken"))]
    pub(crate) fn new_elector(&self, host: usize, hard: HardState, last_epoch: Epoch) -> Node {
        let start = Start {
            me: name_of(host),
            incarnation: life_of(host),
            cluster: ClusterId(1),
            hard,
            first_term: Term(2),
            last_epoch,
            ready: true,
            seed: SEED,
        };
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut node = Node::start(NOW, start);
        #[cfg(feature = "mutants")]
        node.set_mutant(NOW, self.broken);
        node
    }

    pub(crate) fn new_executor(&self, host: usize, here: &Host) -> Executor {
        let claim = here.disk.state.claim.held_by(&name_of(host), life_of(host)).map(|h| h.epoch);
        let fence = self.timing.fence;
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut executor = Executor::start(NOW, here.marker, claim, fence, fence.part(4), GRACEFUL);
        #[cfg(feature = "mutants")]
        executor.set_mutant(self.broken);
        executor
    }
}

impl State {
    /// Equal for states that will go on alike.
    pub(crate) fn print(&self) -> u64 {
        let mut hasher = Folded::default();
        self.hosts.iter().for_each(|(print, _)| print.hash(&mut hasher));
        self.parcels.iter().for_each(|(print, _)| print.hash(&mut hasher));
        (self.left, &self.seen).hash(&mut hasher);
        hasher.finish()
    }

    /// The highest term on any disk.
    pub(crate) fn term(&self) -> Term {
        self.hosts.iter().map(|(_, host)| host.disk.term).max().unwrap_or_default()
    }

    /// The canonical form of what the step touched (`touched` by host): counters are counted from
    /// where they matter (`election::Folding`), and what only the log would show is forgotten.
    pub(crate) fn canonical(&mut self, touched: &[bool]) {
        for (host, _) in touched.iter().enumerate().filter(|(_, touched)| **touched) {
            let here = Arc::make_mut(&mut self.hosts[host].1);
            if let Some(node) = &mut here.elector {
                let folding = node.fold(NOW);
                for (_, parcel) in &mut self.parcels {
                    rename(parcel, host, folding);
                }
            }
            self.hosts[host].0 = print_of(&*self.hosts[host].1);
        }
        for (print, parcel) in &mut self.parcels {
            *print = print_of(&**parcel);
        }
        self.parcels.sort_by_key(|(print, _)| *print);
    }
}

/// A message from or to `host` in the numbers that the host has now.
fn rename(parcel: &mut Arc<Parcel>, host: usize, folding: election::Folding) {
    let (from, to, term) = (parcel.from == host, parcel.to == host, parcel.envelope.term);
    let seq_now = |seq: u64| match folding.heartbeats {
        Some((led, base)) if led == term => seq.saturating_sub(base),
        _ => 0,
    };
    let mut envelope = parcel.envelope.clone();
    match &mut envelope.message {
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
    | Message::VoteReply { refusal: Some(why), .. } = &mut envelope.message
    {
        // The receiver counts that it was refused; the words go to its log.
        *why = Refusal::Disk;
    }
    if envelope != parcel.envelope {
        Arc::make_mut(parcel).envelope = envelope;
    }
}

/// A write that is to be made durable, at once: see RESULTS.md for what that leaves out.
pub(crate) fn durable(write: &Write) -> election::Written {
    election::Written { generation: write.generation, durable: true }
}
