//! What `on-fence-failure` says when the demote hooks failed: nothing but the alarm that was
//! already given, or a command that makes sure that nothing of this node acts any more. It must
//! have ended by the end of D.

use std::process::Stdio;

use election::Moment;
use tokio::process::Command;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::hooks::plan::Facts;
use super::hooks::tree::{self, Bystanders, Spared};
use super::transition::Outcome;
use crate::clock::{self, Alarm};
use crate::config::OnFenceFailure;

/// Carries it out and reports [`Outcome::Escalated`].
pub(super) async fn run(
    how: OnFenceFailure,
    facts: Facts,
    limit: Moment,
    spared: Spared,
    outcomes: mpsc::UnboundedSender<Outcome>,
) {
    let success = match how {
        OnFenceFailure::Alarm => false,
        OnFenceFailure::Command { argv, timeout } => {
            let limit = limit.earliest(clock::now().plus(timeout));
            command(&argv, &facts, limit, &spared).await
        }
    };
    let _ = outcomes.send(Outcome::Escalated { success });
}

async fn command(argv: &[String], facts: &Facts, limit: Moment, spared: &Spared) -> bool {
    let transition = facts.transition.as_str();
    let Some((program, arguments)) = argv.split_first() else { return false };
    let bystanders = Bystanders::now();
    let child = Command::new(program)
        .args(arguments)
        .env("BOSS_NODE", &facts.node)
        .env("BOSS_CLUSTER", &facts.cluster)
        .env("BOSS_EPOCH", facts.epoch.unwrap_or_default().to_string())
        .env("BOSS_TRANSITION", transition)
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
