//! The executor's process: enforces the permit by its own clocks, writes the marker, runs hooks.

use std::collections::VecDeque;

use election::{Act, Epoch, Executor, Level, Marker, Moment, Order, Span};

use super::{ElectorInput, Event, HostId, World};

/// How long a word takes between the two processes.
pub(crate) const CHANNEL: u64 = 50_000;
/// How long the marker takes: it is in memory.
const MARKER: u64 = 100_000;
/// How long an escalation takes.
const ESCALATION: u64 = 10_000_000;

/// An executor that runs.
pub(crate) struct Executing {
    pub(crate) machine: Executor,
    pub(crate) life: u64,
    pub(crate) frozen: Option<VecDeque<ExecutorInput>>,
    pub(crate) freeze: u64,
    timer: u64,
    orders: VecDeque<Order>,
    /// The marker is being written; the next orders wait for it.
    writing: bool,
    pub(crate) running: Option<Run>,
}

/// What an executor can hear.
pub(crate) enum ExecutorInput {
    Act { from: u64, act: Act },
    ChannelClosed,
    Timeout,
    HookEnded { run: u64, success: bool },
}

/// How the hooks of an event end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeds(Span),
    Fails(Span),
    Hangs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Promote,
    Demote,
    Escalate,
}

/// Hooks that run.
pub(crate) struct Run {
    id: u64,
    what: What,
    success: bool,
    /// They end by themselves then; None hangs.
    ends: Option<u64>,
}

impl World {
    pub(super) fn start_executor(&mut self, host: HostId) {
        if self.hosts[host].executor.is_some() {
            return;
        }
        let life = self.hosts[host].next_life();
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let hard = &here.disk.hard;
        let claim = hard.state.claim.held_by(&here.name, here.incarnation).map(|h| h.epoch);
        let fence = hard.state.timing.fence;
        let (escalation, timeout) = (self.settings.escalation, self.settings.hooks_timeout);
        #[cfg_attr(not(feature = "mutants"), allow(unused_mut))]
        let mut machine = Executor::start(now, here.marker, claim, fence, escalation, timeout);
        #[cfg(feature = "mutants")]
        machine.set_mutant(self.broken);
        here.executor = Some(Executing {
            machine,
            life,
            frozen: None,
            freeze: 0,
            timer: 0,
            orders: VecDeque::new(),
            writing: false,
            running: None,
        });
        self.obey(host);
    }

    pub(super) fn executor_input(&mut self, host: HostId, input: ExecutorInput) {
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let elector = here.elector.as_ref().map(|elector| elector.life);
        let Some(executor) = &mut here.executor else { return };
        if let Some(backlog) = &mut executor.frozen {
            backlog.push_back(input);
            return;
        }
        let machine = &mut executor.machine;
        match input {
            // X2: of a channel that has ended nothing is read any more.
            ExecutorInput::Act { from, .. } if elector != Some(from) => {}
            ExecutorInput::Act { act, .. } => match act {
                Act::Promote { permit, .. } => machine.handle_permit(now, permit),
                Act::Extend { epoch, until } => machine.handle_extend(now, epoch, until),
                Act::Demote { epoch, .. } => machine.handle_demote(now, epoch),
                Act::Revoke { epoch, .. } => machine.handle_revoke(now, epoch),
                Act::Follow { .. } => {}
            },
            ExecutorInput::ChannelClosed => machine.handle_channel_closed(now),
            ExecutorInput::Timeout => machine.handle_timeout(now),
            ExecutorInput::HookEnded { run, success } => {
                let ours = executor.running.as_ref().is_some_and(|r| r.id == run);
                if let Some(run) = executor.running.take_if(|_| ours) {
                    match run.what {
                        What::Promote => machine.handle_promoted(now, success),
                        What::Demote => machine.handle_demoted(now, success),
                        What::Escalate => machine.handle_escalated(success),
                    }
                }
            }
        }
        self.obey(host);
    }

    /// The orders, one after the other; each waits for what came before it.
    fn obey(&mut self, host: HostId) {
        loop {
            let Some(executor) = &mut self.hosts[host].executor else { return };
            while let Some(order) = executor.machine.next_order() {
                executor.orders.push_back(order);
            }
            if executor.writing {
                break;
            }
            let Some(order) = executor.orders.pop_front() else { break };
            self.carry_out_order(host, &order);
        }
        self.arm_executor(host);
    }

    fn carry_out_order(&mut self, host: HostId, order: &Order) {
        match *order {
            Order::MarkActing(permit) => {
                let marker = Marker::Acting { epoch: permit.epoch, fence: permit.fence };
                self.write_marker(host, marker);
            }
            Order::MarkIdle { epoch } => self.write_marker(host, Marker::Idle { epoch }),
            Order::Promote { epoch } => self.run_promote(host, epoch),
            Order::Demote { limit, .. } => self.run_demote(host, limit),
            Order::Escalate { .. } => {
                let success = self.hosts[host].hooks.escalation;
                self.run(host, What::Escalate, Some(ESCALATION), success);
            }
            Order::Say(word) => {
                if let Some(elector) = &self.hosts[host].elector {
                    let (life, input) = (elector.life, ElectorInput::Word(word));
                    self.after(CHANNEL, Event::Elector { host, life, input });
                }
            }
            Order::Alarm(alarm) => {
                if matches!(alarm, election::ExecutorAlarm::LettingGoFailed(_)) {
                    self.oracle.give_up_on(host);
                }
                self.say(host, Level::Warn, format!("alarm: {alarm}"));
            }
            Order::Idle { .. } => self.restart_elector(host),
        }
    }

    fn write_marker(&mut self, host: HostId, marker: Marker) {
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.writing = true;
            let life = executor.life;
            self.after(MARKER, Event::MarkerWritten { host, life, marker });
        }
    }

    pub(super) fn marker_written(&mut self, host: HostId, life: u64, marker: Marker) {
        if !self.hosts[host].executor_lives(life) {
            return;
        }
        self.hosts[host].marker = marker;
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.writing = false;
            if executor.frozen.is_none() {
                self.obey(host);
            }
        }
    }

    /// X1: the clocks are read before the effect.
    fn run_promote(&mut self, host: HostId, epoch: Epoch) {
        let now = self.hosts[host].clock.read(self.now);
        let may = self.hosts[host].executor.as_ref().is_some_and(|e| e.machine.may_act(now, epoch));
        if !may {
            return;
        }
        self.hosts[host].hooks.promotes += 1;
        self.oracle.effect_begins(host, epoch, &self.hosts);
        let timeout = self.settings.hooks_timeout.as_nanos();
        let (ends, success) = ending(self.hosts[host].hooks.promote);
        // Hooks that hang are ended by hooks.timeout.
        self.run(host, What::Promote, Some(ends.unwrap_or(timeout).min(timeout)), success);
    }

    /// Ends a running promote, and demotes; or keeps to the new limit.
    fn run_demote(&mut self, host: HostId, limit: Moment) {
        let (ends, success) = ending(self.hosts[host].hooks.demote);
        let demotes = matches!(
            self.hosts[host].executor.as_ref().and_then(|e| e.running.as_ref()),
            Some(run) if run.what == What::Demote
        );
        if !demotes {
            self.hosts[host].hooks.demotes += 1;
            self.run(host, What::Demote, ends, success);
        }
        let here = &self.hosts[host];
        let left = here.clock.real(limit.left_until_either(here.clock.read(self.now)));
        let running = here.executor.as_ref().and_then(|e| e.running.as_ref());
        if let Some(run) = running
            && run.ends.is_none_or(|ends| ends > self.now + left)
        {
            // Killed with all its children at the limit.
            let run = run.id;
            self.after(left, Event::HookEnds { host, run });
        }
    }

    fn run(&mut self, host: HostId, what: What, takes: Option<u64>, success: bool) {
        let id = self.hosts[host].next_life();
        let ends = takes.map(|takes| self.now + takes);
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.running = Some(Run { id, what, success, ends });
        }
        if let Some(takes) = takes {
            self.after(takes, Event::HookEnds { host, run: id });
        }
    }

    pub(super) fn hook_ends(&mut self, host: HostId, run: u64) {
        if let Some(resumes) = self.hosts[host].suspended {
            self.after(resumes - self.now, Event::HookEnds { host, run });
            return;
        }
        let Some(executor) = &self.hosts[host].executor else { return };
        let Some(running) = executor.running.as_ref().filter(|r| r.id == run) else { return };
        // Ended by its limit before it was through: that is a failure.
        let in_time = running.ends.is_some_and(|ends| ends <= self.now);
        let success = running.success && in_time;
        if success && running.what != What::Promote {
            self.oracle.effect_ends(host);
        }
        self.executor_input(host, ExecutorInput::HookEnded { run, success });
    }

    pub(super) fn arm_executor(&mut self, host: HostId) {
        let here = &mut self.hosts[host];
        let Some(executor) = &mut here.executor else { return };
        let Some(at) = executor.machine.wake().filter(|_| executor.frozen.is_none()) else {
            return;
        };
        executor.timer += 1;
        let (life, timer) = (executor.life, executor.timer);
        let delay = here.clock.real(at.left_until_either(here.clock.read(self.now)));
        self.after(delay, Event::ExecutorTimer { host, life, timer });
    }

    pub(super) fn executor_timer(&mut self, host: HostId, life: u64, timer: u64) {
        let ours = |e: &Executing| e.life == life && e.timer == timer;
        if self.hosts[host].executor.as_ref().is_some_and(ours) {
            self.executor_input(host, ExecutorInput::Timeout);
        }
    }
}

fn ending(outcome: Outcome) -> (Option<u64>, bool) {
    match outcome {
        Outcome::Succeeds(span) => (Some(span.as_nanos()), true),
        Outcome::Fails(span) => (Some(span.as_nanos()), false),
        Outcome::Hangs => (None, false),
    }
}
