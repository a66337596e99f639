//! The playground on a terminal that cannot be painted on: single keys break and mend the cluster,
//! lines tell what comes of it. What a key means is decided in [`keys`], what is worth a line in
//! [`View`].

use std::io::Write;

use super::cluster::Cluster;
use super::desk::Desk;
use super::interrupt::Interrupt;
use super::keys::{self, Key};
use super::terminal::{Keyboard, Seat};
use super::view::View;
use super::{PlaygroundError, say};
use crate::render::plain;

/// Starts the nodes and obeys keys until the user has enough.
pub(super) fn run(
    cluster: &mut Cluster,
    out: &mut dyn Write,
    interrupt: &Interrupt,
) -> Result<(), PlaygroundError> {
    let _seat = Seat::for_lines()?;
    cluster.start_all()?;
    let mut view = View::of(cluster);
    let (mut desk, mut keyboard) = (Desk::new(cluster), Keyboard::default());
    help(&desk, out)?;
    while !interrupt.was_caught() {
        tell(&mut desk, &mut view, out)?;
        match keyboard.wait(LOOK_EVERY_MS)? {
            Some(Key::Quit) => return Ok(()),
            Some(Key::Help) => help(&desk, out)?,
            Some(Key::Choose(index)) => choose(&mut desk, out, |desk| desk.choose(index))?,
            Some(Key::Next) => choose(&mut desk, out, Desk::choose_next)?,
            Some(Key::Previous) => choose(&mut desk, out, Desk::choose_previous)?,
            Some(Key::Do(action)) => say(out, &format!("real cluster: {}\n", desk.act(action)))?,
            None => {}
        }
        desk.start_what_was_stopped_for_it()?;
    }
    Ok(())
}

fn help(desk: &Desk<'_>, out: &mut dyn Write) -> Result<(), PlaygroundError> {
    let names = desk.names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    say(out, &format!("{}chosen: {}\n", keys::help(&names), desk.chosen_name()))
}

fn choose<'a>(
    desk: &mut Desk<'a>,
    out: &mut dyn Write,
    how: impl FnOnce(&mut Desk<'a>),
) -> Result<(), PlaygroundError> {
    how(desk);
    say(out, &format!("chosen: {}\n", desk.chosen_name()))
}

fn tell(desk: &mut Desk<'_>, view: &mut View, out: &mut dyn Write) -> Result<(), PlaygroundError> {
    let lines = view.look(desk.cluster).into_iter().chain(desk.answers());
    // What daemons say goes to a terminal.
    let lines: Vec<_> = lines.collect();
    lines.iter().try_for_each(|line| say(out, &format!("{}\n", plain(line))))
}

/// Often enough to look immediate, and three nodes answer in a few milliseconds.
const LOOK_EVERY_MS: u8 = 100;
