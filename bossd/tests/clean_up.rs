//! `bossd --clean-up` as a process: what a dead executor left is let go, and said truly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bossd::clock::now;
use bossd::executor::marker::MarkerFile;
use bossd::sysexits;
use election::{Epoch, Marker, Permit, Span};
use nix::fcntl::{Flock, FlockArg};

const FENCE: Span = Span::from_millis(800);

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    /// With a `demote` hook that ends with `status`, and `more` in [hooks].
    fn new(status: u8, more: &str) -> Self {
        let bench = Self { home: tempfile::tempdir().unwrap() };
        for name in ["hooks.d", "run"] {
            fs::create_dir(bench.path(name)).unwrap();
        }
        let member = "[cluster]\nname = \"web\"\n[[member]]\nname = \"alpha\"\n";
        let cluster = format!("{member}address = \"127.0.0.1:26771\"\n");
        fs::write(bench.path("cluster.toml"), cluster).unwrap();
        let node = format!(
            "[node]\nname = \"alpha\"\nrun-directory = \"run\"\nstate-directory = \"state\"\n\
             [hooks]\ndirectory = \"hooks.d\"\n{more}"
        );
        fs::write(bench.path("node.toml"), node).unwrap();
        let log = bench.path("log");
        let hook = format!("#!/bin/sh\necho $1 >>{}\nexit {status}\n", log.display());
        fs::write(bench.path("hooks.d/10-a"), hook).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bench.path("hooks.d/10-a"), executable).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn marker(&self) -> MarkerFile {
        MarkerFile::new(&self.path("run"))
    }

    fn acted(self) -> Self {
        let permit = Permit { epoch: Epoch(7), until: now(), fence: FENCE };
        self.marker().write_acting(permit).unwrap();
        self
    }

    fn clean_up(&self) -> u8 {
        self.bossd(&["--clean-up"])
    }

    fn bossd(&self, arguments: &[&str]) -> u8 {
        Self::status(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bossd"));
        command.args(arguments).arg("--config").arg(self.path("cluster.toml"));
        command
    }

    fn status(command: &mut Command) -> u8 {
        let status = command.stdin(Stdio::null()).status().unwrap();
        u8::try_from(status.code().expect("not killed")).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

#[test]
fn a_daemon_that_cannot_start_lets_go_of_what_a_run_before_it_left() {
    // There is no certificate, as there would be one that has expired.
    let bench = Bench::new(0, "").acted();
    assert_eq!(bench.bossd(&[]), sysexits::CONFIG);
    assert_eq!(bench.log(), "demote\n");
    assert_eq!(bench.marker().read(), Marker::Idle { epoch: Epoch(7) });
    // And does nothing where nothing was left.
    assert_eq!(bench.bossd(&[]), sysexits::CONFIG);
    assert_eq!(bench.log(), "demote\n");
}

#[test]
fn what_a_daemon_promoted_is_let_go_also_if_its_files_are_broken_by_then() {
    let bench = Bench::new(0, "").acted();
    let file = bench.path("cluster.toml");
    // As a daemon keeps it in its run directory.
    let sources = bossd::config::read(&file).unwrap();
    fs::write(bench.path("run/configuration"), serde_json::to_vec(&sources).unwrap()).unwrap();
    fs::write(&file, "[clutser]\n").unwrap();
    let mut command = bench.command(&["--clean-up"]);
    // As systemd tells it.
    command.env("RUNTIME_DIRECTORY", bench.path("run"));
    assert_eq!(Bench::status(&mut command), sysexits::OK);
    assert_eq!(bench.log(), "demote\n");
    assert_eq!(bench.marker().read(), Marker::Idle { epoch: Epoch(7) });
    // Where none was kept it says what is wrong, and lets go of nothing.
    let bench = Bench::new(0, "").acted();
    fs::write(bench.path("cluster.toml"), "[clutser]\n").unwrap();
    let mut command = bench.command(&["--clean-up"]);
    command.env("RUNTIME_DIRECTORY", bench.path("run"));
    assert_eq!(Bench::status(&mut command), sysexits::CONFIG);
    // And where no daemon has run there is nothing to say.
    fs::remove_file(bench.path("run/acting")).unwrap();
    let mut command = bench.command(&["--clean-up"]);
    command.env("RUNTIME_DIRECTORY", bench.path("run"));
    assert_eq!(Bench::status(&mut command), sysexits::OK);
}

/// A library between bossd and the system that takes no moment for a timer, as libfaketime does when
/// it has added days to it. What is left standing then is two bosses.
const NO_MOMENTS: &str = r"
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
int timerfd_settime(int timer, int flags, const struct itimerspec *at, struct itimerspec *old) {
    if (flags & TFD_TIMER_ABSTIME) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_timerfd_settime, timer, flags, at, old);
}
";

#[test]
fn a_timer_that_takes_no_moment_is_set_by_the_time_that_is_left() {
    let bench = Bench::new(0, "").acted();
    let (source, library) = (bench.path("moments.c"), bench.path("moments.so"));
    fs::write(&source, NO_MOMENTS).unwrap();
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(compiler.status().unwrap().success(), "a C compiler");
    let mut command = bench.command(&["--clean-up"]);
    assert_eq!(Bench::status(command.env("LD_PRELOAD", library)), sysexits::OK);
    assert_eq!(bench.log(), "demote\n");
    assert_eq!(bench.marker().read(), Marker::Idle { epoch: Epoch(7) });
}

#[test]
fn what_was_left_standing_is_demoted_and_recorded_as_gone() {
    let bench = Bench::new(0, "").acted();
    assert_eq!(bench.clean_up(), sysexits::OK);
    assert_eq!(bench.log(), "demote\n");
    assert_eq!(bench.marker().read(), Marker::Idle { epoch: Epoch(7) });
    assert_eq!(bench.clean_up(), sysexits::OK);
    assert_eq!(bench.log(), "demote\n", "there is nothing left to do");
}

#[test]
fn a_clean_up_that_cannot_let_go_ends_says_so_and_leaves_the_record() {
    let bench = Bench::new(1, "").acted();
    assert_eq!(bench.clean_up(), sysexits::SOFTWARE);
    assert_eq!(bench.marker().read(), Marker::Acting { epoch: Epoch(7), fence: FENCE });
}

#[test]
fn an_escalation_command_that_succeeds_has_let_go() {
    let command = "on-fence-failure = \"command\"\nescalation-command = [\"/bin/true\"]\n\
                   escalation-timeout = \"200ms\"\n";
    let bench = Bench::new(1, command).acted();
    assert_eq!(bench.clean_up(), sysexits::OK);
    assert_eq!(bench.marker().read(), Marker::Idle { epoch: Epoch(7) });
}

#[test]
fn a_hook_that_a_dead_executor_left_running_is_ended_before_the_demote() {
    let bench = Bench::new(0, "").acted();
    let mut sleep = Command::new("sleep");
    sleep.arg("60").env("BOSS_RUN_DIRECTORY", bench.path("run"));
    let mut promote = sleep.spawn().unwrap();
    assert_eq!(bench.clean_up(), sysexits::OK);
    // It has ended, or is so far gone that it has no memory any more; by itself it would sleep on.
    let status = promote.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it would have acted after the demote");
}

#[test]
fn a_state_that_cannot_be_believed_counts_as_a_claim() {
    let bench = Bench::new(0, "");
    assert_eq!(bench.clean_up(), sysexits::OK);
    assert_eq!(bench.log(), "", "nothing was ever promoted");
    fs::create_dir_all(bench.path("state")).unwrap();
    fs::write(bench.path("state/state"), "torn").unwrap();
    fs::remove_file(bench.marker().path()).ok();
    assert_eq!(bench.clean_up(), sysexits::OK);
    assert_eq!(bench.log(), "demote\n");
}

#[test]
fn a_clean_up_beside_a_living_executor_does_nothing() {
    let bench = Bench::new(0, "").acted();
    let lock = fs::File::create(bench.path("run/lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    assert_eq!(bench.clean_up(), sysexits::BUSY);
    assert_eq!(bench.log(), "");
    drop(lock);
}
