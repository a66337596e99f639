//! `bossctl playground` itself: what it says when the cluster does not hold, and what it leaves
//! behind when it ends or crashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use control::client::{Client, PATIENCE};
use control::model::Status;
use harness::{bossctl, bossd, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn the_tour_names_the_step_that_does_not_hold_and_removes_all_the_same() {
    let home = tempfile::tempdir().expect("a directory");
    let tour = start(home.path());
    let dir = directory(home.path());
    let doomed: Vec<_> = ["beta", "gamma"].iter().map(|node| executor(&dir, node)).collect();
    for pid in doomed {
        kill(pid, Signal::SIGSTOP).expect("stopped");
        kill(pid, Signal::SIGKILL).expect("killed");
    }
    let output = tour.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let failed = said.lines().find(|line| line.starts_with("FAILED  ")).expect("a failed step");
    assert!(failed.contains("has ended") && failed.contains("signal: 9"), "{failed}");
    let step = failed.split_whitespace().nth(1).expect("its name");
    assert!(said.contains(&format!("failed at {step}")), "{said}");
    assert_eq!(left(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_tour_that_is_interrupted_removes_what_it_made() {
    let home = tempfile::tempdir().expect("a directory");
    let tour = start(home.path());
    executor(&directory(home.path()), "gamma");
    let pid = Pid::from_raw(tour.id().cast_signed());
    kill(pid, Signal::SIGINT).expect("it runs");
    let output = tour.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(left(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_playground_left_is_ended_and_removed_by_the_next() {
    let home = tempfile::tempdir().expect("a directory");
    let mut killed = start(home.path());
    let dir = directory(home.path());
    let executor = executor(&dir, "gamma");
    killed.kill().expect("it runs");
    killed.wait().expect("reaped");
    assert!(is_alive(executor), "a daemon outlives the playground that is killed");
    let next = start(home.path());
    until("the end of what was left", || (!dir.exists()).then_some(()));
    until("the end of its processes", || (!is_alive(executor)).then_some(()));
    kill(Pid::from_raw(next.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    let output = next.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("a crashed playground left: {}", dir.display())), "{said}");
    assert_eq!(left(home.path()), Vec::<PathBuf>::new());
}

fn start(home: &Path) -> Child {
    Command::new(bossctl())
        .args(["playground", "--script"])
        .env("TMPDIR", home)
        .env("BOSSD", bossd())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn left(home: &Path) -> Vec<PathBuf> {
    fs::read_dir(home).expect("ours").flatten().map(|entry| entry.path()).collect()
}

/// The directory of the one playground in `home`.
fn directory(home: &Path) -> PathBuf {
    until("the playground's directory", || {
        left(home).into_iter().find(|dir| dir.join("lock").exists())
    })
}

/// The main process of a node, once it answers.
fn executor(dir: &Path, node: &str) -> Pid {
    let socket = dir.join(node).join("run/control.sock");
    until("a node that answers", || {
        let document = Client::connect(&socket, PATIENCE).ok()?.status().ok()?;
        let status: Status = serde_json::from_value(document).ok()?;
        Some(Pid::from_raw(status.pids.executor?.cast_signed()))
    })
}

/// Whether it runs. A dead one that nobody has reaped does not.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
