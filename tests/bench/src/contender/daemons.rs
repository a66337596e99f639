//! Daemons that are not boss on three hosts: a directory for each host, in whose name its processes
//! run, and a log that their actions write.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bossctl::playground::directory::Directory;
use bossctl::playground::processes;
use harness::judge::{Line, parse};
use network::Lan;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{HOSTS, done, host_name};
use crate::proc::running;

/// Three hosts with a directory each.
#[derive(Debug)]
pub(super) struct Daemons {
    pub(super) lan: Lan,
    children: Vec<(usize, Child)>,
    // Last: with it all that still runs ends.
    dir: Directory,
}

impl Daemons {
    /// Makes them; nothing runs yet. Each host gets its own copy of these programs.
    pub(super) fn prepare(programs: &[&str]) -> Self {
        let dir = Directory::create().unwrap_or_else(|error| panic!("{error}"));
        let daemons = Self { lan: done(Lan::new(HOSTS)), children: Vec::new(), dir };
        for host in 0..HOSTS {
            fs::create_dir(daemons.at(host)).expect("our own directory");
            for program in programs {
                let from = Path::new(program);
                let name = from.file_name().expect("a program");
                fs::copy(from, daemons.at(host).join(name))
                    .unwrap_or_else(|error| panic!("{program} cannot be copied: {error}"));
            }
        }
        daemons
    }

    /// The directory of a host.
    pub(super) fn at(&self, host: usize) -> PathBuf {
        self.dir.path().join(host_name(host))
    }

    /// What the actions of all hosts write to.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("actions.log")
    }

    /// What they wrote.
    pub(super) fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        parse(&text).unwrap_or_else(|violation| panic!("{violation}"))
    }

    /// A command on a host, as one of its processes.
    pub(super) fn command<S: AsRef<OsStr>>(
        &self,
        host: usize,
        program: S,
        arguments: &[String],
    ) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.lan.host(host).name()])
            .arg(program)
            .args(arguments)
            .env(processes::MARK, self.at(host))
            // Logs that are read for their times have them in UTC.
            .env("TZ", "UTC")
            .current_dir(self.at(host))
            .stdin(Stdio::null());
        command
    }

    /// Starts a program that stays.
    pub(super) fn start(&mut self, host: usize, program: &Path, arguments: &[String]) {
        let open = || {
            let log = self.at(host).join("log");
            OpenOptions::new().create(true).append(true).open(log).expect("our own directory")
        };
        let child = self
            .command(host, program, arguments)
            .process_group(0)
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()));
        self.children.push((host, child));
    }

    /// The processes of a host that run a program of this name.
    pub(super) fn running(&self, host: usize, program: &str) -> Vec<Pid> {
        running(processes::of(&self.at(host)), program)
    }

    /// Kills all of a host at once, and sees to it that nothing is left.
    pub(super) fn kill_host(&mut self, host: usize) {
        processes::kill(&self.at(host));
        self.reap(host);
        assert!(processes::of(&self.at(host)).is_empty(), "something outlived its host");
    }

    /// Waits for the children of a host, all of which end.
    pub(super) fn reap(&mut self, host: usize) {
        let (mut of_host, others): (Vec<_>, Vec<_>) =
            self.children.drain(..).partition(|(of, _)| *of == host);
        for (_, child) in &mut of_host {
            // Ours, and killed: there is nothing to learn.
            drop(child.wait());
        }
        self.children = others;
    }
}

/// Sends a signal to these; those that are gone need none.
pub(super) fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _ = kill(*pid, signal);
    }
}

/// What a host wrote last.
pub(super) fn last_event(lines: &[Line], host: usize) -> Option<&Line> {
    lines.iter().filter(|line| line.node == host_name(host)).max_by_key(|line| line.at_ns)
}
