//! The playground on a terminal: single keys break and mend the cluster, lines tell what comes of
//! it. What a key means is decided in [`keys`], what is worth a line in [`View`].

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use control::client::{Client, ClientError, PATIENCE};
use control::interface::{Drain, Resign, Switchover, Undrain};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;

use super::cluster::Cluster;
use super::interrupt::Interrupt;
use super::keys::{self, Action, Key, Now};
use super::view::View;
use super::{PlaygroundError, say};
use crate::render::plain;

/// Starts the nodes and obeys keys until the user has enough.
pub(super) fn run(
    cluster: &mut Cluster,
    out: &mut dyn Write,
    interrupt: &Interrupt,
) -> Result<(), PlaygroundError> {
    let _keys = SingleKeys::on()?;
    cluster.start_all()?;
    let mut desk = Desk::new(cluster, out);
    desk.help()?;
    while !interrupt.was_caught() {
        desk.tell()?;
        match next_key()? {
            Some(Key::Quit) => return Ok(()),
            Some(Key::Help) => desk.help()?,
            Some(Key::Choose(index)) => desk.choose(index)?,
            Some(Key::Do(action)) => desk.act(action)?,
            None => {}
        }
        desk.start_what_was_stopped_for_it()?;
    }
    Ok(())
}

struct Desk<'a> {
    cluster: &'a mut Cluster,
    out: &'a mut dyn Write,
    view: View,
    chosen: usize,
    /// To be started again once their daemon has ended in order.
    restarts: Vec<bool>,
    answers: Receiver<String>,
    ask: Sender<String>,
}

impl<'a> Desk<'a> {
    fn new(cluster: &'a mut Cluster, out: &'a mut dyn Write) -> Self {
        let (ask, answers) = channel();
        let (view, restarts) = (View::of(cluster), vec![false; cluster.size()]);
        Self { cluster, out, view, chosen: 0, restarts, answers, ask }
    }

    fn help(&mut self) -> Result<(), PlaygroundError> {
        let names: Vec<_> =
            (0..self.cluster.size()).map(|index| self.cluster.node(index).name.as_str()).collect();
        let chosen = names[self.chosen];
        say(self.out, &format!("{}chosen: {chosen}\n", keys::help(&names)))
    }

    fn tell(&mut self) -> Result<(), PlaygroundError> {
        let lines = self.view.look(self.cluster).into_iter().chain(self.answers.try_iter());
        // What daemons say goes to a terminal.
        let lines: Vec<_> = lines.collect();
        lines.iter().try_for_each(|line| say(self.out, &format!("{}\n", plain(line))))
    }

    fn choose(&mut self, index: usize) -> Result<(), PlaygroundError> {
        if index < self.cluster.size() {
            self.chosen = index;
        }
        let name = &self.cluster.node(self.chosen).name;
        say(self.out, &format!("chosen: {name}\n"))
    }

    fn act(&mut self, action: Action) -> Result<(), PlaygroundError> {
        let index = self.chosen;
        let statuses = self.cluster.statuses();
        let answering = statuses.iter().flatten();
        let is_drained = |name: &str| {
            let mut member = answering.clone().filter_map(|status| status.member(name));
            member.any(|member| member.drained.is_some())
        };
        let name = self.cluster.node(index).name.clone();
        let now = Now {
            running: self.cluster.node_mut(index).is_running(),
            isolated: self.cluster.is_isolated(index),
            drained: is_drained(&name),
        };
        say(self.out, &format!("real cluster: {}\n", keys::real(action, &name, now)))?;
        match action {
            Action::Kill => self.cluster.kill_host(index),
            Action::Stop => self.cluster.node(index).stop(),
            Action::Partition => self.cluster.set_isolated(index, !now.isolated),
            Action::Restart => {
                self.cluster.node(index).stop();
                self.restarts[index] = true;
            }
            Action::Resign => self.ask(|client| client.resign(&Resign { force: None })),
            Action::Drain if now.drained => {
                self.ask(|client| client.undrain(&Undrain { node: Some(name) }));
            }
            Action::Drain => {
                let reason = Some("a key of the playground".to_owned());
                self.ask(|client| {
                    client.drain(&Drain { node: Some(name), reason, ..Drain::default() })
                });
            }
            Action::Switchover => {
                self.ask(|client| client.switchover(&Switchover { to: name }));
            }
        }
        Ok(())
    }

    /// Asks a node that is not cut off, if there is one, beside the view: an answer may take
    /// seconds.
    fn ask<F>(&mut self, what: F)
    where
        F: FnOnce(&mut Client) -> Result<control::interface::Done, ClientError> + Send + 'static,
    {
        let mut order: Vec<_> = (0..self.cluster.size()).collect();
        order.sort_by_key(|index| self.cluster.is_isolated(*index));
        let found = order.into_iter().find_map(|index| {
            let node = self.cluster.node_mut(index);
            node.is_running().then(|| node.client(PATIENCE).ok()).flatten()
        });
        let answers = self.ask.clone();
        let Some(mut client) = found else {
            drop(answers.send("nobody answers: no node runs".to_owned()));
            return;
        };
        thread::spawn(move || {
            let answer = match what(&mut client) {
                Ok(done) => format!("answer: {}", done.text),
                Err(error) => format!("answer: no: {error}"),
            };
            // Nobody listens any more when the playground has ended.
            drop(answers.send(answer));
        });
    }

    fn start_what_was_stopped_for_it(&mut self) -> Result<(), PlaygroundError> {
        for index in 0..self.cluster.size() {
            if self.restarts[index] && !self.cluster.node_mut(index).is_running() {
                self.restarts[index] = false;
                self.cluster.start_node(index)?;
            }
        }
        Ok(())
    }
}

/// A key, if one is pressed before it is time for the next look.
fn next_key() -> Result<Option<Key>, PlaygroundError> {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    // A signal ends the wait, which is what it is for.
    if poll(&mut polled, PollTimeout::from(LOOK_EVERY_MS)).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let mut byte = [0];
    // Not through the standard library's buffer, in which poll sees nothing.
    match read(stdin.as_fd(), &mut byte) {
        // The terminal is gone.
        Ok(0) => Ok(Some(Key::Quit)),
        Ok(_) => Ok(keys::read(byte[0])),
        Err(Errno::EINTR) => Ok(None),
        Err(errno) => Err(PlaygroundError::Terminal { what: "read a key", source: errno.into() }),
    }
}

/// The terminal gives keys one by one and does not show them, until this is dropped.
struct SingleKeys {
    before: Termios,
}

impl SingleKeys {
    fn on() -> Result<Self, PlaygroundError> {
        let failed = |errno: nix::Error| PlaygroundError::Terminal {
            what: "switch the terminal to single keys",
            source: errno.into(),
        };
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut single = before.clone();
        // Signals stay on: Ctrl-C works.
        single.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &single).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for SingleKeys {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// Often enough to look immediate, and three nodes answer in a few milliseconds.
const LOOK_EVERY_MS: u8 = 100;
