//! The verbs, one file per family: each asks the daemon (or the authority's directory), prints the
//! answer and says which exit code it is.

pub mod apply;
pub mod ca;
pub mod change;
pub mod completions;
pub mod condition;
pub mod config;
pub mod confirm;
mod foresee;
mod goal;
pub mod install;
pub mod reload;
pub mod status;
pub mod tell;
mod wait;

use std::path::Path;

use control::client::{Client, PATIENCE};

use crate::exit::{Exit, Failure, answer};

/// `bossctl version`.
pub fn version() -> Result<Exit, Failure> {
    answer(concat!("bossctl ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(Exit::Done)
}

fn connect(socket: &Path) -> Result<Client, Failure> {
    Ok(Client::connect(socket, PATIENCE)?)
}
