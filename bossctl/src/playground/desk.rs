//! What keys do to the cluster: the chosen node, and the actions on it. Both views of a playground
//! have one; how they show what comes of it is theirs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use control::client::{Client, ClientError, PATIENCE};
use control::interface::{Done, Drain, Resign, Switchover, Undrain};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PlaygroundError;
use super::cluster::Cluster;
use super::keys::{self, Action, Now};

/// The hands on a cluster.
pub(super) struct Desk<'a> {
    pub(super) cluster: &'a mut Cluster,
    chosen: usize,
    /// To be started again once nothing of the life before runs any more.
    restarts: Vec<bool>,
    answers: Receiver<String>,
    ask: Sender<String>,
}

impl<'a> Desk<'a> {
    /// Before the first node is chosen.
    pub(super) fn new(cluster: &'a mut Cluster) -> Self {
        let (ask, answers) = channel();
        let restarts = vec![false; cluster.size()];
        Self { cluster, chosen: 0, restarts, answers, ask }
    }

    /// The place of the node that keys are about.
    pub(super) fn chosen(&self) -> usize {
        self.chosen
    }

    /// Its name.
    pub(super) fn chosen_name(&self) -> String {
        self.cluster.node(self.chosen).name.clone()
    }

    /// The names of all, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        (0..self.cluster.size()).map(|index| self.cluster.node(index).name.clone()).collect()
    }

    /// Chooses the node of that place, if there is one.
    pub(super) fn choose(&mut self, index: usize) {
        if index < self.cluster.size() {
            self.chosen = index;
        }
    }

    /// Chooses the next node, after the last one the first.
    pub(super) fn choose_next(&mut self) {
        self.chosen = (self.chosen + 1) % self.cluster.size();
    }

    /// Chooses the node before, before the first one the last.
    pub(super) fn choose_previous(&mut self) {
        self.chosen = (self.chosen + self.cluster.size() - 1) % self.cluster.size();
    }

    /// What has been answered since the last time.
    pub(super) fn answers(&self) -> Vec<String> {
        self.answers.try_iter().collect()
    }

    /// Does it, and says what would do the same to a real cluster.
    pub(super) fn act(&mut self, action: Action) -> String {
        let index = self.chosen;
        let name = self.chosen_name();
        let now = self.now(action, &name);
        match action {
            Action::Kill => self.cluster.kill_host(index),
            Action::KillElector => {
                let elector = self.cluster.node(index).elector();
                self.kill_one(elector.filter(|_| now.running && !now.frozen), "elector");
            }
            Action::KillExecutor => {
                let executor = self.cluster.node(index).executor();
                self.kill_one(executor.filter(|_| now.running), "executor");
            }
            Action::Freeze if now.running => {
                self.cluster.node_mut(index).set_frozen(!now.frozen);
            }
            Action::Freeze => self.answer(format!("{name} does not run")),
            Action::Stop => self.stop(index, now),
            Action::Partition => self.cluster.set_isolated(index, !now.isolated),
            Action::Restart => {
                self.stop(index, now);
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
            Action::Switchover => self.ask(|client| client.switchover(&Switchover { to: name })),
        }
        keys::real(action, &self.chosen_name(), now)
    }

    /// Starts the nodes that were stopped to be started.
    pub(super) fn start_what_was_stopped_for_it(&mut self) -> Result<(), PlaygroundError> {
        for index in 0..self.cluster.size() {
            let node = self.cluster.node_mut(index);
            // An elector that cleans up after its executor still has the state directory.
            if self.restarts[index] && !node.is_running() && node.processes().is_empty() {
                self.restarts[index] = false;
                self.cluster.start_node(index)?;
            }
        }
        Ok(())
    }

    fn now(&mut self, action: Action, name: &str) -> Now {
        let is_drained = |cluster: &mut Cluster| {
            let statuses = cluster.statuses();
            let mut member = statuses.iter().flatten().filter_map(|status| status.member(name));
            member.any(|member| member.drained.is_some())
        };
        let index = self.chosen;
        Now {
            running: self.cluster.node_mut(index).is_running(),
            frozen: self.cluster.node(index).is_frozen(),
            isolated: self.cluster.is_isolated(index),
            // Only one of them wants to know, and it is asked of all.
            drained: action == Action::Drain && is_drained(self.cluster),
        }
    }

    fn stop(&mut self, index: usize, now: Now) {
        self.cluster.node(index).stop();
        if now.frozen {
            // What stands still takes no signal.
            self.cluster.node_mut(index).set_frozen(false);
        }
    }

    fn kill_one(&self, pid: Option<Pid>, which: &str) {
        let killed = pid.is_some_and(|pid| kill(pid, Signal::SIGKILL).is_ok());
        if !killed {
            self.answer(format!("{} has no {which} that could be found", self.chosen_name()));
        }
    }

    fn answer(&self, text: String) {
        // The other end is ours.
        drop(self.ask.send(text));
    }

    /// Asks a node that is not cut off, if there is one, beside the view: an answer may take
    /// seconds.
    fn ask<F>(&mut self, what: F)
    where
        F: FnOnce(&mut Client) -> Result<Done, ClientError> + Send + 'static,
    {
        let mut order: Vec<_> = (0..self.cluster.size()).collect();
        order.sort_by_key(|index| self.cluster.is_isolated(*index));
        let found = order.into_iter().find_map(|index| {
            let node = self.cluster.node_mut(index);
            let can = node.is_running() && !node.is_frozen();
            can.then(|| node.client(PATIENCE).ok()).flatten()
        });
        let Some(mut client) = found else {
            self.answer("nobody answers: no node runs".to_owned());
            return;
        };
        let answers = self.ask.clone();
        thread::spawn(move || {
            let answer = match what(&mut client) {
                Ok(done) => format!("answer: {}", done.text),
                Err(error) => format!("answer: no: {error}"),
            };
            // Nobody listens any more when the playground has ended.
            drop(answers.send(answer));
        });
    }
}
