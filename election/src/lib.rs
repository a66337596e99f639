//! The election of boss.
#![forbid(unsafe_code)]

mod cluster_state;
mod id;
mod members;
mod moment;
mod preference;
mod timing;

pub use cluster_state::{
    Cause, Claim, ClusterState, Failback, HISTORY, Held, HistoryEntry, HoldOff, HoldOffCause,
    LONGEST_HOLD_OFF, Paused, Policy,
};
pub use id::{ClusterId, Epoch, Incarnation, NodeId, Term, Version};
pub use members::{
    Address, DEFAULT_PRIORITY, Drained, Kind, MOST_MEMBERS, MOST_VOTERS, Member, Members,
    MembersError,
};
pub use moment::{Moment, Span};
pub use preference::{Criterion, ranking};
pub use timing::{
    Bounds, LARGEST_RHO_PPM, LONGEST_PROMISE, Profile, SHORTEST_HEARTBEAT, Timing, TimingError,
};
