//! The executor's side (protocol.md 4, X1 to X6): it acts only under a permit, a copy of the
//! elector's lease that it enforces by its own clocks. This machine takes the elector's orders,
//! the hooks' outcomes and the time, and says what to do, in order. It does nothing itself.
//!
//! ```text
//! Idle --permit--> Promoting --ok--> Acting --demote--> Demoting --ok--> Idle
//!                      |  failed        |  expiry, revoke,   | failed
//!                      +-----> Demoting <--- channel's end   +--> urgent --failed--> Escalating
//!                                                                                       | failed
//!                                                                       Stuck, never Idle <+
//! ```

use std::collections::VecDeque;

use crate::id::Epoch;
#[cfg(feature = "model")]
use crate::moment::Passed;
use crate::moment::{Moment, Span};
use crate::mutant::{Mutant, Sabotage};
use crate::word::{ExecutorAlarm, Marker, Order, Permit, Word, fence_reserve};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Work {
    Idle,
    Promoting,
    Acting,
    /// A graceful demote, by `hooks.timeout`.
    Demoting {
        limit: Moment,
    },
    /// An urgent demote: `limit` is D's end.
    Fencing {
        limit: Moment,
        overrun: bool,
    },
    Escalating {
        limit: Moment,
        overrun: bool,
    },
    Stuck,
}

/// The executor's machine. The caller reads both clocks before each call, and asks
/// [`Self::may_act`] before each effect.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Executor {
    permit: Option<Permit>,
    work: Work,
    /// The highest permit or revoke read.
    last: Epoch,
    channel: bool,
    /// What is kept back of D for the escalation.
    escalation: Span,
    /// `hooks.timeout`, for a graceful demote.
    graceful: Span,
    orders: VecDeque<Order>,
    sabotage: Sabotage,
}

impl Executor {
    /// X5: starts from what the marker says and from the epoch of an own claim in the state file.
    /// When effects may stand the first order is an urgent demote.
    pub fn start(
        now: Moment,
        marker: Marker,
        own_claim: Option<Epoch>,
        fence: Span,
        escalation: Span,
        graceful: Span,
    ) -> Self {
        let claimed = own_claim.unwrap_or_default();
        let (last, fence, stands) = match marker {
            Marker::Acting { epoch, fence } => (epoch.max(claimed), fence, true),
            Marker::Unreadable => (claimed, fence, true),
            Marker::Missing => (claimed, fence, own_claim.is_some()),
            Marker::Idle { epoch } => (epoch.max(claimed), fence, claimed > epoch),
        };
        let mut executor = Self {
            permit: None,
            work: Work::Idle,
            last,
            channel: false,
            escalation,
            graceful,
            orders: VecDeque::new(),
            sabotage: Sabotage::default(),
        };
        if stands {
            executor.permit = Some(Permit { epoch: last, until: now, fence });
            executor.fence(now);
        } else {
            executor.become_idle();
        }
        executor
    }

    /// Breaks one rule on purpose.
    #[cfg(feature = "mutants")]
    pub fn set_mutant(&mut self, mutant: Option<Mutant>) {
        self.sabotage = Sabotage::of(mutant);
        if self.sabotage.is(Mutant::X5IgnoresMarker) && matches!(self.work, Work::Fencing { .. }) {
            self.orders.clear();
            self.become_idle();
        }
    }

    /// Another `hooks.timeout`, and another part of D for the escalation: for what begins from now on.
    pub fn set_budgets(&mut self, escalation: Span, graceful: Span) {
        (self.escalation, self.graceful) = (escalation, graceful);
    }

    /// The next order, oldest first.
    pub fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// A new elector listens on a new channel.
    pub fn handle_channel_opened(&mut self) {
        self.channel = true;
    }

    /// X2: the elector is gone. What it permitted ends now; its epochs are spent.
    pub fn handle_channel_closed(&mut self, now: Moment) {
        self.channel = false;
        if self.sabotage.is(Mutant::X2OutlivesChannel) {
            self.become_idle_word();
            return;
        }
        match self.work {
            Work::Idle => self.become_idle_word(),
            Work::Promoting | Work::Acting | Work::Demoting { .. } => self.fence(now),
            Work::Fencing { .. } | Work::Escalating { .. } | Work::Stuck => {}
        }
    }

    /// X1, X4: a permit for a new epoch. One for an epoch at or below the last is not believed,
    /// nor one that comes while something of an earlier epoch may still stand.
    pub fn handle_permit(&mut self, now: Moment, permit: Permit) {
        if self.work != Work::Idle {
            return;
        }
        if permit.epoch <= self.last {
            // The elector must not wait for what never comes.
            self.say(Word::Idle { epoch: self.last });
            return;
        }
        self.last = permit.epoch;
        if permit.until.over_when_either(now) {
            // It was over before it was read: nothing of it ever becomes active.
            self.orders.push_back(Order::MarkIdle { epoch: permit.epoch });
            self.become_idle_word();
            return;
        }
        self.permit = Some(permit);
        self.work = Work::Promoting;
        if self.sabotage.is(Mutant::X5MarksLate) {
            self.orders.push_back(Order::Promote { epoch: permit.epoch });
            self.orders.push_back(Order::MarkActing(permit));
            return;
        }
        self.orders.push_back(Order::MarkActing(permit));
        self.orders.push_back(Order::Promote { epoch: permit.epoch });
    }

    /// X1: forward only, for the same epoch, never after its end.
    pub fn handle_extend(&mut self, now: Moment, epoch: Epoch, until: Moment) {
        self.handle_timeout(now);
        if !matches!(self.work, Work::Promoting | Work::Acting | Work::Demoting { .. }) {
            if self.sabotage.is(Mutant::X1RevivesPermit)
                && matches!(self.work, Work::Fencing { .. })
            {
                self.work = Work::Acting;
                self.orders.clear();
            }
            if !self.sabotage.is(Mutant::X1RevivesPermit) {
                return;
            }
        }
        if let Some(permit) = &mut self.permit
            && permit.epoch == epoch
        {
            permit.until = permit.until.latest(until);
        }
    }

    /// A graceful demote: the hooks have `hooks.timeout`, extensions go on meanwhile (X3).
    pub fn handle_demote(&mut self, now: Moment, epoch: Epoch) {
        self.handle_timeout(now);
        if !self.works_on(epoch) {
            self.record_revoke(epoch);
            return;
        }
        if matches!(self.work, Work::Promoting | Work::Acting) {
            let limit = now.plus(self.graceful);
            self.work = Work::Demoting { limit };
            self.orders.push_back(Order::Demote { epoch, limit, urgent: false });
        }
    }

    /// X2, X4: what has this epoch ends now; one that was never promoted is recorded as the last.
    pub fn handle_revoke(&mut self, now: Moment, epoch: Epoch) {
        if !self.works_on(epoch) {
            self.record_revoke(epoch);
        } else if matches!(self.work, Work::Promoting | Work::Acting | Work::Demoting { .. }) {
            self.fence(now);
        }
    }

    /// The promote hooks ended by themselves. What fails is demoted at once, by the time that a
    /// graceful demote has.
    pub fn handle_promoted(&mut self, now: Moment, success: bool) {
        self.handle_timeout(now);
        let (Work::Promoting, Some(permit)) = (self.work, self.permit) else {
            // A demote overtook it; its outcome is what counts.
            return;
        };
        if success {
            self.work = Work::Acting;
            self.say(Word::Promoted { epoch: permit.epoch });
        } else {
            let limit = now.plus(self.graceful);
            self.work = Work::Demoting { limit };
            self.say(Word::PromoteFailed { epoch: permit.epoch });
            self.orders.push_back(Order::Demote { epoch: permit.epoch, limit, urgent: false });
        }
    }

    /// The demote hooks ended: all with success, or not. A graceful demote that failed is tried
    /// once more as an urgent one; an urgent one that failed is escalated.
    pub fn handle_demoted(&mut self, now: Moment, success: bool) {
        let Some(permit) = self.permit else { return };
        match self.work {
            Work::Demoting { .. } if success => self.let_go(),
            Work::Demoting { .. } => self.fence(now),
            Work::Fencing { .. } if success => self.let_go(),
            Work::Fencing { limit, overrun } => {
                self.orders.push_back(Order::Alarm(ExecutorAlarm::DemoteFailed(permit.epoch)));
                self.work = Work::Escalating { limit, overrun };
                self.orders.push_back(Order::Escalate { epoch: permit.epoch, limit });
            }
            Work::Idle | Work::Promoting | Work::Acting | Work::Escalating { .. } | Work::Stuck => {
            }
        }
    }

    /// The escalation ended: everything is surely gone, or nothing more can be done.
    pub fn handle_escalated(&mut self, success: bool) {
        let (Work::Escalating { .. }, Some(permit)) = (self.work, self.permit) else { return };
        if success {
            self.let_go();
        } else {
            self.work = Work::Stuck;
            self.orders.push_back(Order::Alarm(ExecutorAlarm::LettingGoFailed(permit.epoch)));
            self.say(Word::Stuck { epoch: permit.epoch });
        }
    }

    /// The time has come: a permit is over, a graceful demote took too long, D is over.
    pub fn handle_timeout(&mut self, now: Moment) {
        let Some(permit) = self.permit else { return };
        match &mut self.work {
            Work::Promoting | Work::Acting => {
                if self.sabotage.is(Mutant::X1IgnoresExpiry) {
                    return;
                }
                if self.sabotage.is(Mutant::LeaseNeedsBothClocks)
                    && !permit.until.over_when_both(now)
                {
                    return;
                }
                if permit.until.over_when_either(now) {
                    self.fence(now);
                }
            }
            Work::Demoting { limit } => {
                let late = limit.over_when_either(now);
                if late || permit.until.over_when_either(now) {
                    self.fence(now);
                }
            }
            Work::Fencing { limit, overrun } | Work::Escalating { limit, overrun } => {
                if !*overrun && limit.over_when_either(now) {
                    *overrun = true;
                    let alarm = ExecutorAlarm::FenceOverrun(permit.epoch);
                    self.orders.push_back(Order::Alarm(alarm));
                }
            }
            Work::Idle | Work::Stuck => {}
        }
    }

    /// X1: whether an effect of `epoch` may start now. Asked before each one.
    pub fn may_act(&self, now: Moment, epoch: Epoch) -> bool {
        if self.sabotage.is(Mutant::X1IgnoresExpiry) {
            return matches!(self.work, Work::Promoting | Work::Acting);
        }
        matches!(self.work, Work::Promoting | Work::Acting)
            && self.permit.is_some_and(|p| p.epoch == epoch && !p.until.over_when_either(now))
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn wake(&self) -> Option<Moment> {
        let permit = self.permit?;
        match self.work {
            Work::Promoting | Work::Acting => Some(permit.until),
            Work::Demoting { limit } => Some(limit.earliest(permit.until)),
            Work::Fencing { limit, overrun: false }
            | Work::Escalating { limit, overrun: false } => Some(limit),
            Work::Fencing { .. } | Work::Escalating { .. } | Work::Idle | Work::Stuck => None,
        }
    }

    /// Whether nothing stands and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.work == Work::Idle
    }

    /// Whether letting go failed for good.
    pub fn is_stuck(&self) -> bool {
        self.work == Work::Stuck
    }

    /// Whether something is, or may be, in effect or on its way there.
    pub fn epoch_in_effect(&self) -> Option<Epoch> {
        if self.is_idle() { None } else { self.permit.map(|p| p.epoch) }
    }

    /// The permit, while something is in effect.
    pub fn permit(&self) -> Option<Permit> {
        self.permit
    }

    /// The highest permit or revoke read.
    pub fn last_epoch(&self) -> Epoch {
        self.last
    }

    fn works_on(&self, epoch: Epoch) -> bool {
        self.work != Work::Idle && self.permit.is_some_and(|p| p.epoch == epoch)
    }

    /// X4: a revoke for an epoch that was never promoted makes it the last one.
    fn record_revoke(&mut self, epoch: Epoch) {
        if epoch > self.last {
            self.last = epoch;
            if self.work == Work::Idle {
                self.orders.push_back(Order::MarkIdle { epoch });
            }
        }
        if self.work == Work::Idle {
            self.say(Word::Idle { epoch: self.last });
        }
    }

    /// X2: an urgent demote, over by min(until, noticed) + D.
    fn fence(&mut self, now: Moment) {
        let Some(permit) = self.permit else { return };
        let limit = permit.until.earliest(now).plus(permit.fence);
        self.work = Work::Fencing { limit, overrun: false };
        let reserve = fence_reserve(permit.fence);
        let mut hooks = limit.minus(self.escalation).minus(reserve);
        if self.escalation == Span::ZERO {
            // Noticed late, after a suspend say: nothing but the hooks can let go, and to kill
            // them at once would leave the effects for ever. The overrun is an alarm all the same.
            hooks = hooks.latest(now.plus(permit.fence.minus(reserve)));
        }
        let order = Order::Demote { epoch: permit.epoch, limit: hooks, urgent: true };
        self.orders.push_back(order);
    }

    /// The last effect is gone: the record first, then the word (X5).
    fn let_go(&mut self) {
        self.orders.push_back(Order::MarkIdle { epoch: self.last });
        self.become_idle_word();
    }

    fn become_idle_word(&mut self) {
        self.say(Word::Idle { epoch: self.last });
        self.become_idle();
    }

    fn become_idle(&mut self) {
        self.permit = None;
        self.work = Work::Idle;
        self.orders.push_back(Order::Idle { last: self.last });
    }

    fn say(&mut self, word: Word) {
        if self.channel {
            self.orders.push_back(Order::Say(word));
        }
    }
}

#[cfg(feature = "model")]
impl Executor {
    /// Every moment that it knows is `passed` earlier, so that a model can let time pass without
    /// the time growing. Orders must have been taken.
    pub fn shift(&mut self, passed: Passed) {
        let Self {
            permit,
            work,
            last: _,
            channel: _,
            escalation: _,
            graceful: _,
            orders,
            sabotage: _,
        } = self;
        assert!(orders.is_empty(), "orders carry moments: take them first");
        if let Some(permit) = permit {
            permit.shift(passed);
        }
        match work {
            Work::Demoting { limit }
            | Work::Fencing { limit, overrun: _ }
            | Work::Escalating { limit, overrun: _ } => *limit = limit.before(passed),
            Work::Idle | Work::Promoting | Work::Acting | Work::Stuck => {}
        }
    }

    /// When D ends, while something is let go at once: by then nothing may stand.
    pub fn fence_limit(&self) -> Option<Moment> {
        match self.work {
            Work::Fencing { limit, .. } | Work::Escalating { limit, .. } => Some(limit),
            Work::Idle | Work::Promoting | Work::Acting | Work::Demoting { .. } | Work::Stuck => {
                None
            }
        }
    }
}
