//! A hook that writes down when it was called and when it was done, for the judge: one line each,
//! `BOOTTIME-NANOSECONDS NODE EVENT EPOCH start|end`, in one write to `witness.log` beside its
//! hooks.d. A program and not a script, because a shell takes longer to start than some of what is
//! measured.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::process::ExitCode;

use harness::clock::boot_ns;

fn main() -> ExitCode {
    // The clock first: what comes before the line counts as before the effect.
    let start = boot_ns();
    match log().and_then(|mut log| {
        log.write_all(line(start, "start").as_bytes())?;
        log.write_all(line(boot_ns(), "end").as_bytes())
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the witness cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log() -> io::Result<File> {
    let own = std::env::current_exe()?;
    let node = own.parent().and_then(|hooks| hooks.parent()).ok_or(io::ErrorKind::NotFound)?;
    OpenOptions::new().create(true).append(true).open(node.join("witness.log"))
}

fn line(at_ns: u64, edge: &str) -> String {
    let variable = |name: &str| {
        let value = std::env::var(name).unwrap_or_default();
        if value.is_empty() { "-".to_owned() } else { value }
    };
    let (node, event) = (variable("BOSS_NODE"), variable("BOSS_EVENT"));
    format!("{at_ns} {node} {event} {} {edge}\n", variable("BOSS_EPOCH"))
}
