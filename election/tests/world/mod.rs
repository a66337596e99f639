//! One cluster in memory: a deterministic world of hosts, each with an elector and an executor as
//! separate processes, two clocks, a disk, hooks, and a network between them. Everything that
//! happens is an event at an instant of real time in nanoseconds; an oracle outside the nodes
//! watches the effects.

mod clock;
mod elector;
mod executor;
mod host;
mod network;
mod oracle;

use std::collections::BTreeMap;

use election::{
    ClusterId, ClusterState, Command, HardState, Incarnation, Level, Marker, NodeId, Span,
};

pub(crate) use elector::ElectorInput;
use executor::ExecutorInput;
pub(crate) use executor::Outcome;
pub(crate) use host::{Host, Process, Settings};
pub(crate) use network::Rule;
use network::{Network, Parcel};
use oracle::Oracle;

/// Real time in nanoseconds since the world began.
pub(crate) type Instant = u64;
/// Which host: its place in [`World::hosts`].
pub(crate) type HostId = usize;

/// The rule that every node and executor of the world breaks.
#[cfg(feature = "mutants")]
pub(crate) type Broken = Option<election::Mutant>;
/// Without the feature nothing is broken.
#[cfg(not(feature = "mutants"))]
pub(crate) type Broken = Option<std::convert::Infallible>;

/// The cluster that every script runs.
const CLUSTER: ClusterId = ClusterId(0xb055);

/// Something that happens at an instant.
enum Event {
    Elector { host: HostId, life: u64, input: ElectorInput },
    Executor { host: HostId, life: u64, input: ExecutorInput },
    ElectorTimer { host: HostId, life: u64, timer: u64 },
    ExecutorTimer { host: HostId, life: u64, timer: u64 },
    DiskWritten { host: HostId, life: u64, generation: u64, hard: Option<HardState> },
    MarkerWritten { host: HostId, life: u64, marker: Marker },
    HookEnds { host: HostId, run: u64 },
    StartElector { host: HostId, executor: u64 },
    StartExecutor { host: HostId },
    CleanUp { host: HostId, restart: bool },
    CleanedUp { host: HostId, restart: bool, success: bool },
    Watchdog { host: HostId, life: u64, freeze: u64 },
    Deliver(Parcel),
    Connect(HostId, HostId),
    Resume { host: HostId },
}

/// One line of what the cluster says.
pub(crate) struct Line {
    /// When.
    pub(crate) at: Instant,
    /// Who says it.
    pub(crate) node: NodeId,
    /// How loud.
    pub(crate) level: Level,
    /// What.
    pub(crate) text: String,
}

/// The cluster and everything around it.
pub(crate) struct World {
    pub(crate) now: Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    counter: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) oracle: Oracle,
    pub(crate) log: Vec<Line>,
    settings: Settings,
    unborn: ClusterState,
    #[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "nothing is broken"))]
    broken: Broken,
}

impl World {
    /// All hosts are switched on at the same instant.
    pub(crate) fn new(state: &ClusterState, settings: Settings, broken: Broken) -> Self {
        let names: Vec<NodeId> = state.members.iter().map(|(name, _)| name.clone()).collect();
        let host = |(index, name): (usize, &NodeId)| {
            let incarnation = Incarnation((index as u128 + 1) << 96);
            Host::new(name.clone(), incarnation, HardState::unborn(state.clone()))
        };
        let mut world = Self {
            now: 0,
            queue: BTreeMap::new(),
            counter: 0,
            hosts: names.iter().enumerate().map(host).collect(),
            network: Network::default(),
            oracle: Oracle::default(),
            log: Vec::new(),
            settings,
            unborn: state.clone(),
            broken,
        };
        for host in 0..world.hosts.len() {
            world.after(0, Event::StartExecutor { host });
        }
        world
    }

    pub(crate) fn find(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| host.name.as_str() == name)
    }

    /// Lets `span` of real time pass.
    pub(crate) fn advance(&mut self, span: Span) {
        let end = self.now + span.as_nanos();
        while self.step(end) {}
        self.now = end;
    }

    /// Handles the next event, if it is due by `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= end) else {
            return false;
        };
        let ((at, _), event) = entry.remove_entry();
        self.now = at;
        self.handle(event);
        self.oracle.watch(self.now, &self.hosts);
        true
    }

    /// An operator's order to one node; Err is the refusal.
    pub(crate) fn command(&mut self, host: HostId, command: Command) -> Result<(), String> {
        self.elector_input(host, ElectorInput::Command(command));
        self.hosts[host].refusal.take().map_or(Ok(()), Err)
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.counter += 1;
        self.queue.insert((self.now + delay, self.counter), event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Elector { host, life, input } => {
                if self.hosts[host].elector_lives(life) {
                    self.elector_input(host, input);
                }
            }
            Event::Executor { host, life, input } => {
                if self.hosts[host].executor_lives(life) {
                    self.executor_input(host, input);
                }
            }
            Event::ElectorTimer { host, life, timer } => self.elector_timer(host, life, timer),
            Event::ExecutorTimer { host, life, timer } => self.executor_timer(host, life, timer),
            Event::DiskWritten { host, life, generation, hard } => {
                self.disk_written(host, life, generation, hard);
            }
            Event::MarkerWritten { host, life, marker } => self.marker_written(host, life, marker),
            Event::HookEnds { host, run } => self.hook_ends(host, run),
            Event::StartElector { host, executor } => self.start_elector(host, executor),
            Event::StartExecutor { host } => self.start_executor(host),
            Event::CleanUp { host, restart } => self.clean_up(host, restart),
            Event::CleanedUp { host, restart, success } => {
                self.cleaned_up(host, restart, success);
            }
            Event::Watchdog { host, life, freeze } => self.watchdog(host, life, freeze),
            Event::Deliver(parcel) => self.deliver(parcel),
            Event::Connect(a, b) => self.connect(a, b),
            Event::Resume { host } => self.resume(host),
        }
    }

    fn say(&mut self, host: HostId, level: Level, text: String) {
        let node = self.hosts[host].name.clone();
        self.log.push(Line { at: self.now, node, level, text });
    }
}
