//! What an operator, or the shell, asks of a node, and the answers.

use std::fmt;

use crate::apply::Settings;
use crate::id::NodeId;

/// An order from outside the protocol. All but [`Command::Leave`], [`Command::SetReady`] and
/// [`Command::Confirm`] are for the leader; the shell forwards them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// The boss gives up, the next takes over.
    Resign {
        /// Also when nobody eligible could take over.
        force: bool,
    },
    /// The boss hands over to this node.
    Switchover {
        /// The successor.
        to: NodeId,
    },
    /// Take a node out of the choice.
    Drain {
        /// Which.
        node: NodeId,
        /// When it ends by itself, in seconds of the wall clock.
        until: Option<u64>,
        /// Shown in status.
        reason: String,
        /// Also when nobody eligible would be left.
        force: bool,
    },
    /// Put a node back into the choice.
    Undrain {
        /// Which.
        node: NodeId,
    },
    /// Nobody new becomes boss.
    Pause {
        /// When it ends by itself, in seconds of the wall clock.
        until: Option<u64>,
        /// Shown in status.
        reason: String,
    },
    /// End a pause.
    Resume,
    /// End a hold-off.
    Clear {
        /// Which node's.
        node: NodeId,
    },
    /// Other settings for the whole cluster.
    Apply(Box<Settings>),
    /// The operator, or a fence agent, vouches that this node's host is off (V7, W2).
    Confirm {
        /// Which.
        node: NodeId,
    },
    /// The daemon stops: let go, hand over, and say when done.
    Leave,
    /// Whether this node's hooks are in order.
    SetReady(bool),
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// It is so: committed, or under way where it takes time (resign, switchover).
    Done,
    /// It is not.
    Refused(CommandError),
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CommandError {
    /// Only the leader can; here is who that is, if known.
    NotLeader(Option<NodeId>),
    /// There is no such member.
    UnknownNode(NodeId),
    /// No eligible node could take over; says why each cannot.
    NobodyEligible(String),
    /// The chosen successor cannot take over; says why.
    Unfit(NodeId, String),
    /// The cluster is paused: whoever gave up now would leave no boss.
    Paused,
    /// It is boss already.
    AlreadyBoss(NodeId),
    /// Nobody is boss, so there is nothing to hand over.
    NoBoss,
    /// No cluster could live with these settings; says why.
    Unsound(String),
    /// Too many commands wait; or leadership was lost on the way: try again.
    TryAgain(&'static str),
}

impl std::error::Error for CommandError {}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader(Some(leader)) => write!(f, "only the leader can do that: {leader}"),
            Self::NotLeader(None) => {
                write!(f, "no leader is known: without a quorum nothing can be changed; try again")
            }
            Self::UnknownNode(node) => write!(f, "{node} is not a member of this cluster"),
            Self::NobodyEligible(why) => write!(
                f,
                "no other node could be boss ({why}); with --force it happens all the same"
            ),
            Self::Unfit(node, why) => write!(f, "{node} cannot take over: {why}"),
            Self::Paused => {
                write!(
                    f,
                    "the cluster is paused: nobody new would become boss. \"bossctl resume\" first"
                )
            }
            Self::AlreadyBoss(node) => write!(f, "{node} is boss already"),
            Self::NoBoss => write!(f, "there is no boss at the moment"),
            Self::Unsound(why) => write!(f, "these settings are refused: {why}"),
            Self::TryAgain(why) => write!(f, "{why}; try again"),
        }
    }
}
