//! keepalived from Debian: VRRP between three hosts, whose master takes the shared address and calls
//! `notify_master`. Without preemption, as boss has none. How long a backup waits depends on its
//! priority too, so it takes part with the default one and with the quickest.

use std::fs;

use harness::judge::Line;
use harness::{boot_ns, until};
use network::{Lan, SHARED};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::daemons::{Daemons, last_event, signal};
use super::{Contender, Fault, HOSTS, done, host_name};
use crate::proc::parent;

/// Three of them.
#[derive(Debug)]
pub struct Keepalived {
    daemons: Daemons,
    name: &'static str,
    advert: &'static str,
    highest: u8,
    // When each was started last.
    started: [u64; HOSTS],
}

impl Keepalived {
    /// Starts three; `advert` is the interval between two adverts, in seconds, and the priorities go
    /// down from `highest`.
    pub fn start(name: &'static str, advert: &'static str, highest: u8) -> Self {
        let daemons = Daemons::prepare(&[PROGRAM]);
        let mut all = Self { daemons, name, advert, highest, started: [0; HOSTS] };
        for host in 0..HOSTS {
            fs::write(all.daemons.at(host).join("keepalived.conf"), all.config(host))
                .expect("our own directory");
            all.run(host);
        }
        all
    }

    fn config(&self, host: usize) -> String {
        let (node, log) = (host_name(host), self.daemons.log());
        let action = crate::beside("bench-action");
        let notify = |event: &str, what: &str| {
            format!("notify_{event} \"{} {} {node} {what}\"", action.display(), log.display())
        };
        format!(
            "global_defs {{\n  router_id {node}\n  script_user root\n}}\n\
             vrrp_instance bench {{\n  version {}\n  state BACKUP\n  nopreempt\n  \
             interface eth0\n  virtual_router_id 77\n  priority {}\n  advert_int {}\n  \
             virtual_ipaddress {{ {SHARED}/24 dev eth0 }}\n  {}\n  {}\n  {}\n}}\n",
            self.version(),
            self.priority(host),
            self.advert,
            notify("master", "promote"),
            notify("backup", "follow"),
            notify("fault", "fault"),
        )
    }

    fn priority(&self, host: usize) -> u8 {
        self.highest - u8::try_from(host).expect("three hosts")
    }

    /// Of VRRP: the default, unless the interval needs the later one.
    fn version(&self) -> u8 {
        if self.advert.contains('.') { 3 } else { 2 }
    }

    fn run(&mut self, host: usize) {
        self.started[host] = boot_ns();
        let at = self.daemons.at(host);
        for file in ["pid", "vrrp.pid"] {
            // The one before was killed, and a process that nobody has reaped yet counts as living.
            drop(fs::remove_file(at.join(file)));
        }
        let path = |name: &str| at.join(name).display().to_string();
        let mut arguments = ["--dont-fork", "--log-console", "--vrrp"].map(str::to_owned).to_vec();
        for (option, file) in
            [("--use-file", "keepalived.conf"), ("--pid", "pid"), ("--vrrp_pid", "vrrp.pid")]
        {
            arguments.extend([option.to_owned(), path(file)]);
        }
        self.daemons.start(host, &at.join("keepalived"), &arguments);
    }

    /// The main process and the one that does VRRP.
    fn pids(&self, host: usize) -> (Option<Pid>, Option<Pid>) {
        let all = self.daemons.running(host, "keepalived");
        let is_child = |pid: &&Pid| parent(**pid).is_some_and(|parent| all.contains(&parent));
        (all.iter().find(|pid| !is_child(pid)).copied(), all.iter().find(is_child).copied())
    }
}

impl Contender for Keepalived {
    fn name(&self) -> String {
        format!("keepalived {}", self.name)
    }

    fn configured(&self) -> String {
        format!(
            "keepalived of Debian, VRRP version {}, `advert_int {}`, all `state BACKUP` with `nopreempt`, priorities {}, \
             multicast, one address, `notify_master` is the action",
            self.version(),
            self.advert,
            [0, 1, 2].map(|host| self.priority(host).to_string()).join(", "),
        )
    }

    fn settled(&mut self) -> usize {
        until(&format!("a master of {}", self.name()), || {
            let lines = self.lines();
            let event = |host: usize| {
                let line = last_event(&lines, host).filter(|it| it.at_ns > self.started[host])?;
                Some(line.event.as_str())
            };
            let events: Vec<_> = (0..HOSTS).map(event).collect();
            let master = events.iter().position(|event| *event == Some("promote"))?;
            let others = (0..HOSTS).filter(|host| *host != master);
            let whole = others.into_iter().all(|host| events[host] == Some("follow"));
            (whole && self.daemon(master).len() == 2).then_some(master)
        })
    }

    fn knows(&self, fault: Fault) -> bool {
        // Nobody cleans up after it.
        fault != Fault::CleanedUp
    }

    fn inflict(&mut self, fault: Fault, host: usize) {
        let (main, network) = self.pids(host);
        let (main, network) = (main.as_slice(), network.as_slice());
        match fault {
            Fault::HostLost => {
                done(self.daemons.lan.set_plug(host, false));
                self.daemons.kill_host(host);
            }
            Fault::AllKilled | Fault::CleanedUp => self.daemons.kill_host(host),
            Fault::NetworkKilled => signal(network, Signal::SIGKILL),
            Fault::MainKilled => signal(main, Signal::SIGKILL),
            Fault::Stopped => signal(main, Signal::SIGTERM),
            Fault::Unplugged => done(self.daemons.lan.set_plug(host, false)),
        }
    }

    fn mend(&mut self, fault: Fault, host: usize) {
        if fault == Fault::Unplugged {
            return done(self.daemons.lan.set_plug(host, true));
        }
        if fault == Fault::Stopped {
            self.daemons.reap(host);
        }
        self.daemons.kill_host(host);
        // Nothing that was killed took it back.
        done(self.daemons.lan.forget_shared(host));
        done(self.daemons.lan.set_plug(host, true));
        self.run(host);
    }

    fn lines(&self) -> Vec<Line> {
        self.daemons.lines()
    }

    fn lan(&self) -> &Lan {
        &self.daemons.lan
    }

    fn daemon(&self, host: usize) -> Vec<Pid> {
        self.daemons.running(host, "keepalived")
    }

    fn bears_tracing(&self) -> bool {
        self.name == "1 s"
    }

    fn plans(&self) -> bool {
        // It has no word for it but to be stopped.
        false
    }

    fn hand_on(&mut self, _: usize) -> bool {
        false
    }
}

/// Where Debian has it.
pub const PROGRAM: &str = "/usr/sbin/keepalived";
/// The default. (256 - priority) / 256 of an interval is waited besides three, and nothing else
/// after a stop in order.
pub const USUAL: u8 = 100;
/// 255 is for the owner of the address.
pub const TOP: u8 = 254;
