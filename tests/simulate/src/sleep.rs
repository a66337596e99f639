//! A whole host that does nothing for a while: suspended, frozen, or a virtual machine that its own
//! host has paused. They differ in what its clocks see of it.

use crate::fault::Fault;
use crate::host::Host;
use crate::world::{Event, HostId, World};

/// Which clocks stand still meanwhile: BOOTTIME, RAW.
fn stops(fault: Fault) -> (bool, bool) {
    match fault {
        Fault::VmPause => (true, true),
        Fault::Suspend => (false, true),
        _ => (false, false),
    }
}

impl World {
    pub(crate) fn sleep(&mut self, host: HostId, span: u64, fault: Fault) {
        if self.hosts[host].sleeps.is_some() || self.hosts[host].off {
            return;
        }
        let (boot, raw) = stops(fault);
        self.hosts[host].clock.stop(self.now, boot, raw);
        self.hosts[host].sleeps = Some(self.now + span);
        self.freeze_elector(host);
        if let Some(executor) = &mut self.hosts[host].executor {
            executor.frozen.get_or_insert_default();
            executor.freeze = 0;
        }
        self.oracle.sleeps(host);
        self.after(span, Event::Wake { host });
    }

    pub(crate) fn wake(&mut self, host: HostId) {
        if self.hosts[host].sleeps.is_none_or(|until| until > self.now) {
            return;
        }
        self.hosts[host].wakes_up(self.now);
        let timing = &self.timings.1;
        // Protocol.md 7: what a lease had left, and D, by clocks as slow as rho allows.
        let until = self.now + timing.promise().plus(timing.fence_wait()).as_nanos();
        self.oracle.wakes(host, until);
        self.after(until - self.now, Event::Judge);
        self.say(Some(host), || "wakes".to_owned());
        self.hooks_wake(host);
        self.thaw_executor(host);
        self.thaw_elector(host);
    }
}

impl Host {
    pub(crate) fn wakes_up(&mut self, now: crate::world::Instant) {
        if self.sleeps.take().is_some() {
            self.clock.stop(now, false, false);
        }
    }
}
