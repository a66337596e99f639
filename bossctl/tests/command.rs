//! The built command, run as scripts run it: its exit codes, and what it prints for whom. The
//! daemon is a thread that gives prepared replies.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use control::interface::{Done, Refusal, RefusalKind};
use control::varlink::{Call, Decoder, Fault, MAX_MESSAGE, MAX_REPLY, Reply, decode, encode};
use serde_json::{Value, json};

/// A daemon that takes one connection per list of replies, and gives them to its one call.
struct Daemon {
    directory: tempfile::TempDir,
    calls: JoinHandle<Vec<Call>>,
}

impl Daemon {
    fn new(connections: Vec<Vec<Reply>>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("sock")).expect("a socket");
        let calls = std::thread::spawn(move || {
            connections.into_iter().map(|replies| serve(&listener, &replies)).collect()
        });
        Self { directory, calls }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    fn calls(self) -> Vec<Call> {
        self.calls.join().expect("no panic")
    }
}

fn serve(listener: &UnixListener, replies: &[Reply]) -> Call {
    let (mut stream, _) = listener.accept().expect("a client");
    let mut decoder = Decoder::new(MAX_MESSAGE);
    let message = loop {
        if let Some(message) = decoder.next_message().expect("short") {
            break message;
        }
        let mut chunk = [0_u8; 1024];
        let count = stream.read(&mut chunk).expect("a call");
        assert_ne!(count, 0, "the client left without a call");
        decoder.push(&chunk[..count]);
    };
    for reply in replies {
        stream.write_all(&encode(reply, MAX_REPLY).expect("short")).expect("taken");
    }
    decode(&message).expect("a call")
}

fn bossctl(socket: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bossctl"))
        .args(args)
        .env_clear()
        .env("BOSS_SOCKET", socket)
        .output()
        .expect("it runs")
}

#[track_caller]
fn expect(output: &Output, code: i32, text: &str) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).expect("text");
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(text), "{said}");
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../control/tests/status.json")).expect("golden")
}

fn status_with(change: impl FnOnce(&mut Value)) -> Reply {
    let mut status = golden();
    change(&mut status);
    Reply::last(json!({ "status": status }))
}

fn done(text: &str) -> Reply {
    let undo = Some("bossctl undrain beta".to_owned());
    let done = Done { text: text.to_owned(), undo, epoch: Some(1_790_000_007) };
    Reply::last(serde_json::to_value(done).expect("JSON"))
}

#[test]
fn without_a_daemon_it_is_69_and_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("sock");
    for verb in [&["status"][..], &["drain"], &["resign"], &["switchover", "--to", "beta"]] {
        expect(&bossctl(&missing, verb), 69, "systemctl start bossd");
    }
    drop(UnixListener::bind(&missing).expect("a socket that nobody serves any more"));
    expect(&bossctl(&missing, &["status"]), 69, "--socket");
}

#[test]
fn the_option_wins_over_the_environment() {
    let daemon = Daemon::new(vec![vec![status_with(|_| {})]]);
    let socket = daemon.socket();
    let option = ["status", "--socket", socket.to_str().expect("text")];
    expect(&bossctl(Path::new("/nonexistent/sock"), &option), 1, "DEGRADED");
}

#[test]
fn wrong_usage_is_64_and_help_and_version_are_0() {
    let nowhere = Path::new("/nonexistent/sock");
    for wrong in [&[][..], &["explode"], &["switchover"], &["status", "--loud"]] {
        expect(&bossctl(nowhere, wrong), 64, "");
    }
    expect(&bossctl(nowhere, &["--help"]), 0, "switchover");
    expect(&bossctl(nowhere, &["version"]), 0, env!("CARGO_PKG_VERSION"));
    expect(&bossctl(nowhere, &["--version"]), 0, env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_exit_code_of_status_is_the_posture() {
    for (level, code) in [("safe", 0), ("degraded", 1), ("unsafe", 2)] {
        let reply = status_with(|status| status["posture"]["level"] = level.into());
        let daemon = Daemon::new(vec![vec![reply]]);
        let output = bossctl(&daemon.socket(), &["status"]);
        expect(&output, code, &format!("{}: ", level.to_uppercase()));
        assert!(!output.stdout.contains(&0x1b), "a pipe gets no colour");
    }
}

#[test]
fn json_is_the_document_of_the_daemon_even_of_a_later_one() {
    let daemon = Daemon::new(vec![vec![status_with(|status| status["weather"] = "fine".into())]]);
    let output = bossctl(&daemon.socket(), &["status", "--json"]);
    let mut document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let weather = document.as_object_mut().expect("an object").remove("weather");
    assert_eq!((document, weather), (golden(), Some("fine".into())));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_status_of_a_member_that_does_not_exist_names_those_that_do() {
    let daemon = Daemon::new(vec![vec![status_with(|_| {})]]);
    expect(&bossctl(&daemon.socket(), &["status", "delta"]), 1, "alpha, beta, gamma");
}

#[test]
fn explain_and_history_print_the_daemons_documents_and_end_with_0() {
    let documents = [
        (
            "explanation",
            include_str!("../../control/tests/explanation.json"),
            "beta is not the boss",
        ),
        ("history", include_str!("../../control/tests/history.json"), "handover"),
    ];
    for ((field, golden, text), verb) in documents.into_iter().zip(["explain", "history"]) {
        let mut document: Value = serde_json::from_str(golden).expect("golden");
        // A later daemon says more; it is passed on.
        document["weather"] = "fine".into();
        let reply = || Reply::last(json!({ field: document.clone() }));
        let daemon = Daemon::new(vec![vec![reply()], vec![reply()]]);
        expect(&bossctl(&daemon.socket(), &[verb]), 0, text);
        let output = bossctl(&daemon.socket(), &[verb, "--json"]);
        let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((printed, output.status.code()), (document.clone(), Some(0)));
    }
}

#[test]
fn explain_asks_for_the_node_that_was_named_and_says_if_there_is_none() {
    let unknown = Refusal::new(RefusalKind::UnknownNode, "no member is called delta");
    let daemon = Daemon::new(vec![vec![Reply::from(Fault::from(unknown))]]);
    expect(&bossctl(&daemon.socket(), &["explain", "delta"]), 1, "no member is called delta");
    let call = daemon.calls().remove(0);
    assert_eq!(call.method, "io.boss.Cluster.Explain");
    assert_eq!(call.parameters, json!({ "node": "delta" }));
}

#[test]
fn a_drain_says_what_it_did_and_how_to_undo_it() {
    let daemon = Daemon::new(vec![vec![done("beta is drained")]]);
    let output = bossctl(&daemon.socket(), &["drain", "--reason", "new disk"]);
    expect(&output, 0, "beta is drained\nundo: bossctl undrain beta\n");
    let call = daemon.calls().remove(0);
    assert_eq!(call.method, "io.boss.Cluster.Drain");
    assert_eq!(call.parameters, json!({ "node": null, "reason": "new disk", "force": false }));
}

#[test]
fn force_resign_is_resign_with_force() {
    for verb in [&["resign", "--force"][..], &["force-resign"]] {
        let daemon = Daemon::new(vec![vec![done("alpha resigns")]]);
        expect(&bossctl(&daemon.socket(), verb), 0, "alpha resigns");
        assert_eq!(daemon.calls()[0].parameters, json!({ "force": true }));
    }
}

#[test]
fn a_switchover_that_waits_ends_when_the_new_boss_acts() {
    let seen = |boss: &str, epoch: u64| Reply {
        continues: true,
        ..status_with(|status| {
            status["boss"]["node"] = boss.into();
            status["boss"]["epoch"] = epoch.into();
        })
    };
    let old = seen("alpha", 1_790_000_007);
    let wait = ["switchover", "--to", "beta", "--wait"];
    let elsewhere = vec![old.clone(), seen("gamma", 1_790_000_008)];
    let daemon = Daemon::new(vec![vec![done("alpha hands over")], elsewhere]);
    expect(&bossctl(&daemon.socket(), &wait), 1, "gamma is, epoch 1790000008");
    let there = vec![old.clone(), old, seen("beta", 1_790_000_008)];
    let daemon = Daemon::new(vec![vec![done("alpha hands over")], there]);
    expect(&bossctl(&daemon.socket(), &wait), 0, "beta became boss, epoch 1790000008");
    let calls = daemon.calls();
    assert_eq!(calls[0].parameters, json!({ "to": "beta" }));
    assert!(calls[1].more);
}

#[test]
fn each_refusal_has_its_exit_code() {
    for (kind, code) in [
        (RefusalKind::NotPermitted, 77),
        (RefusalKind::UnknownNode, 1),
        (RefusalKind::NotBoss, 1),
        (RefusalKind::NobodyEligible, 1),
        (RefusalKind::NoQuorum, 75),
        (RefusalKind::TryAgain, 75),
        (RefusalKind::Refused, 1),
    ] {
        let reply = Reply::from(Fault::from(Refusal::new(kind, "because of this")));
        let daemon = Daemon::new(vec![vec![reply]]);
        expect(&bossctl(&daemon.socket(), &["undrain", "beta"]), code, "because of this");
    }
}

#[test]
fn a_daemon_that_leaves_is_75_and_one_that_babbles_is_69() {
    let daemon = Daemon::new(vec![vec![]]);
    expect(&bossctl(&daemon.socket(), &["status"]), 75, "closed the connection");
    let daemon = Daemon::new(vec![vec![Reply::last(json!({ "status": { "mood": "good" } }))]]);
    expect(&bossctl(&daemon.socket(), &["status"]), 69, "do not understand each other");
}
