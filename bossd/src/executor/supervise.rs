//! Starts the elector, notices its end, and decides whether and when to start the next one
//! (protocol.md 4: at once, then after 100 ms doubling to 5 s; five in 60 s are too many).

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use election::{Moment, Span};
use nix::unistd::{Uid, User};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::hooks::tree::{Spared, SparedGuard};
use crate::ipc::{self, ToElector, ToExecutor};

/// More ends than this within [`WINDOW`] are a fault that restarts do not mend.
const MOST_ENDS: usize = 5;
const WINDOW: Span = Span::from_secs(60);
/// This very program, also when an upgrade has put another file in its place meanwhile: both
/// processes must speak the same version of their channel.
pub const OWN_PROGRAM: &str = "/proc/self/exe";
const FIRST_DELAY: Span = Span::from_millis(100);
const LONGEST_DELAY: Span = Span::from_secs(5);

/// A running elector: one life, one channel.
#[derive(Debug)]
pub struct Elector {
    /// To it.
    pub to: ipc::Sender<ToElector>,
    /// From it; ends when it is gone.
    pub from: mpsc::Receiver<ToExecutor>,
    child: Child,
    // Hooks' leftovers are killed by walking our children: this one is not a hook's.
    spared: SparedGuard,
}

impl Elector {
    /// Starts the elector of this very program as `user`, with the channel as its standard input
    /// and the control socket as its standard output: no descriptor has to be received.
    pub fn spawn(user: Option<&User>, control: &UnixListener, spared: &Spared) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut command = Command::new(OWN_PROGRAM);
        command
            .arg0(std::env::args_os().next().unwrap_or_else(|| "bossd".into()))
            .arg("--elector")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(control.try_clone()?)))
            .process_group(0);
        if let Some(user) = user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let child = command.spawn()?;
        let spared = spared.spare(child.id().unwrap_or_default());
        let (to, from) = ipc::channel(ours)?;
        Ok(Self { to, from: from.into_queue(), child, spared })
    }

    /// X2: the channel is closed unread, now; the process is killed and reaped by what is given
    /// back. Its exit status, if it ended by itself.
    pub fn end(self) -> impl Future<Output = Option<u8>> {
        let Self { to, from, mut child, spared } = self;
        drop((to, from));
        async move {
            // It may have closed the channel a moment before it exits: its own status says more.
            let mut status = wait_briefly(&mut child).await;
            if status.is_none() {
                let _ = child.start_kill();
                status = child.wait().await.ok();
            }
            drop(spared);
            status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok())
        }
    }

    /// Ends it without waiting for it to end in order.
    pub fn kill(&mut self) {
        let _ = self.child.start_kill();
    }
}

/// How long an elector that closed the channel may take to exit by itself before it is killed.
/// It holds nothing any more that matters, but its exit status decides about the restart.
const EXIT: Span = Span::from_millis(20);

async fn wait_briefly(child: &mut Child) -> Option<std::process::ExitStatus> {
    tokio::select! {
        status = child.wait() => status.ok(),
        _ = crate::clock::pause(EXIT) => None,
    }
}

/// When electors ended lately.
#[derive(Debug, Default)]
pub struct Restarts {
    ends: VecDeque<Moment>,
}

/// What follows an elector's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Start another one after this.
    After(Span),
    /// Restarts do not help.
    TooMany,
}

impl Restarts {
    /// An elector ended now.
    pub fn record(&mut self, now: Moment) -> Restart {
        self.ends.retain(|end| end.elapsed(now) < WINDOW);
        self.ends.push_back(now);
        match self.ends.len() {
            0 | 1 => Restart::After(Span::ZERO),
            count if count >= MOST_ENDS => Restart::TooMany,
            count => {
                let doublings = u32::try_from(count - 2).unwrap_or(u32::MAX).min(16);
                Restart::After(FIRST_DELAY.times(1 << doublings).min(LONGEST_DELAY))
            }
        }
    }
}

/// Whom the elector runs as: the configured user, when this process could change to it and it is
/// there and is not root. The text says, once, why not.
pub fn elector_user(name: &str) -> Result<User, String> {
    if !Uid::effective().is_root() {
        return Err("bossd does not run as root: the elector runs as the same user".to_owned());
    }
    match User::from_name(name) {
        Ok(Some(user)) if !user.uid.is_root() => Ok(user),
        Ok(Some(_)) => Err(format!("[node] user is {name}: the elector keeps root's rights")),
        Ok(None) => Err(format!(
            "there is no user {name} ([node] user): the elector keeps root's rights. Make one with \
             systemd-sysusers or useradd --system {name}"
        )),
        Err(errno) => Err(format!(
            "the user {name} ([node] user) cannot be looked up ({errno}): the elector keeps root's \
             rights"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Span::from_secs(seconds))
    }

    #[test]
    fn the_first_restart_is_at_once_and_five_ends_in_a_minute_are_too_many() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.record(at(100)), Restart::After(Span::ZERO));
        assert_eq!(restarts.record(at(101)), Restart::After(FIRST_DELAY));
        assert_eq!(restarts.record(at(102)), Restart::After(FIRST_DELAY.times(2)));
        assert_eq!(restarts.record(at(103)), Restart::After(FIRST_DELAY.times(4)));
        assert_eq!(restarts.record(at(104)), Restart::TooMany);
        assert_eq!(restarts.record(at(200)), Restart::After(Span::ZERO));
    }
}
