//! The configuration read anew under a running cluster: what is taken, what is told, and that a
//! fault anywhere changes nothing.

use std::ffi::OsString;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::mpsc;
use std::time::Duration;

use bossctl::playground::cluster::Place;
use control::client::{Client, PATIENCE};
use control::interface::Resign;
use control::model::Level;
use control::reload::{Effect, Reload};
use harness::{Bed, bossctl, until};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::{three, with_script};

/// Has a node read its files anew; what came of it.
pub(crate) fn reload(bed: &Bed, index: usize) -> Reload {
    let document = bed.client(index).reload(true).expect("answered");
    serde_json::from_value(document).expect("a reload")
}

/// The keys with what came of each.
pub(crate) fn effects(reload: &Reload) -> Vec<(&str, Effect)> {
    reload.changes.iter().map(|change| (change.key.as_str(), change.effect)).collect()
}

fn node_toml(bed: &Bed, index: usize) -> PathBuf {
    bed.node(index).dir.join("node.toml")
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("read");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).expect("written");
}

fn asked_by_bossctl(bed: &Bed, index: usize) -> Output {
    let node = bed.node(index);
    let mut command = node.command(&bossctl());
    let output = command.arg("--socket").arg(node.socket()).args(["reload", "--wait"]).output();
    output.expect("it runs")
}

#[test]
fn a_reload_takes_what_it_can_and_tells_what_needs_a_restart_or_is_the_clusters() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let nothing = reload(&bed, boss.index);
    assert!(nothing.taken && nothing.changes.is_empty(), "{nothing:?}");

    let file = node_toml(&bed, boss.index);
    edit(&file, "timeout = \"10s\"", "timeout = \"20s\"");
    edit(&file, "user = \"root\"", "user = \"nobody\"");
    let more = fs::read_to_string(&file).expect("read") + "\n[log]\nlevel = \"trace\"\n";
    fs::write(&file, more).expect("written");
    let cluster = bed.node(boss.index).config();
    edit(&cluster, "profile = \"lan\"", "profile = \"lan\"\nlease = \"500ms\"");
    let output = asked_by_bossctl(&bed, boss.index);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for line in [
        "  hooks.timeout: 10s -> 20s\n",
        "  log.level: info -> trace\n",
        "needs a restart:\n  node.user: root -> nobody\n",
        "differs from the cluster:\n  timing.lease: 400ms -> 500ms\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    // Both processes: the elector has QUIC's own lines at this level.
    bed.logged(boss.index, "TRACE");
    let differs = bed.until("a file that differs", |seen| {
        let status = seen[boss.index].status()?;
        let told = status.posture.reasons.iter().find(|it| it.contains("timing.lease"))?;
        (status.posture.level == Level::Degraded).then(|| told.clone())
    });
    assert!(differs.contains("the cluster's values count"), "{differs}");

    edit(&cluster, "\nlease = \"500ms\"", "");
    edit(&file, "level = \"trace\"", "level = \"info\"");
    let back = reload(&bed, boss.index);
    assert_eq!(effects(&back), [("log.level", Effect::Taken), ("node.user", Effect::Restart)]);
    // What an elector that is started anew begins with is what counts now.
    edit(&file, "user = \"nobody\"", "user = \"root\"");
    bed.agree_on(&boss);
    kill(bed.node(boss.index).elector().expect("it runs"), Signal::SIGKILL).expect("killed");
    let after = bed.boss_after(&boss);
    let plan = bed.client(boss.index).plan("demote").expect("planned").to_string();
    assert!(plan.contains("BOSS_DEADLINE_MS=20000"), "{plan}");
    bed.judge(Some(&after));
}

#[test]
fn a_fault_anywhere_changes_nothing_and_each_is_told_with_its_place() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let file = node_toml(&bed, boss.index);
    edit(&file, "timeout = \"10s\"", "timeout = \"20s\"\ndirektory = \"/nowhere\"");
    edit(&file, "user = \"root\"", "user = 7");
    let output = asked_by_bossctl(&bed, boss.index);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("not reloaded, and nothing has changed"), "{said}");
    assert!(said.contains("did you mean `directory`?"), "{said}");
    assert_eq!(said.lines().filter(|line| line.trim_start().starts_with('^')).count(), 2, "{said}");
    assert!(said.contains("node.toml:4:8:"), "{said}");
    // As the other way of asking tells it.
    let checked = bed.check(boss.index).expect_err("wrong").to_string();
    for line in checked.lines().filter(|line| line.contains("help:")) {
        assert!(said.contains(line.trim()), "{line} in {said}");
    }
    bed.logged(boss.index, "not reloaded, and nothing has changed");
    let plan = bed.client(boss.index).plan("demote").expect("planned").to_string();
    assert!(plan.contains("BOSS_DEADLINE_MS=10000"), "{plan}");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_boss_whose_hooks_move_lets_go_by_those_that_it_began_with() {
    let mut bed = Bed::start(&with_script(three(), "50-job", "#!/bin/sh\nexit 0\n"));
    let boss = bed.boss();
    let node = bed.node(boss.index).dir.clone();
    let (old, new) = (node.join("hooks.d"), node.join("elsewhere"));
    fs::create_dir(&new).expect("ours");
    fs::copy(old.join("50-job"), new.join("60-job")).expect("copied");
    edit(&node_toml(&bed, boss.index), "/hooks.d", "/elsewhere");
    let outcome = reload(&bed, boss.index);
    assert_eq!(effects(&outcome), [("hooks.directory", Effect::Taken)]);
    let list = until("the hooks of the other directory", || {
        let list = bed.client(boss.index).hooks().expect("told").to_string();
        list.contains("60-job").then_some(list)
    });
    assert!(!list.contains("50-job"), "{list}");
    bed.agree_on(&boss);
    bed.client(boss.index).resign(&Resign { force: None }).expect("others could");
    let after = bed.boss_after(&boss);
    // The witness of the old directory was demoted, or the judge would see two.
    let effects = bed.judge(Some(&after));
    assert!(effects.iter().any(|effect| effect.node == boss.name), "{effects:?}");
}

#[test]
fn who_asks_while_a_reload_is_under_way_is_answered_by_the_next() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let file = node_toml(&bed, 0);
    let good = fs::read_to_string(&file).expect("read");
    fs::remove_file(&file).expect("ours");
    // Whoever opens it waits until somebody writes.
    mkfifo(&file, Mode::S_IRWXU).expect("a pipe");
    let socket = bed.node(0).socket();
    let ask = move || {
        let socket = socket.clone();
        std::thread::spawn(move || -> Reload {
            let mut client = Client::connect(&socket, PATIENCE).expect("it listens");
            serde_json::from_value(client.reload(true).expect("answered")).expect("a reload")
        })
    };
    let first = ask();
    bed.logged(0, "reading the configuration and the certificates anew");
    let second = ask();
    let asked = || {
        let log = fs::read(bed.node(0).log()).unwrap_or_default();
        String::from_utf8_lossy(&log).matches("reload asked for by uid").count()
    };
    until("two that ask", || (asked() == 2).then_some(()));
    let pipe = file.with_extension("pipe");
    fs::rename(&file, &pipe).expect("ours");
    fs::write(&file, good.replace("timeout = \"10s\"", "timeout = \"20s\"")).expect("written");
    drop(fs::OpenOptions::new().write(true).open(&pipe).expect("it is being read"));
    let first = first.join().expect("no panic");
    assert!(!first.taken && first.problems[0].contains("is not a plain file"), "{first:?}");
    let second = second.join().expect("no panic");
    assert!(second.taken, "{second:?}");
    assert_eq!(effects(&second), [("hooks.timeout", Effect::Taken)]);
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_disk_that_hangs_is_not_waited_for() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let file = node_toml(&bed, boss.index);
    fs::remove_file(&file).expect("ours");
    mkfifo(&file, Mode::S_IRWXU).expect("a pipe");
    let outcome = reload(&bed, boss.index);
    assert!(
        !outcome.taken && outcome.problems[0].contains("could not be read within"),
        "{outcome:?}"
    );
    // Else a clean-up that is started while the bed is torn down would wait there for ever.
    fs::remove_file(&file).expect("ours");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

/// A service manager, which takes what it is told as fast as it comes.
fn manager(path: &Path) -> mpsc::Receiver<String> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0_u8; 4096];
        while let Ok(count) = socket.recv(&mut bytes) {
            if sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                return;
            }
        }
    });
    said
}

/// The next datagrams until one has `wanted`, which is given.
fn told(said: &mpsc::Receiver<String>, wanted: &str) -> (Vec<String>, String) {
    let mut before = Vec::new();
    loop {
        let text = said.recv_timeout(Duration::from_secs(30));
        let text = text.unwrap_or_else(|error| panic!("{wanted}: {error}"));
        if text.contains(wanted) {
            return (before, text);
        }
        before.push(text);
    }
}

#[test]
fn a_hang_up_reloads_and_the_service_manager_is_told_when_it_begins_and_when_it_is_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = manager(&path);
    let variable = format!("NOTIFY_SOCKET={}", path.display());
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let launcher = ["/usr/bin/env".to_owned(), variable].map(OsString::from).to_vec();
    let place = Place { address, launcher };
    let mut bed = Bed::prepare_at(&harness::plan(&["alpha"]), &[place]);
    bed.start_all().expect("started");
    let (before, _) = told(&manager, "READY=1");
    assert!(!before.iter().any(|text| text.contains("RELOADING")), "{before:?}");
    let boss = bed.boss();

    edit(&node_toml(&bed, 0), "timeout = \"10s\"", "timeout = \"20s\"");
    kill(bed.node(0).executor().expect("it runs"), Signal::SIGHUP).expect("sent");
    let (_, reloading) = told(&manager, "RELOADING=1");
    let moment = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(moment.is_some_and(|usec| usec.parse::<u64>().is_ok()), "{reloading}");
    let (_, ready) = told(&manager, "READY=1");
    assert!(!ready.contains("RELOADING"), "{ready}");
    bed.logged(0, "hooks.timeout: 10s -> 20s");

    // Who sends it to both processes ends neither.
    let elector = bed.node(0).elector().expect("it runs");
    kill(elector, Signal::SIGHUP).expect("sent");

    // A file that is wrong is over as well, and nothing has changed.
    edit(&node_toml(&bed, 0), "timeout = \"20s\"", "timeout = \"soon\"");
    kill(bed.node(0).executor().expect("it runs"), Signal::SIGHUP).expect("sent");
    told(&manager, "RELOADING=1");
    told(&manager, "READY=1");
    bed.logged(0, "not reloaded, and nothing has changed");
    assert_eq!(bed.node(0).elector(), Some(elector));
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}
