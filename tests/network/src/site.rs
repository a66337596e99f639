//! The whole of a test: hosts on a network, a real bossd on each, the watch over the shared
//! address, and what can be done to all of them. It derefs to the bed of the harness, with its waits
//! and its judge.

use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::process::{Child, ExitStatus, Stdio};

use bossctl::playground::cluster::{Place, Plan};
use harness::judge::Effect;
use harness::{Acting, Bed, bossd, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::bounds::Bounds;
use crate::clock_step::{self, Step};
use crate::command::{run, run_all};
use crate::disk::Disk;
use crate::firewall::Firewall;
use crate::hooks;
use crate::lan::{Lan, listen};
use crate::relay::{Relay, Weather};
use crate::shared_address::SharedAddress;
use crate::term;

/// What a site has beside its hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The wall clock of this host can be stepped.
    pub stepped: Option<usize>,
    /// The state of each host is on a small disk.
    pub small_disks: bool,
}

/// Which processes of a bossd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one that talks to the network.
    Elector,
    /// The main one, that acts.
    Executor,
    /// Both at once.
    Both,
}

/// Hosts, bossd on them, and what watches them. In this order they are taken down.
#[derive(Debug)]
pub struct Site {
    address: SharedAddress,
    relay: Relay,
    disks: Vec<Disk>,
    step: Option<Step>,
    bed: Bed,
    lan: Lan,
    firewall: Firewall,
    weather: Option<Weather>,
}

/// Why no site can be made here; None if nothing is in the way.
pub fn obstacle() -> Option<String> {
    if !geteuid().is_root() {
        return Some("namespaces need root".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if let Err(error) = run(program, &["-V"]) {
            return Some(format!("{error} (package {package})"));
        }
    }
    Lan::new(1).err()
}

/// Voters with profile `lan`, whose hooks are the witness, the shared address and a gate.
pub fn plan(hosts: usize) -> Plan {
    let mut plan = harness::plan(&names()[..hosts]);
    // So short that who resigned a moment ago can be boss again in the next step of a test.
    plan.election = String::from("hold-off = \"1s\"");
    for member in &mut plan.members {
        member.hooks.extend([hooks::address(), hooks::gate()]);
    }
    plan
}

/// What hosts are called, in their order.
pub fn names() -> [&'static str; 5] {
    ["alpha", "beta", "gamma", "delta", "epsilon"]
}

impl Site {
    /// Makes it; no bossd runs yet.
    pub fn prepare(plan: &Plan, options: Options) -> Self {
        let lan = done(Lan::new(plan.members.len()));
        let step = options.stepped.map(|host| (host, Step::none(lan.host(host).name())));
        let place = |host| place(&lan, host, step.as_ref().filter(|step| step.0 == host));
        let places: Vec<_> = (0..lan.size()).map(place).collect();
        let bed = Bed::prepare_at(plan, &places);
        let disks = if options.small_disks {
            let mount = |host| done(Disk::mount(&bed.node(host).dir.join("state")));
            (0..lan.size()).map(mount).collect()
        } else {
            Vec::new()
        };
        let step = step.map(|(_, step)| step);
        let (address, relay) =
            (done(SharedAddress::watch(&lan)), done(Relay::start(&lan, RELAY_SEED)));
        let firewall = Firewall::open(lan.size());
        Self { address, relay, disks, step, bed, lan, firewall, weather: None }
    }

    /// Makes it and starts all.
    pub fn start(plan: &Plan, options: Options) -> Self {
        let mut site = Self::prepare(plan, options);
        site.start_all().unwrap_or_else(|error| panic!("{error}"));
        site
    }

    /// The watch over the shared address.
    pub fn address(&self) -> &SharedAddress {
        &self.address
    }

    /// The network.
    pub fn lan(&self) -> &Lan {
        &self.lan
    }

    /// Lets through what these rules let through, and nothing else.
    pub fn set_firewall(&mut self, firewall: Firewall) {
        let firewall = firewall.with_detour(self.weather.is_some());
        let changed = (0..self.lan.size())
            .filter(|host| firewall.rules(*host) != self.firewall.rules(*host))
            .map(|host| {
                let space = self.lan.host(host).name();
                let words = ["netns", "exec", space, "nft", "-f", "-"];
                (words.map(str::to_owned).to_vec(), firewall.rules(host))
            });
        done(run_all("ip", &changed.collect::<Vec<_>>()));
        self.firewall = firewall;
    }

    /// Lets all through.
    pub fn heal(&mut self) {
        self.set_firewall(Firewall::open(self.lan.size()));
    }

    /// Leads all datagrams through this weather, or none any more.
    pub fn set_weather(&mut self, weather: Option<Weather>) {
        self.weather = weather;
        self.relay.set(weather.unwrap_or_default());
        self.set_firewall(self.firewall.clone());
    }

    /// What went through the weather so far: datagrams, those doubled, those overtaken.
    pub fn weathered(&self) -> (u64, u64, u64) {
        self.relay.counts()
    }

    /// The power of a host fails: its network is gone, its processes end at once, its memory is
    /// lost.
    pub fn power_off(&mut self, host: usize) {
        done(self.lan.set_plug(host, false));
        self.bed.host_dies(host);
        done(self.lan.forget_shared(host));
        for event in ["promote", "demote"] {
            self.hold(host, event, false);
        }
    }

    /// The power of a host is back, and bossd starts.
    pub fn power_on(&mut self, host: usize) {
        done(self.lan.set_plug(host, true));
        self.start_node(host).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Sends a signal to the processes of a bossd; says to which. Those that are gone get none.
    pub fn signal(&mut self, host: usize, target: Target, signal: Signal) -> Vec<Pid> {
        let (executor, elector) = (self.node(host).executor(), self.elector_of(host));
        let pids = match target {
            Target::Elector => [None, elector],
            Target::Executor => [executor, None],
            Target::Both => [executor, elector],
        };
        let pids: Vec<_> = pids.into_iter().flatten().collect();
        for pid in &pids {
            // Gone in between: nothing to signal.
            let _ = kill(*pid, signal);
        }
        if signal == Signal::SIGKILL {
            self.ended(host, &pids);
        }
        pids
    }

    /// Waits until these processes of a host have ended.
    pub fn ended(&mut self, host: usize, pids: &[Pid]) {
        until("the end of processes", || {
            // A main process whose threads are still ending is no process any more, but runs.
            let node = self.bed.node_mut(host);
            let runs = node.executor().is_some_and(|pid| pids.contains(&pid)) && node.is_running();
            let living = node.processes();
            (!runs && pids.iter().all(|pid| !living.contains(pid))).then_some(())
        });
    }

    /// The elector of a host, also one that does not answer.
    pub fn elector_of(&self, host: usize) -> Option<Pid> {
        let is_elector = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == b"--elector")
        };
        self.node(host).processes().into_iter().find(is_elector)
    }

    /// What a service manager does when the main process has ended: starts `bossd --clean-up`.
    pub fn spawn_clean_up(&self, host: usize) -> Child {
        let node = self.node(host);
        let log = || std::fs::OpenOptions::new().create(true).append(true).open(node.log());
        let mut command = node.command(&bossd());
        command.arg("--clean-up").arg("--config").arg(node.config()).stdin(Stdio::null());
        let with_log = log().and_then(|out| Ok((out, log()?)));
        let (out, error) = with_log.expect("the node's own log");
        command.stdout(out).stderr(error).spawn().expect("bossd can be run")
    }

    /// The same, to its end.
    pub fn clean_up(&self, host: usize) -> ExitStatus {
        self.spawn_clean_up(host).wait().expect("our own child")
    }

    /// Starts what has ended on a host, as a service manager would, clean-up first.
    pub fn revive(&mut self, host: usize) {
        if self.bed.node_mut(host).is_running() {
            return;
        }
        self.bed.gone(host);
        let cleaned = self.clean_up(host);
        assert!(cleaned.success(), "{} cannot be cleaned up: {cleaned}", self.node(host).name);
        self.start_node(host).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Holds the next transitions of this kind at the gate, or lets them go on.
    pub fn hold(&self, host: usize, event: &str, held: bool) {
        hooks::set_held(&self.node(host).dir, event, held);
    }

    /// How many transitions of this kind have come to the gate.
    pub fn at_gate(&self, host: usize, event: &str) -> usize {
        hooks::at_gate(&self.node(host).dir, event)
    }

    /// Has the next promotes fail and leave a process behind, or no longer.
    pub fn set_stray(&self, host: usize, stray: bool) {
        hooks::set_stray(&self.node(host).dir, stray);
    }

    /// How often what a promote left on a host took the shared address.
    pub fn strays(&self, host: usize) -> u64 {
        hooks::strays(&self.node(host).dir)
    }

    /// Steps the wall clock of the host that was made for it; seconds from the true time.
    pub fn step_clock(&self, seconds: i64) {
        self.step.as_ref().expect("a host whose clock can be stepped").set(seconds);
    }

    /// Leaves no room on the disk of a host's state, or makes some.
    pub fn set_full(&self, host: usize, full: bool) {
        if full {
            self.disks[host].fill().expect("our own disk");
        } else {
            self.disks[host].empty();
        }
    }

    /// Gives a node that does not run a later term than the cluster has.
    pub fn raise_term(&self, host: usize, by: u64) {
        done(term::raise(&self.node(host).dir, by));
    }

    /// What `bossd --check` promises.
    pub fn bounds(&self) -> Bounds {
        let report = self.check(0).unwrap_or_else(|error| panic!("{error}"));
        Bounds::parse(&report).unwrap_or_else(|| panic!("no bounds in {report}"))
    }

    /// Waits until the client is answered by this host.
    pub fn answered_by(&self, host: usize) {
        until(&format!("the shared address is answered by host {host}"), || {
            (self.address.answering() == Some(host)).then_some(())
        });
    }

    /// Judges both: what the witnesses wrote, and that no two hosts ever held the address.
    pub fn judge(&self, acting: Option<&Acting>) -> Vec<Effect> {
        let effects = self.bed.judge(acting);
        let doubles = done(self.address.doubles());
        assert!(doubles.is_empty(), "two hosts had the shared address: {}", doubles[0]);
        let (questions, looks) = self.address.effort();
        assert!(questions > 0 && looks > 0, "nobody watched the shared address");
        effects
    }
}

/// Where bossd of a host runs, and how it gets there.
fn place(lan: &Lan, host: usize, step: Option<&(usize, Step)>) -> Place {
    let enter = ["ip", "netns", "exec", lan.host(host).name()];
    let mut launcher: Vec<OsString> = enter.map(OsString::from).to_vec();
    if let Some((_, step)) = step {
        launcher.extend(clock_step::launcher(step));
    }
    Place { address: listen(host), launcher }
}

fn done<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|why| panic!("{why}"))
}

impl Deref for Site {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Bed {
        &mut self.bed
    }
}

/// Whatever the weather does, it does the same each time.
const RELAY_SEED: u64 = 1;
