//! boss itself: three voters with the witness of the harness as their only hook, each from its own
//! copy of the binary.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use bossctl::playground::cluster::Place;
use control::model::Standing;
use harness::judge::{Line, Violation, judge};
use harness::{Acting, Bed, bossctl, bossd, until};
use network::{Bounds, Lan, listen, names};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Contender, Fault, HOSTS, done};
use crate::proc::running;

/// Three of them.
#[derive(Debug)]
pub struct Boss {
    name: &'static str,
    timing: &'static str,
    bed: Bed,
    lan: Lan,
    binaries: Vec<PathBuf>,
    /// The run directories: in memory, as those below /run are.
    _runs: Vec<TempDir>,
}

/// Where memory looks like a directory.
const MEMORY: &str = "/dev/shm";

impl Boss {
    /// Starts three with these lines of `[timing]`.
    pub fn start(name: &'static str, timing: &'static str) -> Self {
        let lan = done(Lan::new(HOSTS));
        let mut plan = harness::plan(&names()[..HOSTS]);
        plan.timing = String::from(timing);
        // So short that who resigned may act again in the next round.
        plan.election = String::from("hold-off = \"1s\"");
        let place = |host| {
            let enter = ["ip", "netns", "exec", lan.host(host).name()];
            Place { address: listen(host), launcher: enter.map(OsString::from).to_vec() }
        };
        let bed = Bed::prepare_at(&plan, &(0..HOSTS).map(place).collect::<Vec<_>>());
        let copy = |host: usize| {
            let to = bed.node(host).dir.join("bossd");
            fs::copy(bossd(), &to).expect("our own directory");
            to
        };
        let binaries = (0..HOSTS).map(copy).collect();
        let run = |host: usize| {
            let run = TempDir::with_prefix_in("bench-run-", MEMORY).expect("memory");
            let at = bed.node(host).dir.join("run");
            fs::remove_dir(&at).expect("an empty directory of ours");
            symlink(run.path(), &at).expect("our own directory");
            run
        };
        let runs = (0..HOSTS).map(run).collect();
        let mut all = Self { name, timing, bed, lan, binaries, _runs: runs };
        for host in 0..HOSTS {
            all.run(host);
        }
        all
    }

    fn run(&mut self, host: usize) {
        let started = self.bed.node_mut(host).start(&self.binaries[host]);
        started.unwrap_or_else(|error| panic!("{error}"));
    }

    /// All of it is killed, and what `bossd.service` says follows: the clean-up, then another start.
    /// Not as quick as systemd itself, which has not to start `ip` first.
    fn dies_under_a_manager(&mut self, host: usize) {
        let node = self.bed.node_mut(host);
        node.kill_host();
        let mut command = node.command(&self.binaries[host]);
        let command = command.arg("--config").arg(node.config()).arg("--clean-up");
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("bossd runs").success(), "the clean-up failed");
        self.run(host);
    }

    /// A boss that all agree on, all connected with each other.
    fn whole(&mut self) -> Acting {
        self.bed.until("all nodes connected and agreed", |seen| {
            let whole = seen.iter().all(|seen| {
                seen.status().is_some_and(|it| usize::try_from(it.quorum.connected) == Ok(HOSTS))
            });
            harness::agreed(seen).filter(|_| whole)
        })
    }

    /// How often hooks did not let go in time.
    fn failed_demotes(&self) -> usize {
        let count = |host| {
            let log = fs::read_to_string(self.bed.node(host).log()).unwrap_or_default();
            log.lines().filter(|line| line.contains(FAILED_DEMOTE)).count()
        };
        (0..HOSTS).map(count).sum()
    }

    /// The elector of a host, which is a child of the executor.
    fn elector(&self, host: usize) -> Option<Pid> {
        let main = self.bed.node(host).executor();
        self.daemon(host).into_iter().find(|pid| Some(*pid) != main)
    }
}

impl Contender for Boss {
    fn name(&self) -> String {
        format!("boss {}", self.name)
    }

    fn configured(&self) -> String {
        format!(
            "`[timing] {}`, three voters of equal rights, one hook that writes down its calls, \
             runner `direct`, electors as root, the run directory in memory as `/run` is, `hold-off = \"1s\"`",
            self.timing.replace('\n', ", ")
        )
    }

    fn settled(&mut self) -> usize {
        self.whole().index
    }

    fn knows(&self, _: Fault) -> bool {
        true
    }

    fn inflict(&mut self, fault: Fault, host: usize) {
        match fault {
            Fault::HostLost => {
                done(self.lan.set_plug(host, false));
                self.bed.host_dies(host);
            }
            // The witness has no effect that would outlive it, so its end may be written down.
            Fault::AllKilled => self.bed.host_dies(host),
            Fault::CleanedUp => self.dies_under_a_manager(host),
            Fault::NetworkKilled => {
                let elector = self.elector(host).expect("the boss runs");
                kill(elector, Signal::SIGKILL).expect("our own process");
            }
            Fault::MainKilled => {
                let main = self.bed.node(host).executor().expect("the boss runs");
                kill(main, Signal::SIGKILL).expect("our own process");
            }
            Fault::Stopped => self.bed.node(host).stop(),
            Fault::Unplugged => done(self.lan.set_plug(host, false)),
        }
    }

    fn mend(&mut self, fault: Fault, host: usize) {
        match fault {
            Fault::Unplugged => return done(self.lan.set_plug(host, true)),
            // It runs again already.
            Fault::CleanedUp => return,
            // Off with it in order, so that no executor meets its limit on restarts.
            Fault::NetworkKilled => self.bed.node(host).stop(),
            _ => {}
        }
        self.bed.gone(host);
        done(self.lan.set_plug(host, true));
        self.run(host);
    }

    fn lines(&self) -> Vec<Line> {
        self.bed.lines()
    }

    fn lan(&self) -> &Lan {
        &self.lan
    }

    fn daemon(&self, host: usize) -> Vec<Pid> {
        running(self.bed.node(host).processes(), "bossd")
    }

    fn bears_tracing(&self) -> bool {
        self.name == "lan"
    }

    fn plans(&self) -> bool {
        true
    }

    fn hand_on(&mut self, host: usize) -> bool {
        let to = &self.bed.node((host + 1) % HOSTS).name;
        let socket = self.bed.node(host).socket();
        // Who handed over a moment ago may still be held off.
        until("a switchover that is accepted", || {
            let mut command = std::process::Command::new(bossctl());
            command.arg("--socket").arg(&socket).args(["switchover", "--to", to]);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.expect("bossctl runs").success().then_some(())
        });
        true
    }

    fn own_figures(&mut self) -> Vec<(String, f64)> {
        let mut figures = vec![("demotes that failed".to_owned(), self.failed_demotes() as f64)];
        for status in self.bed.statuses().into_iter().flatten() {
            let leads = status.this.standing == Standing::Leader;
            let role = if leads { "boss" } else { "follower" };
            let ms = |us: u64| us as f64 / 1_000.0;
            figures.push((format!("loop gap p99.9, {role}"), ms(status.p999_loop_gap_us)));
            figures.push((format!("loop gap, longest, {role}"), ms(status.max_loop_gap_us)));
        }
        figures
    }

    fn doubles(&self) -> Option<u32> {
        let verdict = judge(&self.lines(), None);
        Some(u32::from(matches!(verdict, Err(Violation::Overlap { .. }))))
    }

    fn judge(&mut self) {
        let boss = self.whole();
        let Err(violation) = judge(&self.lines(), Some(&boss.name)) else { return };
        // A hook that was killed because it took too long says nothing of its end, and what it leaves
        // is not boss's to answer for; too slow a machine for the profile shows itself like this.
        let failed = self.failed_demotes();
        for host in 0..HOSTS {
            let node = self.bed.node(host);
            eprintln!("--- {}\n{}", node.name, node.log_tail(LOG_LINES));
        }
        eprintln!("--- the witnesses of {}: {:#?}", self.name(), self.lines());
        eprintln!("--- {failed} demotes of {} failed; {violation}", self.name());
        assert!(failed > 0, "{violation}");
    }

    fn bounds(&self) -> Option<Bounds> {
        let report = self.bed.check(0).unwrap_or_else(|error| panic!("{error}"));
        Bounds::parse(&report)
    }
}

/// What bossd logs when its hooks did not let go.
const FAILED_DEMOTE: &str = "on-fence-failure follows";
const LOG_LINES: usize = 400;
