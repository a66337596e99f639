//! Tests of boss as it is installed: on hosts that systemd has booted, from the .deb. What needs no
//! systemd is in `tests/cluster` and `tests/network`.

mod deaths;
mod escalation;
mod hook_units;
mod installation;
mod instances;
mod operation;
mod packages;
mod phases;
mod services;
mod starts;
mod upgrades;
mod varlink;

use std::sync::OnceLock;

use systemd::{Packages, Tree, obstacle};

/// What machines are made of; None, and a word about it, where there cannot be one.
fn possible() -> Option<(Tree, Packages)> {
    static FOUND: OnceLock<Result<(Tree, Packages), String>> = OnceLock::new();
    match FOUND.get_or_init(obstacle) {
        Ok(found) => Some(found.clone()),
        Err(why) => {
            let name = std::thread::current().name().unwrap_or("test").to_owned();
            println!("SKIPPED {name}: {why}");
            None
        }
    }
}
