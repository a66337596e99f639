//! 9.8: unreleased leases of two nodes are disjoint in real time. A lease's end is a moment of its
//! own host's clocks; whether it has come is asked at the real instant at which another begins.

use election::{Moment, Span, Term};

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

/// What became of a lease.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Longer,
    Begins,
}

impl Leases {
    pub(super) fn new(hosts: usize) -> Self {
        Self((0..hosts).map(|_| None).collect())
    }

    /// What the node says after an event.
    pub(super) fn holds(
        &mut self,
        host: HostId,
        until: Option<Moment>,
        (now, here): (Instant, Moment),
        term: Term,
    ) -> Change {
        let lease = &mut self.0[host];
        let Some(until) = until else {
            *lease = None;
            return Change::None;
        };
        let is_over = until.over_when_either(here);
        match lease {
            Some(lease) if lease.until == until => {
                lease.is_over |= is_over;
                Change::None
            }
            Some(lease) if !lease.is_over && !lease.until.over_when_either(here) => {
                lease.until = until;
                lease.term = term;
                Change::Longer
            }
            _ => {
                *lease = Some(Lease { until, is_over, since: now, term });
                if is_over { Change::None } else { Change::Begins }
            }
        }
    }

    /// L1, A1: every lease rests on promises of a quorum that outlast it. `ends`: for each voter
    /// the real time that its promise to `host`, or to nobody, still has.
    pub(super) fn is_backed(
        &self,
        host: HostId,
        lasts: u64,
        ends: impl Iterator<Item = u64>,
        quorum: usize,
    ) -> Verdict {
        let enough = ends.filter(|ends| *ends >= lasts).count();
        if enough >= quorum {
            return Ok(());
        }
        let term = self.0[host].as_ref().map(|lease| lease.term);
        let lasts = lasts / MILLI;
        Err(format!(
            "9.8: the lease of host {host} in term {term:?} lasts {lasts} ms, as long only {enough} \
             promises do, {quorum} must"
        ))
    }

    /// W4: a promote begins with at least the margin left.
    pub(super) fn promotes(&self, host: HostId, here: Moment, margin: Span) -> Verdict {
        let left = self.0[host].as_ref().filter(|lease| !lease.is_over);
        let left = left.map_or(Span::ZERO, |lease| lease.until.left_until_either(here));
        if left >= margin {
            Ok(())
        } else {
            Err(format!("9.7: host {host} promotes with {left} of its lease left (W4)"))
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
