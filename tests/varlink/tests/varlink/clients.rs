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
    let made = MADE.get_or_init(|| {
        harness::python::environment("varlink-client", &directory().join("requirements.txt"))
    });
    let python = made.as_ref().map_err(String::as_str)?.join("bin/python");
    Ok(Client { program: vec![python, directory().join("drive.py")] })
}

/// In CI a skip counts as failed (`tests/run`).
pub(crate) fn skip(name: &str, why: &str) {
    println!("SKIPPED {name}: {why}");
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("client")
}
