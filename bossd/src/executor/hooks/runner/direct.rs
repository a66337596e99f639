//! Runs a hook as our own child: own process group, cleared environment, facts on its stdin, output
//! into the log. It has ended when its process has, never by end of file, and what fails or is cut
//! off dies with its whole tree.

use std::process::{ExitStatus, Stdio};

use std::os::unix::process::ExitStatusExt;
use tokio::process::{Child, Command};

use super::output::{Output, Pipes};
use crate::executor::hooks::outcome::{Cut, Outcome};
use crate::executor::hooks::plan::Call;
use crate::executor::hooks::tree::{self, Bystanders, Spared};
use crate::executor::hooks::trust;

/// Starts hooks as children of this process, which must be a subreaper for whole trees to be found.
#[derive(Debug)]
pub struct Direct {
    spared: Spared,
}

impl Direct {
    /// A runner whose kills leave `spared` alone.
    pub fn new(spared: Spared) -> Self {
        Self { spared }
    }

    /// As `Runner::run`: the outcome, and what outlived SIGKILL.
    pub(super) async fn run_to_end(
        &self,
        call: &Call,
        cut: impl Future<Output = Cut>,
    ) -> (Outcome, Vec<i32>) {
        // Once more, right before it runs with our rights: the directory was read long ago.
        if let Err(distrust) = trust::check(&call.hook.path) {
            return (Outcome::NotStarted(distrust.to_string()), Vec::new());
        }
        let bystanders = Bystanders::now();
        let mut child = match start(call) {
            Ok(child) => child,
            Err(error) => return (Outcome::NotStarted(why_not(&error)), Vec::new()),
        };
        let pid = child.id().expect("nobody has waited for it yet");
        let _spared = self.spared.spare(pid);
        let mut output = Output::of(Pipes::of_child(&mut child), call, None);
        let outcome = tokio::select! {
            status = child.wait() => ended(status),
            cut = cut => Outcome::Killed(cut),
            never = output.pump_for_ever() => match never {},
        };
        // What a hook that succeeded leaves running may be what it was called for.
        let left = if outcome.is_done() {
            Vec::new()
        } else {
            tree::kill(pid, &bystanders, &self.spared).await
        };
        // One that not even SIGKILL ends is not waited for; the left list tells of it.
        if child.id().is_some() && !left.contains(&pid.cast_signed()) {
            let _ = child.wait().await;
        }
        output.drain().await;
        tree::reap_adopted(&self.spared);
        (outcome, left)
    }
}

fn start(call: &Call) -> std::io::Result<Child> {
    Command::new(&call.hook.path)
        .args(&call.args)
        .env_clear()
        .envs(call.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn ended(status: std::io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) => Outcome::Done,
            (Some(code), _) => Outcome::Exited(code),
            (None, Some(signal)) => Outcome::Signalled(signal),
            (None, None) => Outcome::Unseen(status.to_string()),
        },
        Err(error) => Outcome::Unseen(error.to_string()),
    }
}

/// What the kernel says of a script that cannot be started puzzles: it means the first line.
pub(super) fn why_not(error: &std::io::Error) -> String {
    match nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        nix::errno::Errno::ENOENT => {
            format!("{error}: is it there, and what its first line names?")
        }
        nix::errno::Errno::ENOEXEC => format!("{error}: is its first line like #!/bin/sh?"),
        _ => error.to_string(),
    }
}
