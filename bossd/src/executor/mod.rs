//! The executor: the process that acts on the machine, under a permit.

pub mod clean_up;
pub mod enforce;
pub mod hooks;
pub mod marker;
pub mod supervise;
