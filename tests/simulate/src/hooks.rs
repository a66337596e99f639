//! Hooks of an executor: how long they run, what kills them, and what their end says.

use election::{Epoch, Moment, fence_reserve};

use crate::executor::{Executing, Input, MARKER};
use crate::fault::Fault;
use crate::rules::Rule;
use crate::world::{Event, HostId, Instant, MILLI, World};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Promote,
    Demote,
    Escalate,
}

/// Hooks that run.
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) what: What,
    pub(crate) success: bool,
    /// They end by themselves then; None hangs.
    pub(crate) ends: Option<Instant>,
    /// They are killed then.
    pub(crate) limit: Option<Moment>,
}

impl Run {
    fn demotes(&self) -> bool {
        self.what == What::Demote
    }
}

impl World {
    /// X1: the clocks are read before the effect.
    pub(crate) fn run_promote(&mut self, host: HostId, epoch: Epoch) {
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
    pub(crate) fn run_demote(&mut self, host: HostId, limit: Moment, urgent: bool) {
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

    pub(crate) fn run_hooks(
        &mut self,
        host: HostId,
        what: What,
        takes: Option<u64>,
        success: bool,
    ) {
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
}
