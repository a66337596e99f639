//! What the hooks of an executor that died are still doing. Its children were given to another
//! parent, so they are found by the run directory in their environment, which one instance alone
//! has, and those that run as units by the names of these. No word to systemd is needed for that. A
//! promote hook that goes on must be ended before the demote: it would act afterwards. (One that is
//! only about to begin does not: nobody opens its gate any more.)

use std::fs;
use std::path::Path;

use election::Span;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tracing::{error, warn};

use super::hooks::cgroup;
use super::hooks::plan::RUN_DIRECTORY;
use super::hooks::runner::unit_name;
use crate::clock;

/// As much as the kill of a hook's tree gets.
const KILL_WITHIN: Span = Span::from_millis(40);
/// Long enough for a killed process to end, short beside the whole.
const BETWEEN_WALKS: Span = Span::from_millis(1);

/// Whom to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All that hooks of this instance left running, services too, as the service manager does with a
    /// unit's control group.
    All,
    /// Hooks that run as units.
    Units,
}

/// Ends what hooks of this instance left running. For the holder of the instance's lock, which runs
/// no hook yet.
pub(super) async fn end(run_directory: &Path, which: Which) {
    let give_up = clock::now().plus(KILL_WITHIN);
    let mut told = false;
    loop {
        let Walk { left, loading } = find(run_directory, which);
        if left.is_empty() && !loading {
            return;
        }
        if give_up.over_when_either(clock::now()) {
            if left.is_empty() {
                return;
            }
            error!("hooks of the last run outlive SIGKILL: processes {left:?} (see ps -l)");
            return;
        }
        if !left.is_empty() && !std::mem::replace(&mut told, true) {
            warn!("hooks of the last run still run: processes {left:?} are killed");
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = clock::pause(BETWEEN_WALKS).await;
    }
}

/// What one look at all processes found.
struct Walk {
    /// Processes of hooks.
    left: Vec<i32>,
    /// Some process is on the way into its program, and may be one of them: a hook that was started
    /// in the very moment in which its executor died shows no environment yet.
    loading: bool,
}

/// A process that has ended, or is not ours to look at, shows no environment.
fn find(run_directory: &Path, which: Which) -> Walk {
    let wanted = format!("{RUN_DIRECTORY}={}", run_directory.display());
    let mut walk = Walk { left: Vec::new(), loading: false };
    let Ok(processes) = fs::read_dir("/proc") else { return walk };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for pid in pids.filter(|pid: &i32| pid.cast_unsigned() != std::process::id()) {
        if cgroup::is_in(pid, |unit| unit_name::is_of(run_directory, unit)) {
            walk.left.push(pid);
            continue;
        }
        if which == Which::Units {
            continue;
        }
        let about = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let environment = about("environ");
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            walk.left.push(pid);
        } else if environment.is_empty() && about("cmdline").is_empty() {
            // Whoever has ended, and a thread of the kernel, has no program either.
            walk.loading |= fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        }
    }
    walk
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper(run_directory: &Path) -> std::process::Child {
        let mut command = Command::new("sleep");
        command.arg("60").env_clear().env(RUN_DIRECTORY, run_directory).stdout(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").spawn().expect("sleep is everywhere")
    }

    #[tokio::test]
    async fn a_hook_of_a_dead_executor_is_ended_and_that_of_another_instance_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let (ours, theirs) = (directory.path().join("run"), directory.path().join("run2"));
        let (mut hook, mut other) = (sleeper(&ours), sleeper(&theirs));
        end(&ours, Which::Units).await;
        assert!(hook.try_wait().expect("our child").is_none(), "it is no unit");
        end(&ours, Which::All).await;
        assert!(hook.wait().expect("our child").code().is_none(), "killed, not ended by itself");
        assert!(other.try_wait().expect("our child").is_none(), "still running");
        other.kill().expect("our child");
        other.wait().expect("our child");
    }
}
