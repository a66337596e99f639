//! `bossctl explain` and `bossctl history`: what the daemon knows, as text or as its own document.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect;
use super::status::understood;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render;

/// Why a node is boss or is not.
pub fn explain(socket: &Path, args: &args::Explain) -> Result<Exit, Failure> {
    let document = connect(socket)?.explanation(args.node.as_deref())?;
    show(document, args.json, render::explanation)
}

/// Who was boss, when and for how long.
pub fn history(socket: &Path, args: &args::History) -> Result<Exit, Failure> {
    let document = connect(socket)?.history()?;
    show(document, args.json, |history| render::history(history, args.last))
}

/// Prints a document, as text or as the daemon sent it.
fn show<D: DeserializeOwned>(
    document: Value,
    json: bool,
    render: impl FnOnce(&D) -> String,
) -> Result<Exit, Failure> {
    if json {
        answer(&format!("{document:#}\n"))?;
        return Ok(Exit::Done);
    }
    answer(&render(&understood(document)?))?;
    Ok(Exit::Done)
}
