//! 9.7: an effect implies a permit that the executor's own clock holds valid, or within D of its
//! end, from the first hook to the last. The permit is kept here as the executor read it: X1 and X2
//! are applied once more, by the clock of the two that no fault sets.

use election::{Epoch, Moment, Permit, Span};

use super::Verdict;
use crate::world::HostId;

/// What the simulated hosts need to end a hook and to say so.
const GRACE: Span = Span::from_millis(2);

struct Held {
    permit: Permit,
    /// Where its end has come: when D is over.
    limit: Option<Moment>,
}

#[derive(Default)]
pub(super) struct Permits(Vec<Option<Held>>);

impl Permits {
    pub(super) fn new(hosts: usize) -> Self {
        Self((0..hosts).map(|_| None).collect())
    }

    /// The executor read a permit.
    pub(super) fn given(&mut self, host: HostId, permit: Permit) {
        let last = self.0[host].as_ref().map(|held| held.permit.epoch);
        if last < Some(permit.epoch) {
            self.0[host] = Some(Held { permit, limit: None });
        }
    }

    /// The executor read an extension.
    pub(super) fn extended(&mut self, host: HostId, now: Moment, epoch: Epoch, until: Moment) {
        let Some(held) = &mut self.0[host] else { return };
        held.expire(now);
        if held.permit.epoch == epoch && held.limit.is_none() {
            held.permit.until = held.permit.until.latest(until);
        }
    }

    /// The executor read a revoke or the channel's end, or it was killed.
    pub(super) fn ended(&mut self, host: HostId, now: Moment) {
        if let Some(held) = &mut self.0[host] {
            held.expire(now);
            let limit = now.plus(held.permit.fence);
            held.limit = Some(held.limit.map_or(limit, |earlier| earlier.earliest(limit)));
        }
    }

    pub(super) fn effect_begins(&mut self, host: HostId, now: Moment, epoch: Epoch) -> Verdict {
        let Some(held) = &mut self.0[host] else {
            return Err(format!("9.7: host {host} promotes epoch {epoch} without a permit"));
        };
        held.expire(now);
        if held.permit.epoch == epoch && held.limit.is_none() {
            Ok(())
        } else {
            Err(format!("9.7: host {host} promotes epoch {epoch}, its permit over"))
        }
    }

    /// The effect of `epoch` stands, or stood until now.
    pub(super) fn stands(&mut self, host: HostId, now: Moment, epoch: Epoch) -> Verdict {
        let Some(held) = &mut self.0[host] else { return Ok(()) };
        held.expire(now);
        let Some(limit) = held.limit.filter(|_| held.permit.epoch == epoch) else { return Ok(()) };
        // A host has one clock at most that faults set forward: both must be beyond.
        if limit.plus(GRACE).over_when_both(now) {
            Err(format!("9.7: epoch {epoch} stands on host {host}, D after its permit's end"))
        } else {
            Ok(())
        }
    }

    /// How long until an effect has to be looked at again.
    pub(super) fn look_after(&self, host: HostId, now: Moment) -> Option<Span> {
        let held = self.0[host].as_ref()?;
        let limit = held.limit.unwrap_or_else(|| held.permit.until.plus(held.permit.fence));
        Some(limit.plus(GRACE).left_until_both(now).plus(Span::from_micros(1)))
    }
}

impl Held {
    fn expire(&mut self, now: Moment) {
        if self.limit.is_none() && self.permit.until.over_when_either(now) {
            self.limit = Some(self.permit.until.plus(self.permit.fence));
        }
    }
}
