//! What must survive a crash (protocol.md 1). Nothing that depends on it leaves the node before
//! the shell has written it and said so.

use std::sync::Arc;

use crate::cluster_state::ClusterState;
use crate::id::{NodeId, Term};
use crate::moment::Span;

/// The durable part of a node, beside its identity.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HardState {
    /// The highest term that this node has taken part in.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<NodeId>,
    /// The cluster state that it accepted last.
    pub state: Arc<ClusterState>,
    /// The longest promise that it ever made: what a restart waits out (S1).
    pub promise_hiwater: Span,
}

impl HardState {
    /// Of a node that never took part.
    pub fn unborn(state: ClusterState) -> Self {
        Self {
            term: Term::default(),
            voted_for: None,
            state: Arc::new(state),
            promise_hiwater: Span::ZERO,
        }
    }
}

/// A write that the shell is to make durable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Write {
    /// Which one; grows.
    pub generation: u64,
    /// What is to be on disk.
    pub hard: HardState,
}

/// The shell's word on a [`Write`]. An error from fsync or rename has no variant: the elector
/// ends at once (exit 74) and the executor demotes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Written {
    /// Which one.
    pub generation: u64,
    /// Whether it is durable, or was refused before anything reached the disk (disk full, quota,
    /// read-only).
    pub durable: bool,
}
