//! `[fence]`: runs the command that makes sure that a lost peer is off, when the elector asks for it.
//! Nothing here decides anything: the elector asks once it has lost the peer, and judges the answer.
//! The loop never waits for the command.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::hooks::plan::PATH;
use super::hooks::tree::Spared;
use super::hooks::trust;
use super::outside::{self, Place};
use crate::clock;
use crate::config::{Config, FenceConfig};
use crate::ipc::FenceOrder;

/// What came of a run: Ok is "surely off".
#[derive(Debug)]
pub(super) struct Fenced {
    /// Of the order.
    pub(super) run: u64,
    /// Or why that is not known.
    pub(super) outcome: Result<(), String>,
}

/// The commands that run; they outlive the elector that asked.
pub(super) struct Fences {
    spared: Spared,
    /// Whom they are for: never two for one at once.
    targets: Rc<RefCell<BTreeSet<String>>>,
    done: mpsc::UnboundedSender<Fenced>,
    fenced: mpsc::UnboundedReceiver<Fenced>,
}

impl Fences {
    /// None runs yet.
    pub(super) fn new(spared: Spared) -> Self {
        let (done, fenced) = mpsc::unbounded_channel();
        Self { spared, targets: Rc::default(), done, fenced }
    }

    /// The next that has ended.
    pub(super) async fn next(&mut self) -> Option<Fenced> {
        self.fenced.recv().await
    }

    /// Runs it beside the loop.
    pub(super) fn start(&self, config: &Config, order: FenceOrder, units: bool) {
        let (run, done) = (order.run, self.done.clone());
        let Some(fence) = config.fence.clone().filter(|_| !config.node.shadow) else {
            let outcome = Err("[fence] run is not set any more".to_owned());
            let _ = done.send(Fenced { run, outcome });
            return;
        };
        let target = order.target.clone();
        if !self.targets.borrow_mut().insert(target.clone()) {
            let outcome = Err("one for an earlier loss still runs".to_owned());
            let _ = done.send(Fenced { run, outcome });
            return;
        }
        let (cluster, node) = (config.cluster.name.clone(), config.node.name.to_string());
        let (targets, spared) = (self.targets.clone(), self.spared.clone());
        let place = if units { Place::Unit { most: fence.timeout } } else { Place::Child };
        tokio::task::spawn_local(async move {
            let outcome = carry_out(place, &fence, &order, &cluster, &node, &spared).await;
            targets.borrow_mut().remove(&target);
            let _ = done.send(Fenced { run, outcome });
        });
    }
}

/// As [`trust::check`] has it for hooks; on a thread, for the disk may hang.
pub(super) async fn check_trust(program: &str) -> Result<(), String> {
    let path = PathBuf::from(program);
    let checked = tokio::task::spawn_blocking(move || trust::check(&path)).await;
    let checked = checked.map_err(|error| error.to_string())?;
    checked.map_err(|distrust| distrust.to_string())
}

async fn carry_out(
    place: Place,
    fence: &FenceConfig,
    order: &FenceOrder,
    cluster: &str,
    node: &str,
    spared: &Spared,
) -> Result<(), String> {
    let FenceConfig { argv, timeout } = fence;
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no command".to_owned());
    };
    let limit = clock::now().plus(*timeout);
    tokio::select! {
        checked = check_trust(program) => checked?,
        _ = clock::pause(*timeout) => return Err(format!("{program} could not be looked at")),
    }
    info!("running {program} to make sure that {} is off", order.target);
    let mut child = start(place, program, arguments, order, cluster, node)
        .map_err(|error| format!("{program}: {error}"))?;
    let pid = child.id().unwrap_or_default();
    // Else the executor, which waits for all that hooks leave behind, takes its exit status away.
    let _spared = spared.spare(pid);
    let left = limit.left_until_either(clock::now());
    tokio::select! {
        status = child.wait() => match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program} ended with {status}")),
            Err(error) => Err(format!("{program}: {error}")),
        },
        _ = clock::pause(left) => {
            warn!("{program} for {} is killed after {timeout}", order.target);
            kill(&mut child, pid).await;
            Err(format!("{program} did not end within {timeout}"))
        }
    }
}

/// Its process group only: a walk over all below us would end what a hook that runs meanwhile has
/// started. What left the group goes on, and nobody asks it any more.
async fn kill(child: &mut Child, pid: u32) {
    if pid > 0 {
        let _ = killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    let _ = child.start_kill();
    let _ = child.wait().await;
}

fn start(
    place: Place,
    program: &str,
    arguments: &[String],
    order: &FenceOrder,
    cluster: &str,
    node: &str,
) -> std::io::Result<Child> {
    let epoch = order.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let environment = [
        ("PATH", PATH.to_owned()),
        ("BOSS_TARGET", order.target.clone()),
        ("BOSS_TARGET_ADDRESS", order.address.clone()),
        ("BOSS_EPOCH", epoch),
        ("BOSS_CLUSTER", cluster.to_owned()),
        ("BOSS_NODE", node.to_owned()),
    ];
    let mut command = outside::command(place, program, arguments, &environment);
    command
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .spawn()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use election::Span;

    use super::*;

    async fn run(script: &str, mode: u32, timeout: Span) -> (Result<(), String>, String) {
        let home = tempfile::tempdir().expect("a directory");
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("ours");
        let program = home.path().join("fence");
        fs::write(&program, format!("#!/bin/sh\nd=${{0%/*}}\n{script}\n")).expect("ours");
        fs::set_permissions(&program, Permissions::from_mode(mode)).expect("ours");
        let argv = vec![program.display().to_string(), "off".to_owned()];
        let fence = FenceConfig { argv, timeout };
        let order = FenceOrder {
            run: 1,
            target: "beta".to_owned(),
            address: "10.0.0.2:26770".to_owned(),
            epoch: Some(7),
        };
        let outcome =
            carry_out(Place::Child, &fence, &order, "web", "alpha", &Spared::default()).await;
        (outcome, fs::read_to_string(home.path().join("said")).unwrap_or_default())
    }

    const SOON: Span = Span::from_secs(30);

    #[tokio::test]
    async fn only_a_command_that_ends_with_0_vouches_and_it_is_told_for_whom() {
        let says = "echo \"$1 $BOSS_TARGET $BOSS_TARGET_ADDRESS $BOSS_EPOCH $BOSS_CLUSTER \
                    $BOSS_NODE $HOME\" >\"$d/said\"";
        let (outcome, said) = run(says, 0o755, SOON).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(said, "off beta 10.0.0.2:26770 7 web alpha \n");
        let (outcome, _) = run("exit 1", 0o755, SOON).await;
        assert!(outcome.expect_err("it failed").contains("exit status: 1"));
    }

    #[tokio::test]
    async fn a_command_that_hangs_others_could_change_or_cannot_be_run_does_not_vouch() {
        let (outcome, _) = run("sleep 600 & wait", 0o755, Span::from_millis(200)).await;
        assert!(outcome.expect_err("it hangs").contains("did not end within 200 ms"));
        let (outcome, said) = run("echo run >\"$d/said\"", 0o777, SOON).await;
        assert!(outcome.expect_err("untrusted").contains("chmod go-w"));
        assert_eq!(said, "");
        let (outcome, _) = run("", 0o644, SOON).await;
        assert!(outcome.is_err(), "it cannot be run");
    }
}
