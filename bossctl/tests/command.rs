//! The built command, run as scripts run it: its exit codes, and what it prints for whom. The
//! daemon is a thread that gives prepared replies.

mod daemon;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use control::interface::{Done, Refusal, RefusalKind};
use control::varlink::{Fault, MAX_REPLY, Reply, encode};
use daemon::{Daemon, bossctl, done, expect, foreseen, golden, serve, status_with};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

fn boot_ms() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("it exists");
    time.tv_sec() * 1_000 + time.tv_nsec() / 1_000_000
}

#[test]
fn without_a_daemon_it_is_69_and_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("sock");
    for verb in [
        &["status"][..],
        &["drain"],
        &["pause"],
        &["resume"],
        &["resign"],
        &["switchover", "--to", "beta"],
    ] {
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

/// A status of alpha, which acts with this much of its lease left.
fn alpha_acts(lease_left_ms: u64) -> Reply {
    status_with(|status| {
        status["node"] = "alpha".into();
        status["this"]["phase"] = "boss".into();
        status["this"]["lease_left_ms"] = lease_left_ms.into();
    })
}

#[test]
fn assert_is_0_only_for_the_epoch_of_a_lease_that_still_runs() {
    let cases = [
        // Longer than any run of this test.
        (alpha_acts(600_000), "1790000007", 0, ""),
        (alpha_acts(600_000), "1790000006", 1, "acts under epoch 1790000007, not 1790000006"),
        (alpha_acts(0), "1790000007", 1, "alpha is not boss"),
        (status_with(|_| {}), "1790000007", 1, "beta is not boss: alpha is"),
    ];
    for (reply, epoch, code, text) in cases {
        let daemon = Daemon::new(vec![vec![reply]]);
        let output = bossctl(&daemon.socket(), &["assert", "--epoch", epoch]);
        expect(&output, code, text);
        assert!(output.stdout.is_empty());
    }
    let nowhere = Path::new("/nonexistent/sock");
    expect(&bossctl(nowhere, &["assert", "--epoch", "7"]), 69, "systemctl start bossd");
}

#[test]
fn an_answer_that_came_later_than_the_lease_ran_asserts_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let slow = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut byte = [0_u8];
        while stream.read(&mut byte).expect("a call") == 1 && byte != [0] {}
        // The call has come; the lease of 30 ms is over before the answer goes out.
        let from = boot_ms();
        while boot_ms() < from + 40 {
            std::thread::yield_now();
        }
        stream.write_all(&encode(&alpha_acts(30), MAX_REPLY).expect("short")).expect("taken");
    });
    expect(&bossctl(&socket, &["assert", "--epoch", "1790000007"]), 1, "may be over");
    slow.join().expect("no panic");
}

#[test]
fn a_wait_ends_when_it_is_so_and_with_75_when_it_is_not() {
    let more = |reply: Reply| Reply { continues: true, ..reply };
    let unknown = more(status_with(|status| status["boss"] = Value::Null));
    let daemon = Daemon::new(vec![vec![unknown.clone(), unknown, more(status_with(|_| {}))]]);
    let output = bossctl(&daemon.socket(), &["wait", "--for", "known"]);
    expect(&output, 0, "alpha is boss, epoch 1790000007");
    assert!(daemon.calls()[0].more);

    let daemon = Daemon::new(vec![vec![more(status_with(|_| {}))]]);
    let output = bossctl(&daemon.socket(), &["wait", "--for", "boss", "--timeout", "0s"]);
    expect(&output, 75, "after 0 ms beta is not boss");
}

#[test]
fn a_wait_waits_for_the_daemon_too_and_without_one_is_69() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("sock");
    expect(&bossctl(&socket, &["wait", "--for", "boss", "--timeout", "0s"]), 69, "not there");
    let mut waits = Command::new(env!("CARGO_BIN_EXE_bossctl"))
        .args(["wait", "--for", "known", "--timeout", "60s"])
        .env_clear()
        .env("BOSS_SOCKET", &socket)
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // One that is restarted says nothing to its first client.
    drop(listener.accept().expect("a client"));
    serve(&listener, &[Reply { continues: true, ..status_with(|_| {}) }]);
    assert!(waits.wait().expect("ours").success());
}

#[test]
fn hooks_are_listed_and_planned_and_the_exit_status_tells_whether_they_run() {
    let document = |text: &str| serde_json::from_str::<Value>(text).expect("golden");
    let hooks = document(include_str!("../../control/tests/hooks.json"));
    let plan = document(include_str!("../../control/tests/plan.json"));
    let mut well = hooks.clone();
    (well["ready"], well["why_not"]) = (true.into(), Value::Null);
    let mut refused = plan.clone();
    (refused["would_run"], refused["calls"]) = (false.into(), json!([]));
    let list = &["hooks", "list"][..];
    let run = &["hooks", "run", "follow", "--dry-run"][..];
    let cases = [
        (json!({ "hooks": hooks }), list, 1, "chmod go-w"),
        (json!({ "hooks": well }), list, 0, "in order: they keep"),
        (json!({ "plan": plan }), run, 0, "/etc/boss/hooks.d/10-address follow"),
        (json!({ "plan": refused }), run, 1, "no call"),
    ];
    for (reply, verb, code, text) in cases {
        let daemon = Daemon::new(vec![vec![Reply::last(reply.clone())]; 2]);
        expect(&bossctl(&daemon.socket(), verb), code, text);
        let output = bossctl(&daemon.socket(), &[verb, &["--json"]].concat());
        let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let (_, wanted) = reply.as_object().expect("an object").iter().next().expect("one field");
        assert_eq!((&printed, output.status.code()), (wanted, Some(code)));
    }
}

/// What bash offers after these words, the last of which is not finished.
fn completed_in_bash(script: &Path, words: &[&str]) -> Vec<String> {
    let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _bossctl bossctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", ask, "bash"]).arg(script).arg("bossctl").args(words);
    let output = command.output().expect("bash is there");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn completions_are_written_for_each_shell_and_bash_completes_with_them() {
    let nowhere = Path::new("/nonexistent/sock");
    for (shell, text) in [("zsh", "#compdef bossctl"), ("fish", "complete -c bossctl")] {
        let output = bossctl(nowhere, &["completions", shell]);
        expect(&output, 0, text);
        // Every verb, and what only one of them takes.
        for word in ["switchover", "explain", "not-boss", "dry-run"] {
            expect(&output, 0, word);
        }
    }
    expect(&bossctl(nowhere, &["completions", "tcsh"]), 64, "bash, zsh, fish");

    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("bossctl");
    let output = bossctl(nowhere, &["completions", "bash"]);
    expect(&output, 0, "switchover");
    std::fs::write(&script, &output.stdout).expect("writable");
    let cases = [
        (&["sw"][..], &["switchover"][..]),
        (&["switchover", "--t"], &["--to", "--timeout"]),
        (&["wait", "--for", "not"], &["not-boss"]),
        (&["hooks", "run", "prom"], &["promote"]),
        (&["completions", "fi"], &["fish"]),
    ];
    for (words, offered) in cases {
        assert_eq!(completed_in_bash(&script, words), offered, "{words:?}");
    }
}

#[test]
fn config_check_prints_what_bossd_says_and_its_verdict() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("bossd");
    let script = "#!/bin/sh\n[ \"$1\" = --check ] || exit 64\ncase $2 in\n\
                  good) echo fine;;\nbad) echo 'line 1: wrong' >&2; exit 78;;\n*) exit 64;;\nesac\n";
    // By another process: the kernel starts no script that a fork beside us could write.
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(&program)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    writer.stdin.take().expect("piped").write_all(script.as_bytes()).expect("it reads");
    assert!(writer.wait().expect("ours").success());
    let check = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bossctl"));
        command.args(["config", "check"]).args(args).env("BOSSD", &program);
        command.output().expect("it runs")
    };
    expect(&check(&["good"]), 0, "fine");
    let bad = check(&["bad"]);
    expect(&bad, 1, "line 1: wrong");
    assert!(bad.stdout.is_empty());
    let bad = check(&["bad", "--json"]);
    let printed: Value = serde_json::from_slice(&bad.stdout).expect("JSON");
    assert_eq!(printed, json!({ "valid": false, "text": "line 1: wrong\n" }));
    assert_eq!(bad.status.code(), Some(1));
    expect(&check(&["strange"]), 1, "ended with");
}

#[test]
fn a_drain_says_what_it_did_and_how_to_undo_it() {
    let accepted = || vec![vec![foreseen(|_| {})], vec![done("beta is drained")]];
    let daemon = Daemon::new(accepted());
    let output = bossctl(&daemon.socket(), &["drain", "--reason", "new disk"]);
    expect(&output, 0, "beta is drained\nundo: bossctl undrain beta\n");
    let call = daemon.calls().remove(1);
    assert_eq!(call.method, "io.boss.Cluster.Drain");
    let wanted = json!({ "node": null, "reason": "new disk", "force": false, "for_s": null });
    assert_eq!(call.parameters, wanted);
    let daemon = Daemon::new(accepted());
    expect(&bossctl(&daemon.socket(), &["drain", "beta", "--for", "2h"]), 0, "beta is drained");
    let wanted = json!({ "node": "beta", "reason": null, "force": false, "for_s": 7_200 });
    assert_eq!(daemon.calls()[1].parameters, wanted);
}

#[test]
fn a_pause_says_how_to_end_it_and_resume_does() {
    let undo = Some("bossctl resume".to_owned());
    let paused = Done { text: "paused".to_owned(), undo, epoch: None };
    let reply = Reply::last(serde_json::to_value(paused).expect("JSON"));
    let daemon = Daemon::new(vec![vec![reply]]);
    let pause = ["pause", "--for", "90s", "--reason", "upgrade"];
    expect(&bossctl(&daemon.socket(), &pause), 0, "paused\nundo: bossctl resume\n");
    let call = daemon.calls().remove(0);
    assert_eq!(call.method, "io.boss.Cluster.Pause");
    assert_eq!(call.parameters, json!({ "reason": "upgrade", "for_s": 90 }));
    let daemon = Daemon::new(vec![vec![done("no longer paused")]]);
    expect(&bossctl(&daemon.socket(), &["resume"]), 0, "no longer paused");
    let call = daemon.calls().remove(0);
    assert_eq!((call.method.as_str(), call.parameters), ("io.boss.Cluster.Resume", json!({})));
}

#[test]
fn force_resign_is_resign_with_force() {
    for verb in [&["resign", "--force"][..], &["force-resign"]] {
        let daemon = Daemon::new(vec![vec![foreseen(|_| {})], vec![done("alpha resigns")]]);
        expect(&bossctl(&daemon.socket(), verb), 0, "alpha resigns");
        assert_eq!(daemon.calls()[1].parameters, json!({ "force": true }));
    }
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
