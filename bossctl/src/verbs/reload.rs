//! `bossctl reload`: has the daemon read its files anew, and says what came of it.

use std::path::Path;

use control::reload::Reload;

use super::connect;
use super::status::understood;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render;

/// Asks for it, and with `--wait` tells what was taken, or all that is wrong.
pub fn reload(socket: &Path, args: &args::Reload) -> Result<Exit, Failure> {
    let document = connect(socket)?.reload(args.wait)?;
    if !args.wait {
        answer("asked for; what comes of it is in the log, or told with --wait\n")?;
        return Ok(Exit::Done);
    }
    let text = args.json.then(|| format!("{document:#}\n"));
    let reload: Reload = understood(document)?;
    if !reload.taken && text.is_none() {
        return Err(Failure::NotReloaded(render::problems(&reload)));
    }
    answer(&text.unwrap_or_else(|| render::reload(&reload)))?;
    Ok(if reload.taken { Exit::Done } else { Exit::No })
}
