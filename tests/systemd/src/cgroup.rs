//! A control group of its own for each machine, in each of the trees by which a systemd can keep
//! track of its services: two machines in one group would take each other's processes for theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::is_left;

/// The groups of one machine; removed when it is gone.
#[derive(Debug)]
pub(crate) struct Groups {
    paths: Vec<PathBuf>,
}

impl Groups {
    /// Makes them below the groups that this process is in.
    pub(crate) fn make(name: &str) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut paths = Vec::new();
        for (at, controllers) in mounts.lines().filter_map(mounted) {
            let Some(group) = own.lines().find_map(|line| group_in(line, controllers)) else {
                continue;
            };
            let parent = Path::new(at).join(group.trim_start_matches('/'));
            sweep(&parent);
            let path = parent.join(name);
            fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            paths.push(path);
        }
        if paths.is_empty() {
            return Err("there are no control groups that systemd could use".to_owned());
        }
        Ok(Self { paths })
    }

    /// A shell's words that move it into them.
    pub(crate) fn enter(&self) -> String {
        let enter = |path: &PathBuf| format!("echo $$ >'{}/cgroup.procs' && ", path.display());
        self.paths.iter().map(enter).collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for path in &self.paths {
            // Its processes have been killed; the last of them may need a moment to be gone.
            for _ in 0..MOST_TRIES {
                if remove(path) {
                    break;
                }
                std::thread::sleep(BETWEEN_TRIES);
            }
        }
    }
}

/// Removes the groups of tests that were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            remove(&entry.path());
        }
    }
}

/// Removes what lies below first. Whether it is gone.
pub(crate) fn remove(path: &Path) -> bool {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(path).is_ok() || !path.exists()
}

/// Where a tree of groups is mounted that systemd uses, and what /proc/PID/cgroup calls it.
fn mounted(line: &str) -> Option<(&str, &'static str)> {
    let (place, kind) = line.split_once(" - ")?;
    let at = place.split(' ').nth(4)?;
    if kind.starts_with("cgroup2 ") {
        return Some((at, ""));
    }
    (kind.starts_with("cgroup ") && kind.contains("name=systemd")).then_some((at, "name=systemd"))
}

/// The group that a line of /proc/PID/cgroup tells for these controllers.
fn group_in<'a>(line: &'a str, controllers: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(':')?;
    let (told, group) = rest.split_once(':')?;
    (told == controllers).then_some(group)
}

const MOST_TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_of_systemd_are_told_from_the_others() {
        let unified = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
        assert_eq!(mounted(unified), Some(("/sys/fs/cgroup", "")));
        let named = "31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd";
        assert_eq!(mounted(named), Some(("/sys/fs/cgroup/systemd", "name=systemd")));
        let memory = "32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        assert_eq!(mounted(memory), None);
        assert_eq!(group_in("0::/user.slice", ""), Some("/user.slice"));
        assert_eq!(group_in("1:name=systemd:/a", "name=systemd"), Some("/a"));
        assert_eq!(group_in("4:memory:/", ""), None);
    }
}
