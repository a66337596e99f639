//! One simulated cluster: hosts, a network and one heap of events. Nothing here reads a clock or
//! runs beside anything else; the same seed gives the same world.

use std::fmt::Write as _;

use election::{
    Act, ClusterId, ClusterState, Criterion, Envelope, Epoch, Failback, Marker, Mutant, NodeId,
    SHORTEST_HEARTBEAT, Span, Timing, Word,
};

use crate::draw::{LETTERS, NAMES, draw_hosts, draw_settings};
use crate::fault::{Fault, Faults};
use crate::host::Host;
use crate::inject::Injector;
use crate::mutants::{Broken, ShellMutant};
use crate::network::Network;
use crate::oracle::Oracle;
use crate::queue::Queue;
use crate::random::Random;

/// Real time in nanoseconds since the world began.
pub(crate) type Instant = u64;
/// Which host.
pub(crate) type HostId = usize;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const CLUSTER: ClusterId = ClusterId(0xb055);
/// How long a word takes between elector and executor.
pub(crate) const CHANNEL: u64 = MILLI / 20;
/// How long faults happen.
const SAFETY: u64 = 60 * SECOND;
const STREAM_WORLD: u64 = 1_000;

/// What is to happen.
pub(crate) enum Event {
    Deliver {
        from: HostId,
        to: HostId,
        life: u64,
        envelope: Envelope,
    },
    ElectorTimer {
        host: HostId,
        life: u64,
    },
    ExecutorTimer {
        host: HostId,
        life: u64,
    },
    Act {
        host: HostId,
        life: u64,
        from: u64,
        act: Box<Act>,
    },
    ChannelClosed {
        host: HostId,
        life: u64,
    },
    Word {
        host: HostId,
        life: u64,
        word: Word,
    },
    DiskWritten {
        host: HostId,
        life: u64,
        generation: u64,
    },
    SaysWritten {
        host: HostId,
        life: u64,
        generation: u64,
    },
    MarkerWritten {
        host: HostId,
        life: u64,
        marker: Marker,
    },
    HookEnds {
        host: HostId,
        run: u64,
    },
    StartElector {
        host: HostId,
        executor: u64,
    },
    StartExecutor {
        host: HostId,
    },
    CleanUp {
        host: HostId,
    },
    CleanedUp {
        host: HostId,
        success: bool,
    },
    Watchdog {
        host: HostId,
        life: u64,
        freeze: u64,
    },
    KillExecutor {
        host: HostId,
        life: u64,
    },
    Connect {
        a: HostId,
        b: HostId,
    },
    Wake {
        host: HostId,
    },
    Judge,
    /// 9.7, for as long as this effect stands.
    Look {
        host: HostId,
        epoch: Epoch,
    },
    /// An operator puts a torn state directory right.
    Repair {
        host: HostId,
    },
    /// An operator's command that follows another closely.
    Order {
        fault: Fault,
        host: HostId,
        other: HostId,
    },
    Fault(Fault),
    Undo(Fault, HostId, HostId),
}

/// Where the story of a world goes.
pub(crate) enum Log {
    Silent,
    Print,
    Keep(String),
}

/// What all hosts have in common.
pub(crate) struct Settings {
    pub(crate) timing: Timing,
    /// `hooks.timeout`.
    pub(crate) hooks_timeout: Span,
    /// The part of D kept for the escalation; none is `alarm`.
    pub(crate) escalation: Span,
    pub(crate) prefer: Vec<Criterion>,
    pub(crate) failback: Failback,
}

impl Settings {
    /// The shortest and the longest times that an operator's `apply` gives the cluster, each by
    /// itself. Hooks and hosts are drawn for a fence window of `timing`, which is the shortest.
    pub(crate) fn applied(&self) -> (Timing, Timing) {
        let Timing { lease, fence, .. } = self.timing;
        let half = lease.part(2).max(SHORTEST_HEARTBEAT.times(8));
        let least = Timing { lease: half, heartbeat: half.part(8), ..self.timing };
        let longer = lease.times(3).part(2);
        let most = Timing {
            lease: longer,
            heartbeat: longer.part(4),
            fence: fence.times(3).part(2),
            ..self.timing
        };
        (least, most)
    }
}

/// A cluster.
pub(crate) struct World {
    pub(crate) now: Instant,
    queue: Queue,
    pub(crate) hosts: Vec<Host>,
    letters: [HostId; LETTERS],
    /// What the configuration says.
    pub(crate) unborn: ClusterState,
    pub(crate) settings: Settings,
    /// The shortest and the longest times that the cluster may ever have.
    pub(crate) timings: (Timing, Timing),
    pub(crate) network: Network,
    pub(crate) oracle: Oracle,
    pub(crate) inject: Injector,
    pub(crate) random: Random,
    pub(crate) faults: Faults,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) shell: Option<ShellMutant>,
    pub(crate) wiped: u64,
    /// How many fsyncs in a hundred fail.
    pub(crate) disk_errors: u64,
    pub(crate) log: Log,
    /// Faults are over.
    pub(crate) healing: bool,
    /// What a write has just freed goes out.
    pub(crate) freed: bool,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults, broken: Broken, log: Log) -> Self {
        let mut random = Random::new(seed, STREAM_WORLD);
        let settings = draw_settings(&mut random);
        let (hosts, state) = draw_hosts(&mut random, &settings);
        let count = hosts.len();
        let never = (settings.timing, settings.timing);
        let timings = if faults.has(Fault::Apply) { settings.applied() } else { never };
        let mut world = Self {
            now: 0,
            queue: Queue::new(),
            hosts,
            letters: letters(),
            unborn: state.clone(),
            network: Network::new(count),
            oracle: Oracle::new(count, &state, &timings, faults.has(Fault::Jumps)),
            timings,
            settings,
            inject: Injector::new(seed),
            random,
            faults,
            mutant: broken.core(),
            shell: broken.shell(),
            wiped: 0,
            disk_errors: 0,
            log,
            healing: false,
            freed: false,
        };
        let timing = world.settings.timing;
        world.say(None, || {
            let names = state.members.iter().map(|(n, m)| format!("{n} {}", m.kind.name()));
            let names: Vec<_> = names.collect();
            format!(
                "seed {seed}: {}; lease {}, fence window {}; faults: {faults}",
                names.join(", "),
                timing.lease,
                timing.fence
            )
        });
        for host in 0..count {
            let delay = world.random.between(0, 300 * MILLI);
            world.after(delay, Event::StartExecutor { host });
        }
        world.begin_faults();
        world
    }

    /// Faults, then peace: whatever is wrong is in the oracle afterwards.
    pub(crate) fn run(&mut self) {
        self.run_until(SAFETY);
        self.oracle.end_of_safety(self.now);
        if self.oracle.violation.is_none() {
            self.heal();
        }
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        while self.oracle.violation.is_none()
            && let Some((at, event)) = self.queue.pop(end)
        {
            self.now = at;
            self.happen(event);
        }
        if self.oracle.violation.is_none() {
            self.now = self.now.max(end);
        }
    }

    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.queue.push(self.now + delay, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, life, envelope } => self.deliver(from, to, life, envelope),
            Event::ElectorTimer { host, life } => self.elector_timer(host, life),
            Event::ExecutorTimer { host, life } => self.executor_timer(host, life),
            Event::Act { host, life, from, act } => self.executor_hears(host, life, from, *act),
            Event::ChannelClosed { host, life } => self.channel_closed(host, life),
            Event::Word { host, life, word } => self.elector_hears(host, life, word),
            Event::DiskWritten { host, life, generation } => {
                self.disk_written(host, life, generation);
            }
            Event::SaysWritten { host, life, generation } => {
                self.says_written(host, life, generation);
            }
            Event::MarkerWritten { host, life, marker } => self.marker_written(host, life, marker),
            Event::HookEnds { host, run } => self.hook_ends(host, run),
            Event::StartElector { host, executor } => self.start_elector(host, executor),
            Event::StartExecutor { host } => self.start_executor(host),
            Event::CleanUp { host } => self.clean_up(host),
            Event::CleanedUp { host, success } => self.cleaned_up(host, success),
            Event::Watchdog { host, life, freeze } => self.watchdog(host, life, freeze),
            Event::KillExecutor { host, life } => {
                if self.hosts[host].executor_lives(life) {
                    self.kill_executor(host);
                }
            }
            Event::Connect { a, b } => self.connect(a, b),
            Event::Wake { host } => self.wake(host),
            Event::Judge => self.oracle.judge(self.now, &self.hosts),
            Event::Look { host, epoch } => self.look(host, epoch),
            Event::Repair { host } => self.repair(host),
            Event::Order { fault, host, other } => self.operate(fault, host, other, 2 * SECOND),
            Event::Fault(fault) => self.strike(fault),
            Event::Undo(fault, a, b) => self.undo(fault, a, b),
        }
    }

    /// The text is made only where somebody reads it.
    pub(crate) fn say(&mut self, host: Option<HostId>, text: impl FnOnce() -> String) {
        if matches!(self.log, Log::Silent) {
            return;
        }
        let who = host.map_or("", |host| self.hosts[host].name.as_str());
        let line = format!("{:10.3} ms  {who:7} {}", self.now as f64 / 1e6, text());
        match &mut self.log {
            Log::Silent => {}
            Log::Print => println!("{line}"),
            Log::Keep(story) => {
                let _ = writeln!(story, "{line}");
            }
        }
    }
}

impl World {
    /// The index of a member: no two names begin with the same letter.
    pub(crate) fn find(&self, name: &NodeId) -> Option<HostId> {
        let first = name.as_str().as_bytes().first()?;
        let host = self.letters[usize::from(first.wrapping_sub(b'a')) % LETTERS];
        debug_assert!(host >= self.hosts.len() || self.hosts[host].name == *name);
        (host < self.hosts.len()).then_some(host)
    }
}

fn letters() -> [HostId; LETTERS] {
    let mut letters = [HostId::MAX; LETTERS];
    for (host, name) in NAMES.iter().enumerate() {
        letters[usize::from(name.as_bytes()[0] - b'a')] = host;
    }
    letters
}
