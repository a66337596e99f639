//! The exit codes of every verb, so that a script can rely on them whichever it calls: wrong usage is
//! 64, no daemon 69, a refusal 1, 75 or 77 by its kind, an answer that is lost 75. A verb that is not
//! in the table is told by its name.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use control::interface::{Refusal, RefusalKind};
use control::varlink::{Fault, MAX_REPLY, Reply, encode};

/// Every verb as it is typed at the least, and whether it asks the daemon.
const VERBS: [(&str, &str, bool); 27] = [
    ("status", "", true),
    ("explain", "", true),
    ("history", "", true),
    ("wait", "--for boss --timeout 0s", true),
    ("assert", "--epoch 7", true),
    ("drain", "", true),
    ("undrain", "", true),
    ("pause", "", true),
    ("resume", "", true),
    ("clear", "", true),
    ("resign", "", true),
    ("force-resign", "", true),
    ("switchover", "--to beta", true),
    ("confirm-dead", "--yes beta beta", true),
    ("apply", "/dev/null", true),
    ("reload", "--wait", true),
    ("hooks list", "", true),
    ("hooks run", "promote --dry-run", true),
    ("config check", "", false),
    ("ca init", "web", false),
    ("ca issue", "alpha", false),
    ("ca renew", "alpha", false),
    ("ca show", "nowhere.crt", false),
    ("install-bundle", "nowhere", false),
    ("playground", "--script -n 1", false),
    ("completions", "bash", false),
    ("version", "", false),
];

/// Runs bossctl in an empty directory; the exit code.
fn bossctl(home: &Path, line: &str) -> Option<i32> {
    let output = Command::new(env!("CARGO_BIN_EXE_bossctl"))
        .args(line.split_whitespace())
        .env_clear()
        .env("BOSS_SOCKET", home.join("sock"))
        .env("BOSSD", "/bin/true")
        .env("TMPDIR", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .output();
    output.expect("it runs").status.code()
}

/// What bossctl ends with when its one call is answered so.
fn answered(line: &str, answer: &[u8]) -> Option<i32> {
    let home = tempfile::tempdir().expect("a directory");
    let listener = UnixListener::bind(home.path().join("sock")).expect("a socket");
    let answer = answer.to_vec();
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut byte = [0];
        // A call ends with a NUL.
        while stream.read(&mut byte).expect("a call") == 1 && byte[0] != 0 {}
        stream.write_all(&answer).expect("taken");
    });
    let code = bossctl(home.path(), line);
    daemon.join().expect("no panic");
    code
}

fn line(verb: &str, arguments: &str) -> String {
    format!("{verb} {arguments}")
}

fn daemon_verbs() -> impl Iterator<Item = String> {
    VERBS.iter().filter(|(.., daemon)| *daemon).map(|(verb, arguments, _)| line(verb, arguments))
}

#[test]
fn every_verb_is_in_the_table() {
    fn leaves(command: &clap::Command, above: &str, found: &mut BTreeSet<String>) {
        let mut verbs = command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
        if verbs.peek().is_none() {
            found.insert(above.to_owned());
        }
        for verb in verbs {
            leaves(verb, format!("{above} {}", verb.get_name()).trim_start(), found);
        }
    }
    let mut all = BTreeSet::new();
    leaves(&bossctl::args::Args::command(), "", &mut all);
    let here: BTreeSet<String> = VERBS.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    assert_eq!(here, all);
}

#[test]
fn wrong_usage_is_64_and_help_is_0_of_every_verb() {
    let home = tempfile::tempdir().expect("a directory");
    for (verb, arguments, _) in VERBS {
        let right = line(verb, arguments);
        for wrong in ["--loud", "one two three four"] {
            let wrong = format!("{right} {wrong}");
            assert_eq!(bossctl(home.path(), &wrong), Some(64), "{wrong}");
        }
        assert_eq!(bossctl(home.path(), &format!("{verb} --help")), Some(0), "{verb}");
    }
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("ours").flatten().collect();
    assert!(left.is_empty(), "wrong usage and help do nothing: {left:?}");
}

#[test]
fn without_a_daemon_every_verb_that_asks_one_ends_with_69() {
    let home = tempfile::tempdir().expect("a directory");
    for line in daemon_verbs() {
        assert_eq!(bossctl(home.path(), &line), Some(69), "{line}");
    }
}

#[test]
fn a_refusal_has_the_same_code_whichever_verb_is_refused() {
    for line in daemon_verbs() {
        for kind in RefusalKind::ALL {
            let code = match kind {
                RefusalKind::NotPermitted => 77,
                RefusalKind::NoQuorum | RefusalKind::TryAgain => 75,
                RefusalKind::UnknownNode
                | RefusalKind::NotBoss
                | RefusalKind::NobodyEligible
                | RefusalKind::Refused => 1,
            };
            let refusal = Reply::from(Fault::from(Refusal::new(kind, "because")));
            let refusal = encode(&refusal, MAX_REPLY).expect("short");
            assert_eq!(answered(&line, &refusal), Some(code), "{line}: {kind:?}");
        }
    }
}

#[test]
fn an_answer_that_does_not_come_is_75_and_one_that_nobody_understands_69() {
    for line in daemon_verbs() {
        assert_eq!(answered(&line, b""), Some(75), "{line}");
        assert_eq!(answered(&line, b"HTTP/1.1 400 Bad Request\r\n\0"), Some(69), "{line}");
    }
}

#[test]
fn verbs_that_need_no_daemon_end_with_0_or_1() {
    let home = tempfile::tempdir().expect("a directory");
    for (line, code) in [
        ("version", 0),
        ("completions fish", 0),
        ("ca init web", 0),
        ("ca init web", 1),
        ("ca issue alpha", 0),
        ("ca show boss-ca/alpha", 0),
        ("ca show nowhere.crt", 1),
        ("config check", 0),
        ("playground --script -n 1", 64),
    ] {
        assert_eq!(bossctl(home.path(), line), Some(code), "{line}");
    }
}
