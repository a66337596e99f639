//! Removes what a test left that was killed: its processes, namespaces and mounts, all of which
//! have its process id in their names.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::run;

/// How the names of all our namespaces and mounts begin; the process id follows.
pub(crate) const PREFIX: &str = "boss-net-";

/// Removes the namespaces of this process with all that runs in them, for one that is about to end
/// without taking anything down.
pub fn remove_own() {
    let own = format!("{PREFIX}{}-", std::process::id());
    remove_spaces(|space| space.starts_with(&own));
}

/// Removes what dead owners left.
pub(crate) fn sweep() {
    remove_spaces(is_left);
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        // The file of a stepped clock.
        if entry.file_name().to_str().is_some_and(is_left) {
            drop(fs::remove_file(entry.path()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for mount in mounts.lines() {
        let mut words = mount.split(' ');
        let (Some(source), Some(at)) = (words.next(), words.next()) else { continue };
        if is_left(source) {
            drop(run("umount", &["--lazy", at]));
        }
    }
}

fn remove_spaces(which: impl Fn(&str) -> bool) {
    let spaces = run("ip", &["netns", "list"]).unwrap_or_default();
    let names = spaces.lines().filter_map(|line| line.split(' ').next());
    for space in names.filter(|space| which(space)) {
        let inside = run("ip", &["netns", "pids", space]).unwrap_or_default();
        for pid in inside.lines().filter_map(|pid| pid.trim().parse().ok()) {
            // One that has ended in between needs no signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // Another test may sweep at the same moment; it is gone then.
        drop(run("ip", &["netns", "del", space]));
    }
}

/// Whether a name is one of ours and its owner is gone.
fn is_left(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    let pid: Option<u32> = owner.and_then(|owner| owner.parse().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_dead_owners_are_left() {
        // Above the largest process id that Linux gives.
        assert!(is_left("boss-net-4194305-0-h1"));
        assert!(!is_left(&format!("boss-net-{}-0-h1", std::process::id())));
        for other in ["boss-net-", "boss-net-x-0", "tmpfs", "boss-network-4194305-0"] {
            assert!(!is_left(other), "{other}");
        }
    }
}
