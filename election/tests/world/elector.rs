//! The elector's process: feeds its Node one input at a time and carries out what comes back, as
//! a careful shell does: in order, one write at a time, one timer.

use std::collections::VecDeque;

use election::{
    Act, Answer, Command, Effect, Envelope, Incarnation, Level, Node, NodeId, Note, Start, Term,
    Word, Write, Written,
};

use super::executor::CHANNEL;
use super::{CLUSTER, Event, ExecutorInput, HostId, World};

/// An elector that runs.
pub(crate) struct Elector {
    pub(crate) node: Node,
    pub(crate) life: u64,
    /// What came while it was stopped.
    pub(crate) frozen: Option<VecDeque<ElectorInput>>,
    timer: u64,
    commands: u64,
}

/// What an elector can hear.
pub(crate) enum ElectorInput {
    Message(Envelope),
    Timeout,
    Connected(NodeId, Incarnation),
    Lost(NodeId),
    Word(Word),
    Written(Written),
    Command(Command),
}

/// What is left of a host that has left.
pub(crate) enum Fate {
    Goes,
    Stays,
}

impl World {
    pub(super) fn start_elector(&mut self, host: HostId, executor: u64) {
        if !self.hosts[host].executor_lives(executor) || self.hosts[host].elector.is_some() {
            return;
        }
        let life = self.hosts[host].next_life();
        let now = self.hosts[host].clock.read(self.now);
        let here = &mut self.hosts[host];
        let Some(executing) = &mut here.executor else { return };
        executing.machine.handle_channel_opened();
        let start = Start {
            me: here.name.clone(),
            incarnation: here.incarnation,
            cluster: CLUSTER,
            hard: here.disk.hard.clone(),
            first_term: Term(1),
            last_epoch: executing.machine.last_epoch(),
            ready: true,
            seed: life.wrapping_mul(0x9e37_79b9).wrapping_add(host as u64),
        };
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut node = Node::start(now, start);
        #[cfg(feature = "mutants")]
        node.set_mutant(now, self.broken);
        here.elector = Some(Elector { node, life, frozen: None, timer: 0, commands: 0 });
        self.carry_out(host);
        self.connect_all(host);
    }

    /// One input, and what follows from it.
    pub(crate) fn elector_input(&mut self, host: HostId, input: ElectorInput) {
        let now = self.hosts[host].clock.read(self.now);
        let Some(elector) = &mut self.hosts[host].elector else {
            self.hosts[host].refusal = Some("bossd does not run".to_owned());
            return;
        };
        if let Some(backlog) = &mut elector.frozen {
            backlog.push_back(input);
            return;
        }
        let node = &mut elector.node;
        match input {
            ElectorInput::Message(envelope) => node.handle_message(now, &envelope),
            ElectorInput::Timeout => node.handle_timeout(now),
            ElectorInput::Connected(peer, incarnation) => {
                node.handle_connected(now, &peer, incarnation);
            }
            ElectorInput::Lost(peer) => node.handle_lost(now, &peer),
            ElectorInput::Word(word) => node.handle_hook_outcome(now, word),
            ElectorInput::Written(written) => node.handle_written(now, written),
            ElectorInput::Command(command) => {
                elector.commands += 1;
                let foretold = takes_out(&command).then(|| node.preview(now, &command).refused);
                let answer = node.handle_command(now, elector.commands, command);
                if let Some(refused) = foretold {
                    assert_eq!(refused.as_ref(), answer.as_ref().err(), "a preview was wrong");
                }
                self.hosts[host].refusal = answer.err().map(|error| error.to_string());
            }
        }
        self.carry_out(host);
    }

    fn carry_out(&mut self, host: HostId) {
        let Some(elector) = &mut self.hosts[host].elector else { return };
        let life = elector.life;
        let ready = elector.node.ready();
        let mut fate = Fate::Stays;
        for effect in ready.effects {
            match effect {
                Effect::Send { to, envelope } => self.send(host, &to, envelope),
                Effect::Act(act) => self.pass_on(host, act),
                Effect::Answer { answer: Answer::Refused(error), .. } => {
                    self.say(host, Level::Info, format!("answers: {error}"));
                }
                Effect::Answer { answer: Answer::Done, .. } => {}
                Effect::Note(note) => self.take_note(host, &note),
                Effect::Left => fate = Fate::Goes,
            }
        }
        if let Some(write) = ready.write {
            self.write(host, life, write);
        }
        match fate {
            Fate::Goes => {
                self.say(host, Level::Info, "left".to_owned());
                self.end_processes(host);
            }
            Fate::Stays => self.arm_elector(host),
        }
    }

    fn take_note(&mut self, host: HostId, note: &Note) {
        self.say(host, note.level(), note.to_string());
        match note {
            Note::BecameLeader { term, .. } | Note::Refreshed { term, .. } => {
                self.oracle.leads(host, *term);
            }
            Note::Committed { version } => self.oracle.committed(*version),
            _ => {}
        }
    }

    fn pass_on(&mut self, host: HostId, act: Act) {
        let here = &self.hosts[host];
        let (Some(elector), Some(executor)) = (&here.elector, &here.executor) else { return };
        let (from, life) = (elector.life, executor.life);
        let input = ExecutorInput::Act { from, act };
        self.after(CHANNEL, Event::Executor { host, life, input });
    }

    fn write(&mut self, host: HostId, life: u64, write: Write) {
        let disk = &self.hosts[host].disk;
        let hard = (!disk.full).then_some(write.hard);
        let delay = disk.delay.as_nanos();
        let generation = write.generation;
        self.after(delay, Event::DiskWritten { host, life, generation, hard });
    }

    /// A write of an elector that has died since may or may not be on disk; here it is not.
    pub(super) fn disk_written(
        &mut self,
        host: HostId,
        life: u64,
        generation: u64,
        hard: Option<election::HardState>,
    ) {
        if !self.hosts[host].elector_lives(life) {
            return;
        }
        let durable = hard.is_some();
        if let Some(hard) = hard {
            self.hosts[host].disk.hard = hard;
        }
        self.elector_input(host, ElectorInput::Written(Written { generation, durable }));
    }

    pub(super) fn arm_elector(&mut self, host: HostId) {
        let here = &mut self.hosts[host];
        let Some(elector) = &mut here.elector else { return };
        if elector.frozen.is_some() {
            return;
        }
        elector.timer += 1;
        let (life, timer) = (elector.life, elector.timer);
        let span = elector.node.wake(here.clock.read(self.now));
        let delay = here.clock.real(span);
        self.after(delay, Event::ElectorTimer { host, life, timer });
    }

    pub(super) fn elector_timer(&mut self, host: HostId, life: u64, timer: u64) {
        if !self.hosts[host].elector.as_ref().is_some_and(|e| e.life == life && e.timer == timer) {
            return;
        }
        self.elector_input(host, ElectorInput::Timeout);
    }
}

/// Whether it is an order that can be looked at before it is given.
fn takes_out(command: &Command) -> bool {
    matches!(command, Command::Resign { .. } | Command::Switchover { .. } | Command::Drain { .. })
}
