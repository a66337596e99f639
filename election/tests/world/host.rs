//! A host: its clocks, disk, marker, hooks and the two processes; what kills, freezes and
//! restarts them; what systemd does about it.

use std::collections::VecDeque;

use election::{HardState, Incarnation, Marker, NodeId, Span};

use super::clock::Clock;
use super::elector::Elector;
use super::executor::{Executing, Outcome};
use super::{Event, HostId, Instant, World};

/// How long the restart of a process takes.
const RESTART: u64 = 20_000_000;
/// How long systemd needs to notice an end and to kill what is left of it.
const NOTICE: u64 = 5_000_000;

/// What all hosts have in common.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `hooks.timeout`.
    pub(crate) hooks_timeout: Span,
    /// The part of D kept for the escalation.
    pub(crate) escalation: Span,
}

/// How long the hooks of a host take, and how they end.
pub(crate) struct Hooks {
    pub(crate) promote: Outcome,
    pub(crate) demote: Outcome,
    /// Whether the escalation ends everything.
    pub(crate) escalation: bool,
    /// Counted since the script's last `mark`.
    pub(crate) promotes: u64,
    pub(crate) demotes: u64,
}

/// The state directory.
pub(crate) struct Disk {
    pub(crate) hard: HardState,
    pub(crate) delay: Span,
    pub(crate) full: bool,
}

/// One server.
pub(crate) struct Host {
    pub(crate) name: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) clock: Clock,
    pub(crate) elector: Option<Elector>,
    pub(crate) executor: Option<Executing>,
    pub(crate) disk: Disk,
    /// In /run: outlives the processes, not the host's power.
    pub(crate) marker: Marker,
    pub(crate) hooks: Hooks,
    /// Suspended until then.
    pub(crate) suspended: Option<Instant>,
    /// Counts the processes, the hooks and the freezes.
    pub(crate) lives: u64,
    /// What the last command was refused for.
    pub(crate) refusal: Option<String>,
}

/// Which process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    Elector,
    Executor,
}

impl Host {
    pub(crate) fn new(name: NodeId, incarnation: Incarnation, hard: HardState) -> Self {
        let number = u64::try_from(incarnation.0 >> 96).unwrap_or_default();
        Self {
            name,
            incarnation,
            clock: Clock::new(number),
            elector: None,
            executor: None,
            disk: Disk { hard, delay: Span::from_millis(2), full: false },
            marker: Marker::Missing,
            hooks: Hooks {
                promote: Outcome::Succeeds(Span::from_millis(10)),
                demote: Outcome::Succeeds(Span::from_millis(10)),
                escalation: false,
                promotes: 0,
                demotes: 0,
            },
            suspended: None,
            lives: 0,
            refusal: None,
        }
    }

    pub(crate) fn elector_lives(&self, life: u64) -> bool {
        self.elector.as_ref().is_some_and(|elector| elector.life == life)
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
    /// SIGKILL of the elector: the executor sees the channel's end.
    pub(crate) fn kill_elector(&mut self, host: HostId) {
        if self.hosts[host].elector.take().is_none() {
            return;
        }
        self.disconnect_all(host);
        self.tell_executor_of_the_end(host);
    }

    /// SIGKILL of the executor: the elector ends with it, systemd cleans up and starts both again.
    pub(crate) fn kill_executor(&mut self, host: HostId) {
        self.end_processes(host);
        self.after(NOTICE, Event::CleanUp { host, restart: true });
    }

    /// SIGKILL of both, and the unit is not started again. systemd's clean-up runs.
    pub(crate) fn crash(&mut self, host: HostId) {
        self.end_processes(host);
        self.after(NOTICE, Event::CleanUp { host, restart: false });
    }

    /// The host's power is gone, with everything in its memory.
    pub(crate) fn power_off(&mut self, host: HostId) {
        self.end_processes(host);
        self.hosts[host].marker = Marker::Missing;
        self.oracle.effect_ends(host);
    }

    /// The host's power is gone and its disk is empty: another life of it will start.
    pub(crate) fn wipe(&mut self, host: HostId) {
        self.power_off(host);
        self.hosts[host].incarnation.0 += 1;
        self.hosts[host].disk.hard = HardState::unborn(self.unborn.clone());
    }

    /// Starts what a crash or a power loss ended.
    pub(crate) fn restart(&mut self, host: HostId) {
        if self.hosts[host].executor.is_none() {
            self.after(RESTART, Event::StartExecutor { host });
        }
    }

    /// The unit was stopped in order.
    pub(crate) fn end_processes(&mut self, host: HostId) {
        self.hosts[host].elector = None;
        self.hosts[host].executor = None;
        self.disconnect_all(host);
    }

    /// `bossd --clean-up`: the demote hooks, urgently, if the marker says that effects may stand.
    pub(super) fn clean_up(&mut self, host: HostId, restart: bool) {
        let clean = matches!(self.hosts[host].marker, Marker::Missing | Marker::Idle { .. });
        if clean || self.hosts[host].executor.is_some() {
            if restart {
                self.restart(host);
            }
            return;
        }
        self.hosts[host].hooks.demotes += 1;
        let (delay, success) = match self.hosts[host].hooks.demote {
            Outcome::Succeeds(span) => (span, true),
            Outcome::Fails(span) => (span, self.hosts[host].hooks.escalation),
            Outcome::Hangs => {
                let fence = self.hosts[host].disk.hard.state.timing.fence;
                (fence.part(2), self.hosts[host].hooks.escalation)
            }
        };
        self.after(delay.as_nanos(), Event::CleanedUp { host, restart, success });
    }

    pub(super) fn cleaned_up(&mut self, host: HostId, restart: bool, success: bool) {
        if success {
            if let Marker::Acting { epoch, .. } = self.hosts[host].marker {
                self.hosts[host].marker = Marker::Idle { epoch };
            }
            self.oracle.effect_ends(host);
        } else {
            // The alarm of a clean-up that failed: outside the promise.
            self.oracle.give_up_on(host);
        }
        if restart {
            self.restart(host);
        }
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&mut self, host: HostId, process: Process) {
        let freeze = self.hosts[host].next_life();
        match process {
            Process::Elector => {
                if let Some(elector) = &mut self.hosts[host].elector {
                    elector.frozen.get_or_insert_default();
                }
            }
            Process::Executor => {
                // D covers the watchdog's time, the kill, the clean-up and the urgent hooks.
                let patience = self.hosts[host].disk.hard.state.timing.fence.part(4).as_nanos();
                if let Some(executor) = &mut self.hosts[host].executor {
                    executor.frozen.get_or_insert_default();
                    executor.freeze = freeze;
                    let life = executor.life;
                    self.after(patience, Event::Watchdog { host, life, freeze });
                }
            }
        }
    }

    /// systemd kills an executor that no longer pings.
    pub(super) fn watchdog(&mut self, host: HostId, life: u64, freeze: u64) {
        let hangs = self.hosts[host].suspended.is_none()
            && self.hosts[host].executor_lives(life)
            && self.hosts[host]
                .executor
                .as_ref()
                .is_some_and(|e| e.frozen.is_some() && e.freeze == freeze);
        if hangs {
            self.kill_executor(host);
        }
    }

    /// SIGCONT: what came meanwhile is handled in its order.
    pub(crate) fn thaw(&mut self, host: HostId, process: Process) {
        match process {
            Process::Elector => {
                let inputs = self.hosts[host].elector.as_mut().and_then(|e| e.frozen.take());
                for input in inputs.unwrap_or_default() {
                    self.elector_input(host, input);
                }
                self.arm_elector(host);
            }
            Process::Executor => {
                let inputs: Option<VecDeque<_>> =
                    self.hosts[host].executor.as_mut().and_then(|e| e.frozen.take());
                for input in inputs.unwrap_or_default() {
                    self.executor_input(host, input);
                }
                self.arm_executor(host);
            }
        }
    }

    /// The host sleeps: RAW stands still; with `vm` its hypervisor stopped it, and both do.
    pub(crate) fn suspend(&mut self, host: HostId, span: Span, vm: bool) {
        let now = self.now;
        self.freeze(host, Process::Elector);
        self.freeze(host, Process::Executor);
        self.hosts[host].clock.stop(now, (vm, true));
        self.hosts[host].suspended = Some(now + span.as_nanos());
        self.oracle.suspended(host);
        self.after(span.as_nanos(), Event::Resume { host });
    }

    pub(super) fn resume(&mut self, host: HostId) {
        let now = self.now;
        self.hosts[host].clock.stop(now, (false, false));
        self.hosts[host].suspended = None;
        let timing = self.hosts[host].disk.hard.state.timing;
        // What protocol.md 7 allows after a thaw: the rest of a lease, and D.
        let exposure = timing.lease.plus(timing.fence).as_nanos();
        self.oracle.resumed(host, now + exposure);
        self.thaw(host, Process::Executor);
        self.thaw(host, Process::Elector);
    }
}

impl World {
    /// The elector's end closes the channel; what it had not yet read is dropped (X2).
    pub(super) fn tell_executor_of_the_end(&mut self, host: HostId) {
        if let Some(executor) = &self.hosts[host].executor {
            let life = executor.life;
            let input = super::ExecutorInput::ChannelClosed;
            self.after(super::executor::CHANNEL, Event::Executor { host, life, input });
        }
    }

    /// X5: a new elector, once nothing stands.
    pub(super) fn restart_elector(&mut self, host: HostId) {
        let Some(executor) = &self.hosts[host].executor else { return };
        if self.hosts[host].elector.is_none() {
            let executor = executor.life;
            self.after(RESTART, Event::StartElector { host, executor });
        }
    }
}
