//! 9.1, 9.12: at most one node has live effects, at any real instant. 9.13: the epochs that hooks
//! get grow strictly. 9.18: every promote is followed by a demote before the next.

use election::Epoch;

use super::Verdict;
use crate::world::{HostId, Instant, MILLI};

struct Live {
    epoch: Epoch,
    since: Instant,
    /// Its host sleeps: it does nothing.
    asleep: bool,
    /// After a suspend it may stand beside another until then (protocol.md 7).
    excused_until: Instant,
    /// Letting go failed for good, and an alarm said so.
    given_up: bool,
}

pub(super) struct Effects {
    live: Vec<Option<Live>>,
    suspended: Vec<bool>,
    last_epoch: Epoch,
    none_since: Instant,
    faults_are_over: bool,
    pub(super) longest_without: Instant,
    pub(super) promotions: u64,
    pub(super) excuses: u64,
}

impl Effects {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            live: (0..hosts).map(|_| None).collect(),
            suspended: vec![false; hosts],
            last_epoch: Epoch::default(),
            none_since: 0,
            faults_are_over: false,
            longest_without: 0,
            promotions: 0,
            excuses: 0,
        }
    }

    pub(super) fn begin(
        &mut self,
        now: Instant,
        host: HostId,
        epoch: Epoch,
        busy: bool,
    ) -> Verdict {
        if busy || self.live[host].is_some() {
            return Err(format!("9.18: host {host} promotes epoch {epoch} before a demote ended"));
        }
        if epoch <= self.last_epoch {
            let last = self.last_epoch;
            return Err(format!("9.13: host {host} promotes epoch {epoch} after {last}"));
        }
        self.count_gap(now);
        self.promotions += 1;
        self.last_epoch = epoch;
        let live = Live { epoch, since: now, asleep: false, excused_until: 0, given_up: false };
        self.live[host] = Some(live);
        self.at_most_one(now)
    }

    pub(super) fn end(&mut self, now: Instant, host: HostId) {
        self.live[host] = None;
        if self.live.iter().all(Option::is_none) {
            self.none_since = now;
        }
    }

    /// Beginnings and the ends of excuses are the only instants at which a second one can appear.
    pub(super) fn at_most_one(&self, now: Instant) -> Verdict {
        let counts = |live: &Live| !live.asleep && !live.given_up && now >= live.excused_until;
        let live = self.live.iter().enumerate();
        let live = live.filter_map(|(host, live)| Some((host, live.as_ref()?)));
        let live: Vec<_> = live.filter(|(_, live)| counts(live)).collect();
        if live.len() < 2 {
            return Ok(());
        }
        let names = live.iter().map(|(host, live)| {
            format!("host {host} epoch {} since {} ms", live.epoch, live.since / MILLI)
        });
        let names: Vec<_> = names.collect();
        Err(format!("9.1: two bosses at {} ms: {}", now / MILLI, names.join(", ")))
    }

    pub(super) fn count_gap(&mut self, now: Instant) {
        if !self.faults_are_over && self.live.iter().all(Option::is_none) {
            self.longest_without = self.longest_without.max(now - self.none_since);
        }
    }

    pub(super) fn end_of_safety(&mut self, now: Instant) {
        self.count_gap(now);
        self.faults_are_over = true;
    }

    pub(super) fn excuse(&mut self, host: HostId) {
        if let Some(live) = &mut self.live[host]
            && !std::mem::replace(&mut live.given_up, true)
        {
            self.excuses += 1;
        }
    }

    pub(super) fn is_excused(&self, host: HostId) -> bool {
        self.live[host].as_ref().is_some_and(|live| live.given_up)
    }

    pub(super) fn suspended(&mut self, host: HostId) {
        self.suspended[host] = true;
        if let Some(live) = &mut self.live[host] {
            live.asleep = true;
        }
    }

    pub(super) fn resumed(&mut self, host: HostId, excused_until: Instant) {
        if let Some(live) = &mut self.live[host] {
            live.asleep = false;
            live.excused_until = excused_until;
        }
    }

    pub(super) fn was_suspended(&self, host: HostId) -> bool {
        self.suspended[host]
    }

    pub(super) fn epoch_of(&self, host: HostId) -> Option<Epoch> {
        self.live[host].as_ref().filter(|live| !live.given_up).map(|live| live.epoch)
    }

    /// The live effects that nothing excuses.
    pub(super) fn unexcused(&self) -> impl Iterator<Item = (HostId, Epoch)> {
        self.live.iter().enumerate().filter_map(|(host, live)| {
            let live = live.as_ref()?;
            let excused = live.asleep || live.given_up || live.excused_until > 0;
            (!excused).then_some((host, live.epoch))
        })
    }

    pub(super) fn only(&self) -> Option<(HostId, Epoch)> {
        let mut live = self.live.iter().enumerate();
        let mut live = live.by_ref().filter_map(|(host, l)| Some((host, l.as_ref()?.epoch)));
        let first = live.next()?;
        live.next().is_none().then_some(first)
    }
}
