//! The elector: the process that talks to the network and runs the election.

pub mod control;
pub mod driver;
pub mod peer;
pub mod privileges;
pub mod schema;
pub mod state_dir;
