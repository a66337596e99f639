//! What `on-fence-failure` says when the demote hooks failed: nothing but the alarm that was
//! already given, or what makes sure that nothing of this node acts any more: the units of
//! boss.target are ended, this host reboots, or a command. It must have ended by the end of D.

mod units;

use std::process::Stdio;

use election::Moment;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::hooks::plan::Facts;
use super::hooks::tree::{self, Bystanders, Spared};
use super::outside::{self, Place};
use super::transition::Outcome;
use crate::clock::{self, Alarm};
use crate::config::OnFenceFailure;
use crate::{journal, sys};

/// What has failed to let go, and how long there is.
pub(super) struct Emergency {
    /// What hooks are told.
    pub(super) facts: Facts,
    /// The target whose units follow this instance.
    pub(super) target: String,
    /// The end of D.
    pub(super) limit: Moment,
    /// Hooks run as units, and so does the command.
    pub(super) units: bool,
    /// Something was promoted since this host booted: a reboot would end it.
    pub(super) acted_since_boot: bool,
}

/// Carries it out and reports [`Outcome::Escalated`].
pub(super) async fn run(
    how: OnFenceFailure,
    emergency: Emergency,
    spared: Spared,
    outcomes: mpsc::UnboundedSender<Outcome>,
) {
    let Emergency { facts, target, limit, units, acted_since_boot } = emergency;
    let success = match how {
        OnFenceFailure::Alarm => false,
        OnFenceFailure::StopUnits { timeout } => {
            // Noticed late, after a suspend say: what stands is ended all the same.
            let limit = limit.latest(clock::now().plus(timeout));
            units::end(&target, &facts.transition, limit, &spared).await
        }
        OnFenceFailure::Reboot { timeout: _ } => {
            reboot(&facts, acted_since_boot, sys::reboot_now);
            false
        }
        OnFenceFailure::Command { argv, timeout } => {
            let limit = limit.earliest(clock::now().plus(timeout));
            command(&argv, &facts, limit, units, &spared).await
        }
    };
    let _ = outcomes.send(Outcome::Escalated { success });
}

/// Comes back only if this host goes on. What a boot has not ended another one will not end either:
/// a host whose demote hook fails at every start must not reboot for ever.
fn reboot(facts: &Facts, acted_since_boot: bool, reboot_now: impl FnOnce() -> std::io::Error) {
    let (boss_transition, message_id) = (facts.transition.as_str(), journal::REBOOTS);
    if !acted_since_boot {
        error!(
            boss_transition,
            "not rebooting: nothing was promoted since this host has booted, so that another boot \
             would end nothing. Mend the demote hooks"
        );
        return;
    }
    error!(
        boss_transition,
        message_id, "rebooting this host by force: its demote hooks have failed"
    );
    let error = reboot_now();
    error!(boss_transition, "this host does not reboot: {error}");
}

/// As a unit where hooks are units; within bossd's own rights where that does not succeed, for a bus
/// that is gone must not keep anybody from letting go.
async fn command(
    argv: &[String],
    facts: &Facts,
    limit: Moment,
    units: bool,
    spared: &Spared,
) -> bool {
    let most = limit.left_until_either(clock::now());
    if units && run_command(Place::Unit { most }, argv, facts, limit, spared).await {
        return true;
    }
    !limit.over_when_either(clock::now())
        && run_command(Place::Child, argv, facts, limit, spared).await
}

async fn run_command(
    place: Place,
    argv: &[String],
    facts: &Facts,
    limit: Moment,
    spared: &Spared,
) -> bool {
    let transition = facts.transition.as_str();
    let Some((program, arguments)) = argv.split_first() else { return false };
    let bystanders = Bystanders::now();
    let environment = [
        ("BOSS_NODE", facts.node.clone()),
        ("BOSS_CLUSTER", facts.cluster.clone()),
        ("BOSS_EPOCH", facts.epoch.unwrap_or_default().to_string()),
        ("BOSS_TRANSITION", transition.to_owned()),
    ];
    let child = outside::command(place, program, arguments, &environment)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .process_group(0)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            error!(boss_transition = transition, "escalation-command {program}: {error}");
            return false;
        }
    };
    // Else the executor, which waits for all that hooks leave behind, takes its exit status away,
    // and a command that succeeded would count as failed.
    let pid = child.id().unwrap_or_default();
    let _spared = spared.spare(pid);
    tokio::select! {
        status = child.wait() => {
            let success = status.as_ref().is_ok_and(std::process::ExitStatus::success);
            match status {
                Ok(status) => info!(boss_transition = transition, "escalation-command {program} ended: {status}"),
                Err(error) => error!(boss_transition = transition, "escalation-command {program}: {error}"),
            }
            success
        }
        () = over(limit) => {
            error!(boss_transition = transition, "escalation-command {program} did not end within its time: killed");
            let left = tree::kill(pid, &bystanders, spared).await;
            if !left.contains(&pid.cast_signed()) {
                let _ = child.wait().await;
            }
            false
        }
    }
}

async fn over(limit: Moment) {
    let Ok(alarm) = Alarm::new() else { return };
    while !limit.over_when_either(clock::now()) {
        let next = clock::now().plus(limit.left_until_either(clock::now()));
        if alarm.set(next).is_err() || alarm.fired().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::executor::hooks::plan::HookState;

    fn facts() -> Facts {
        Facts {
            cluster: "web".to_owned(),
            node: "alpha".to_owned(),
            state: HookState::Backup,
            epoch: Some(7),
            term: 7,
            current: None,
            current_address: None,
            previous: None,
            reason: String::new(),
            transition: "alpha-7-demote".to_owned(),
            urgent: true,
            deadline_ms: 0,
            priority: 100,
            role: None,
            members: Vec::new(),
            dry_run: false,
            run_directory: String::new(),
        }
    }

    /// The kernel is not called here: `tests/systemd` reboots a host for real.
    #[test]
    fn a_host_reboots_once_for_what_was_promoted_since_it_booted_and_not_for_what_outlived_a_boot()
    {
        let called = Cell::new(0);
        let refuse = || {
            called.set(called.get() + 1);
            std::io::Error::from(std::io::ErrorKind::PermissionDenied)
        };
        reboot(&facts(), false, refuse);
        assert_eq!(called.get(), 0);
        reboot(&facts(), true, refuse);
        assert_eq!(called.get(), 1);
    }
}
