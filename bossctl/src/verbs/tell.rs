//! `bossctl explain`, `history`, `hooks list` and `hooks run --dry-run`: what the daemon knows, as text or as its own document.

use std::path::Path;

use control::hooks::{Hooks, Plan};
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
    show(document, args.json, render::explanation, |_| Exit::Done)
}

/// Who was boss, when and for how long.
pub fn history(socket: &Path, args: &args::History) -> Result<Exit, Failure> {
    let document = connect(socket)?.history()?;
    show(document, args.json, |history| render::history(history, args.last), |_| Exit::Done)
}

/// Which hooks there are, and why one does not run. The answer is no if they are not in order.
pub fn hooks(socket: &Path, args: &args::HooksList) -> Result<Exit, Failure> {
    let document = connect(socket)?.hooks()?;
    show(document, args.json, render::hooks, |hooks: &Hooks| yes(hooks.ready))
}

/// What an event would call. The answer is no if no hook would run because one is refused.
pub fn plan(socket: &Path, args: &args::HooksRun) -> Result<Exit, Failure> {
    let document = connect(socket)?.plan(&args.event)?;
    show(document, args.json, render::plan, |plan: &Plan| yes(plan.would_run))
}

fn yes(yes: bool) -> Exit {
    if yes { Exit::Done } else { Exit::No }
}

/// Prints a document, as text or as the daemon sent it.
fn show<D: DeserializeOwned>(
    document: Value,
    json: bool,
    render: impl FnOnce(&D) -> String,
    exit: impl FnOnce(&D) -> Exit,
) -> Result<Exit, Failure> {
    let text = json.then(|| format!("{document:#}\n"));
    let understood: D = understood(document)?;
    answer(&text.unwrap_or_else(|| render(&understood)))?;
    Ok(exit(&understood))
}
