//! Hosts of their own for whole-system tests: each is a network namespace with an address on a
//! bridge, a firewall, a plug that can be pulled, and a real bossd. [`Site`] is the whole of it for
//! one test; [`Lan`], [`Firewall`], [`Relay`] and [`SharedAddress`] are its parts, and [`storm`]
//! breaks it for as long as it is told to. Whether there were ever two at once is judged twice: by
//! what the hooks wrote (`harness::judge`) and by the address that they hand on.
//!
//! It needs root, iproute2 and nftables; [`obstacle`] says what is missing.
#![forbid(unsafe_code)]

mod bounds;
mod clock_step;
pub mod command;
mod disk;
mod firewall;
pub mod hooks;
mod lan;
mod owners;
mod random;
mod relay;
mod shared_address;
mod site;
pub mod storm;
mod sweep;
mod term;

pub use bounds::Bounds;
pub use firewall::Firewall;
pub use lan::{Lan, SHARED, Space, address, listen};
pub use owners::Double;
pub use relay::{Relay, Weather};
pub use shared_address::{SharedAddress, Stretch};
pub use site::{Options, Site, Target, names, obstacle, plan};
pub use sweep::remove_own;
