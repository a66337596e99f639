//! The verbs that change something: each is one call to the daemon, which carries it to the leader.
//! Those that take the boss's part from a node look ahead first, and with `--wait` look at the status
//! until it has come true.

use std::path::Path;

use control::interface::{self, Done};
use control::preview::{OrderKind, PreviewOrder};

use super::connect;
use super::foresee::{Ahead, look_ahead};
use super::goal::Goal;
use super::wait::{PATIENCE, wait_for};
use crate::args::{self, How};
use crate::exit::{Exit, Failure, answer};
use crate::render::plain;

/// Takes a node out of service.
pub fn drain(socket: &Path, args: &args::Drain) -> Result<Exit, Failure> {
    let (node, force) = (args.node.clone(), Some(args.force));
    let order = PreviewOrder { order: OrderKind::Drain, node: node.clone(), force };
    let ahead = match look_ahead(socket, &order, &args.how)? {
        Ahead::Order(ahead) => ahead,
        Ahead::Shown(exit) => return Ok(exit),
    };
    let reason = args.reason.clone();
    let parameters = interface::Drain { node: node.clone(), reason, force, for_s: args.for_s };
    let done = connect(socket)?.drain(&parameters)?;
    // Where nobody could take over, nobody is waited for.
    let follows = ahead.lets_go && ahead.successor.is_some();
    let after = done.epoch.filter(|_| follows);
    finish(socket, &done, Some((Goal::OutOfService { node, after }, &args.how)))
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
pub fn resign(socket: &Path, force: bool, how: &How) -> Result<Exit, Failure> {
    let order = PreviewOrder { order: OrderKind::Resign, node: None, force: Some(force) };
    let ahead = match look_ahead(socket, &order, how)? {
        Ahead::Order(ahead) => ahead,
        Ahead::Shown(exit) => return Ok(exit),
    };
    let done = connect(socket)?.resign(&interface::Resign { force: Some(force) })?;
    let after = done.epoch.unwrap_or_default();
    finish(socket, &done, Some((Goal::Successor { of: ahead.boss, after }, how)))
}

/// Has the boss hand over.
pub fn switchover(socket: &Path, args: &args::Switchover) -> Result<Exit, Failure> {
    let to = args.to.clone();
    let order = PreviewOrder { order: OrderKind::Switchover, node: Some(to.clone()), force: None };
    if let Ahead::Shown(exit) = look_ahead(socket, &order, &args.how)? {
        return Ok(exit);
    }
    let done = connect(socket)?.switchover(&interface::Switchover { to: to.clone() })?;
    let after = done.epoch.unwrap_or_default();
    finish(socket, &done, Some((Goal::Boss { node: to, after }, &args.how)))
}

/// Says what was done and how to take it back, and waits for it if wanted.
fn finish(socket: &Path, done: &Done, goal: Option<(Goal, &How)>) -> Result<Exit, Failure> {
    answer(&format!("{}\n", plain(&done.text)))?;
    if let Some(undo) = &done.undo {
        answer(&format!("undo: {}\n", plain(undo)))?;
    }
    if let Some((goal, how)) = goal.filter(|(_, how)| how.wait) {
        let reached = wait_for(connect(socket)?, &goal, how.timeout.unwrap_or(PATIENCE))?;
        answer(&format!("{}\n", plain(&reached)))?;
    }
    Ok(Exit::Done)
}
