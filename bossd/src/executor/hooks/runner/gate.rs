//! The gate before a hook that systemd starts (`bossd --gate HOOK ARGUMENT...`). Between asking systemd
//! and the hook's start lies a time that nobody bounds: the permit may be over by then, the demote done,
//! the executor dead. So the unit's process says that it is there and becomes the hook only when an
//! executor that still lives and still may says so. The word is one byte before the facts on its
//! standard input; without it, at the pipe's end, the hook does not run. By the time of the word the
//! process is in its unit with its environment, where a clean-up finds it (X5).
//!
//! After an upgrade the new program is the gate of the executor that still runs: this form stays.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::direct::why_not;

/// The option.
pub const OPTION: &str = "--gate";
/// What the executor says.
pub(super) const GO: &[u8] = b"!";
/// The exit status of a gate that was not opened.
pub const CLOSED: u8 = 125;
/// The exit status when the hook cannot be started, as shells have it.
const NOT_STARTED: u8 = 126;
/// What it says, its number after it.
const GREETING: &str = "boss-gate ";
const LONGEST_GREETING: usize = 32;

/// The arguments after [`OPTION`], if this process is to be a gate.
pub fn asked_for() -> Option<Vec<OsString>> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == OPTION).then(|| arguments.collect())
}

/// Waits for the word and becomes the hook; the exit status if it does not.
pub fn run(call: Vec<OsString>) -> u8 {
    let mut call = call.into_iter();
    let Some(hook) = call.next() else { return CLOSED };
    if !matches!(wait(), Ok(true)) {
        return CLOSED;
    }
    let known =
        |name: &OsString| name == "PATH" || name.as_encoded_bytes().starts_with("BOSS_".as_bytes());
    // Without what systemd has added.
    let error = Command::new(&hook)
        .args(call)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| known(name)))
        .current_dir("/")
        .exec();
    eprintln!("{} could not be started: {}", hook.display(), why_not(&error));
    NOT_STARTED
}

/// Unbuffered: what follows the word is the hook's.
fn wait() -> io::Result<bool> {
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    output.write_all(format!("{GREETING}{}\n", std::process::id()).as_bytes())?;
    let mut word = [0; GO.len()];
    input.read_exact(&mut word)?;
    Ok(word == GO)
}

/// The executor's side: waits for the greeting; the number of the process.
pub(super) async fn greeting(output: &mut (impl AsyncRead + Unpin)) -> io::Result<i32> {
    let mut line = Vec::new();
    // The gate says nothing more until it is answered, so that no byte of the hook's is taken.
    while line.last() != Some(&b'\n') && line.len() < LONGEST_GREETING {
        line.push(output.read_u8().await?);
    }
    let text = str::from_utf8(&line).ok().and_then(|line| line.strip_prefix(GREETING));
    let pid = text.and_then(|pid| pid.trim_end().parse().ok());
    pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no gate of bossd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_says_who_it_is_and_what_comes_after_that_is_the_hooks() {
        let mut said = "boss-gate 4711\nhello\n".as_bytes();
        assert_eq!(greeting(&mut said).await.expect("a gate"), 4711);
        assert_eq!(said, b"hello\n");
        for other in ["", "boss-gate", "boss-gate x\n", "hello\n", &"x".repeat(100)] {
            assert!(greeting(&mut other.as_bytes()).await.is_err(), "{other}");
        }
    }
}
