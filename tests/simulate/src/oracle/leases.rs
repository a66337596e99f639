//! 9.8: unreleased leases of two nodes are disjoint in real time. A lease's end is a moment of its
//! own host's clocks; whether it has come is asked at the real instant at which another begins.

use election::{Moment, Term};

use super::Verdict;
use crate::world::{HostId, Instant, MILLI};

#[derive(Default)]
pub(super) struct Leases(Vec<Option<Lease>>);

struct Lease {
    until: Moment,
    /// It was seen to be over: so it is, also where a clock is set back afterwards.
    is_over: bool,
    since: Instant,
    term: Term,
}

impl Leases {
    pub(super) fn new(hosts: usize) -> Self {
        Self((0..hosts).map(|_| None).collect())
    }

    /// What the node says after an event; true when a lease began.
    pub(super) fn holds(
        &mut self,
        host: HostId,
        until: Option<Moment>,
        (now, here): (Instant, Moment),
        term: Term,
    ) -> bool {
        let lease = &mut self.0[host];
        let Some(until) = until else {
            *lease = None;
            return false;
        };
        let is_over = until.over_when_either(here);
        match lease {
            Some(lease) if lease.until == until => {
                lease.is_over |= is_over;
                false
            }
            Some(lease) if !lease.is_over && !lease.until.over_when_either(here) => {
                lease.until = until;
                lease.term = term;
                false
            }
            _ => {
                *lease = Some(Lease { until, is_over, since: now, term });
                !is_over
            }
        }
    }

    /// The elector is gone, and with it who could act on its lease; the permit is 9.7's.
    pub(super) fn dies(&mut self, host: HostId) {
        self.0[host] = None;
    }

    /// Whether `host` holds one by its own clocks.
    pub(super) fn is_live(&self, host: HostId, here: Moment) -> bool {
        self.0[host].as_ref().is_some_and(|lease| lease.is_live(here))
    }

    /// V2: whether `host` must withhold its vote.
    pub(super) fn withholds(&self, host: HostId, here: Moment) -> bool {
        self.0[host].as_ref().is_some_and(|lease| !lease.until.over_when_both(here))
    }

    /// `counts`: the host's clocks, unless it is excused.
    pub(super) fn at_most_one(&self, counts: impl Fn(HostId) -> Option<Moment>) -> Verdict {
        let mut live = self.0.iter().enumerate().filter_map(|(host, lease)| {
            let lease = lease.as_ref()?;
            lease.is_live(counts(host)?).then_some((host, lease))
        });
        let (Some((first, one)), Some((second, other))) = (live.next(), live.next()) else {
            return Ok(());
        };
        let since = |lease: &Lease| format!("term {} since {} ms", lease.term, lease.since / MILLI);
        let (one, other) = (since(one), since(other));
        Err(format!("9.8: hosts {first} ({one}) and {second} ({other}) hold leases at once"))
    }
}

impl Lease {
    fn is_live(&self, here: Moment) -> bool {
        !self.is_over && !self.until.over_when_either(here)
    }
}
