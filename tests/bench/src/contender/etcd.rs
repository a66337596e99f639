//! etcd from Debian: three members, and on each host a script that waits for one lock with
//! `etcdctl lock`, whose command is the action. The lock has a lease, so a lost holder is replaced
//! when that has run out. The holder's host is made to be etcd's leader too, as boss's boss leads.

use std::fs;
use std::path::Path;

use harness::judge::Line;
use harness::{boot_ns, until};
use network::{Lan, address};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::daemons::{Daemons, last_event, signal};
use super::{Contender, Fault, HOSTS, done, host_name};
use crate::wall_to_boot;

/// Its timing.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// What it is called.
    pub name: &'static str,
    /// `--heartbeat-interval` and `--election-timeout` in milliseconds; None: the defaults.
    pub intervals: Option<(u32, u32)>,
    /// The lease of the lock in seconds; None: the default, which is 10.
    pub ttl: Option<u32>,
}

/// Three of them.
#[derive(Debug)]
pub struct Etcd {
    daemons: Daemons,
    timing: Timing,
    doubles: u32,
    /// Since when fewer than all hold or wait.
    few_since: Option<u64>,
}

impl Etcd {
    /// Starts three.
    pub fn start(timing: Timing) -> Self {
        let mut all = Self {
            daemons: Daemons::prepare(&[PROGRAM, CLIENT]),
            timing,
            doubles: 0,
            few_since: None,
        };
        for host in 0..HOSTS {
            let script = all.daemons.at(host).join("wait-for-lock");
            fs::write(&script, all.script(host)).expect("our own directory");
            all.run(host);
        }
        all
    }

    fn run(&mut self, host: usize) {
        let at = self.daemons.at(host);
        let urls = |port: u16| format!("http://{}:{port}", address(host));
        let cluster: Vec<_> = (0..HOSTS)
            .map(|host| format!("{}=http://{}:2380", host_name(host), address(host)))
            .collect();
        let mut arguments: Vec<String> = Vec::new();
        for (option, value) in [
            ("--name", host_name(host).to_owned()),
            ("--data-dir", at.join("data").display().to_string()),
            ("--listen-peer-urls", urls(2380)),
            ("--initial-advertise-peer-urls", urls(2380)),
            ("--listen-client-urls", urls(2379)),
            ("--advertise-client-urls", urls(2379)),
            ("--initial-cluster", cluster.join(",")),
            // The other logger tells the time in whole seconds.
            ("--logger", "zap".to_owned()),
            ("--log-outputs", "stderr".to_owned()),
        ] {
            arguments.extend([option.to_owned(), value]);
        }
        if let Some((heartbeat, election)) = self.timing.intervals {
            arguments.push(format!("--heartbeat-interval={heartbeat}"));
            arguments.push(format!("--election-timeout={election}"));
        }
        self.daemons.start(host, &at.join("etcd"), &arguments);
        let script = at.join("wait-for-lock").display().to_string();
        self.daemons.start(host, Path::new("/bin/sh"), &[script]);
    }

    fn script(&self, host: usize) -> String {
        let (client, log) = (self.daemons.at(host).join("etcdctl"), self.daemons.log());
        let ttl = self.timing.ttl.map_or(String::new(), |ttl| format!("--ttl {ttl} "));
        let action = crate::beside("bench-action");
        format!(
            "while :; do\n{} --endpoints=http://{}:2379 lock {ttl}boss {} {} {} promote hold\n\
             sleep 0.1\ndone\n",
            client.display(),
            address(host),
            action.display(),
            log.display(),
            host_name(host),
        )
    }

    /// What etcdctl says about all of them; None unless it says it of all.
    fn ask(&self, host: usize, words: &[&str]) -> Option<String> {
        let all: Vec<_> = (0..HOSTS).map(|it| format!("http://{}:2379", address(it))).collect();
        let mut arguments = vec![format!("--endpoints={}", all.join(","))];
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let program = self.daemons.at(host).join("etcdctl");
        let output = self.daemons.command(host, program, &arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Each member's id and whether it leads, in the order of the hosts.
    fn members(&self) -> Option<Vec<(u64, bool)>> {
        let text = self.ask(0, &["endpoint", "status", "-w", "json"])?;
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).ok()?;
        let of = |host: usize| {
            let endpoint = format!("http://{}:2379", address(host));
            let status = &all.iter().find(|it| it["Endpoint"] == endpoint)?["Status"];
            let id = status["header"]["member_id"].as_u64()?;
            Some((id, status["leader"].as_u64()? == id))
        };
        (0..HOSTS).map(of).collect()
    }

    /// The host whose action holds the lock, when all three hold or wait.
    fn holder(&mut self) -> Option<usize> {
        let keys = self.ask(0, &["get", "boss/", "--prefix", "--keys-only"])?;
        let waiting = keys.lines().filter(|line| !line.is_empty()).count();
        let acts = |host: &usize| !self.daemons.running(*host, "bench-action").is_empty();
        let acting: Vec<usize> = (0..HOSTS).filter(acts).collect();
        if acting.len() > 1 {
            self.end_doubles(&acting);
        }
        let [holder] = *acting.as_slice() else { return None };
        if waiting < HOSTS {
            self.wake_waiting(holder);
            return None;
        }
        self.few_since = None;
        (waiting == HOSTS).then_some(holder)
    }

    /// An `etcdctl lock` whose lease ran out while it waited waits on for nothing: after as long as
    /// a lease, those that wait are ended, and their scripts start them again.
    fn wake_waiting(&mut self, holder: usize) {
        let since = *self.few_since.get_or_insert_with(boot_ns);
        if boot_ns() - since < LEASE_NS {
            return;
        }
        self.few_since = None;
        for host in (0..HOSTS).filter(|host| *host != holder) {
            signal(&self.daemons.running(host, "etcdctl"), Signal::SIGTERM);
        }
    }

    /// A lock whose lease has run out is somebody else's, and its command goes on: `etcdctl lock`
    /// does not end it. Counted, and then ended here, but for the one that began last.
    fn end_doubles(&mut self, acting: &[usize]) {
        self.doubles += 1;
        let lines = self.lines();
        let since = |host: &&usize| last_event(&lines, **host).map(|line| line.at_ns);
        let last = acting.iter().max_by_key(since);
        for host in acting.iter().filter(|host| Some(*host) != last) {
            signal(&self.daemons.running(*host, "bench-action"), Signal::SIGTERM);
        }
    }
}

impl Contender for Etcd {
    fn name(&self) -> String {
        format!("etcd {}", self.timing.name)
    }

    fn configured(&self) -> String {
        let intervals = self.timing.intervals.map_or_else(
            || "heartbeat and election timeout as they are (100 ms, 1 s)".to_owned(),
            |(heartbeat, election)| {
                format!("`--heartbeat-interval={heartbeat} --election-timeout={election}`")
            },
        );
        let ttl = self.timing.ttl.map_or_else(
            || "the default lease of 10 s".to_owned(),
            |ttl| format!("`--ttl {ttl}`, the shortest there is"),
        );
        format!(
            "etcd of Debian, {intervals}, no TLS, state on disk; on each host `etcdctl lock` at its \
             own member, with {ttl}, whose command is the action; the holder's host leads etcd"
        )
    }

    fn settled(&mut self) -> usize {
        let what = format!("a holder of {} who leads", self.name());
        until(&what, || {
            let holder = self.holder()?;
            let members = self.members()?;
            if members[holder].1 {
                return Some(holder);
            }
            let leader = members.iter().position(|member| member.1)?;
            let own = format!("--endpoints=http://{}:2379", address(leader));
            let to = format!("{:x}", members[holder].0);
            let program = self.daemons.at(leader).join("etcdctl");
            let words = [own, "move-leader".to_owned(), to];
            // Looked at again in the next round, whatever came of it.
            drop(self.daemons.command(leader, program, &words).output());
            None
        })
    }

    fn knows(&self, fault: Fault) -> bool {
        // Its server and its client are two programs, and the action is a third.
        // And whoever holds the lock goes on acting when its network fails.
        !matches!(
            fault,
            Fault::CleanedUp | Fault::NetworkKilled | Fault::MainKilled | Fault::Unplugged
        )
    }

    fn inflict(&mut self, fault: Fault, host: usize) {
        match fault {
            Fault::HostLost => {
                done(self.daemons.lan.set_plug(host, false));
                self.daemons.kill_host(host);
            }
            Fault::AllKilled | Fault::CleanedUp | Fault::NetworkKilled | Fault::MainKilled => {
                self.daemons.kill_host(host);
            }
            // The lock goes with its command.
            Fault::Stopped => signal(&self.daemons.running(host, "bench-action"), Signal::SIGTERM),
            Fault::Unplugged => done(self.daemons.lan.set_plug(host, false)),
        }
    }

    fn mend(&mut self, fault: Fault, host: usize) {
        match fault {
            Fault::Stopped => {}
            Fault::Unplugged => done(self.daemons.lan.set_plug(host, true)),
            _ => {
                done(self.daemons.lan.set_plug(host, true));
                self.run(host);
            }
        }
    }

    fn lines(&self) -> Vec<Line> {
        self.daemons.lines()
    }

    fn lan(&self) -> &Lan {
        &self.daemons.lan
    }

    fn daemon(&self, host: usize) -> Vec<Pid> {
        self.daemons.running(host, "etcd")
    }

    fn bears_tracing(&self) -> bool {
        self.timing.intervals.is_none()
    }

    fn plans(&self) -> bool {
        true
    }

    fn doubles(&self) -> Option<u32> {
        Some(self.doubles)
    }

    fn led_after(&self, moment: u64) -> Option<u64> {
        let offset = wall_to_boot();
        let times = (0..HOSTS).flat_map(|host| {
            let log = fs::read_to_string(self.daemons.at(host).join("log")).unwrap_or_default();
            let of = |line: &str| elected_at(line);
            log.lines().filter_map(of).collect::<Vec<_>>()
        });
        let times = times.filter_map(|wall_ns| u64::try_from(wall_ns + offset).ok());
        times.filter(|at| *at >= moment).min()
    }

    fn hand_on(&mut self, host: usize) -> bool {
        self.inflict(Fault::Stopped, host);
        true
    }
}

/// When a line of etcd's log says that a leader was elected, by the wall clock in nanoseconds.
fn elected_at(line: &str) -> Option<i128> {
    if !line.contains(" elected leader ") {
        return None;
    }
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let stamp: jiff::Timestamp = line["ts"].as_str()?.parse().ok()?;
    Some(stamp.as_nanosecond())
}

/// The longest lease of a lock that is measured.
const LEASE_NS: u64 = 10_000_000_000;
/// Where Debian has the server.
pub const PROGRAM: &str = "/usr/bin/etcd";
/// And its client.
pub const CLIENT: &str = "/usr/bin/etcdctl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_is_found_in_the_log() {
        let line = r#"{"level":"info","ts":"1970-01-01T00:00:02.005Z","caller":"raft/node.go:327",
            "msg":"raft.node: 69d8 elected leader 79c4 at term 2"}"#;
        assert_eq!(elected_at(line), Some(2_005_000_000));
        assert_eq!(elected_at(&line.replace("elected", "lost")), None);
    }
}
