//! What an operator changes for the whole cluster: timing, policy, priorities (section 6). It goes out
//! as one version, and counts by these:
//!
//! * A heartbeat earns the lease that goes with the promise in it ([`Beat`]). A longer lease is so
//!   never relied on before the voters have promised for as long, whoever has adopted which version;
//!   a shorter one is used at once, while voters keep every promise that they made.
//! * A voter's longest promise stays on its disk: a restart waits for that one (S1).
//! * The fence window counts from the next claim on: a boss acts, and is waited for, under the one in
//!   its own claim (X1, W2).

use std::collections::BTreeMap;

use crate::cluster_state::{ClusterState, Policy};
use crate::command::CommandError;
use crate::id::NodeId;
use crate::moment::{Moment, Span};
use crate::node::Node;
use crate::timing::Timing;

/// What `apply` replaces in the cluster state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Settings {
    /// How fast it elects.
    pub timing: Timing,
    /// Whom it prefers.
    pub policy: Policy,
    /// Of members that are there; who is not named keeps what it has.
    pub priorities: BTreeMap<NodeId, u8>,
}

/// A heartbeat that went out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Beat {
    pub seq: u64,
    pub sent: Moment,
    /// L as it was then; P of the same timing is the promise in it.
    pub lease: Span,
}

impl Settings {
    /// Those of a state.
    pub fn of(state: &ClusterState) -> Self {
        let priority =
            |(name, member): (&NodeId, &crate::members::Member)| (name.clone(), member.priority);
        Self {
            timing: state.timing,
            policy: state.policy.clone(),
            priorities: state.members.iter().map(priority).collect(),
        }
    }

    /// Puts them into the next edition.
    pub(crate) fn put_into(self, state: &mut ClusterState) {
        let Self { timing, policy, priorities } = self;
        state.timing = timing;
        state.policy = policy;
        for (name, priority) in priorities {
            state.members.set_priority(&name, priority);
        }
    }
}

impl Node {
    /// What no cluster could live with is refused, whoever asks.
    pub(crate) fn require_sound(&self, settings: &Settings) -> Result<(), CommandError> {
        let Settings { timing, policy, priorities } = settings;
        timing.check().map_err(|why| CommandError::Unsound(why.to_string()))?;
        if policy.prefer.is_empty() {
            return Err(CommandError::Unsound("prefer names no criterion".to_owned()));
        }
        for (name, priority) in priorities {
            self.require_member(name)?;
            if !(1..=254).contains(priority) {
                let why = format!("priority {priority} of {name} is not between 1 and 254");
                return Err(CommandError::Unsound(why));
            }
        }
        Ok(())
    }
}
