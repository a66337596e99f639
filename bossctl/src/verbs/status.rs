//! `bossctl status`: the cluster as one daemon sees it, and its posture as the exit code.

use std::io::{self, IsTerminal};
use std::path::Path;

use control::client::ClientError;
use control::model::Status;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render;

/// Prints the status, as text or as the daemon's own document.
pub fn status(socket: &Path, args: &args::Status) -> Result<Exit, Failure> {
    let document = connect(socket)?.status()?;
    let json = format!("{document:#}\n");
    let status: Status = understood(document)?;
    let text = match &args.node {
        _ if args.json => json,
        None => render::status(&status, colour()),
        Some(name) => render::member(&status, find(&status, name)?, colour()),
    };
    answer(&text)?;
    Ok(status.posture.level.into())
}

/// A document that the daemon sent, if it is one that this version knows.
pub(super) fn understood<D: DeserializeOwned>(document: Value) -> Result<D, Failure> {
    serde_json::from_value(document)
        .map_err(|error| ClientError::NotUnderstood { why: error.to_string() }.into())
}

fn find<'a>(status: &'a Status, name: &str) -> Result<&'a control::model::Member, Failure> {
    status.member(name).ok_or_else(|| Failure::NoSuchMember {
        name: name.to_owned(),
        known: status.members.iter().map(|member| member.name.clone()).collect(),
    })
}

fn colour() -> bool {
    render::colour_wanted(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref())
}
