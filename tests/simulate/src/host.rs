//! A host: its clocks, disk, marker and the two processes; what kills, freezes and restarts them,
//! and what systemd does about it.

use election::{Epoch, HardState, Incarnation, Kind, Marker, Moment, NodeId, fence_reserve};

use crate::clock::Clock;
use crate::elector::Elector;
use crate::executor::Executing;
use crate::fault::Fault;
use crate::mutants::ShellMutant;
use crate::world::{CHANNEL, Event, HostId, Instant, MILLI, World};

/// How long systemd needs to notice an end and to kill what is left of it.
const NOTICE: u64 = 5 * MILLI;

/// One server.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Host {
    pub(crate) name: NodeId,
    pub(crate) kind: Kind,
    pub(crate) incarnation: Incarnation,
    pub(crate) clock: Clock,
    pub(crate) elector: Option<Elector>,
    pub(crate) executor: Option<Executing>,
    /// What is on disk.
    pub(crate) disk: HardState,
    /// What was there before: the generation that is kept and never used (protocol.md 8).
    pub(crate) previous: HardState,
    /// Handed to the disk, not yet synced.
    pub(crate) unsynced: Option<HardState>,
    /// A write takes this much longer.
    pub(crate) disk_delay: u64,
    /// What every write takes besides, in peace as well.
    pub(crate) disk_steady: u64,
    pub(crate) disk_full: bool,
    /// A word between the two processes takes this much longer at most.
    pub(crate) channel_delay: u64,
    /// When the last word to the elector, and to the executor, arrives: none overtakes another.
    pub(crate) channel_busy: (Instant, Instant),
    /// In /run: outlives the processes, not the host's power.
    pub(crate) marker: Marker,
    /// `--clean-up` runs: it holds the lock that an executor needs (X5).
    pub(crate) cleaning: bool,
    /// When D ends for what was being let go when the executor died; real time.
    pub(crate) fence_ends: Option<Instant>,
    /// The executor is killed as soon as it promotes, if it does so before then.
    pub(crate) doomed: Instant,
    /// It does nothing until then.
    pub(crate) sleeps: Option<Instant>,
    /// Its state file cannot be believed.
    pub(crate) torn: bool,
    /// No power: neither is anything started.
    pub(crate) off: bool,
    /// Counts the processes, the hooks and the freezes.
    lives: u64,
}

impl Host {
    pub(crate) fn new(
        index: HostId,
        name: &str,
        kind: Kind,
        incarnation: Incarnation,
        disk: HardState,
    ) -> Self {
        Self {
            name: NodeId::new(name),
            kind,
            incarnation,
            clock: Clock::new(index),
            elector: None,
            executor: None,
            previous: disk.clone(),
            disk,
            unsynced: None,
            disk_delay: 0,
            disk_steady: 0,
            disk_full: false,
            channel_delay: 0,
            channel_busy: (0, 0),
            marker: Marker::Missing,
            cleaning: false,
            fence_ends: None,
            doomed: 0,
            sleeps: None,
            torn: false,
            off: false,
            lives: 0,
        }
    }

    pub(crate) fn elector_lives(&self, life: u64) -> bool {
        self.elector.as_ref().is_some_and(|elector| elector.life == life)
    }

    /// Whether its elector follows, so that it does not ask for votes.
    pub(crate) fn follows(&self, now: Moment) -> bool {
        self.elector.as_ref().is_some_and(|it| it.node.snapshot(now).standing == "follower")
    }

    pub(crate) fn executor_lives(&self, life: u64) -> bool {
        self.executor.as_ref().is_some_and(|executor| executor.life == life)
    }

    pub(crate) fn next_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }
}

impl World {
    /// The elector ends; the executor sees the channel's end.
    pub(crate) fn kill_elector(&mut self, host: HostId) {
        if self.hosts[host].elector.is_none() {
            return;
        }
        self.end_elector(host);
        if let Some(executor) = &self.hosts[host].executor {
            let life = executor.life;
            // X2: it is closed unread, so nothing delays this.
            self.after(CHANNEL, Event::ChannelClosed { host, life });
        }
    }

    fn end_elector(&mut self, host: HostId) {
        if self.hosts[host].elector.take().is_some() {
            self.oracle.elector_ends(host);
        }
        self.settle_write(host);
        self.disconnect_all(host);
    }

    /// SIGKILL of the executor: the elector ends with it, systemd cleans up and starts both again.
    pub(crate) fn kill_executor(&mut self, host: HostId) {
        if self.hosts[host].executor.is_none() {
            return;
        }
        let now = self.hosts[host].clock.read(self.now);
        let here = &self.hosts[host];
        let fence_ends = here.executor.as_ref().and_then(Executing::fence_limit);
        let fence_ends = fence_ends.map(|limit| self.now + limit.left_until_either(now).as_nanos());
        self.hosts[host].fence_ends = fence_ends;
        self.oracle.permit_ends(host, now);
        self.end_processes(host);
        self.after(NOTICE, Event::CleanUp { host });
    }

    pub(crate) fn end_processes(&mut self, host: HostId) {
        self.hosts[host].executor = None;
        self.end_elector(host);
    }

    /// The host's power is gone, with everything in its memory.
    pub(crate) fn power_off(&mut self, host: HostId) {
        self.may_tear(host);
        self.end_processes(host);
        self.hosts[host].marker = Marker::Missing;
        self.hosts[host].cleaning = false;
        self.hosts[host].off = true;
        self.hosts[host].wakes_up(self.now);
        self.effect_ends(host);
        self.oracle.power_is_gone(host);
    }

    pub(crate) fn effect_ends(&mut self, host: HostId) {
        let here = self.hosts[host].clock.read(self.now);
        self.oracle.effect_ends(self.now, here, host);
    }

    pub(crate) fn power_on(&mut self, host: HostId) {
        if std::mem::take(&mut self.hosts[host].off) {
            self.restart(host);
        }
    }

    pub(crate) fn restart(&mut self, host: HostId) {
        let delay = self.random.between(MILLI, 200 * MILLI);
        self.after(delay, Event::StartExecutor { host });
    }

    /// `bossd --clean-up`: the same urgent demote, by the marker, within what D has left.
    pub(crate) fn clean_up(&mut self, host: HostId) {
        if self.hosts[host].executor.is_some() || self.hosts[host].off {
            return;
        }
        if matches!(self.hosts[host].marker, Marker::Missing | Marker::Idle { .. }) {
            return self.restart(host);
        }
        let timing = self.settings.timing;
        let escalation = self.settings.escalation.as_nanos();
        let hooks = timing.fence.part(2).minus(fence_reserve(timing.fence)).as_nanos();
        let ends = self.hosts[host].fence_ends.take();
        let left = ends.map_or(hooks, |ends| {
            hooks.min(ends.saturating_sub(self.now).saturating_sub(escalation))
        });
        self.hosts[host].cleaning = true;
        let run = self.draw_demote();
        let (takes, success) = match run {
            Some((takes, true)) if takes <= left => (takes, true),
            // Killed, or failed: the escalation, where there is one, must end by D.
            _ => (left + escalation * 9 / 10, escalation > 0),
        };
        if ends.is_some_and(|ends| self.now + takes > ends) {
            // A hook that outlasts D and a killed executor at once: nothing can keep D.
            self.oracle.excuse(host);
        }
        self.after(takes, Event::CleanedUp { host, success });
    }

    pub(crate) fn cleaned_up(&mut self, host: HostId, success: bool) {
        if !std::mem::take(&mut self.hosts[host].cleaning) {
            return;
        }
        self.say(Some(host), || format!("cleaned up, success {success}"));
        if success {
            let epoch = match self.hosts[host].marker {
                Marker::Acting { epoch, .. } | Marker::Idle { epoch } => epoch,
                Marker::Missing | Marker::Unreadable => Epoch::default(),
            };
            self.hosts[host].marker = Marker::Idle { epoch };
            self.effect_ends(host);
        } else {
            // The alarm of a clean-up that failed: outside the promise.
            self.oracle.excuse(host);
        }
        self.restart(host);
    }

    pub(crate) fn freeze_elector(&mut self, host: HostId) {
        let here = &mut self.hosts[host];
        if let Some(elector) = &mut here.elector {
            if self.shell == Some(ShellMutant::CachedNow) && elector.frozen.is_none() {
                elector.cached = Some(here.clock.read(self.now));
            }
            elector.frozen.get_or_insert_default();
        }
    }

    pub(crate) fn freeze_executor(&mut self, host: HostId) {
        let freeze = self.hosts[host].next_life();
        // D covers the watchdog's time, the kill, the clean-up and the urgent hooks.
        let mut patience = self.settings.timing.fence.part(4).as_nanos();
        let here = &self.hosts[host];
        if let Some(limit) = here.executor.as_ref().and_then(Executing::fence_limit) {
            // At expiry it is set once, to the rest of D less the clean-up (section 4).
            let left = here.clock.real(limit.left_until_either(here.clock.read(self.now)));
            let clean_up = self.settings.escalation.as_nanos() + 2 * NOTICE;
            patience = patience.min(left.saturating_sub(clean_up));
        }
        if let Some(executor) = &mut self.hosts[host].executor
            && executor.frozen.is_none()
        {
            executor.frozen = Some(std::collections::VecDeque::new());
            executor.freeze = freeze;
            let life = executor.life;
            self.after(patience, Event::Watchdog { host, life, freeze });
        }
    }

    /// systemd kills an executor that no longer pings.
    pub(crate) fn watchdog(&mut self, host: HostId, life: u64, freeze: u64) {
        let here = &self.hosts[host];
        let hangs = here
            .executor
            .as_ref()
            .is_some_and(|e| e.life == life && e.frozen.is_some() && e.freeze == freeze);
        if hangs && here.sleeps.is_none() {
            self.say(Some(host), || "watchdog".to_owned());
            self.kill_executor(host);
        }
    }

    /// How urgent or graceful demote hooks go: how long, and whether they succeed; None hangs.
    pub(crate) fn draw_demote(&mut self) -> Option<(u64, bool)> {
        let fence = self.settings.timing.fence.as_nanos();
        self.draw_hook(fence / 6, fence)
    }

    pub(crate) fn draw_promote(&mut self) -> Option<(u64, bool)> {
        self.draw_hook(40 * MILLI, 3_000 * MILLI)
    }

    fn draw_hook(&mut self, usual: u64, slow: u64) -> Option<(u64, bool)> {
        let faults = &self.faults;
        let may = |fault| faults.has(fault) && !self.healing;
        let (hang, fail, late) = (may(Fault::HookHang), may(Fault::HookFail), may(Fault::HookSlow));
        if hang && self.random.chance(15) {
            return None;
        }
        let success = !(fail && self.random.chance(20));
        let most = if late && self.random.chance(30) { slow } else { usual };
        Some((self.random.between(most / 20, most), success))
    }
}
