//! The executor's process: enforces the permit by its own clocks and writes the marker. Its hooks
//! are in `hooks`.

use std::collections::VecDeque;

use election::{Act, Executor, ExecutorAlarm, Marker, Moment, Order};

use crate::hooks::{Run, What};
use crate::mutants::ShellMutant;
use crate::rules::Rule;
use crate::world::{Event, HostId, Instant, MILLI, World};

/// How long the marker takes: it is in memory.
pub(crate) const MARKER: u64 = MILLI / 10;

/// An executor that runs.
pub(crate) struct Executing {
    pub(crate) machine: Executor,
    pub(crate) life: u64,
    pub(crate) frozen: Option<VecDeque<Input>>,
    pub(crate) freeze: u64,
    /// When it wants to be woken, and when the timer that is set goes off: never later.
    wake: Instant,
    armed: Instant,
    orders: VecDeque<Order>,
    /// The marker is being written; the next orders wait for it.
    writing: bool,
    pub(crate) running: Option<Run>,
    /// D ends then, for what is being let go urgently.
    pub(crate) limit: Option<Moment>,
}

/// What an executor can hear.
pub(crate) enum Input {
    Act(u64, Act),
    ChannelClosed,
    HookEnded(u64, bool),
}

impl Executing {
    pub(crate) fn fence_limit(&self) -> Option<Moment> {
        self.limit.filter(|_| !self.machine.is_idle())
    }
}

impl World {
    pub(crate) fn start_executor(&mut self, host: HostId) {
        if self.hosts[host].executor.is_some() || self.hosts[host].off {
            return;
        }
        if self.hosts[host].sleeps.is_some() || self.hosts[host].cleaning {
            return self.after(100 * MILLI, Event::StartExecutor { host });
        }
        let life = self.hosts[host].next_life();
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let claim = &here.disk.state.claim;
        // A torn file says nothing; what stands, the marker knows.
        let claim = claim
            .held_by(&here.name, here.incarnation)
            .filter(|_| !here.torn)
            .map(|held| held.epoch);
        let (fence, escalation) = (self.settings.timing.fence, self.settings.escalation);
        let timeout = self.settings.hooks_timeout;
        let mut machine = Executor::start(now, here.marker, claim, fence, escalation, timeout);
        machine.set_mutant(self.mutant);
        if matches!(here.marker, Marker::Acting { .. }) {
            self.oracle.rules.taken(Rule::X5);
        }
        here.executor = Some(Executing {
            machine,
            life,
            frozen: None,
            freeze: 0,
            wake: 0,
            armed: Instant::MAX,
            orders: VecDeque::new(),
            writing: false,
            running: None,
            limit: None,
        });
        self.say(Some(host), || "executor starts".to_owned());
        self.obey(host);
    }

    pub(crate) fn executor_hears(&mut self, host: HostId, life: u64, from: u64, act: Act) {
        if self.hosts[host].executor_lives(life) {
            self.executor_input(host, Input::Act(from, act));
        }
    }

    pub(crate) fn channel_closed(&mut self, host: HostId, life: u64) {
        if self.hosts[host].executor_lives(life) {
            self.executor_input(host, Input::ChannelClosed);
        }
    }

    pub(crate) fn executor_input(&mut self, host: HostId, input: Input) {
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let elector = here.elector.as_ref().map(|elector| elector.life);
        let old_channels = self.shell == Some(ShellMutant::ReadsOldChannel);
        let Some(executor) = &mut here.executor else { return };
        if let Some(backlog) = &mut executor.frozen {
            return backlog.push_back(input);
        }
        let machine = &mut executor.machine;
        match input {
            // X2: of a channel that has ended nothing is read any more.
            Input::Act(from, _) if elector != Some(from) && !old_channels => {
                self.oracle.rules.refused(Rule::X2);
            }
            Input::Act(_, act) => {
                self.oracle.reads(host, now, &act);
                match act {
                    Act::Promote { mut permit, .. } => {
                        if self.shell == Some(ShellMutant::FenceFromFile) {
                            permit.fence = permit.fence.times(2);
                        }
                        if permit.until.over_when_either(now) {
                            self.oracle.rules.refused(Rule::X1);
                        }
                        machine.handle_permit(now, permit);
                    }
                    Act::Extend { epoch, until } => {
                        machine.handle_extend(now, epoch, until);
                        // Never revived: it was over, or let go of, when this was read.
                        if machine.permit().is_none_or(|permit| permit.until != until) {
                            self.oracle.rules.refused(Rule::X1);
                        }
                    }
                    Act::Demote { epoch, .. } => machine.handle_demote(now, epoch),
                    Act::Revoke { epoch, .. } => machine.handle_revoke(now, epoch),
                    Act::Follow { .. } => {}
                }
            }
            Input::ChannelClosed => {
                self.oracle.permit_ends(host, now);
                machine.handle_channel_closed(now);
                if self.shell == Some(ShellMutant::StartsBeforeIdle) {
                    let executor = executor.life;
                    self.after(MILLI, Event::StartElector { host, executor });
                }
            }
            Input::HookEnded(id, success) => {
                if let Some(run) = executor.running.take_if(|run| run.id == id) {
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
            Order::Demote { limit, urgent, .. } => self.run_demote(host, limit, urgent),
            Order::Escalate { .. } => {
                let budget = self.settings.escalation.as_nanos();
                self.run_hooks(host, What::Escalate, Some(budget * 9 / 10), budget > 0);
            }
            Order::Say(word) => self.tell_elector(host, word),
            Order::Alarm(alarm) => {
                self.say(Some(host), || format!("alarm: {alarm}"));
                let alone = self.settings.escalation.as_nanos() == 0;
                let outside = match alarm {
                    ExecutorAlarm::LettingGoFailed(_) => true,
                    // `on-fence-failure = "alarm"`: nothing but the hooks can let go, and what was
                    // noticed late overruns D. The alarm says that another may act already.
                    ExecutorAlarm::FenceOverrun(_) => alone,
                    ExecutorAlarm::DemoteFailed(_) => false,
                };
                if outside {
                    self.oracle.excuse(host);
                }
            }
            Order::Idle { .. } => {
                if let Some(executor) = &mut self.hosts[host].executor {
                    executor.limit = None;
                    let executor = executor.life;
                    if self.hosts[host].elector.is_none() {
                        let delay = self.random.skewed(200 * MILLI);
                        self.after(delay, Event::StartElector { host, executor });
                    }
                }
            }
        }
    }

    fn write_marker(&mut self, host: HostId, marker: Marker) {
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.writing = true;
            let life = executor.life;
            self.after(MARKER, Event::MarkerWritten { host, life, marker });
        }
    }

    pub(crate) fn marker_written(&mut self, host: HostId, life: u64, marker: Marker) {
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

    pub(crate) fn arm_executor(&mut self, host: HostId) {
        let here = &mut self.hosts[host];
        let Some(executor) = &mut here.executor else { return };
        let Some(at) = executor.machine.wake().filter(|_| executor.frozen.is_none()) else {
            return;
        };
        let left = at.left_until_either(here.clock.read(self.now));
        executor.wake = self.now + here.clock.real(left);
        if executor.wake < executor.armed {
            executor.armed = executor.wake;
            let (life, delay) = (executor.life, executor.wake - self.now);
            self.after(delay, Event::ExecutorTimer { host, life });
        }
    }

    pub(crate) fn executor_timer(&mut self, host: HostId, life: u64) {
        let here = &mut self.hosts[host];
        let Some(executor) = &mut here.executor else { return };
        if executor.life != life || executor.armed != self.now {
            return;
        }
        executor.armed = Instant::MAX;
        if executor.frozen.is_some() {
            return;
        }
        if executor.wake > self.now {
            return self.arm_executor(host);
        }
        executor.machine.handle_timeout(here.clock.read(self.now));
        self.obey(host);
    }

    pub(crate) fn thaw_executor(&mut self, host: HostId) {
        if self.hosts[host].sleeps.is_some() {
            return;
        }
        let inputs = self.hosts[host].executor.as_mut().and_then(|e| e.frozen.take());
        for input in inputs.into_iter().flatten() {
            self.executor_input(host, input);
        }
        let now = self.hosts[host].clock.read(self.now);
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.machine.handle_timeout(now);
            self.obey(host);
        }
    }
}
