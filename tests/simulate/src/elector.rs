//! The elector's process: feeds its Node one input at a time and carries out what comes back, as a
//! careful shell does: in order, one write at a time, one timer.

use std::collections::VecDeque;

use election::{
    Act, Command, CommandError, Effect, Envelope, Incarnation, Node, NodeId, Note, Start, Term,
    Word, Write, Written,
};

use crate::fault::Fault;
use crate::world::{CHANNEL, CLUSTER, Event, HostId, Instant, MILLI, World};

/// An elector that runs.
pub(crate) struct Elector {
    pub(crate) node: Node,
    pub(crate) life: u64,
    /// What came while it was stopped.
    pub(crate) frozen: Option<VecDeque<Input>>,
    pub(crate) leaving: bool,
    /// When it wants to be woken, and when the timer that is set goes off: never later.
    wake: Instant,
    armed: Instant,
    commands: u64,
}

/// What an elector can hear while it is stopped.
pub(crate) enum Input {
    Message(Box<Envelope>),
    Connected(NodeId, Incarnation),
    Lost(NodeId),
    Word(Word),
    Written(Written),
}

impl World {
    pub(crate) fn start_elector(&mut self, host: HostId, executor: u64) {
        if !self.hosts[host].executor_lives(executor) || self.hosts[host].elector.is_some() {
            return;
        }
        let life = self.hosts[host].next_life();
        let seed = self.random.next();
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let Some(executing) = &mut here.executor else { return };
        executing.machine.handle_channel_opened();
        let start = Start {
            me: here.name.clone(),
            incarnation: here.incarnation,
            cluster: CLUSTER,
            hard: here.disk.clone(),
            first_term: Term(1),
            last_epoch: executing.machine.last_epoch(),
            ready: true,
            seed,
        };
        let mut node = Node::start(now, start);
        node.set_mutant(now, self.mutant);
        let (frozen, leaving, wake, armed, commands) = (None, false, 0, Instant::MAX, 0);
        here.elector = Some(Elector { node, life, frozen, leaving, wake, armed, commands });
        self.say(Some(host), || "elector starts".to_owned());
        self.carry_out(host);
        self.connect_all(host);
    }

    pub(crate) fn message(&mut self, host: HostId, envelope: Envelope) {
        let now = self.hosts[host].clock.read(self.now);
        let Some(elector) = &mut self.hosts[host].elector else { return };
        if let Some(backlog) = &mut elector.frozen {
            return backlog.push_back(Input::Message(Box::new(envelope)));
        }
        elector.node.handle_message(now, &envelope);
        self.carry_out(host);
    }

    pub(crate) fn connected(&mut self, host: HostId, peer: &NodeId, incarnation: Incarnation) {
        self.input(host, Input::Connected(peer.clone(), incarnation));
    }

    pub(crate) fn lost(&mut self, host: HostId, peer: &NodeId) {
        self.input(host, Input::Lost(peer.clone()));
    }

    pub(crate) fn elector_hears(&mut self, host: HostId, life: u64, word: Word) {
        if self.hosts[host].elector_lives(life) {
            self.input(host, Input::Word(word));
        }
    }

    fn input(&mut self, host: HostId, input: Input) {
        let now = self.hosts[host].clock.read(self.now);
        let Some(elector) = &mut self.hosts[host].elector else { return };
        if let Some(backlog) = &mut elector.frozen {
            return backlog.push_back(input);
        }
        let node = &mut elector.node;
        match input {
            Input::Message(envelope) => node.handle_message(now, &envelope),
            Input::Connected(peer, incarnation) => node.handle_connected(now, &peer, incarnation),
            Input::Lost(peer) => node.handle_lost(now, &peer),
            Input::Word(word) => node.handle_hook_outcome(now, word),
            Input::Written(written) => node.handle_written(now, written),
        }
        self.carry_out(host);
    }

    /// An operator's command, or the shell's.
    pub(crate) fn command(&mut self, host: HostId, command: Command) -> Result<bool, CommandError> {
        let now = self.hosts[host].clock.read(self.now);
        let no_daemon = Err(CommandError::TryAgain("bossd does not run"));
        let Some(elector) = &mut self.hosts[host].elector else { return no_daemon };
        if elector.frozen.is_some() {
            return no_daemon;
        }
        elector.commands += 1;
        elector.leaving |= command == Command::Leave;
        let text = if matches!(self.log, crate::world::Log::Silent) {
            String::new()
        } else {
            format!("{command:?}")
        };
        let answer = elector.node.handle_command(now, elector.commands, command);
        self.say(Some(host), || format!("command {text}: {answer:?}"));
        self.carry_out(host);
        answer
    }

    /// Goes off too early where the wish has moved: then it is set again.
    pub(crate) fn elector_timer(&mut self, host: HostId, life: u64) {
        let here = &mut self.hosts[host];
        let Some(elector) = &mut here.elector else { return };
        if elector.life != life || elector.armed != self.now {
            return;
        }
        elector.armed = Instant::MAX;
        if elector.frozen.is_some() {
            return;
        }
        if elector.wake > self.now {
            return self.arm_elector(host);
        }
        elector.node.handle_timeout(here.clock.read(self.now));
        self.carry_out(host);
    }

    pub(crate) fn thaw_elector(&mut self, host: HostId) {
        if self.hosts[host].suspended.is_some() {
            return;
        }
        let inputs = self.hosts[host].elector.as_mut().and_then(|e| e.frozen.take());
        for input in inputs.into_iter().flatten() {
            self.input(host, input);
        }
        self.arm_elector(host);
    }

    fn carry_out(&mut self, host: HostId) {
        let Some(elector) = &mut self.hosts[host].elector else { return };
        let life = elector.life;
        let ready = elector.node.ready();
        let mut left = false;
        for effect in ready.effects {
            match effect {
                Effect::Send { to, envelope } => self.send(host, &to, envelope),
                Effect::Act(act) => self.pass_on(host, life, act),
                Effect::Note(note) => self.take_note(host, &note),
                Effect::Answer { .. } => {}
                Effect::Left => left = true,
            }
        }
        if let Some(write) = ready.write {
            self.write(host, life, write);
        }
        if left {
            self.say(Some(host), || "left".to_owned());
            self.end_processes(host);
            let delay = self.random.between(100 * MILLI, 3_000 * MILLI);
            self.after(delay, Event::StartExecutor { host });
        } else {
            self.arm_elector(host);
        }
    }

    fn take_note(&mut self, host: HostId, note: &Note) {
        self.say(Some(host), || note.to_string());
        self.oracle.note(host, note, &self.hosts);
    }

    fn pass_on(&mut self, host: HostId, from: u64, act: Act) {
        let Some(executor) = &self.hosts[host].executor else { return };
        let (life, act) = (executor.life, Box::new(act));
        let arrives = self.channel_time(host).max(self.hosts[host].channel_busy.1);
        self.hosts[host].channel_busy.1 = arrives;
        self.after(arrives - self.now, Event::Act { host, life, from, act });
    }

    fn channel_time(&mut self, host: HostId) -> Instant {
        let most = self.hosts[host].channel_delay;
        let late = if most > 0 { self.random.between(0, most) } else { 0 };
        self.now + CHANNEL + late
    }

    /// A word of the executor.
    pub(crate) fn tell_elector(&mut self, host: HostId, word: Word) {
        let Some(elector) = &self.hosts[host].elector else { return };
        let life = elector.life;
        let arrives = self.channel_time(host).max(self.hosts[host].channel_busy.0);
        self.hosts[host].channel_busy.0 = arrives;
        self.after(arrives - self.now, Event::Word { host, life, word });
    }

    fn write(&mut self, host: HostId, life: u64, write: Write) {
        let mut delay = self.random.between(MILLI / 2, 4 * MILLI);
        if self.hosts[host].disk_delay > 0 {
            delay += self.random.skewed(self.hosts[host].disk_delay);
        }
        let generation = write.generation;
        self.hosts[host].unsynced = Some(write.hard);
        self.after(delay, Event::DiskWritten { host, life, generation });
    }

    pub(crate) fn disk_written(&mut self, host: HostId, life: u64, generation: u64) {
        if !self.hosts[host].elector_lives(life) {
            return;
        }
        let Some(hard) = self.hosts[host].unsynced.take() else { return };
        if self.faults.has(Fault::DiskError) && !self.healing && self.random.chance(1) {
            // Nobody knows whether it is on disk: the elector ends (exit 74).
            self.say(Some(host), || "fsync fails".to_owned());
            self.hosts[host].unsynced = Some(hard);
            return self.kill_elector(host);
        }
        let durable = !self.hosts[host].disk_full;
        if durable {
            self.lands(host, hard);
        }
        self.input(host, Input::Written(Written { generation, durable }));
    }

    pub(crate) fn arm_elector(&mut self, host: HostId) {
        let here = &mut self.hosts[host];
        let Some(elector) = &mut here.elector else { return };
        if elector.frozen.is_some() {
            return;
        }
        let span = elector.node.wake(here.clock.read(self.now));
        elector.wake = self.now + here.clock.real(span);
        if elector.wake < elector.armed {
            elector.armed = elector.wake;
            let (life, delay) = (elector.life, elector.wake - self.now);
            self.after(delay, Event::ElectorTimer { host, life });
        }
    }
}
