//! What the fuzzer runs: one function per target, which takes any bytes and panics when something
//! that must hold does not. The binaries hand them libFuzzer's inputs; the tests of this crate hand
//! them the committed ones, without libFuzzer.
//!
//! ```text
//! node        one Node among 1 to 5 members, whom everybody tells everything
//! trio        three Nodes with their executors, on a network and disks that the bytes rule
//! permit      the executor's machine (X1 to X6)
//! wire        frames between electors, their Hello, forwarded commands
//! state_file  the state file: any text, torn, with a checksum that fits
//! config      cluster.toml and node.toml
//! control     Varlink, and what bossd makes of a call
//! ipc         what elector and executor say to each other
//! ```
#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod draw;
pub mod ipc;
pub mod node;
pub mod permit;
pub mod sabotage;
pub mod state_file;
pub mod trio;
pub mod values;
pub mod wire;

/// One of the fuzzer's targets.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As its directory in `corpus` is called.
    pub name: &'static str,
    /// Takes any bytes; panics on a finding.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "node", run: node::run },
    Target { name: "trio", run: trio::run },
    Target { name: "permit", run: permit::run },
    Target { name: "wire", run: wire::run },
    Target { name: "state_file", run: state_file::run },
    Target { name: "config", run: config::run },
    Target { name: "control", run: control::run },
    Target { name: "ipc", run: ipc::run },
];
