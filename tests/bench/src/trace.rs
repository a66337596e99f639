//! Counts what processes make durable, with strace: each call of the fsync family.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use harness::until;
use nix::unistd::Pid;

/// Watches some processes until it is asked for the count.
#[derive(Debug)]
pub struct Trace {
    child: Child,
    file: PathBuf,
}

impl Trace {
    /// Attaches to these and what they start.
    pub fn attach(pids: &[Pid]) -> Self {
        let file = std::env::temp_dir().join(format!("bench-strace-{}", pids[0]));
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", &format!("trace={}", CALLS.join(",")), "-o"]).arg(&file);
        for pid in pids {
            command.arg("-p").arg(pid.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("strace: {error}"));
        let trace = Self { child, file };
        until("strace", || pids.iter().all(|pid| is_traced(*pid)).then_some(()));
        trace
    }

    /// Detaches. How many calls there were.
    pub fn calls(mut self) -> usize {
        // Asked to end, it would wait for each process to stop, and one that waits for what it has
        // just forked never does. Killed, the kernel lets all of them go; each line is written by
        // then.
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        drop(fs::remove_file(&self.file));
        count(&text)
    }
}

/// A call that another thread interrupts stands in two lines, of which the second is its end.
fn count(text: &str) -> usize {
    let call = |line: &&str| {
        let word = line.split_whitespace().nth(1).unwrap_or_default();
        CALLS.iter().any(|call| word.strip_prefix(call).is_some_and(|rest| rest.starts_with('(')))
    };
    text.lines().filter(call).count()
}

fn is_traced(pid: Pid) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = text.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

const CALLS: [&str; 6] = ["fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_counts_once() {
        let text = "12 fsync(8) = 0\n12 fdatasync(8 <unfinished ...>\n13 fsync(4)   = 0\n\
                    12 <... fdatasync resumed>) = 0\n12 +++ exited with 0 +++\n\
                    13 --- SIGCHLD {si_signo=SIGCHLD} ---\n";
        assert_eq!(count(text), 3);
    }
}
