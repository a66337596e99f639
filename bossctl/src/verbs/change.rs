//! The verbs that change something: each is one call to the daemon, which carries it to the
//! leader, and with `--wait` a look at the status until it has come true.

use std::path::Path;

use control::interface::{self, Done};

use super::connect;
use super::wait::{Goal, wait_for};
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render::plain;

/// Takes a node out of service.
pub fn drain(socket: &Path, args: &args::Drain) -> Result<Exit, Failure> {
    let parameters = interface::Drain {
        node: args.node.clone(),
        reason: args.reason.clone(),
        force: Some(args.force),
        for_s: args.for_s,
    };
    let done = connect(socket)?.drain(&parameters)?;
    finish(socket, &done, args.wait.then(|| Goal::OutOfService { node: args.node.clone() }))
}

/// Takes a node back into service.
pub fn undrain(socket: &Path, args: &args::Undrain) -> Result<Exit, Failure> {
    let parameters = interface::Undrain { node: args.node.clone() };
    let done = connect(socket)?.undrain(&parameters)?;
    finish(socket, &done, None)
}

/// Has nobody new become boss.
pub fn pause(socket: &Path, args: &args::Pause) -> Result<Exit, Failure> {
    let parameters = interface::Pause { reason: args.reason.clone(), for_s: args.for_s };
    let done = connect(socket)?.pause(&parameters)?;
    finish(socket, &done, None)
}

/// Ends a pause.
pub fn resume(socket: &Path) -> Result<Exit, Failure> {
    let done = connect(socket)?.resume()?;
    finish(socket, &done, None)
}

/// Ends the hold-off of a node.
pub fn clear(socket: &Path, args: &args::Clear) -> Result<Exit, Failure> {
    let parameters = interface::Clear { node: args.node.clone() };
    let done = connect(socket)?.clear(&parameters)?;
    finish(socket, &done, None)
}

/// Has the boss give up.
pub fn resign(socket: &Path, force: bool, wait: bool) -> Result<Exit, Failure> {
    let done = connect(socket)?.resign(&interface::Resign { force: Some(force) })?;
    let after = done.epoch.unwrap_or_default();
    finish(socket, &done, wait.then_some(Goal::Successor { after }))
}

/// Has the boss hand over.
pub fn switchover(socket: &Path, args: &args::Switchover) -> Result<Exit, Failure> {
    let done = connect(socket)?.switchover(&interface::Switchover { to: args.to.clone() })?;
    let after = done.epoch.unwrap_or_default();
    finish(socket, &done, args.wait.then(|| Goal::Boss { node: args.to.clone(), after }))
}

/// Says what was done, waits for it if wanted, and says how to take it back.
fn finish(socket: &Path, done: &Done, goal: Option<Goal>) -> Result<Exit, Failure> {
    answer(&format!("{}\n", plain(&done.text)))?;
    if let Some(goal) = goal {
        answer(&format!("{}\n", plain(&wait_for(connect(socket)?, &goal)?)))?;
    }
    if let Some(undo) = &done.undo {
        answer(&format!("undo: {}\n", plain(undo)))?;
    }
    Ok(Exit::Done)
}
