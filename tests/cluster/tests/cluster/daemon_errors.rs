//! Every error that keeps bossd from starting, provoked on the real program and as it is told, in one
//! text: `daemon_errors.txt`, to be read as somebody would who was called at 3 a.m. A variant that no
//! case provokes is told by its name. `BLESS=1` writes the text anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bossctl::playground::cluster::Cluster;
use harness::{bossd, plan};

/// The files of one node of a cluster that never ran, and what was said so far.
struct Table {
    cluster: Cluster,
    text: String,
    provoked: BTreeSet<String>,
}

impl Table {
    fn new() -> Self {
        let mut plan = plan(&["alpha", "beta", "gamma"]);
        for member in &mut plan.members {
            member.hooks.clear();
        }
        let cluster = Cluster::prepare(&plan).expect("a cluster");
        Self { cluster, text: String::new(), provoked: BTreeSet::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.cluster.node(0).dir.join(name)
    }

    /// Runs bossd until it ends, which it does with this status, and notes what it says last.
    #[track_caller]
    fn ends(&mut self, variant: &str, what: &str, arguments: &[&str], code: i32) {
        let mut command = Command::new(bossd());
        command
            .args(arguments)
            .current_dir(&self.cluster.node(0).dir)
            .env_remove("INVOCATION_ID")
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{variant}, {what}: {said}");
        let said = said.replace(&*self.cluster.dir().to_string_lossy(), "DIR");
        let told = told(&said);
        assert!(!told.trim().is_empty(), "{variant}, {what}: {said}");
        let arguments = arguments.join(" ");
        let _ = write!(self.text, "# {variant}: {what}\n$ bossd {arguments}\n{told}[{code}]\n\n");
        self.provoked.insert(variant.to_owned());
    }

    /// The same of the daemon, with a file that is broken for it and whole again afterwards.
    #[track_caller]
    fn with(&mut self, variant: &str, what: &str, file: &str, broken: &[u8], code: i32) {
        let path = self.at(file);
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, broken).expect("ours");
        self.ends(variant, what, &["--config", "cluster.toml"], code);
        fs::write(&path, whole).expect("ours");
    }

    fn file(&self, node: usize, file: &str) -> Vec<u8> {
        fs::read(self.cluster.node(node).dir.join(file)).expect("it is there")
    }
}

/// What a person is told: the lines of the error, without the log's times and what is no error.
fn told(said: &str) -> String {
    let mut text = String::new();
    for line in said.lines() {
        let is_log = line.split_once("Z ").is_some_and(|(stamp, _)| stamp.starts_with("20"));
        match line.split_once(" ERROR ") {
            Some((_, error)) if is_log => {
                let _ = writeln!(text, "{}", masked(error));
            }
            None if is_log => {}
            _ => {
                let _ = writeln!(text, "{}", masked(line));
            }
        }
    }
    text
}

/// A port, a process, a checksum or the id of a cluster is another one at each run.
fn masked(line: &str) -> String {
    const BEFORE: [&str; 3] = ["127.0.0.1:", "pid ", "kill -9 "];
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = BEFORE.iter().filter_map(|it| Some(rest.find(it)? + it.len())).min() {
        let (before, after) = rest.split_at(at);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text.push_str(before);
        text.push_str(if digits > 0 { "NNN" } else { "" });
        rest = &after[digits..];
    }
    text.push_str(rest);
    let is_hex = |word: &str| word.len() >= 8 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let words = text.split_inclusive(|it: char| !it.is_ascii_alphanumeric());
    let hidden = words.map(|word| {
        let bare = word.trim_end_matches(|it: char| !it.is_ascii_alphanumeric());
        if is_hex(bare) { word.replace(bare, "XXX") } else { word.to_owned() }
    });
    // Where nobody can be asked for a name.
    let (offline, online) = ("Temporary failure in name resolution", "Name or service not known");
    hidden.collect::<String>().replace(offline, online)
}

#[test]
fn every_error_that_ends_bossd_says_what_is_wrong_where_and_what_to_do() {
    let mut table = Table::new();
    options_and_files(&mut table);
    certificates(&mut table);
    directories(&mut table);
    network(&mut table);
    state(&mut table);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/daemon_errors.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &table.text).expect("written");
    }
    let golden = fs::read_to_string(&path).expect("the golden text");
    assert_eq!(table.text, golden, "daemon_errors.txt differs:\n{}", table.text);
    let left_out: BTreeSet<String> = NOT_PROVOKED.iter().map(|(it, _)| (*it).to_owned()).collect();
    let known: BTreeSet<_> = table.provoked.union(&left_out).cloned().collect();
    let all = variants();
    let missing: Vec<_> = all.difference(&known).collect();
    assert!(missing.is_empty(), "no case provokes {missing:?}");
    let strange: Vec<_> = known.difference(&all).filter(|it| !it.starts_with("usage")).collect();
    assert!(strange.is_empty(), "no such errors: {strange:?}");
}

const DAEMON: [&str; 2] = ["--config", "cluster.toml"];

fn options_and_files(table: &mut Table) {
    table.ends("usage", "an option that there is not", &["--chekc"], 64);
    table.ends("usage", "two jobs at once", &["--check", "--clean-up"], 64);
    let variant = "executor::StartError::Config";
    table.ends(variant, "no file", &["--config", "nowhere.toml"], 78);
    table.ends(variant, "no file", &["--check", "nowhere.toml"], 78);
    let text = String::from_utf8(table.file(0, "cluster.toml")).expect("text");
    let wrong = text.replacen("priority", "priorty", 1);
    table.with(variant, "a typing error", "cluster.toml", wrong.as_bytes(), 78);
}

fn certificates(table: &mut Table) {
    let (tls, files) = ("executor::StartError::Tls", "executor::StartError::TlsFiles");
    let (key, crt, ca) = ("tls/node.key", "tls/node.crt", "tls/ca.crt");
    let whole = table.at(crt);
    fs::rename(&whole, table.at("tls/away")).expect("ours");
    table.ends(files, "no certificate", &DAEMON, 78);
    fs::rename(table.at("tls/away"), &whole).expect("ours");
    fs::set_permissions(table.at(key), Permissions::from_mode(0o644)).expect("ours");
    table.ends(files, "a key that all can read", &DAEMON, 78);
    fs::set_permissions(table.at(key), Permissions::from_mode(0o600)).expect("ours");
    table.with(tls, "garbage for a certificate", crt, b"garbage", 78);
    let certificate = table.file(0, crt);
    table.with(tls, "a certificate for a key", key, &certificate, 78);
    let other = table.file(1, key);
    table.with(tls, "another node's key", key, &other, 78);
    let foreign = tempfile::tempdir().expect("a directory");
    let mut out = std::io::sink();
    bossctl::ca::init(&foreign.path().join("ca"), "test", &mut out).expect("an authority");
    let authority = fs::read(foreign.path().join("ca/ca.crt")).expect("made");
    table.with(tls, "another authority", ca, &authority, 78);
    table.with(tls, "a node's certificate for the authority", ca, &certificate, 78);
    let (beta_key, beta) = (table.file(1, key), table.file(1, crt));
    let own = table.file(0, key);
    fs::write(table.at(key), beta_key).expect("ours");
    table.with(tls, "another node's certificate and key", crt, &beta, 78);
    fs::write(table.at(key), own).expect("ours");
}

fn directories(table: &mut Table) {
    let run = table.at("run");
    fs::remove_dir_all(&run).expect("ours");
    fs::write(&run, "").expect("ours");
    table.ends("executor::StartError::File", "a file in place of the run directory", &DAEMON, 78);
    fs::remove_file(&run).expect("ours");
    let node = String::from_utf8(table.file(0, "node.toml")).expect("text");
    let socket = node.replace("run/control.sock", "nowhere/control.sock");
    let file = "executor::StartError::File";
    table.with(file, "no directory for the control socket", "node.toml", socket.as_bytes(), 78);
    let state = table.at("state");
    fs::remove_dir_all(&state).expect("ours");
    fs::write(&state, "").expect("ours");
    table.ends(file, "a file in place of the state directory", &DAEMON, 78);
    fs::remove_file(&state).expect("ours");
}

fn network(table: &mut Table) {
    let node = String::from_utf8(table.file(0, "node.toml")).expect("text");
    let listen = table.cluster.node(0).listen();
    let on = |address: &str| node.replacen(&listen.to_string(), address, 1);
    let elsewhere = on("192.0.2.1:26770");
    let variant = "elector::StartError::Peers";
    table.with(variant, "an address of another host", "node.toml", elsewhere.as_bytes(), 78);
    let holder = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let taken = on(&holder.local_addr().expect("it has one").to_string());
    table.with(variant, "a port that is taken", "node.toml", taken.as_bytes(), 78);
    drop(holder);
    let unknown = on("no-such-host.invalid:26770");
    let variant = "elector::StartError::Listen";
    table.with(variant, "a name that nobody knows", "node.toml", unknown.as_bytes(), 78);
}

fn state(table: &mut Table) {
    table.cluster.start_node(0).expect("started");
    harness::until("an answer", || table.cluster.node(0).status().ok());
    table.ends("executor::StartError::Running", "a second one", &DAEMON, 75);
    let node = String::from_utf8(table.file(0, "node.toml")).expect("text");
    let run = table.at("run").to_string_lossy().into_owned();
    let second = table.at("second").to_string_lossy().into_owned();
    let mut second = node.replace(&run, &second);
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
    second = second.replacen(&table.cluster.node(0).listen().to_string(), &free.to_string(), 1);
    let variant = "StateDirError::InUse";
    table.with(
        variant,
        "a second one with a run directory of its own",
        "node.toml",
        second.as_bytes(),
        75,
    );
    table.cluster.kill_host(0);
    let state = table.file(0, "state/state");
    for (what, broken) in [
        ("an empty state file", Vec::new()),
        ("a state file of something else", b"{}\n".to_vec()),
        ("a state file that lost its end", state[..state.len() - 40].to_vec()),
    ] {
        table.with("StateDirError::Unusable", what, "state/state", &broken, 65);
    }
    let later = String::from_utf8_lossy(&state).replacen("boss-state 1 ", "boss-state 2 ", 1);
    let what = "a state file of a later version";
    table.with("StateDirError::Newer", what, "state/state", later.as_bytes(), 65);
    fs::write(table.at("state/state.previous"), &state).expect("ours");
    fs::remove_file(table.at("state/state")).expect("ours");
    table.ends("StateDirError::Missing", "the state file was removed", &DAEMON, 65);
    fs::write(table.at("state/state"), &state).expect("ours");
    fs::remove_file(table.at("state/state.previous")).expect("ours");
    fs::set_permissions(table.at("state/state"), Permissions::from_mode(0o666)).expect("ours");
    table.ends("StateDirError::Open", "a state file that others can write", &DAEMON, 65);
    fs::set_permissions(table.at("state/state"), Permissions::from_mode(0o600)).expect("ours");
    foreign(table, &state);
}

/// The state of alpha in the place of beta's.
fn foreign(table: &mut Table, state: &[u8]) {
    let own = table.cluster.node(1).dir.join("state");
    fs::create_dir_all(&own).expect("ours");
    fs::set_permissions(&own, Permissions::from_mode(0o700)).expect("ours");
    fs::write(own.join("state"), state).expect("ours");
    fs::set_permissions(own.join("state"), Permissions::from_mode(0o600)).expect("ours");
    let config = table.cluster.node(1).config().to_string_lossy().into_owned();
    let shown = config.replace(&*table.cluster.dir().to_string_lossy(), "DIR");
    let before = table.text.len();
    table.ends("StateDirError::Foreign", "another node's state", &["--config", &config], 65);
    let text = table.text.split_off(before).replace(&config, &shown);
    table.text.push_str(&text);
}

/// What no case can provoke here, and where it is tried or why it is not.
const NOT_PROVOKED: [(&str, &str); 14] = [
    ("executor::StartError::Runner", "depends on what runs the host; choice.rs has its texts"),
    ("executor::StartError::System", "the system refuses a timer or a descriptor"),
    ("elector::StartError::Config", "the executor has checked the same files"),
    ("elector::StartError::StateDir", "holds a StateDirError"),
    ("elector::StartError::Identity", "the executor has checked the same certificate"),
    ("elector::StartError::System", "the system refuses a timer or a descriptor"),
    ("elector::StartError::NoStart", "the executor dies between two calls"),
    ("StateDirError::Io", "disk.rs, on disks that fail"),
    ("StateDirError::Older", "disk.rs, an older state file"),
    ("StateDirError::Vanished", "disk.rs, a directory removed under a boss"),
    ("PeerError::Listen", "is told as it is"),
    ("PeerError::Tls", "the executor has checked the same files"),
    ("PeerError::Name", "the executor has checked the same names"),
    ("PeerError::CanonicalTooLong", "the checker of the file comes before"),
];

/// The variants of the errors that end bossd, as the sources have them.
fn variants() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, head, name) in [
        ("executor/mod.rs", "pub enum StartError", "executor::StartError"),
        ("elector/mod.rs", "enum StartError", "elector::StartError"),
        ("elector/state_dir/error.rs", "pub enum StateDirError", "StateDirError"),
        ("elector/peer/mod.rs", "pub enum PeerError", "PeerError"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bossd/src").join(file);
        let text = fs::read_to_string(&path).expect("a source");
        let head = format!("{head} {{\n");
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
    assert!(found.len() >= 20, "{found:?}");
    found
}
