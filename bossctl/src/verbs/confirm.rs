//! `bossctl confirm-dead`: the operator vouches that the host of a lost node is off. Whoever is wrong
//! makes a second boss, so that the name is asked for once more, and the log keeps who gave it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use control::interface::ConfirmDead;

use super::connect;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render::plain;

/// Has the cluster take a node for dead, if the operator means it.
pub fn confirm_dead(socket: &Path, args: &args::ConfirmDead) -> Result<Exit, Failure> {
    let node = &args.node;
    let again = match &args.yes {
        Some(again) if again == node => again.clone(),
        Some(again) => {
            return Err(Failure::Usage(format!("--yes {again} is not {node}: nothing was done")));
        }
        None if io::stdin().is_terminal() => ask(node)?,
        None => {
            return Err(Failure::Usage(format!(
                "there is no terminal to ask on: --yes {node} says that its host is surely off"
            )));
        }
    };
    let parameters = ConfirmDead { node: node.clone(), again };
    let done = connect(socket)?.confirm_dead(&parameters)?;
    answer(&format!("{}\n", plain(&done.text)))?;
    Ok(Exit::Done)
}

/// Has the name typed once more.
fn ask(node: &str) -> Result<String, Failure> {
    let question = format!(
        "If bossd or a hook of {node} still runs anywhere, two nodes may act as boss at once.\n\
         Confirm only what you have seen: the power is off, or the machine was started anew.\n\
         Type the name of the node to confirm: "
    );
    let mut out = io::stderr().lock();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed).map_err(Failure::Output)?;
    let typed = typed.trim().to_owned();
    if typed == node {
        Ok(typed)
    } else {
        Err(Failure::No(format!("that is not {node}: nothing was done")))
    }
}
