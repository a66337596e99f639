//! A small world before it begins: members, timing, what may go wrong and how often.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use election::{
    Address, Claim, ClusterId, ClusterState, Command, DEFAULT_PRIORITY, Epoch, Executor, HardState,
    Incarnation, Kind, Member, Members, Moment, Node, NodeId, Passed, Policy, Span, Start, Term,
    Timing, Version,
};

use crate::coverage::Seen;
use crate::state::{Host, Remembered, State};

/// The rule that every node and executor breaks.
#[cfg(feature = "mutants")]
pub(crate) type Broken = Option<election::Mutant>;
/// Without the feature nothing is broken.
#[cfg(not(feature = "mutants"))]
pub(crate) type Broken = Option<std::convert::Infallible>;

/// The step of time. Everything shorter (a slot, an attempt) takes until the next one.
pub(crate) const TICK: Span = Span::from_millis(100);
/// Answers to attempts of an earlier life must not fit a later one: no folded attempt is this high.
const SEED: u64 = 100;
/// A graceful demote may take this long before it becomes urgent.
const GRACEFUL: Span = Span::from_millis(300);

/// What may still go wrong, and how often; part of the state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Budget {
    /// Messages lost.
    pub(crate) losses: u8,
    /// Messages delivered twice, the second time at any time or never.
    pub(crate) doubles: u8,
    /// Ticks that a message, an act, a word or a write is late, summed over all.
    pub(crate) delays: u8,
    /// Changes of the network: a host, a link or a direction is cut, or joined again.
    pub(crate) cuts: u8,
    pub(crate) elector_crashes: u8,
    /// Elector and executor die together; the clean-up follows within D.
    pub(crate) unit_crashes: u8,
    /// The host loses its power, and gets it back at some time.
    pub(crate) power_cuts: u8,
    /// The state directory of a host without power is lost.
    pub(crate) wipes: u8,
    /// SIGSTOP of an elector, and SIGCONT at some time.
    pub(crate) freezes: u8,
    /// The host sleeps: RAW stands still, BOOTTIME goes on.
    pub(crate) suspends: u8,
    /// A disk refuses a write before anything reached it.
    pub(crate) refusals: u8,
    pub(crate) hook_failures: u8,
    /// Orders of an operator.
    pub(crate) orders: u8,
}

/// What arrives at once or, over a cut, never; then a connection changes only while nothing is on
/// its way. Everything else is as late as the budget allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Swift {
    /// Nothing.
    Nothing,
    /// Heartbeats, pre-votes, the answers to pre-votes and publishes, and extensions.
    AllButAnswers,
    /// The answers to heartbeats as well; not votes and their answers, publishes, TakeOver,
    /// Released, permits and words.
    All,
}

/// A small world.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) members: Vec<Kind>,
    pub(crate) timing: Timing,
    /// How much of a tick each host's clocks count (BOOTTIME, RAW), in per cent.
    pub(crate) rates: Vec<(u64, u64)>,
    /// The term on each host's disk: a higher one than its peers' was a candidate once.
    pub(crate) terms: Vec<u64>,
    /// Cut off at the start.
    pub(crate) alone: Option<usize>,
    pub(crate) highest_term: u64,
    pub(crate) budget: Budget,
    /// One-way cuts as well.
    pub(crate) one_way: bool,
    pub(crate) orders: Vec<Command>,
    pub(crate) swift: Swift,
    /// What goes on a stream arrives in order, as it does from one connection; else in any order.
    pub(crate) ordered: bool,
    /// A write takes a step of its own, and a process can die in it.
    pub(crate) slow_disk: bool,
    /// No version was ever published.
    pub(crate) unborn: bool,
    #[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "nothing is broken"))]
    pub(crate) broken: Broken,
    /// What must have been seen when everything was searched.
    pub(crate) sometimes: &'static [crate::coverage::Mark],
    /// What was seen; shared by the threads of a search.
    pub(crate) seen: Arc<Seen>,
    /// The search is to end.
    pub(crate) stop: Arc<AtomicBool>,
}

pub(crate) fn name_of(host: usize) -> NodeId {
    NodeId::new(["a", "b", "c", "d", "e"][host])
}

/// The life number `wiped` of a host's state directory.
pub(crate) fn life_of(host: usize, wiped: u8) -> Incarnation {
    Incarnation(host as u128 + 1 + 16 * u128::from(wiped))
}

impl Setup {
    /// What every clock shows, always: ticks move all moments back instead. A moment of the past
    /// further back than this is at zero; nothing looks back further than two leases, a promise
    /// or a fence window.
    pub(crate) fn now(&self) -> Moment {
        let applied = self.orders.iter().filter_map(|order| match order {
            Command::Apply(settings) => Some(settings.timing),
            _ => None,
        });
        let memory = applied
            .chain([self.timing])
            .map(|timing| timing.lease.times(2).max(timing.promise()).max(timing.fence_wait()));
        Moment::default().plus(memory.max().unwrap_or(TICK)).plus(TICK)
    }

    /// What a tick is by the clocks of `host`.
    pub(crate) fn tick_of(&self, host: usize, asleep: bool) -> Passed {
        let (boot, raw) = self.rates.get(host).copied().unwrap_or((100, 100));
        let raw = if asleep { 0 } else { raw };
        Passed { boot: TICK.times(boot).part(100), raw: TICK.times(raw).part(100) }
    }

    pub(crate) fn quorum(&self) -> usize {
        self.members.iter().filter(|kind| kind.votes()).count() / 2 + 1
    }

    fn cluster_state(&self) -> ClusterState {
        let list = self.members.iter().enumerate().map(|(index, kind)| {
            let member = Member {
                address: Address::Host(String::new(), 1),
                kind: *kind,
                priority: DEFAULT_PRIORITY,
                incarnation: (!self.unborn).then(|| life_of(index, 0)),
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
        let document = Arc::new(self.cluster_state());
        let disk = |host: usize| {
            let mut hard = HardState::unborn((*document).clone());
            hard.state = document.clone();
            if !self.unborn {
                hard.term = Term(self.terms.get(host).copied().unwrap_or(1));
                hard.voted_for = (hard.term > Term(1)).then(|| name_of(host));
                hard.promise_hiwater = self.timing.promise();
            }
            hard
        };
        let count = self.members.len();
        let mut state = State {
            hosts: (0..count).map(|host| (0, Arc::new(Host::new(disk(host))))).collect(),
            streams: vec![Vec::new(); count * count],
            bag: Vec::new(),
            cut: 0,
            left: self.budget,
            remembered: Remembered { committed: document.version, ..Remembered::default() },
            violation: None,
        };
        for other in (0..count).filter(|other| self.alone.is_some_and(|host| host != *other)) {
            state.isolate(self.alone.unwrap_or_default(), other, true);
        }
        state
    }

    /// What a state directory holds after it was wiped: the cluster-wide part of the file again.
    pub(crate) fn wiped(&self) -> HardState {
        HardState::unborn(Self { unborn: true, ..self.clone() }.cluster_state())
    }

    pub(crate) fn new_elector(&self, host: usize, here: &Host, last_epoch: Epoch) -> Node {
        let start = Start {
            me: name_of(host),
            incarnation: life_of(host, here.wiped),
            cluster: ClusterId(1),
            hard: here.disk.clone(),
            // The wall clock has gone on when a wiped one starts.
            first_term: Term(2 + 3 * u64::from(here.wiped)),
            last_epoch,
            ready: true,
            seed: SEED,
        };
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut node = Node::start(self.now(), start);
        #[cfg(feature = "mutants")]
        node.set_mutant(self.now(), self.broken);
        node
    }

    pub(crate) fn new_executor(&self, host: usize, here: &Host) -> Executor {
        let claim = &here.disk.state.claim;
        let claim = claim.held_by(&name_of(host), life_of(host, here.wiped)).map(|h| h.epoch);
        let (now, fence) = (self.now(), self.timing.fence);
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut executor = Executor::start(now, here.marker, claim, fence, fence.part(4), GRACEFUL);
        #[cfg(feature = "mutants")]
        executor.set_mutant(self.broken);
        executor
    }
}
