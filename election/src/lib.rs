//! The election of boss.
#![forbid(unsafe_code)]

mod id;
mod moment;

pub use id::{ClusterId, Epoch, Incarnation, NodeId, Term, Version};
pub use moment::{Moment, Span};
