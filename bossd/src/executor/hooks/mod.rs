//! Hooks: the operator's executables that a transition runs. Reading them is [`directory`]'s part,
//! who could have changed them [`trust`]'s; [`plan`] decides what is called with which facts,
//! [`runner`] does one call, [`sequence`] one after the other, [`tree`] ends what hooks started and
//! [`cgroup`] knows whose it is.
//! When a transition is due is not decided here (protocol.md 4).

pub mod cgroup;
pub mod directory;
pub mod outcome;
pub mod plan;
pub mod runner;
pub mod sequence;
pub mod tree;
pub mod trust;
