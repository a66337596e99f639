//! 9.20, its safe half: a leader without a quorum stops extending promises within L. That a boss
//! comes back is judged in `heal`.

use election::{Moment, Span};

use super::Verdict;
use crate::world::HostId;

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
