//! 9.20, as far as it is judged while faults go on: a leader without a quorum stops extending promises
//! within L, and nobody steps back again and again for a node that cannot win. That a boss comes back
//! is judged in `heal`.

use election::{Moment, Reason, Span, Timing};

use super::Verdict;
use crate::world::{HostId, Instant};

/// A leader's lease, as far as its heartbeats may rest on it.
#[derive(Clone, Copy, Default)]
struct Lease {
    until: Option<Moment>,
    /// Left over from an earlier leadership: it withholds votes (V2) and says nothing of this one.
    stale: Option<Moment>,
}

#[derive(Default)]
pub(super) struct Stopped(Vec<Lease>);

impl Stopped {
    pub(super) fn new(hosts: usize) -> Self {
        Self(vec![Lease::default(); hosts])
    }

    /// An unreleased lease, as it is now.
    pub(super) fn holds(&mut self, host: HostId, until: Option<Moment>) {
        let lease = &mut self.0[host];
        lease.until = until.filter(|_| until != lease.stale);
    }

    /// It won a term.
    pub(super) fn leads(&mut self, host: HostId) {
        let lease = &mut self.0[host];
        lease.stale = lease.until.take().or(lease.stale);
    }

    /// Its process ended.
    pub(super) fn dies(&mut self, host: HostId) {
        self.0[host] = Lease::default();
    }

    /// A heartbeat leaves. `waited`: it may have been held back by a write.
    pub(super) fn extends(&self, host: HostId, now: Moment, lease: Span, waited: bool) -> Verdict {
        match self.0[host].until {
            Some(until) if !waited && until.plus(lease).over_when_both(now) => {
                Err(format!("9.20: host {host} extends promises, L after its lease ended"))
            }
            _ => Ok(()),
        }
    }
}

/// Whom each host told to take over by preference, and when; it has not been heard leading since.
pub(super) struct Handovers {
    told: Vec<Vec<(HostId, Instant)>>,
    /// The least time until the same one is told again.
    spared: Instant,
}

impl Handovers {
    pub(super) fn new(hosts: usize, timing: &Timing) -> Self {
        // Twice an unplanned change, less what clocks may differ.
        let change = timing.promise().plus(timing.fence_wait());
        Self { told: vec![Vec::new(); hosts], spared: change.times(19).part(10).as_nanos() }
    }

    /// A new process knows nothing of it.
    pub(super) fn starts(&mut self, host: HostId) {
        self.told[host].clear();
    }

    /// It could win after all.
    pub(super) fn hears(&mut self, host: HostId, leader: HostId) {
        self.told[host].retain(|(to, _)| *to != leader);
    }

    pub(super) fn tells(
        &mut self,
        now: Instant,
        host: HostId,
        to: HostId,
        reason: Reason,
    ) -> Verdict {
        let told = &mut self.told[host];
        let before = told.iter().find(|(other, _)| *other == to).map(|(_, at)| *at);
        told.retain(|(other, _)| *other != to);
        told.push((to, now));
        let preferred = matches!(reason, Reason::BetterNode | Reason::Failback);
        match before.filter(|at| preferred && now - at < self.spared) {
            Some(at) => {
                let ms = (now - at) / 1_000_000;
                Err(format!("9.20: host {host} steps back for host {to} again after {ms} ms"))
            }
            None => Ok(()),
        }
    }
}
