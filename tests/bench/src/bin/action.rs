//! What a master does here: writes down that it acts, in the words of the harness's witness, so that
//! all contenders are measured by the same clock and the same kind of program. keepalived's notify
//! calls it, and `etcdctl lock` holds it, which is why it can stay until it is told to end.
//!
//! `bench-action LOG NODE EVENT [hold]`

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::ExitCode;

use harness::boot_ns;
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // The clock first, as in the witness.
    let start = boot_ns();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(log), Some(node), Some(event)) = (words.first(), words.get(1), words.get(2)) else {
        eprintln!("bench-action LOG NODE EVENT [hold]");
        return ExitCode::from(64);
    };
    let holds = words.get(3).is_some_and(|word| word == "hold");
    let acted = act(start, log, node, event, holds);
    if let Err(error) = &acted {
        eprintln!("the action cannot write: {error}");
    }
    ExitCode::from(u8::from(acted.is_err()))
}

fn act(start: u64, log: &str, node: &str, event: &str, holds: bool) -> io::Result<()> {
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    // Blocked first, so that one that comes at once is still waited for.
    ends.thread_block()?;
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    file.write_all(format!("{start} {node} {event} - start\n").as_bytes())?;
    if holds {
        ends.wait()?;
    }
    Ok(())
}
