//! The daemon of boss: a thin shell around the [`election`] core, in two processes. The
//! [`executor`] acts on the machine, the [`elector`] talks to the network; [`ipc`] is what the two
//! say to each other. This library exists for the binary, fuzzing, benches and tests.

pub mod args;
pub mod clock;
pub mod config;
pub mod elector;
pub mod executor;
pub mod ipc;
pub mod journal;
pub mod logging;
pub mod sys;
pub mod sysexits;
pub mod systemd;
