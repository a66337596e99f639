//! Which processes belong to a directory of the playground, found in /proc rather than remembered:
//! a daemon may have started another elector a moment ago, and a crashed playground remembers
//! nothing. Also the one way to end them all at once, as a lost host would.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill as signal};
use nix::unistd::{Pid, getpgrp};

/// In the environment of every bossd that is started here: its node's directory.
pub const MARK: &str = "BOSS_PLAYGROUND";

/// Kills everything that runs from `dir` as if its host had lost power: all of it is stopped
/// before the first is killed, so that none outlives another and can tidy up. Returns when all
/// are gone, or after a second.
pub fn kill(dir: &Path) {
    for pid in &freeze(dir) {
        let _ = signal(*pid, Signal::SIGKILL);
    }
    for _ in 0..LOOKS_AFTER_KILL {
        if of(dir).is_empty() {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Stops everything that runs from `dir`, as a virtual machine that is paused; says what that was.
/// Returns when nothing new turns up any more.
pub fn freeze(dir: &Path) -> BTreeSet<Pid> {
    let mut stopped = BTreeSet::new();
    loop {
        let new: Vec<_> = of(dir).difference(&stopped).copied().collect();
        if new.is_empty() {
            return stopped;
        }
        for pid in new {
            // One that has ended in between needs no signal.
            let _ = signal(pid, Signal::SIGSTOP);
            stopped.insert(pid);
        }
    }
}

/// Has everything that was frozen go on.
pub fn thaw(dir: &Path) {
    for pid in of(dir) {
        let _ = signal(pid, Signal::SIGCONT);
    }
}

/// The processes of a directory: bossd's own, its hooks, and what these started.
pub fn of(dir: &Path) -> BTreeSet<Pid> {
    let all = living();
    let own_group = getpgrp();
    let mut found: BTreeSet<Pid> = all.keys().copied().filter(|pid| is_marked(*pid, dir)).collect();
    loop {
        let groups: BTreeSet<Pid> = found.iter().map(|pid| all[pid].group).collect();
        let more = all.iter().filter(|(pid, it)| {
            let related = found.contains(&it.parent) || groups.contains(&it.group);
            related && it.group != own_group && !found.contains(pid)
        });
        let more: Vec<Pid> = more.map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

struct Living {
    parent: Pid,
    group: Pid,
}

/// All processes but the dead that wait to be reaped.
fn living() -> BTreeMap<Pid, Living> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((Pid::from_raw(pid), stat(pid)?))).collect()
}

fn stat(pid: i32) -> Option<Living> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, brackets and blanks too.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let mut number = || Some(Pid::from_raw(fields.next()?.parse().ok()?));
    let living = Living { parent: number()?, group: number()? };
    (!matches!(state, "Z" | "X")).then_some(living)
}

fn is_marked(pid: Pid, dir: &Path) -> bool {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let environment = read("environ");
    let marked = |entry: &[u8]| {
        let value = entry.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        value.is_some_and(|value| is_below(value, dir))
    };
    environment.split(|byte| *byte == 0).any(marked) || is_of_dir(&read("cmdline"), dir)
}

/// Whether a command line is that of a bossd or a hook of `dir`. An editor or a pager that looks at
/// a file there is the operator's own.
fn is_of_dir(line: &[u8], dir: &Path) -> bool {
    let mut words = line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    let name = Path::new(OsStr::from_bytes(program)).file_name().unwrap_or_default();
    let is_hook = |word: &[u8]| {
        let parent = Path::new(OsStr::from_bytes(word)).parent().and_then(Path::file_name);
        is_below(word, dir) && parent == Some(OsStr::new("hooks.d"))
    };
    match name.as_bytes() {
        b"bossd" => words.any(|word| is_below(word, dir)),
        b"sh" | b"bash" | b"dash" => words.next().is_some_and(is_hook),
        _ => is_hook(program),
    }
}

fn is_below(path: &[u8], dir: &Path) -> bool {
    Path::new(OsStr::from_bytes(path)).starts_with(dir)
}

/// A killed process that waits for the disk takes a while; one that hangs there is not waited for.
const LOOKS_AFTER_KILL: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[test]
    fn only_daemons_and_hooks_belong_to_a_directory() {
        let dir = Path::new("/tmp/boss-playground-x");
        let ours: [&[u8]; 4] = [
            b"/usr/sbin/bossd\0--config\0/tmp/boss-playground-x/alpha/cluster.toml\0",
            b"/tmp/boss-playground-x/alpha/hooks.d/10-tell\0promote\0",
            b"/bin/sh\0/tmp/boss-playground-x/alpha/hooks.d/10-tell\0promote\0",
            b"bossd\0/tmp/boss-playground-x\0",
        ];
        let others: [&[u8]; 5] = [
            b"less\0/tmp/boss-playground-x/alpha/log\0",
            b"vi\0/tmp/boss-playground-x/alpha/hooks.d/10-tell\0",
            b"bossd\0--config\0/tmp/boss-playground-xy/alpha/cluster.toml\0",
            b"bossd\0--config\0/etc/boss/cluster.toml\0",
            b"\0",
        ];
        for line in ours {
            assert!(is_of_dir(line, dir), "{}", String::from_utf8_lossy(line));
        }
        for line in others {
            assert!(!is_of_dir(line, dir), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_marked_process_dies_with_its_children() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60"])
            .env(MARK, dir.path().join("alpha"))
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        // The kernel lets spawn return a moment before the new program's environment can be read.
        for _ in 0..LOOKS_AFTER_KILL {
            if !of(dir.path()).is_empty() {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        assert!(!of(dir.path()).is_empty());
        assert!(of(&dir.path().join("beta")).is_empty());
        kill(dir.path());
        assert!(of(dir.path()).is_empty());
        assert!(!child.wait().expect("reaped").success());
    }
}
