//! The orders that take the boss's part from a node, as scripts give them: looked at before they are
//! given, waited for, and confirmed where they are dangerous. The daemon is a thread that gives
//! prepared replies.

mod daemon;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use control::interface::RefusalKind;
use control::varlink::Reply;
use daemon::{Daemon, bossctl, done, expect, foreseen, status_with};
use nix::pty::openpty;
use serde_json::{Value, json};

const NOW: u64 = 1_790_000_007;

/// A status of a stream in which this node is boss.
fn seen(boss: &str, epoch: u64) -> Reply {
    let status = status_with(|status| {
        status["boss"]["node"] = boss.into();
        status["boss"]["epoch"] = epoch.into();
    });
    Reply { continues: true, ..status }
}

fn nobody_acts() -> Reply {
    Reply { continues: true, ..status_with(|status| status["boss"] = Value::Null) }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn a_switchover_that_waits_ends_when_the_new_boss_acts_or_another() {
    let wait = ["switchover", "--to", "beta", "--wait"];
    let elsewhere = vec![seen("alpha", NOW), seen("gamma", NOW + 1)];
    let connections = |stream| vec![vec![foreseen(|_| {})], vec![done("alpha hands over")], stream];
    let daemon = Daemon::new(connections(elsewhere));
    let output = bossctl(&daemon.socket(), &wait);
    expect(&output, 1, "gamma is, epoch 1790000008");
    assert!(stderr(&output).contains("beta is held off"), "why not: {}", stderr(&output));

    let there = vec![seen("alpha", NOW), seen("alpha", NOW), nobody_acts(), seen("beta", NOW + 1)];
    let daemon = Daemon::new(connections(there));
    let output = bossctl(&daemon.socket(), &wait);
    expect(&output, 0, "beta became boss, epoch 1790000008");
    let told = stderr(&output);
    let step =
        |line: &'_ str| line.trim_start().split_once("  ").expect("a time and a step").1.to_owned();
    let steps: Vec<String> = told.lines().map(step).collect();
    let wanted = [
        "alpha is boss, epoch 1790000007",
        "alpha leads, and nobody acts",
        "beta is boss, epoch 1790000008",
    ];
    assert_eq!(steps, wanted, "each once");
    let calls = daemon.calls();
    assert_eq!(calls[0].method, "io.boss.Cluster.PreviewOrder");
    let order = json!({ "order": "switchover", "node": "beta", "force": null });
    assert_eq!(calls[0].parameters, order);
    assert_eq!(calls[1].parameters, json!({ "to": "beta" }));
    assert!(calls[2].more);
}

#[test]
fn a_resignation_that_waits_ends_with_another_boss_and_says_if_it_is_the_same() {
    let wait = ["resign", "--wait"];
    let connections = |stream| vec![vec![foreseen(|_| {})], vec![done("the boss resigns")], stream];
    let daemon = Daemon::new(connections(vec![seen("alpha", NOW), seen("alpha", NOW + 1)]));
    let output = bossctl(&daemon.socket(), &wait);
    expect(&output, 1, "nobody took over: alpha is boss again");
    assert!(stderr(&output).contains("gamma is not connected"), "{}", stderr(&output));
    let daemon = Daemon::new(connections(vec![nobody_acts(), seen("beta", NOW + 1)]));
    expect(&bossctl(&daemon.socket(), &wait), 0, "beta became boss");
}

#[test]
fn a_drained_boss_is_waited_for_until_a_successor_acts_if_there_can_be_one() {
    let drained = |boss: Option<&str>| {
        let status = status_with(|status| {
            status["members"][0]["drained"] = json!({ "reason": null, "until_s": null });
            match boss {
                Some(boss) => {
                    status["boss"]["node"] = boss.into();
                    status["boss"]["epoch"] = (NOW + 1).into();
                }
                None => status["boss"] = Value::Null,
            }
        });
        Reply { continues: true, ..status }
    };
    let order = [foreseen(|_| {}), done("alpha is drained")].map(|reply| vec![reply]);
    let stream = vec![seen("alpha", NOW), drained(None), drained(Some("beta"))];
    let daemon = Daemon::new([&order[..], &[stream]].concat());
    let output = bossctl(&daemon.socket(), &["drain", "alpha", "--wait"]);
    expect(&output, 0, "alpha is out of service; the boss is beta");

    // Forced, though nobody could take over: nobody is waited for.
    let alone = foreseen(|preview| preview["successor"] = Value::Null);
    let order = [alone, done("alpha is drained")].map(|reply| vec![reply]);
    let daemon = Daemon::new([&order[..], &[vec![drained(None)]]].concat());
    let output = bossctl(&daemon.socket(), &["drain", "alpha", "--force", "--wait"]);
    expect(&output, 0, "alpha is out of service; there is no boss");
}

#[test]
fn a_wait_that_is_over_says_what_is_missing_and_ends_with_75() {
    let unsafe_now = Reply {
        continues: true,
        ..status_with(|status| {
            status["boss"] = Value::Null;
            status["posture"] = json!({ "level": "unsafe", "reasons": ["there is no quorum"] });
        })
    };
    let order = [foreseen(|_| {}), done("the boss resigns"), unsafe_now].map(|reply| vec![reply]);
    let daemon = Daemon::new(order.to_vec());
    let output = bossctl(&daemon.socket(), &["resign", "--wait", "--timeout", "0s"]);
    expect(&output, 75, "no successor acts (there is no quorum)");
    expect(&output, 75, "the boss resigns\nundo: bossctl undrain beta\n");
}

/// The golden preview: a switchover to gamma, a witness.
fn refused() -> Reply {
    let golden = include_str!("../../control/tests/preview.json");
    Reply::last(json!({ "preview": serde_json::from_str::<Value>(golden).expect("golden") }))
}

#[test]
fn what_would_be_refused_is_not_ordered_and_each_candidate_is_told() {
    let daemon = Daemon::new(vec![vec![refused()]]);
    let output = bossctl(&daemon.socket(), &["switchover", "--to", "gamma", "--wait"]);
    expect(&output, 1, "bossctl: gamma cannot take over: it is a witness");
    expect(&output, 1, "  beta could be boss\n  gamma could not be boss: it is a witness\n");
    assert!(output.stdout.is_empty());
    let calls = daemon.calls();
    assert_eq!(calls.len(), 1, "there was no further connection");
    assert_eq!(calls[0].method, "io.boss.Cluster.PreviewOrder");
}

#[test]
fn a_refusal_that_is_foreseen_has_the_exit_code_of_the_refusal() {
    for (kind, code) in [
        (RefusalKind::UnknownNode, 1),
        (RefusalKind::NotBoss, 1),
        (RefusalKind::NobodyEligible, 1),
        (RefusalKind::NoQuorum, 75),
        (RefusalKind::TryAgain, 75),
        (RefusalKind::Refused, 1),
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let no = foreseen(|preview| {
                preview["accepted"] = false.into();
                preview["refusal"] = kind.name().into();
                preview["text"] = "because of this".into();
            });
            let daemon = Daemon::new(vec![vec![no]]);
            let verb = [&["drain", "beta"], dry].concat();
            expect(&bossctl(&daemon.socket(), &verb), code, "because of this");
        }
    }
}

#[test]
fn a_dry_run_shows_what_would_come_of_it_and_orders_nothing() {
    let yes = "alpha would let go, and beta take over";
    for verb in [&["resign"][..], &["force-resign"], &["drain"], &["switchover", "--to", "beta"]] {
        let daemon = Daemon::new(vec![vec![foreseen(|_| {})], vec![foreseen(|_| {})]]);
        let output = bossctl(&daemon.socket(), &[verb, &["--dry-run"]].concat());
        expect(&output, 0, yes);
        expect(&output, 0, "beta would take over");
        let output = bossctl(&daemon.socket(), &[verb, &["--dry-run", "--json"]].concat());
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&document["text"], output.status.code()), (&yes.into(), Some(0)));
        assert!(daemon.calls().iter().all(|call| call.method.ends_with(".PreviewOrder")));
    }
    let daemon = Daemon::new(vec![vec![refused()]]);
    let verb = ["switchover", "--to", "gamma", "--dry-run"];
    let output = bossctl(&daemon.socket(), &verb);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), include_str!("preview.txt"));
}

#[test]
fn a_death_is_confirmed_by_the_name_of_the_node_and_by_nothing_else() {
    let nowhere = Path::new("/nonexistent/sock");
    expect(&bossctl(nowhere, &["confirm-dead", "beta"]), 64, "--yes beta");
    let other = ["confirm-dead", "beta", "--yes", "gamma"];
    expect(&bossctl(nowhere, &other), 64, "nothing was done");
    let daemon = Daemon::new(vec![vec![done("beta is taken to be off")]]);
    let meant = ["confirm-dead", "beta", "--yes", "beta"];
    expect(&bossctl(&daemon.socket(), &meant), 0, "beta is taken to be off");
    let call = daemon.calls().remove(0);
    assert_eq!(call.method, "io.boss.Cluster.ConfirmDead");
    assert_eq!(call.parameters, json!({ "node": "beta", "again": "beta" }));
}

/// What the command says to an operator who types this.
fn typed(socket: &Path, line: &str) -> Output {
    let terminal = openpty(None, None).expect("a terminal");
    let child = Command::new(env!("CARGO_BIN_EXE_bossctl"))
        .args(["confirm-dead", "beta"])
        .env_clear()
        .env("BOSS_SOCKET", socket)
        .stdin(Stdio::from(terminal.slave))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut keys = File::from(terminal.master);
    keys.write_all(line.as_bytes()).expect("typed");
    child.wait_with_output().expect("ours")
}

#[test]
fn on_a_terminal_the_name_is_typed_after_the_risk_was_told() {
    let daemon = Daemon::new(vec![vec![done("beta is taken to be off")]]);
    let output = typed(&daemon.socket(), "beta\n");
    expect(&output, 0, "two nodes may act as boss at once");
    expect(&output, 0, "beta is taken to be off");
    assert_eq!(daemon.calls().len(), 1);
    for wrong in ["gamma\n", "yes\n", "\n", "\u{4}"] {
        let output = typed(Path::new("/nonexistent/sock"), wrong);
        expect(&output, 1, "that is not beta: nothing was done");
    }
}
