//! A daemon for tests of the command: a thread that gives prepared replies.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use control::interface::Done;
use control::varlink::{Call, Decoder, MAX_MESSAGE, MAX_REPLY, Reply, decode, encode};
use serde_json::{Value, json};

/// A daemon that takes one connection per list of replies, and gives them to its one call.
pub(crate) struct Daemon {
    directory: tempfile::TempDir,
    calls: JoinHandle<Vec<Call>>,
}

impl Daemon {
    pub(crate) fn new(connections: Vec<Vec<Reply>>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("sock")).expect("a socket");
        let calls = std::thread::spawn(move || {
            connections.into_iter().map(|replies| serve(&listener, &replies)).collect()
        });
        Self { directory, calls }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    pub(crate) fn calls(self) -> Vec<Call> {
        self.calls.join().expect("no panic")
    }
}

pub(crate) fn serve(listener: &UnixListener, replies: &[Reply]) -> Call {
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

pub(crate) fn bossctl(socket: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bossctl"))
        .args(args)
        .env_clear()
        .env("BOSS_SOCKET", socket)
        .output()
        .expect("it runs")
}

#[track_caller]
pub(crate) fn expect(output: &Output, code: i32, text: &str) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).expect("text");
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(text), "{said}");
}

pub(crate) fn golden() -> Value {
    serde_json::from_str(include_str!("../../../control/tests/status.json")).expect("golden")
}

pub(crate) fn status_with(change: impl FnOnce(&mut Value)) -> Reply {
    let mut status = golden();
    change(&mut status);
    Reply::last(json!({ "status": status }))
}

pub(crate) fn done(text: &str) -> Reply {
    let undo = Some("bossctl undrain beta".to_owned());
    let done = Done { text: text.to_owned(), undo, epoch: Some(1_790_000_007) };
    Reply::last(serde_json::to_value(done).expect("JSON"))
}

/// An order that would be accepted, as the leader alpha foresees it.
pub(crate) fn foreseen(change: impl FnOnce(&mut Value)) -> Reply {
    let golden = include_str!("../../../control/tests/preview.json");
    let mut preview: Value = serde_json::from_str(golden).expect("golden");
    preview["accepted"] = true.into();
    preview["refusal"] = Value::Null;
    preview["text"] = "alpha would let go, and beta take over".into();
    preview["lets_go"] = true.into();
    preview["successor"] = "beta".into();
    change(&mut preview);
    Reply::last(json!({ "preview": preview }))
}
