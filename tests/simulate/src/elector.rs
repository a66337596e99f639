//! The elector's process: feeds its Node one input at a time and carries out what comes back, as a
//! careful shell does: in order, one write at a time, one timer.

use std::collections::VecDeque;

use election::{
    Act, Command, CommandError, Effect, Envelope, Incarnation, Message, Moment, Node, NodeId, Note,
    Start, Term, VoteKind, Word, Written,
};

use crate::oracle::Heard;
use crate::world::{CHANNEL, CLUSTER, Event, HostId, Instant, MILLI, World};

/// An elector that runs.
pub(crate) struct Elector {
    pub(crate) node: Node,
    pub(crate) life: u64,
    /// A shell that goes by the time that it read before it was stopped.
    pub(crate) cached: Option<Moment>,
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
    Message(HostId, Box<Envelope>),
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
        if self.hosts[host].torn {
            return self.state_is_torn(host);
        }
        if self.hosts[host].executor.as_ref().is_some_and(|executor| executor.frozen.is_some()) {
            // Who starts electors has yet to hear that the last one has ended.
            return self.after(10 * MILLI, Event::StartElector { host, executor });
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
        self.oracle.elector_starts(host, now, &here.disk);
        let (frozen, leaving, wake, armed, commands) = (None, false, 0, Instant::MAX, 0);
        let cached = None;
        here.elector = Some(Elector { node, life, cached, frozen, leaving, wake, armed, commands });
        self.say(Some(host), || "elector starts".to_owned());
        self.carry_out(host, None);
        self.connect_all(host);
    }

    pub(crate) fn message(&mut self, host: HostId, from: HostId, envelope: Envelope) {
        let about = self.about(&envelope.message);
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let Some(elector) = &mut here.elector else { return };
        if let Some(backlog) = &mut elector.frozen {
            return backlog.push_back(Input::Message(from, Box::new(envelope)));
        }
        let heard = Heard::new(from, &envelope, about, &elector.node);
        elector.node.handle_message(elector.cached.unwrap_or(now), &envelope);
        self.carry_out(host, Some(&heard));
    }

    /// The host that a message speaks of.
    fn about(&self, message: &Message) -> Option<HostId> {
        match message {
            Message::Vote { kind: VoteKind::Handover { from, .. }, .. } => self.find(from),
            Message::Confirmed { node, .. } => self.find(node),
            _ => None,
        }
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

    pub(crate) fn input(&mut self, host: HostId, input: Input) {
        let now = self.hosts[host].clock.read(self.now);
        let Some(elector) = &mut self.hosts[host].elector else { return };
        if let Some(backlog) = &mut elector.frozen {
            return backlog.push_back(input);
        }
        let node = &mut elector.node;
        match input {
            Input::Message(from, envelope) => return self.message(host, from, *envelope),
            Input::Connected(peer, incarnation) => node.handle_connected(now, &peer, incarnation),
            Input::Lost(peer) => node.handle_lost(now, &peer),
            Input::Word(word) => node.handle_hook_outcome(now, word),
            Input::Written(written) => {
                node.handle_written(now, written);
                self.freed = true;
            }
        }
        self.carry_out(host, None);
        self.freed = false;
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
        let off = if let Command::Confirm { node } = &command { Some(node.clone()) } else { None };
        let foretold = match &command {
            Command::Resign { .. } | Command::Switchover { .. } | Command::Drain { .. } => {
                Some(elector.node.preview(now, &command).refused)
            }
            _ => None,
        };
        let answer = elector.node.handle_command(now, elector.commands, command);
        if let Some(refused) = foretold {
            assert_eq!(refused.as_ref(), answer.as_ref().err(), "a preview was wrong");
        }
        self.say(Some(host), || format!("command {text}: {answer:?}"));
        if let Some(off) = off.filter(|_| answer.is_ok()).and_then(|off| self.find(&off)) {
            self.oracle.confirmed(host, off, self.now, &self.hosts);
        }
        self.carry_out(host, None);
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
        self.carry_out(host, None);
    }

    pub(crate) fn thaw_elector(&mut self, host: HostId) {
        if self.hosts[host].sleeps.is_some() {
            return;
        }
        let inputs = self.hosts[host].elector.as_mut().and_then(|e| e.frozen.take());
        for input in inputs.into_iter().flatten() {
            self.input(host, input);
        }
        if let Some(elector) = &mut self.hosts[host].elector {
            elector.cached = None;
        }
        self.arm_elector(host);
    }

    /// The judge looks first, then everything happens in its order.
    fn carry_out(&mut self, host: HostId, heard: Option<&Heard<'_>>) {
        self.oracle.event(self.now, host, heard, &self.hosts);
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
        self.oracle.note(self.now, host, note, &self.hosts);
    }

    fn pass_on(&mut self, host: HostId, from: u64, act: Act) {
        let Some(executor) = &self.hosts[host].executor else { return };
        if matches!(act, Act::Extend { .. }) {
            self.oracle.extends(host);
        }
        let (life, act) = (executor.life, Box::new(act));
        let arrives = self.channel_time(host).max(self.hosts[host].channel_busy.1);
        self.hosts[host].channel_busy.1 = arrives;
        self.after(arrives - self.now, Event::Act { host, life, from, act });
    }

    fn channel_time(&mut self, host: HostId) -> Instant {
        let most = self.hosts[host].channel_delay;
        let late = if most > 0 { self.random.between(most / 2, most) } else { 0 };
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
