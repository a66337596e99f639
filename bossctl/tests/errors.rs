//! Every error of bossctl that a person can meet, provoked and as it is told, in one text:
//! `errors.txt`, to be read as somebody would who was called at 3 a.m. What is wrong, where, and what
//! to do. A variant of an error that no case here provokes is told by its name. `BLESS=1` writes
//! the text anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use bossctl::exit::Failure;
use control::client::Client;
use control::interface::{Refusal, RefusalKind};
use control::varlink::{Fault, MAX_REPLY, Reply, encode};
use nix::unistd::geteuid;
use serde_json::{Value, json};

/// A place for one case after the other, and what they said.
struct Table {
    home: tempfile::TempDir,
    text: String,
    provoked: BTreeSet<String>,
}

impl Table {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("ours");
        Self { home, text: String::new(), provoked: BTreeSet::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// bossctl by itself, in this directory, with nothing in its environment.
    fn bossctl(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bossctl"));
        command.args(line.split(' ')).env_clear().current_dir(self.home.path());
        command.env("BOSS_SOCKET", self.path("sock")).stdin(Stdio::null());
        command
    }

    /// One case: which variant it provokes, what was typed, and what came of it.
    #[track_caller]
    fn case(&mut self, variant: &str, line: &str, command: &mut Command, code: i32) {
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{variant}: {output:?}");
        self.note(variant, line, code, &said(&output));
    }

    fn note(&mut self, variant: &str, line: &str, code: i32, said: &str) {
        let said = said.replace(&*self.home.path().to_string_lossy(), "DIR");
        let last = said.lines().last().unwrap_or_default();
        assert!(!last.trim().is_empty() && !last.ends_with(':'), "{variant}: {said}");
        let _ =
            write!(self.text, "# {variant}\n$ bossctl {line}\n{}\n[{code}]\n\n", said.trim_end());
        self.provoked.insert(variant.to_owned());
    }

    /// A daemon that gives one caller this answer and goes.
    fn daemon(&self, answer: Vec<u8>) -> JoinHandle<()> {
        let socket = self.path("sock");
        drop(fs::remove_file(&socket));
        let listener = UnixListener::bind(&socket).expect("a socket");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut byte = [0];
            // A call ends with a NUL.
            while stream.read(&mut byte).expect("a call") == 1 && byte[0] != 0 {}
            stream.write_all(&answer).expect("taken");
        })
    }

    #[track_caller]
    fn answered(&mut self, variant: &str, line: &str, answer: Vec<u8>, code: i32) {
        let daemon = self.daemon(answer);
        let mut command = self.bossctl(line);
        self.case(variant, line, &mut command, code);
        daemon.join().expect("no panic");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn status() -> Vec<u8> {
    let golden: Value =
        serde_json::from_str(include_str!("../../control/tests/status.json")).expect("golden");
    encode(&Reply::last(json!({ "status": golden })), MAX_REPLY).expect("short")
}

fn refusal(kind: RefusalKind, text: &str) -> Vec<u8> {
    encode(&Reply::from(Fault::from(Refusal::new(kind, text))), MAX_REPLY).expect("short")
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux").into()
}

#[test]
fn every_error_says_what_is_wrong_where_and_what_to_do() {
    let mut table = Table::new();
    command_line(&mut table);
    daemon(&mut table);
    refusals(&mut table);
    answers(&mut table);
    certificates(&mut table);
    bundles(&mut table);
    playground(&mut table);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &table.text).expect("written");
    }
    let golden = fs::read_to_string(&path).expect("the golden text");
    assert_eq!(table.text, golden, "errors.txt differs:\n{}", table.text);
    let all = variants();
    let left_out: BTreeSet<String> = NOT_PROVOKED.iter().map(|(it, _)| (*it).to_owned()).collect();
    let known: BTreeSet<_> = table.provoked.union(&left_out).cloned().collect();
    let missing: Vec<_> = all.difference(&known).collect();
    assert!(missing.is_empty(), "no case provokes {missing:?}");
    let strange: Vec<_> = known.difference(&all).filter(|it| !it.starts_with("usage")).collect();
    assert!(strange.is_empty(), "no such errors: {strange:?}");
}

fn command_line(table: &mut Table) {
    for line in [
        "explode",
        "switchover",
        "drain --for 2",
        "status --loud",
        "wait --for luck",
        "hooks run promote",
    ] {
        let mut command = table.bossctl(line);
        table.case("usage", line, &mut command, 64);
    }
}

fn daemon(table: &mut Table) {
    let mut command = table.bossctl("status");
    table.case("ClientError::NotThere", "status", &mut command, 69);
    denied(table);
    // The patience of the command is a quarter of a minute: the same, with less of it.
    let listener = UnixListener::bind(table.path("silent")).expect("a socket");
    let client = Client::connect(&table.path("silent"), Duration::from_millis(20));
    let error = client.and_then(|mut client| client.status()).expect_err("nobody answers");
    let failure = Failure::from(error);
    let code = failure.exit() as i32;
    assert_eq!(code, 69);
    table.note("ClientError::Silent", "status", code, &format!("bossctl: {failure}"));
    drop(listener);
    table.answered("ClientError::Closed", "status", Vec::new(), 75);
    table.answered("ClientError::NotUnderstood", "status", b"{\"parameters\":{}}\0".to_vec(), 69);
    table.answered("ClientError::NotUnderstood", "status", b"HTTP/1.1 400 Bad\0".to_vec(), 69);
}

/// A socket that is not for us; of root it would be.
fn denied(table: &mut Table) {
    let inner = table.path("inner");
    fs::create_dir(&inner).expect("made");
    let listener = UnixListener::bind(inner.join("sock")).expect("a socket");
    fs::set_permissions(&inner, Permissions::from_mode(0o000)).expect("ours");
    // Another user may not even be let into the directory where the program was built.
    let copy = table.path("bossctl");
    fs::copy(env!("CARGO_BIN_EXE_bossctl"), &copy).expect("copied");
    let mut command = Command::new(&copy);
    command.arg("status").env_clear().env("BOSS_SOCKET", inner.join("sock")).current_dir("/");
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    table.case("ClientError::Denied", "status", &mut command, 77);
    fs::set_permissions(&inner, Permissions::from_mode(0o700)).expect("ours");
    drop(listener);
}

/// A user who owns nothing here.
const NOBODY: u32 = 65_534;

fn refusals(table: &mut Table) {
    let texts = [
        (RefusalKind::NotPermitted, "root or the group boss-admin", 77),
        (RefusalKind::UnknownNode, "no member is called zeta; there are alpha and beta", 1),
        (RefusalKind::NotBoss, "there is no boss to resign", 1),
        (RefusalKind::NobodyEligible, "nobody could take over; --force resigns all the same", 1),
        (RefusalKind::NoQuorum, "no quorum can be reached; reconnect the members", 75),
        (RefusalKind::TryAgain, "another change is under way; try again", 75),
        (RefusalKind::Refused, "the reason is too long: 200 bytes at most", 1),
    ];
    assert_eq!(texts.map(|(kind, ..)| kind), RefusalKind::ALL);
    for (kind, text, code) in texts {
        table.answered("ClientError::Refused", "resign", refusal(kind, text), code);
    }
}

fn answers(table: &mut Table) {
    table.answered("Failure::NoSuchMember", "status zeta", status(), 1);
    let line = "wait --for boss --timeout 0s";
    table.answered("Failure::WaitedInVain", line, status(), 75);
    let not_taken = json!({
        "node": "beta", "taken": false, "changes": [], "notes": [],
        "problems": ["/etc/boss/cluster.toml:9:1: unknown key `leese`"],
    });
    let not_taken = encode(&Reply::last(json!({ "reload": not_taken })), MAX_REPLY);
    table.answered("Failure::NotReloaded", "reload --wait", not_taken.expect("short"), 1);
    let line = "confirm-dead --yes beta gamma";
    let mut command = table.bossctl(line);
    table.case("Failure::Usage", line, &mut command, 64);
    let daemon = table.daemon(status());
    let mut command = table.bossctl("status");
    command.stdout(full());
    let child = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    daemon.join().expect("no panic");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    table.note("Failure::Output", "status >/dev/full", 1, &said(&output));
    let mut command = table.bossctl("config check");
    command.env("BOSSD", "/nonexistent/bossd");
    table.case("Failure::Bossd", "config check", &mut command, 69);
    let broken = table.path("broken");
    fs::write(&broken, "#!/bin/sh\necho 'a library is missing' >&2\nexit 127\n").expect("written");
    fs::set_permissions(&broken, Permissions::from_mode(0o755)).expect("ours");
    let mut command = table.bossctl("config check");
    command.env("BOSSD", &broken);
    table.case("Failure::No", "config check", &mut command, 1);
}

fn certificates(table: &mut Table) {
    let mut ca = |variant: &str, line: &str, code| {
        let mut command = table.bossctl(line);
        if code == 0 {
            assert!(command.output().expect("it runs").status.success(), "{line}");
        } else {
            table.case(variant, line, &mut command, code);
        }
    };
    ca("NameError::Invalid", "ca init Web_1", 1);
    ca("CaError::Read", "ca issue alpha", 1);
    ca("", "ca init web", 0);
    ca("CaError::Exists", "ca init web", 1);
    ca("CaError::Address", "ca issue alpha --address 10.0.0.1:443", 1);
    ca("CaError::Write", "ca init web --dir /proc/boss", 1);
    fs::create_dir(table.path("empty")).expect("made");
    fs::write(table.path("empty.crt"), "nothing").expect("written");
    let mut ca = |variant: &str, line: &str| {
        let mut command = table.bossctl(line);
        table.case(variant, line, &mut command, 1);
    };
    ca("CaError::NothingThere", "ca show empty");
    ca("CaError::NoCertificate", "ca show empty.crt");
    ca("CaError::Read", "ca show nowhere.crt");
    let mut command = table.bossctl("ca issue gamma");
    assert!(command.output().expect("it runs").status.success());
    fs::write(table.path("boss-ca/gamma/node.key"), "nothing").expect("written");
    let mut command = table.bossctl("ca renew gamma");
    table.case("CaError::NotRenewed", "ca renew gamma", &mut command, 1);
    fs::write(table.path("boss-ca/ca.key"), "nothing").expect("written");
    let mut command = table.bossctl("ca issue beta");
    table.case("CaError::NotTheAuthority", "ca issue beta", &mut command, 1);
    let mut command = table.bossctl("ca show boss-ca/ca.crt");
    let child = command.stdout(full()).stderr(Stdio::piped()).spawn().expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    table.note("CaError::Output", "ca show boss-ca/ca.crt >/dev/full", 1, &said(&output));
}

fn bundles(table: &mut Table) {
    fs::create_dir(table.path("to")).expect("made");
    fs::write(table.path("no.bundle"), "nothing").expect("written");
    let done = |line: &str| {
        let output = table.bossctl(line).output().expect("it runs");
        assert!(output.status.success(), "{line}: {}", said(&output));
    };
    done("ca init --dir other web");
    for node in ["alpha", "beta"] {
        done(&format!("ca issue --dir other --bundle {node}.bundle {node}"));
    }
    done("install-bundle --to to alpha.bundle");
    for (variant, line) in [
        ("BundleError::Read", "install-bundle nowhere.bundle"),
        ("BundleError::NoBundle", "install-bundle no.bundle"),
        ("BundleError::Exists", "install-bundle --to to beta.bundle"),
        ("BundleError::Write", "install-bundle --to /proc/boss alpha.bundle"),
    ] {
        let mut command = table.bossctl(line);
        table.case(variant, line, &mut command, 1);
    }
}

fn playground(table: &mut Table) {
    let line = "playground --script";
    // By itself in a directory, and nothing on the path.
    let mut command = Command::new(table.path("bossctl"));
    command.args(line.split(' ')).env_clear().stdin(Stdio::null());
    table.case("PlaygroundError::NoBossd", line, &mut command, 69);
    let with_bossd = |table: &Table, line: &str| {
        let mut command = table.bossctl(line);
        command.env("BOSSD", "/bin/false");
        command
    };
    let mut command = with_bossd(table, "playground --script -n 2");
    table.case("PlaygroundError::TooFew", "playground --script -n 2", &mut command, 64);
    let mut command = with_bossd(table, line);
    command.env("TMPDIR", "/nonexistent");
    table.case("PlaygroundError::Directory", line, &mut command, 1);
    let mut command = with_bossd(table, line);
    command.env("TMPDIR", format!("/tmp/{}", "long/".repeat(20)));
    table.case("PlaygroundError::LongPath", line, &mut command, 1);
    let mut command = with_bossd(table, line);
    command.env("TMPDIR", table.home.path()).stdout(full()).stderr(Stdio::piped());
    let output = command.spawn().expect("it runs").wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    table.note("PlaygroundError::Output", &format!("{line} >/dev/full"), 1, &said(&output));
}

/// What no case can provoke, and why.
const NOT_PROVOKED: [(&str, &str); 13] = [
    ("Failure::Daemon", "holds a ClientError"),
    ("Failure::Ca", "holds a CaError"),
    ("Failure::Bundle", "holds a BundleError"),
    ("Failure::Playground", "holds a PlaygroundError"),
    ("Failure::StillWaiting", "comes after two minutes"),
    ("CaError::Name", "holds a NameError"),
    ("CaError::Make", "the cryptography fails"),
    ("NameError::Foreign", "is about certificates of others, and bossd's"),
    ("PlaygroundError::Ca", "holds a CaError"),
    ("PlaygroundError::Network", "there is no loopback"),
    ("PlaygroundError::Start", "is told by a step of the tour"),
    ("PlaygroundError::Check", "is told by a step of the tour"),
    ("PlaygroundError::Terminal", "the terminal goes away"),
];

/// The variants of all errors that bossctl may end with, as the sources have them.
fn variants() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, name) in [
        ("src/exit.rs", "Failure"),
        ("src/ca.rs", "CaError"),
        ("src/bundle/mod.rs", "BundleError"),
        ("src/playground/mod.rs", "PlaygroundError"),
        ("../control/src/client.rs", "ClientError"),
        ("../control/src/identity.rs", "NameError"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&path).expect("a source");
        let head = format!("pub enum {name} {{\n");
        let (_, body) = text.split_once(&head).unwrap_or_else(|| panic!("{name} is not in {file}"));
        let body = body.split("\n}\n").next().expect("its end");
        for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
            let is_name = line.starts_with(|c: char| c.is_ascii_uppercase());
            let word = line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            if is_name {
                found.insert(format!("{name}::{word}"));
            }
        }
    }
    assert!(found.len() >= 30, "{found:?}");
    found
}
