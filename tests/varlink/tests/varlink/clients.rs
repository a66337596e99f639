//! The two clients, each a program that makes one call: zlink's is built with these tests, the other is
//! Python in an environment of its own, made once from what `client/requirements.txt` pins.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// A program that makes a call.
pub(crate) struct Client {
    program: Vec<PathBuf>,
}

/// What a client is to call.
pub(crate) struct Job<'a> {
    pub(crate) socket: &'a Path,
    /// As which user, if not this one; root alone can.
    pub(crate) uid: Option<u32>,
    /// The full name.
    pub(crate) method: &'a str,
    pub(crate) parameters: Value,
    /// More than one with `more`.
    pub(crate) replies: usize,
}

/// What came of it: the parameters of the replies, or the name and the parameters of the error.
pub(crate) type Answer = Result<Vec<Value>, (String, Value)>;

impl Client {
    /// Makes one call, on a connection of its own.
    pub(crate) fn call(&self, job: &Job<'_>) -> Answer {
        let mut child = Command::new(&self.program[0])
            .args(&self.program[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is there");
        let told = json!({
            "socket": job.socket,
            "uid": job.uid,
            "method": job.method,
            "parameters": job.parameters,
            "replies": job.replies,
        });
        let stdin = child.stdin.take().expect("piped");
        write!(&stdin, "{told}").expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends by itself");
        assert!(output.status.success(), "the client failed at {told}");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        match (answer["replies"].as_array(), answer["error"].as_str()) {
            (Some(replies), _) => Ok(replies.clone()),
            (None, Some(error)) => Err((error.to_owned(), answer["parameters"].clone())),
            (None, None) => panic!("the client did not understand the answer to {told}: {answer}"),
        }
    }
}

/// zlink, with a proxy of its own.
pub(crate) fn zlink() -> Client {
    Client { program: vec![PathBuf::from(env!("CARGO_BIN_EXE_zlink-client"))] }
}

/// The varlink package of Python, or why it is not there.
pub(crate) fn python() -> Result<Client, &'static str> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = MADE.get_or_init(make).as_ref().map_err(String::as_str)?;
    Ok(Client { program: vec![python.clone(), directory().join("drive.py")] })
}

/// In CI a skip counts as failed (`tests/run`).
pub(crate) fn skip(name: &str, why: &str) {
    println!("SKIPPED {name}: {why}");
}

/// Beside the build's own output: `cargo clean` removes it.
fn make() -> Result<PathBuf, String> {
    let own = std::env::current_exe().expect("a test knows its own path");
    let target = own.ancestors().nth(3).expect("TARGET/PROFILE/deps/TEST");
    let environment = target.join("tools/varlink-client");
    let python = environment.join("bin/python");
    if works(&python) {
        return Ok(python);
    }
    let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).output();
    let venv = venv.map_err(|error| format!("python3: {error}"))?;
    if !venv.status.success() {
        return Err("python3 makes no venv: install python3-venv".to_owned());
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    let pip = pip.arg(directory().join("requirements.txt")).output();
    let pip = pip.map_err(|error| format!("pip: {error}"))?;
    if pip.status.success() && works(&python) {
        return Ok(python);
    }
    let said = String::from_utf8_lossy(&pip.stderr).lines().last().unwrap_or_default().to_owned();
    Err(format!("the varlink package cannot be installed: {said}"))
}

/// It is there, in the version that is pinned.
fn works(python: &Path) -> bool {
    let pinned = std::fs::read_to_string(directory().join("requirements.txt")).expect("ours");
    let version = pinned.trim().trim_start_matches("varlink==");
    let check = format!(
        "import varlink\nfrom importlib.metadata import version\n\
         assert version('varlink') == {version:?}"
    );
    let run = Command::new(python).args(["-c", &check]).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("client")
}
