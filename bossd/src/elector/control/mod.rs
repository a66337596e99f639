//! The control socket: answers what operators and their tools ask. Reading looks at the latest
//! picture of the cluster and never reaches the election thread; a change is checked here and
//! handed to it as one [`Request`], over a bounded channel. What is said is in the crate
//! `control`; who may say it is in [`permissions`]; the verdict on the cluster is in [`posture`].

pub mod apply;
pub mod explain;
pub mod hooks;
pub mod methods;
pub mod permissions;
pub mod posture;
mod server;
#[cfg(test)]
mod tests;

use control::interface::{Done, Refusal};
use control::preview::Preview;
use control::reload::Reload;
use election::Settings;
use tokio::sync::{mpsc, oneshot};

pub use permissions::Access;
pub use posture::present;
pub use server::{Limits, serve, spawn};

/// How many commands may wait for the election thread. An operator gives one at a time; more than
/// these means that it is stuck, and then the answer is "try again".
pub const COMMANDS_WAITING: usize = 16;

/// What the election thread is asked for.
#[derive(Debug)]
pub enum Request {
    /// A change.
    Change(ControlRequest),
    /// What would come of one.
    Preview(PreviewRequest),
}

/// A question about an order that is not given yet. To drop `reply` is to answer "try again".
#[derive(Debug)]
pub struct PreviewRequest {
    /// The order: a drain, a resignation or a switchover.
    pub command: ControlCommand,
    /// Who asks, already permitted to give the order.
    pub by: Caller,
    /// Where the answer goes. It is awaited for [`Limits::command`].
    pub reply: oneshot::Sender<Result<Preview, Refusal>>,
}

/// A command on its way to the election thread. Whoever takes it answers it; to drop `reply` is
/// to answer "try again".
#[derive(Debug)]
pub struct ControlRequest {
    /// What is to be done.
    pub command: ControlCommand,
    /// Who asked for it, already permitted.
    pub by: Caller,
    /// Where the answer goes. It is awaited for [`Limits::command`].
    pub reply: oneshot::Sender<Result<Done, Refusal>>,
}

/// An ask for a reload, on its way to the election thread, which hands it to the executor.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Who asked for it, already permitted.
    pub by: Caller,
    /// Where the answer goes, if somebody waits for one.
    pub reply: Option<oneshot::Sender<Reload>>,
}

/// The ways from the control socket to the election thread.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Changes of the cluster.
    pub commands: mpsc::Sender<Request>,
    /// Reloads of this node.
    pub reloads: mpsc::Sender<ReloadRequest>,
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlCommand {
    /// Take a node out of service.
    Drain {
        /// Which; None is the node that was asked.
        node: Option<String>,
        /// Why; at most [`control::interface::MAX_REASON`] bytes, without control characters.
        reason: Option<String>,
        /// Also when no other node could be boss.
        force: bool,
        /// After how many seconds it ends by itself, 1 to [`control::interface::MAX_FOR_S`].
        for_s: Option<u64>,
    },
    /// Take a node back into service.
    Undrain {
        /// Which; None is the node that was asked.
        node: Option<String>,
    },
    /// Nobody new becomes boss.
    Pause {
        /// Why; as a drain's.
        reason: Option<String>,
        /// After how many seconds it ends by itself, as a drain's.
        for_s: Option<u64>,
    },
    /// End a pause.
    Resume,
    /// End a hold-off.
    Clear {
        /// Whose; None is the node that was asked.
        node: Option<String>,
    },
    /// Other settings for the whole cluster.
    Apply {
        /// What it is to have.
        settings: Box<Settings>,
        /// The file that they came from, for the log.
        file: String,
    },
    /// The boss gives up.
    Resign {
        /// Even if nobody eligible could take over.
        force: bool,
    },
    /// The boss hands over.
    Switchover {
        /// To this node.
        to: String,
    },
    /// The operator vouches that a host is off (V7).
    ConfirmDead {
        /// Whose.
        node: String,
    },
}

/// Who is at the other end of a connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user id at the time of the connect.
    pub uid: u32,
    /// The process id then, for the log only: it may be another process by now.
    pub pid: Option<i32>,
}

impl std::fmt::Display for ControlCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |node: &Option<String>| node.clone().unwrap_or_else(|| "this node".to_owned());
        let length = |for_s: &Option<u64>| for_s.map(|s| format!(" for {s} s")).unwrap_or_default();
        let why = |reason: &Option<String>| {
            reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
        };
        match self {
            Self::Drain { node, reason, for_s, .. } => {
                write!(f, "drain of {}{}{}", named(node), length(for_s), why(reason))
            }
            Self::Pause { reason, for_s } => write!(f, "pause{}{}", length(for_s), why(reason)),
            Self::Resume => f.write_str("resume"),
            Self::Apply { file, .. } => write!(f, "apply of {file}"),
            Self::Undrain { node } => write!(f, "undrain of {}", named(node)),
            Self::Clear { node } => write!(f, "clear of {}", named(node)),
            Self::Resign { force: false } => f.write_str("resign"),
            Self::Resign { force: true } => f.write_str("forced resign"),
            Self::Switchover { to } => write!(f, "switchover to {to}"),
            Self::ConfirmDead { node } => write!(f, "confirm-dead of {node}"),
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "uid {}, pid {pid}", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}
