//! What the world tells the judge of effects, permits and hosts, event by event; and what it is told
//! of a message.

use election::{Act, Envelope, Epoch, Message, Moment, Node, Span, Term};

use super::{Oracle, after_the_last, hooks, one_boss};
use crate::host::Host;
use crate::rules::Rule;
use crate::world::{HostId, Instant};

/// A message that a node is about to deal with.
pub(crate) struct Heard<'a> {
    pub(crate) from: HostId,
    pub(crate) envelope: &'a Envelope,
    pub(super) before: Term,
    pub(super) counts: bool,
    pub(super) about: Option<HostId>,
}

impl<'a> Heard<'a> {
    /// Before the node has it. `about`: the host that a handover, or Confirmed, speaks of.
    pub(crate) fn new(
        from: HostId,
        envelope: &'a Envelope,
        about: Option<HostId>,
        node: &Node,
    ) -> Self {
        let counts = match &envelope.message {
            Message::Heartbeat { .. } | Message::Publish { .. } | Message::Confirmed { .. } => {
                node.state().knows(&envelope.from, envelope.incarnation)
            }
            Message::Released { .. } => {
                let claim = &node.state().claim;
                node.state().knows(&envelope.from, envelope.incarnation)
                    || claim.held_by(&envelope.from, envelope.incarnation).is_some()
            }
            _ => false,
        };
        Self { from, envelope, before: node.term(), counts, about }
    }
}

/// Effects and permits.
impl Oracle {
    /// The first promote hook starts.
    pub(crate) fn effect_begins(
        &mut self,
        (now, here): (Instant, Moment),
        host: HostId,
        epoch: Epoch,
        busy: bool,
    ) {
        let verdict = hooks::effect_begins(&self.intervals, host, epoch, busy);
        self.take(verdict);
        let verdict = after_the_last::effect_begins(&self.intervals, now, host, epoch);
        self.take(verdict);
        let excused = self.intervals.is_excused(now, host);
        let verdict = self.epochs.effect_begins(host, epoch, excused);
        self.take(verdict);
        let verdict = self.claimed.effect_begins(host, epoch);
        self.take(verdict);
        let verdict = self.permits.effect_begins(host, here, epoch);
        self.take(verdict);
        let verdict = self.released.effect_begins(host, epoch);
        self.take(verdict);
        let verdict = self.refreshes.effect_begins(host, epoch);
        self.take(verdict);
        self.intervals.begin(now, host, epoch);
        let verdict = one_boss::at_most_one(&self.intervals, now);
        self.take(verdict);
    }

    /// The last demote hook succeeded, or the power is gone.
    pub(crate) fn effect_ends(&mut self, now: Instant, here: Moment, host: HostId) {
        self.stands(now, here, host);
        self.intervals.end(now, host);
    }

    /// 9.7, and when it is to be looked at again.
    pub(crate) fn stands(&mut self, now: Instant, here: Moment, host: HostId) -> Option<Span> {
        let epoch = self.intervals.on(host)?.epoch;
        if !self.intervals.is_excused(now, host) {
            let verdict = self.permits.stands(host, here, epoch);
            self.take(verdict);
        }
        self.permits.look_after(host, here)
    }

    /// What stands on `host`.
    pub(crate) fn epoch_on(&self, host: HostId) -> Option<Epoch> {
        self.intervals.on(host).map(|live| live.epoch)
    }

    /// X3: the lease goes on while hooks let go in order.
    pub(crate) fn extends(&mut self, host: HostId) {
        if self.demotes[host] {
            self.rules.taken(Rule::X3);
        }
    }

    /// The executor reads what its elector says.
    pub(crate) fn reads(&mut self, host: HostId, here: Moment, act: &Act) {
        match act {
            Act::Promote { permit, .. } => self.permits.given(host, *permit),
            Act::Extend { epoch, until } => self.permits.extended(host, here, *epoch, *until),
            Act::Revoke { .. } => self.permits.ended(host, here),
            Act::Demote { .. } | Act::Follow { .. } => {}
        }
    }

    /// The executor has read that its channel ended, or is gone itself.
    pub(crate) fn permit_ends(&mut self, host: HostId, here: Moment) {
        self.permits.ended(host, here);
        self.refreshes.lets_go(host);
    }

    /// The executor lets go.
    pub(crate) fn lets_go(&mut self, host: HostId) {
        self.intervals.lets_go(host);
        self.refreshes.lets_go(host);
    }

    pub(crate) fn power_is_gone(&mut self, host: HostId) {
        self.intervals.power_is_gone(host);
        // The marker was in memory.
        self.epochs.knows(host, Epoch::default());
    }

    pub(crate) fn sleeps(&mut self, host: HostId) {
        self.intervals.sleeps(host);
    }

    pub(crate) fn wakes(&mut self, host: HostId, excused_until: Instant) {
        self.intervals.wakes(host, excused_until);
    }

    /// An excuse may have run out.
    pub(crate) fn judge(&mut self, now: Instant, hosts: &[Host]) {
        let verdict = one_boss::at_most_one(&self.intervals, now);
        self.take(verdict);
        self.judge_leases(now, hosts);
    }

    pub(super) fn judge_leases(&mut self, now: Instant, hosts: &[Host]) {
        let intervals = &self.intervals;
        let clocks = |host: HostId| {
            (!intervals.is_asleep_or_dazed(now, host)).then(|| hosts[host].clock.read(now))
        };
        let verdict = self.leases.at_most_one(clocks);
        self.take(verdict);
    }
}
