//! What most promises are judged by: the real-time intervals in which each host's effects were
//! live, from the first promote hook to the last demote hook's success or the loss of power.

use election::Epoch;

use crate::world::{HostId, Instant, MILLI};

/// Effects that stand.
pub(super) struct Live {
    pub(super) epoch: Epoch,
    pub(super) since: Instant,
    /// Its demote hooks run.
    pub(super) ends: bool,
    /// Letting go failed or overran for good, and an alarm said so.
    pub(super) given_up: bool,
}

pub(super) struct Intervals {
    live: Vec<Option<Live>>,
    asleep: Vec<bool>,
    /// After a sleep that its clocks did not see, a host may stand beside another until then
    /// (protocol.md 7).
    excused_until: Vec<Instant>,
    none_since: Instant,
    faults_are_over: bool,
    pub(super) longest_without: Instant,
    pub(super) promotions: u64,
    pub(super) excuses: u64,
}

impl Intervals {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            live: (0..hosts).map(|_| None).collect(),
            asleep: vec![false; hosts],
            excused_until: vec![0; hosts],
            none_since: 0,
            faults_are_over: false,
            longest_without: 0,
            promotions: 0,
            excuses: 0,
        }
    }

    pub(super) fn begin(&mut self, now: Instant, host: HostId, epoch: Epoch) {
        self.count_gap(now);
        self.promotions += 1;
        self.live[host] = Some(Live { epoch, since: now, ends: false, given_up: false });
    }

    pub(super) fn end(&mut self, now: Instant, host: HostId) {
        if self.live[host].take().is_some() && self.live.iter().all(Option::is_none) {
            self.none_since = now;
        }
    }

    /// What stands on `host`, excused or not.
    pub(super) fn on(&self, host: HostId) -> Option<&Live> {
        self.live[host].as_ref()
    }

    /// Whether the protocol itself excludes this host from its promise now.
    pub(super) fn is_excused(&self, now: Instant, host: HostId) -> bool {
        let given_up = self.live[host].as_ref().is_some_and(|live| live.given_up);
        given_up || self.is_asleep_or_dazed(now, host)
    }

    /// Whether a sleep, and what follows it, keeps it from knowing the time.
    pub(super) fn is_asleep_or_dazed(&self, now: Instant, host: HostId) -> bool {
        self.asleep[host] || now < self.excused_until[host]
    }

    pub(super) fn has_given_up(&self, host: HostId) -> bool {
        self.live[host].as_ref().is_some_and(|live| live.given_up)
    }

    /// The live effects that nothing excuses.
    pub(super) fn unexcused(&self, now: Instant) -> impl Iterator<Item = (HostId, &Live)> {
        let live = self.live.iter().enumerate();
        let live = live.filter_map(|(host, live)| Some((host, live.as_ref()?)));
        live.filter(move |(host, _)| !self.is_excused(now, *host))
    }

    pub(super) fn only(&self) -> Option<(HostId, Epoch)> {
        let live = self.live.iter().enumerate();
        let mut live = live.filter_map(|(host, l)| Some((host, l.as_ref()?.epoch)));
        let first = live.next()?;
        live.next().is_none().then_some(first)
    }

    pub(super) fn excuse(&mut self, host: HostId) {
        if let Some(live) = &mut self.live[host]
            && !std::mem::replace(&mut live.given_up, true)
        {
            self.excuses += 1;
        }
    }

    pub(super) fn lets_go(&mut self, host: HostId) {
        if let Some(live) = &mut self.live[host] {
            live.ends = true;
        }
    }

    pub(super) fn sleeps(&mut self, host: HostId) {
        self.asleep[host] = true;
    }

    pub(super) fn wakes(&mut self, host: HostId, excused_until: Instant) {
        self.asleep[host] = false;
        self.excused_until[host] = excused_until;
    }

    /// Its power is gone: whatever it believed went with it.
    pub(super) fn power_is_gone(&mut self, host: HostId) {
        self.asleep[host] = false;
        self.excused_until[host] = 0;
    }

    fn count_gap(&mut self, now: Instant) {
        if !self.faults_are_over && self.live.iter().all(Option::is_none) {
            self.longest_without = self.longest_without.max(now - self.none_since);
        }
    }

    pub(super) fn end_of_safety(&mut self, now: Instant) {
        self.count_gap(now);
        self.faults_are_over = true;
    }
}

impl std::fmt::Display for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {} since {} ms", self.epoch, self.since / MILLI)
    }
}
