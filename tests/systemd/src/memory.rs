//! A limit of memory for one process of a machine, so that the kernel's own killer ends it. A
//! `MemoryMax=` in a drop-in does the same where the machines' systemd has the memory controller; where
//! the controllers are mounted one by one, as on the machine of the tests, only we can reach it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use harness::until;

use crate::cgroup::remove;
use crate::machine::{Machine, PREFIX};

/// A group whose limit nothing fits into.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
}

impl Memory {
    /// Makes it; else why not.
    pub fn limited() -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = own.lines().find_map(|line| line.split_once(":memory:")).map(|it| it.1);
        let Some(group) = group else {
            return Err("the memory controller is not mounted by itself here".to_owned());
        };
        let name = format!("{PREFIX}{}-memory", std::process::id());
        let path = Path::new(TREE).join(group.trim_start_matches('/')).join(name);
        let limit = path.join("memory.limit_in_bytes");
        fs::create_dir_all(&path)
            .and_then(|()| fs::write(limit, "0"))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path })
    }

    /// Moves a process of a machine into it, named as the machine calls it, and has it ask for memory
    /// until the kernel kills it; in that very moment does what is to follow.
    pub fn exhaust(&self, machine: &Machine, pid: &str, then: impl FnOnce()) {
        let pid = machine.outside(pid);
        let killed = self.killed();
        fs::write(self.path.join("cgroup.procs"), &pid).expect("our own group");
        let is_killed = || self.killed() > killed;
        thread::scope(|scope| {
            // Answers take memory. As long as it takes: the test's own limit ends it.
            scope.spawn(|| {
                for _ in 0..MOST_ASKS {
                    if is_killed() {
                        break;
                    }
                    machine.run("bossctl status --json");
                    machine.run("systemctl kill --kill-who=main --signal=HUP bossd");
                }
            });
            until("the kernel has killed a process for its memory", || is_killed().then_some(()));
            then();
        });
    }

    /// How many the kernel has killed here.
    fn killed(&self) -> u64 {
        let control = fs::read_to_string(self.path.join("memory.oom_control")).unwrap_or_default();
        let count = control.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

const TREE: &str = "/sys/fs/cgroup/memory";
/// Some take a tenth of a second; one is enough nearly always.
const MOST_ASKS: u32 = 100;
