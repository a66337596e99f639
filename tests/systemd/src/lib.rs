//! Hosts with systemd for tests of boss as it is installed: [`Machine`] is one, booted from a Debian
//! tree ([`Tree`]) with a disk and a network of its own, on which the real .deb ([`Packages`]) is
//! installed; [`Site`] is the three of a cluster, and judges by what the hooks wrote whether there
//! were ever two at once.
//!
//! It needs root, debootstrap, systemd-nspawn, overlayfs and the packages; [`obstacle`] says what is
//! missing. What a killed test leaves is swept away by the next one.
#![forbid(unsafe_code)]

mod cgroup;
mod machine;
mod memory;
mod obstacle;
mod packages;
mod site;
mod tree;

pub use machine::{Machine, Output};
pub use memory::Memory;
pub use obstacle::{debian_13, obstacle};
pub use packages::Packages;
pub use site::{NAMES, Site};
pub use tree::Tree;
