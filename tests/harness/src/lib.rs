//! The test bed that all whole-system tests share. [`Bed`] is a cluster of real daemons with a
//! witness among its hooks, and the waits that tests need; [`judge`] reads what the witnesses wrote
//! and says whether there were ever two at once. What a daemon does is never decided here.
#![forbid(unsafe_code)]

mod bed;
mod binaries;
pub mod clock;
pub mod judge;
pub mod python;

pub use bed::{Acting, Bed, Seen, acting, agreed, plan, until};
pub use binaries::{bossctl, bossd, witness};
pub use clock::boot_ns;
pub use judge::{Edge, Line};
