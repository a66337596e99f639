//! Peace: every fault is undone, every daemon runs, an operator lifts what operators imposed; then
//! there must be a boss within a bound (protocol.md 9.20), the best that the policy allows.

use election::{Command, Failback, Kind, Member, NodeId, Phase, ranking};

use crate::fault::Fault;
use crate::world::{Event, HostId, MILLI, SECOND, World};

/// How often the world is looked at.
const LOOK: u64 = 100 * MILLI;
/// A boss that is found must stay for as long.
const STAYS: u64 = 3 * SECOND;
/// How far BOOTTIME or RAW may have been set back while a promise ran.
const JUMPED: u64 = 5 * SECOND;

impl World {
    pub(crate) fn heal(&mut self) {
        self.healing = true;
        self.say(None, || "faults are over".to_owned());
        self.heal_network();
        for host in 0..self.hosts.len() {
            self.heal_host(host);
        }
        let end = self.now + self.bound();
        let mut found = None;
        while self.oracle.violation.is_none() {
            self.run_until(self.now + LOOK);
            self.operate_in_peace();
            let boss = self.wanted_boss();
            if boss.is_none() || found.map(|(boss, _)| boss) != boss {
                found = boss.map(|boss| (boss, self.now));
            }
            if found.is_some_and(|(_, since)| self.now - since >= STAYS) {
                return;
            }
            if found.is_none() && self.now >= end {
                self.no_boss();
            }
            assert!(self.now < end + 60 * SECOND, "the boss changes for ever");
        }
    }

    fn heal_host(&mut self, host: HostId) {
        if self.hosts[host].sleeps.is_some() {
            self.hosts[host].sleeps = Some(self.now);
            self.wake(host);
        }
        self.repair(host);
        self.hosts[host].disk_delay = 0;
        self.hosts[host].disk_steady = self.lasting_delay();
        self.hosts[host].disk_full = false;
        self.hosts[host].channel_delay = 0;
        self.thaw_executor(host);
        self.thaw_elector(host);
        let leaving = self.hosts[host].elector.as_ref().is_some_and(|e| e.leaving);
        if leaving {
            self.power_off(host);
        }
        self.boot_if_stuck(host);
        self.power_on(host);
        let _ = self.command(host, Command::SetReady(true));
        self.after(SECOND, Event::StartExecutor { host });
    }

    /// A disk may be slow for ever, and slower than the others: then no vote comes in the time that
    /// is usual. Not slower than a handover waits for.
    fn lasting_delay(&mut self) -> u64 {
        let most = self.settings.timing.lease.part(2).as_nanos();
        let random = self.inject.random(Fault::DiskSlow);
        let stays = self.faults.has(Fault::DiskSlow) && random.chance(30);
        if stays { random.between(MILLI, most) } else { 0 }
    }

    /// What an operator does after the alarm: ends by hand what still stands, and boots the host.
    fn boot_if_stuck(&mut self, host: HostId) {
        let stuck = self.hosts[host].executor.as_ref().is_some_and(|e| e.machine.is_stuck());
        if stuck || self.oracle.has_given_up(host) {
            self.power_off(host);
            self.power_on(host);
        }
    }

    /// Promises, an attempt or more, what a leader without a lease waits, the fence window, hooks.
    fn bound(&self) -> u64 {
        let timing = &self.timings.1;
        let attempts = timing.attempt().plus(timing.slot.times(20)).times(10).as_nanos();
        let promises = timing.promise().times(8).plus(timing.fence_wait().times(3)).as_nanos();
        let hooks = self.settings.hooks_timeout.times(4).as_nanos();
        let failback = match self.settings.failback {
            Failback::After(delay) => delay.as_nanos(),
            Failback::Never => 0,
        };
        // Each change is some writes in a row; the time for a vote doubles until it is enough.
        let writes = self.hosts.iter().map(|host| host.disk_steady).max().unwrap_or(0) * 40;
        let jumped = if self.faults.has(Fault::Jumps) { JUMPED } else { 0 };
        4 * SECOND + attempts + promises + hooks + failback + jumped + writes
    }

    /// Whatever operators imposed is lifted again.
    fn operate_in_peace(&mut self) {
        for host in 0..self.hosts.len() {
            // Hooks that hung before the peace may end in the alarm only now.
            self.boot_if_stuck(host);
        }
        let Some(leader) = self.leader() else { return };
        let Some(elector) = &self.hosts[leader].elector else { return };
        let state = elector.node.snapshot(self.hosts[leader].clock.read(self.now)).state;
        if state.paused.is_some() {
            let _ = self.command(leader, Command::Resume);
        }
        for (node, member) in state.members.iter() {
            if member.drained.is_some() {
                let _ = self.command(leader, Command::Undrain { node: node.clone() });
            }
        }
        for (node, hold_off) in &state.hold_offs {
            if !hold_off.ended {
                let _ = self.command(leader, Command::Clear { node: node.clone() });
            }
        }
    }

    /// The boss with live effects, if it is the one that the policy wants.
    fn wanted_boss(&self) -> Option<HostId> {
        let (boss, _) = self.oracle.only_effect()?;
        let here = &self.hosts[boss];
        let snapshot = here.elector.as_ref()?.node.snapshot(here.clock.read(self.now));
        if snapshot.phase != Phase::Boss || snapshot.committed != Some(true) {
            return None;
        }
        let state = &snapshot.state;
        // A life that the cluster does not know is not chosen: it has to be re-admitted.
        let fit = |name: &NodeId, member: &Member| {
            let known = self.find(name).is_some_and(|host| self.is_intact(host));
            known && member.kind == Kind::Voter
        };
        let best = ranking(&state.members, &state.policy.prefer, fit);
        let may_stay = state.stay || state.policy.failback == Failback::Never;
        (may_stay || best.first() == Some(&&here.name)).then_some(boss)
    }

    fn no_boss(&mut self) {
        let mut text = format!("9.20: no boss within {} ms:", self.bound() / MILLI);
        for host in &self.hosts {
            let at = host.clock.read(self.now);
            let is = host.elector.as_ref().map(|e| e.node.snapshot(at));
            text += &is.map_or_else(
                || format!(" {} does not run;", host.name),
                |s| {
                    format!(
                        " {} {} {} term {} waits {:?} ineligible {:?};",
                        s.me, s.standing, s.phase, s.term, s.waits_for, s.ineligible
                    )
                },
            );
        }
        self.oracle.fail(text);
    }
}
