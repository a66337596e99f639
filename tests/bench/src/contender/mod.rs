//! The contenders: a cluster manager on three hosts of its own, that is broken and mended in the same
//! ways whatever it is. Each has its own bridge, and all run at the same time.

mod bare;
mod boss;
mod daemons;
mod etcd;
mod keepalived;

use nix::unistd::Pid;

use harness::judge::{Edge, Line};
use network::{Bounds, Lan};

pub use bare::Bare;
pub use boss::Boss;
pub use etcd::{CLIENT as ETCDCTL, Etcd, PROGRAM as ETCD, Timing as EtcdTiming};
pub use keepalived::{Keepalived, PROGRAM as KEEPALIVED, TOP, USUAL};

/// Three hosts, of which one acts.
pub trait Contender: Send {
    /// What it is called in tables; short.
    fn name(&self) -> String;

    /// How it was configured, for people.
    fn configured(&self) -> String;

    /// Waits until one acts and both others could take over; the place of the one that acts.
    fn settled(&mut self) -> usize;

    /// Whether such a thing can happen to it.
    fn knows(&self, fault: Fault) -> bool;

    /// Does it to a host that acts. Returns when it is done, not when it had its effect.
    fn inflict(&mut self, fault: Fault, host: usize);

    /// Puts the host back in order.
    fn mend(&mut self, fault: Fault, host: usize);

    /// What its actions wrote.
    fn lines(&self) -> Vec<Line>;

    /// Its network.
    fn lan(&self) -> &Lan;

    /// The processes of its daemon on a host, without scripts and clients.
    fn daemon(&self, host: usize) -> Vec<Pid>;

    /// Whether there is a word by which another host acts and all processes stay.
    fn plans(&self) -> bool;

    /// Says that word; false if there is none.
    fn hand_on(&mut self, host: usize) -> bool;

    /// Whether it can be watched call by call, which stops its processes at each; what acts within
    /// some milliseconds cannot bear that.
    fn bears_tracing(&self) -> bool;

    /// What only it can tell: name and value.
    fn own_figures(&mut self) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// When it had a new leader who does not act yet, if that can be told from outside.
    fn led_after(&self, _moment: u64) -> Option<u64> {
        None
    }

    /// What it promises for a lost host, if it promises anything.
    fn bounds(&self) -> Option<Bounds> {
        None
    }

    /// How often two acted at once, where that can be told.
    fn doubles(&self) -> Option<u32> {
        None
    }

    /// Whether what its actions wrote shows what must never be; that ends the bench.
    fn judge(&mut self) {}

    /// When somebody first acted at or after this moment.
    fn acted_after(&self, moment: u64) -> Option<u64> {
        promotes(&self.lines()).into_iter().filter(|at| *at >= moment).min()
    }
}

/// The moments at which actions started.
pub fn promotes(lines: &[Line]) -> Vec<u64> {
    let starts = lines.iter().filter(|line| line.event == "promote" && line.edge == Edge::Start);
    starts.map(|line| line.at_ns).collect()
}

/// What happens to the host that acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its power fails: no network and no process any more, at once.
    HostLost,
    /// All processes of the daemon are killed; the host lives.
    AllKilled,
    /// The same, and then what a service manager does for boss: it cleans up after it and starts it
    /// anew, as `bossd.service` says.
    CleanedUp,
    /// The process that talks to the network is killed.
    NetworkKilled,
    /// The main process is killed.
    MainKilled,
    /// It is stopped in order.
    Stopped,
    /// Its network fails, its processes live.
    Unplugged,
}

impl Fault {
    /// Those whose time is measured, in the order of the table.
    pub const MEASURED: [Self; 6] = [
        Self::HostLost,
        Self::AllKilled,
        Self::CleanedUp,
        Self::NetworkKilled,
        Self::MainKilled,
        Self::Stopped,
    ];

    /// What it is called in tables and in the recorded results.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostLost => "host lost",
            Self::AllKilled => "all processes killed",
            Self::CleanedUp => "all killed, cleaned up after",
            Self::NetworkKilled => "network process killed",
            Self::MainKilled => "main process killed",
            Self::Stopped => "stopped in order",
            Self::Unplugged => "network lost",
        }
    }
}

/// How many hosts each has.
pub const HOSTS: usize = 3;

/// The names of the hosts.
pub fn host_name(host: usize) -> &'static str {
    network::names()[host]
}

/// The network of a contender, or the end of the bench.
fn done<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|why| panic!("{why}"))
}
