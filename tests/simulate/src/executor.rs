//! The executor's process: enforces the permit by its own clocks, writes the marker, runs hooks.

use std::collections::VecDeque;

use election::{Act, Epoch, Executor, ExecutorAlarm, Marker, Moment, Order, fence_reserve};

use crate::fault::Fault;
use crate::mutants::ShellMutant;
use crate::rules::Rule;
use crate::world::{Event, HostId, Instant, MILLI, World};

/// How long the marker takes: it is in memory.
const MARKER: u64 = MILLI / 10;

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
    running: Option<Run>,
    /// D ends then, for what is being let go urgently.
    limit: Option<Moment>,
}

/// What an executor can hear.
pub(crate) enum Input {
    Act(u64, Act),
    ChannelClosed,
    HookEnded(u64, bool),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Promote,
    Demote,
    Escalate,
}

/// Hooks that run.
struct Run {
    id: u64,
    what: What,
    success: bool,
    /// They end by themselves then; None hangs.
    ends: Option<Instant>,
    /// They are killed then.
    limit: Option<Moment>,
}

impl Run {
    fn demotes(&self) -> bool {
        self.what == What::Demote
    }
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
        if self.hosts[host].sleeps.is_some() {
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

    fn executor_input(&mut self, host: HostId, input: Input) {
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

    /// X1: the clocks are read before the effect.
    fn run_promote(&mut self, host: HostId, epoch: Epoch) {
        let now = self.hosts[host].clock.read(self.now);
        let Some(executor) = &self.hosts[host].executor else { return };
        if !executor.machine.may_act(now, epoch) {
            return self.oracle.rules.refused(Rule::X1);
        }
        self.oracle.rules.taken(Rule::X1);
        let busy = executor.running.is_some();
        self.say(Some(host), || format!("promote hooks start, epoch {epoch}"));
        self.oracle.effect_begins((self.now, now), host, epoch, busy);
        self.look(host, epoch);
        if self.now < std::mem::take(&mut self.hosts[host].doomed) && !self.healing {
            let life = self.hosts[host].executor.as_ref().map_or(0, |executor| executor.life);
            let delay = self.random.between(0, 2 * MARKER);
            self.after(delay, Event::KillExecutor { host, life });
        }
        let timeout = self.settings.hooks_timeout.as_nanos();
        let (takes, success) = self.draw_promote().unwrap_or((timeout, false));
        // Hooks that hang are ended by hooks.timeout.
        self.run_hooks(host, What::Promote, Some(takes.min(timeout)), success && takes <= timeout);
    }

    /// 9.7: looked at again whenever the permit, as it was last, and D are over.
    pub(crate) fn look(&mut self, host: HostId, epoch: Epoch) {
        if self.oracle.epoch_on(host) != Some(epoch) {
            return;
        }
        let here = self.hosts[host].clock.read(self.now);
        if let Some(span) = self.oracle.stands(self.now, here, host) {
            let delay = self.hosts[host].clock.real(span).max(MILLI);
            self.after(delay, Event::Look { host, epoch });
        }
    }

    /// Ends a running promote, and demotes; or keeps to the new limit.
    fn run_demote(&mut self, host: HostId, limit: Moment, urgent: bool) {
        if urgent {
            self.oracle.rules.taken(Rule::X2);
        }
        self.oracle.lets_go(host);
        let demotes = |e: &Executing| e.running.as_ref().is_some_and(Run::demotes);
        if !self.hosts[host].executor.as_ref().is_some_and(demotes) {
            self.say(Some(host), || format!("demote hooks start, urgent {urgent}"));
            let (takes, success) = self.draw_demote().map_or((None, false), |(t, s)| (Some(t), s));
            self.run_hooks(host, What::Demote, takes, success);
        }
        let Some(executor) = &mut self.hosts[host].executor else { return };
        if urgent && let Some(wake) = executor.machine.wake() {
            executor.limit = Some(wake);
        }
        if let Some(run) = &mut executor.running {
            run.limit = Some(limit);
        }
        self.kill_at_limit(host);
    }

    /// Hooks are killed with all their children at their limit; one that left its group takes longer
    /// to find, within what is kept back of D for that.
    fn kill_at_limit(&mut self, host: HostId) {
        let here = &self.hosts[host];
        let Some(run) = here.executor.as_ref().and_then(|executor| executor.running.as_ref())
        else {
            return;
        };
        let Some(limit) = run.limit else { return };
        let left = here.clock.real(limit.left_until_either(here.clock.read(self.now)));
        let (run, ends) = (run.id, run.ends);
        if ends.is_some_and(|ends| ends <= self.now + left) {
            return;
        }
        let escapes = self.faults.has(Fault::HookEscape) && !self.healing;
        let reserve = fence_reserve(self.settings.timing.fence).as_nanos();
        let search = if escapes { self.random.between(0, reserve * 9 / 10) } else { 0 };
        self.after(left + search, Event::HookEnds { host, run });
    }

    fn run_hooks(&mut self, host: HostId, what: What, takes: Option<u64>, success: bool) {
        let id = self.hosts[host].next_life();
        let ends = takes.map(|takes| self.now + takes);
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.running = Some(Run { id, what, success, ends, limit: None });
        }
        if let Some(takes) = takes {
            self.after(takes, Event::HookEnds { host, run: id });
        }
    }

    pub(crate) fn hook_ends(&mut self, host: HostId, run: u64) {
        let Some(executor) = &self.hosts[host].executor else { return };
        let Some(running) = executor.running.as_ref().filter(|r| r.id == run) else { return };
        if self.hosts[host].sleeps.is_some() {
            // Looked at again when it wakes.
            return;
        }
        // Ended by its limit before it was through: that is a failure.
        let in_time = running.ends.is_some_and(|ends| ends <= self.now);
        let success = running.success && in_time;
        if success && running.what != What::Promote {
            self.say(Some(host), || "nothing stands".to_owned());
            self.effect_ends(host);
        }
        self.executor_input(host, Input::HookEnded(run, success));
    }

    /// Hooks that would have ended while the host slept end as it wakes.
    pub(crate) fn hooks_wake(&mut self, host: HostId) {
        let running = self.hosts[host].executor.as_ref().and_then(|e| e.running.as_ref());
        if let Some(run) = running.filter(|run| run.ends.is_some_and(|ends| ends <= self.now)) {
            let run = run.id;
            return self.after(0, Event::HookEnds { host, run });
        }
        // What it has until its limit it has by its own clocks.
        self.kill_at_limit(host);
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
