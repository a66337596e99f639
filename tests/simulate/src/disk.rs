//! A host's state directory: writes that land, are lost or tear, disks that fail and directories
//! that are wiped, and the operator who puts right what a daemon refuses to believe (protocol.md 8).

use election::{HardState, Incarnation, Kind, Write, Written};

use crate::elector::Input;
use crate::fault::Fault;
use crate::mutants::ShellMutant;
use crate::world::{Event, HostId, MILLI, World};

/// What an incarnation's second life has in addition.
const LIFE: u128 = 1 << 112;

impl World {
    /// One write is under way at a time.
    pub(crate) fn write(&mut self, host: HostId, life: u64, write: Write) {
        let mut delay = self.random.between(MILLI / 2, 4 * MILLI);
        delay += self.hosts[host].disk_steady;
        if self.hosts[host].disk_delay > 0 {
            delay += self.random.skewed(self.hosts[host].disk_delay);
        }
        let generation = write.generation;
        self.hosts[host].unsynced = Some(write.hard);
        self.after(delay, Event::DiskWritten { host, life, generation });
        if self.shell == Some(ShellMutant::SaysWrittenTooEarly) {
            self.after(0, Event::SaysWritten { host, life, generation });
        }
    }

    /// A shell that says so before it is.
    pub(crate) fn says_written(&mut self, host: HostId, life: u64, generation: u64) {
        if self.hosts[host].elector_lives(life) {
            self.input(host, Input::Written(Written { generation, durable: true }));
        }
    }

    pub(crate) fn disk_written(&mut self, host: HostId, life: u64, generation: u64) {
        if !self.hosts[host].elector_lives(life) {
            return;
        }
        let Some(hard) = self.hosts[host].unsynced.take() else { return };
        if self.disk_errors > 0 && !self.healing && self.random.chance(self.disk_errors) {
            // Nobody knows whether it is on disk, and it is not tried again: exit 74.
            self.say(Some(host), || "fsync fails: the elector ends".to_owned());
            self.hosts[host].unsynced = Some(hard);
            self.may_tear(host);
            return self.kill_elector(host);
        }
        let durable = !self.hosts[host].disk_full;
        if durable {
            self.lands(host, hard);
        }
        self.input(host, Input::Written(Written { generation, durable }));
    }

    pub(crate) fn lands(&mut self, host: HostId, hard: HardState) {
        self.oracle.written(host, &self.hosts[host], &hard);
        let here = &mut self.hosts[host];
        here.previous = std::mem::replace(&mut here.disk, hard);
    }

    /// A write that was under way is on disk, or it is not.
    pub(crate) fn settle_write(&mut self, host: HostId) {
        if let Some(unsynced) = self.hosts[host].unsynced.take()
            && self.random.chance(50)
        {
            self.lands(host, unsynced);
        }
    }

    /// The power goes, or the disk fails, in the middle of a write: the file may be neither the
    /// old nor the new one.
    pub(crate) fn may_tear(&mut self, host: HostId) {
        let tears = self.faults.has(Fault::TornWrite) && !self.healing;
        if tears && self.hosts[host].unsynced.is_some() && self.random.chance(60) {
            self.hosts[host].torn = true;
        }
    }

    /// The elector says so, gives no vote and does not start, until an operator comes.
    pub(crate) fn state_is_torn(&mut self, host: HostId) {
        if self.shell == Some(ShellMutant::TakesPreviousGeneration) {
            let here = &mut self.hosts[host];
            here.disk = here.previous.clone();
            return self.restored(host);
        }
        self.say(Some(host), || "the state file is torn: the elector does not start".to_owned());
        let delay = if self.healing { MILLI } else { self.random.between(50, 4_000) * MILLI };
        self.after(delay, Event::Repair { host });
    }

    /// Moves the directory away, where the others can do without this life; else restores the file.
    pub(crate) fn repair(&mut self, host: HostId) {
        if !std::mem::take(&mut self.hosts[host].torn) {
            return;
        }
        if !self.wipe(host) {
            self.say(Some(host), || "an operator restores the state file".to_owned());
        }
        self.restored(host);
    }

    fn restored(&mut self, host: HostId) {
        self.hosts[host].torn = false;
        if let Some(executor) = &self.hosts[host].executor
            && executor.machine.is_idle()
        {
            let executor = executor.life;
            self.after(MILLI, Event::StartElector { host, executor });
        }
    }

    /// The directory of a host whose elector does not run becomes a new life's. False where that
    /// would leave less than a quorum of lives that know what they promised, or nobody who could
    /// be boss: then only a forced verb helps (protocol.md 6), which is not simulated. Once for each
    /// host: a life that counts nowhere has nothing to forget.
    pub(crate) fn wipe(&mut self, host: HostId) -> bool {
        let intact = |other: &HostId| *other != host && self.is_intact(*other);
        let others: Vec<HostId> = (0..self.hosts.len()).filter(intact).collect();
        // Who does not know the other's life does not listen to it: the two make no quorum.
        let strangers = |a: &HostId| others.iter().any(|b| !self.has_bound(*a, *b));
        let votes = others.iter().filter(|other| self.hosts[**other].kind.votes()).count();
        let can_be_boss = others.iter().any(|other| self.hosts[*other].kind == Kind::Voter);
        let again = self.hosts[host].incarnation.0 & LIFE != 0;
        let apart = others.iter().any(strangers);
        if again || apart || votes < self.unborn.members.quorum() || !can_be_boss {
            return false;
        }
        self.say(Some(host), || "the state directory is new: another life".to_owned());
        self.oracle.wiped(&self.hosts[host]);
        self.wiped += 1;
        let unborn = self.unborn.clone();
        let here = &mut self.hosts[host];
        here.incarnation = Incarnation(here.incarnation.0 | LIFE);
        here.disk = HardState::unborn(unborn);
        here.unsynced = None;
        here.torn = false;
        true
    }

    /// Whether the cluster knows the life on this host's disk, and the disk knows the cluster.
    pub(crate) fn is_intact(&self, host: HostId) -> bool {
        !self.hosts[host].torn && self.has_bound(host, host)
    }

    /// Whether the disk of `host` says which life of `other` counts, and it is the present one.
    fn has_bound(&self, host: HostId, other: HostId) -> bool {
        let other = &self.hosts[other];
        let member = self.hosts[host].disk.state.members.find(&other.name);
        member.is_some_and(|member| member.incarnation == Some(other.incarnation))
    }
}
