//! When faults of a kind strike, whom, for how long, and how they end.

use election::{Command, Epoch, Marker, Settings, Span};

use crate::fault::Fault;
use crate::random::Random;
use crate::world::{Event, HostId, MILLI, SECOND, World};

/// Each kind's own random numbers, and how often it strikes.
pub(crate) struct Injector {
    streams: Vec<Random>,
    /// The mean time between two strikes.
    means: Vec<u64>,
}

impl Injector {
    pub(crate) fn new(seed: u64) -> Self {
        let streams = Fault::ALL.iter().map(|fault| Random::new(seed, *fault as u64 + 1));
        let mut streams: Vec<_> = streams.collect();
        let means = streams.iter_mut().map(|r| [SECOND / 2, 2 * SECOND, 8 * SECOND][r.below(3)]);
        let means = means.collect();
        Self { streams, means }
    }

    pub(crate) fn random(&mut self, fault: Fault) -> &mut Random {
        &mut self.streams[fault as usize]
    }

    fn pause(&mut self, fault: Fault) -> u64 {
        let mean = self.means[fault as usize];
        self.random(fault).between(mean / 4, mean * 7 / 4)
    }
}

impl World {
    /// What holds for the whole world is set; the rest strikes later.
    pub(crate) fn begin_faults(&mut self) {
        for fault in self.faults.iter() {
            let random = self.inject.random(fault);
            match fault {
                Fault::Loss => self.network.loss = random.between(1, 25),
                Fault::Duplicate => self.network.duplicate = random.between(1, 25),
                Fault::Reorder => self.network.reorder = random.between(1, 15),
                Fault::Rates => self.draw_rates(),
                Fault::Straggle => {
                    let attempt = self.settings.timing.attempt().as_nanos();
                    self.network.straggle = random.between(attempt / 4, attempt);
                }
                Fault::Reinstalled => self.reinstall(),
                Fault::DiskError => self.disk_errors = random.between(1, 6),
                Fault::HookSlow
                | Fault::HookFail
                | Fault::HookHang
                | Fault::HookEscape
                | Fault::TornWrite => {}
                _ => {
                    let pause = self.inject.pause(fault);
                    self.after(pause, Event::Fault(fault));
                }
            }
        }
    }

    fn reinstall(&mut self) {
        for (id, host) in self.hosts.iter_mut().enumerate() {
            let random = self.inject.random(Fault::Reinstalled);
            if random.chance(50) {
                let epoch = Epoch(random.between(1, 30));
                host.marker = Marker::Idle { epoch };
                self.oracle.knows_epoch(id, epoch);
            }
        }
    }

    fn draw_rates(&mut self) {
        let rho = i64::from(self.settings.timing.rho_ppm);
        let rates = [-rho, rho, -rho / 2, rho / 2, 0];
        for host in &mut self.hosts {
            let random = self.inject.random(Fault::Rates);
            let boot = rates[random.below(5)];
            // Mostly the same quartz; one of the two may be slewed.
            let raw = if random.chance(70) { boot } else { rates[random.below(5)] };
            host.clock.set_rates(0, (boot, raw));
        }
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        if self.healing {
            return;
        }
        let pause = self.inject.pause(fault);
        self.after(pause, Event::Fault(fault));
        let count = self.hosts.len();
        // Half of all faults hit the leader: there the most can go wrong.
        let leader = self.leader();
        let random = self.inject.random(fault);
        let host = leader.filter(|_| random.chance(50)).unwrap_or_else(|| random.below(count));
        let other = random.below(count);
        let lasts = random.skewed(8 * SECOND);
        self.say(Some(host), || format!("fault {} ({} ms)", fault.name(), lasts / MILLI));
        match fault {
            Fault::Partition => self.partition(),
            Fault::OneWay if host != other => {
                self.cut(host, other);
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::Jumps => self.jump(host),
            Fault::FreezeElector => {
                self.freeze_elector(host);
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::FreezeExecutor => {
                self.freeze_executor(host);
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::Suspend | Fault::FreezeHost | Fault::VmPause => {
                self.sleep(host, lasts + MILLI, fault);
            }
            Fault::KillElector => self.kill_elector(host),
            Fault::KillExecutor if other.is_multiple_of(3) => {
                self.hosts[host].doomed = self.now + lasts;
            }
            Fault::KillExecutor => self.kill_executor(host),
            Fault::Power | Fault::Wipe => {
                self.power_off(host);
                if fault == Fault::Wipe {
                    self.wipe(host);
                }
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::Latency => {
                self.network.latency = lasts / 8;
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::DiskSlow => {
                self.hosts[host].disk_delay = lasts;
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::DiskFull => {
                self.hosts[host].disk_full = true;
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::ChannelSlow => {
                // Around a lease: what is older than a permit is then still on its way.
                let lease = self.settings.timing.lease.as_nanos();
                let most = self.inject.random(fault).between(lease / 4, 6 * lease);
                self.hosts[host].channel_delay = most;
                self.after(lasts, Event::Undo(fault, host, other));
            }
            Fault::Flurry => self.flurry(host, other),
            _ => self.operate(fault, host, other, lasts),
        }
    }

    fn flurry(&mut self, host: HostId, other: HostId) {
        let orders = [
            Fault::Drain,
            Fault::Resign,
            Fault::Switchover,
            Fault::Pause,
            Fault::Clear,
            Fault::Ready,
            Fault::Leave,
        ];
        let random = self.inject.random(Fault::Flurry);
        let chosen: Vec<_> = (0..random.between(2, 6))
            .map(|_| (orders[random.below(orders.len())], random.between(0, 60 * MILLI)))
            .collect();
        for (fault, delay) in chosen {
            self.after(delay, Event::Order { fault, host, other });
        }
    }

    /// Each host has at most one clock that is set wrongly: against both at once there is no rule.
    fn jump(&mut self, host: HostId) {
        let random = self.inject.random(Fault::Jumps);
        let forward = i64::try_from(random.skewed(5 * SECOND)).unwrap_or_default();
        let back = i64::try_from(random.between(0, 300 * MILLI)).unwrap_or_default();
        let by = if random.chance(70) { forward } else { -back };
        self.hosts[host].clock.jump(self.now, host.is_multiple_of(2), by);
        self.arm_elector(host);
        self.arm_executor(host);
    }

    pub(crate) fn operate(&mut self, fault: Fault, host: HostId, other: HostId, lasts: u64) {
        if self.healing {
            return;
        }
        let leader = self.leader();
        let name = self.hosts[other].name.clone();
        let force = self.inject.random(fault).chance(30);
        let (until, reason) = (None, "simulated".to_owned());
        let (at, command) = match fault {
            Fault::Leave => (Some(host), Command::Leave),
            Fault::Ready => (Some(host), Command::SetReady(false)),
            Fault::Resign => (leader, Command::Resign { force }),
            Fault::Switchover => (leader, Command::Switchover { to: name }),
            Fault::Drain => (leader, Command::Drain { node: name, until, reason, force }),
            Fault::Pause => (leader, Command::Pause { until, reason }),
            Fault::Clear => (leader, Command::Clear { node: name }),
            Fault::Apply => {
                let Some(settings) = leader.and_then(|leader| self.other_settings(leader, other))
                else {
                    return;
                };
                (leader, Command::Apply(Box::new(settings)))
            }
            // Only of a host that is off.
            Fault::Confirm => {
                let off = (0..self.hosts.len()).find(|host| self.hosts[*host].off);
                let Some(off) = off.filter(|off| *off != host) else { return };
                (Some(host), Command::Confirm { node: self.hosts[off].name.clone() })
            }
            _ => return,
        };
        let Some(at) = at else { return };
        // A refusal is an answer too.
        let _ = self.command(at, command);
        if matches!(fault, Fault::Ready | Fault::Drain | Fault::Pause) {
            self.after(lasts, Event::Undo(fault, host, other));
        }
    }

    /// Another lease, with its heartbeat, another fence window, another priority of one member.
    fn other_settings(&mut self, leader: HostId, other: HostId) -> Option<Settings> {
        let range = self.settings.applied();
        let name = self.hosts[other].name.clone();
        let mut settings = Settings::of(self.hosts[leader].elector.as_ref()?.node.state());
        let random = self.inject.random(Fault::Apply);
        let pick = |(least, most): (Span, Span), random: &mut Random| {
            let between = least.plus(most).part(2);
            [least, between, most][random.below(3)]
        };
        settings.timing.lease = pick((range.0.lease, range.1.lease), random);
        settings.timing.fence = pick((range.0.fence, range.1.fence), random);
        settings.timing.heartbeat = settings.timing.lease.part(random.between(4, 8));
        settings.priorities.insert(name, [50, 100, 200][random.below(3)]);
        Some(settings)
    }

    pub(crate) fn undo(&mut self, fault: Fault, host: HostId, other: HostId) {
        if self.healing {
            return;
        }
        let leader = self.leader().unwrap_or(host);
        let _ = match fault {
            Fault::Ready => self.command(host, Command::SetReady(true)),
            Fault::Drain => {
                let node = self.hosts[other].name.clone();
                self.command(leader, Command::Undrain { node })
            }
            Fault::Pause => self.command(leader, Command::Resume),
            Fault::OneWay => return self.heal_cut(host, other),
            Fault::FreezeElector => return self.thaw_elector(host),
            Fault::FreezeExecutor => return self.thaw_executor(host),
            Fault::Power | Fault::Wipe => return self.power_on(host),
            Fault::Latency => return self.network.latency = 0,
            Fault::ChannelSlow => return self.hosts[host].channel_delay = 0,
            Fault::DiskSlow => return self.hosts[host].disk_delay = 0,
            Fault::DiskFull => return self.hosts[host].disk_full = false,
            _ => return,
        };
    }

    /// The node that the oracle saw elected last, if it still runs.
    pub(crate) fn leader(&self) -> Option<HostId> {
        self.oracle.last_leader().filter(|host| self.hosts[*host].elector.is_some())
    }
}
