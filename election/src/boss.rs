//! The boss's life on the leader's side (protocol.md 4): from Waiting through the claim and the
//! permit to Boss, and back through Demoting or Fencing to Idle. What the executor says comes in
//! here; what it is to do goes out as [`Act`].

use std::fmt;

use crate::cluster_state::{Failback, Held, HoldOffCause};
use crate::eligibility::Ineligible;
use crate::id::{Epoch, NodeId, Term};
use crate::leader::{Ground, Leader};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, ReleasedWord, Standing};
use crate::note::Note;
use crate::ready::{Act, Reason};
use crate::window::Window;
use crate::word::{Permit, Word};

/// Where a node is in the boss's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Phase {
    /// Nothing of this node is or will become active.
    #[default]
    Idle,
    /// A leader that waits for W1 to W5.
    Waiting,
    /// Promote hooks run.
    Promoting,
    /// Boss.
    Boss,
    /// Letting go in order.
    Demoting,
    /// Letting go at once.
    Fencing,
}

impl Phase {
    /// As status shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Promoting => "promoting",
            Self::Boss => "boss",
            Self::Demoting => "demoting",
            Self::Fencing => "fencing",
        }
    }

    /// Whether the executor holds, or may hold, a permit.
    pub(crate) const fn has_permit(self) -> bool {
        matches!(self, Self::Promoting | Self::Boss | Self::Demoting)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the elector knows of the executor (X4).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Runner {
    /// The highest permit or revoke sent on this channel.
    pub sent: Epoch,
    /// The highest epoch that the executor's word "idle" named.
    pub idle: Epoch,
    /// Letting go failed for good.
    pub stuck: bool,
}

impl Runner {
    pub(crate) fn is_idle(&self) -> bool {
        self.idle >= self.sent && !self.stuck
    }
}

/// Why a leader does not promote yet: the first of W1 to W5 that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wait {
    /// W1: no version of its term is committed.
    Commit,
    /// W2: the predecessor's window is open.
    FenceWindow(Span),
    /// W2: its own runner is not idle.
    Runner,
    /// W3: its claim is not committed.
    Claim,
    /// W4: the lease has too little left.
    Margin,
    /// W5: paused.
    Paused,
    /// W5: held off, drained, a witness, not ready.
    Ineligible,
    /// Its epoch is spent: R2.
    Spent,
}

impl Node {
    /// The executor's word.
    pub(crate) fn take_word(&mut self, word: Word) {
        match word {
            Word::Promoted { epoch } => self.take_promoted(epoch),
            Word::PromoteFailed { epoch } => self.take_promote_failed(epoch),
            Word::Idle { epoch } => self.take_idle(epoch),
            Word::Stuck { epoch } => {
                // Never Idle: the claim stands. By leaving, the rest goes on after the promises
                // and D', which is what `on-fence-failure = "alarm"` means (section 4).
                self.runner.stuck = true;
                self.note(Note::LettingGoFailed { epoch });
                self.leave_leadership(Reason::LettingGoFailed);
            }
        }
    }

    fn take_promoted(&mut self, epoch: Epoch) {
        let Standing::Leader(leader) = &self.standing else { return };
        if self.phase != Phase::Promoting || self.runner.sent != epoch {
            return;
        }
        let (votes, window) = (leader.votes.clone(), leader.window);
        self.phase = Phase::Boss;
        self.note(Note::BecameBoss { epoch, votes, window });
    }

    fn take_promote_failed(&mut self, epoch: Epoch) {
        if self.phase != Phase::Promoting || self.runner.sent != epoch {
            return;
        }
        // The executor demotes by itself what had started.
        self.phase = Phase::Demoting;
        self.note(Note::PromoteFailed { epoch });
        if let Standing::Leader(leader) = &mut self.standing {
            leader.hold_off_me = Some(HoldOffCause::PromoteFailed);
            leader.begin_handover(None, Reason::PromoteFailed);
        }
    }

    /// X4: an older word is ignored. A word that counts fixes what Released will say (X6).
    fn take_idle(&mut self, epoch: Epoch) {
        if self.sabotage.is(Mutant::X4AcceptsOldIdle) {
            self.runner.idle = self.runner.sent;
        }
        self.runner.idle = self.runner.idle.max(epoch);
        if !self.runner.is_idle() {
            let why = "it names an earlier epoch than the last permit";
            let node = self.me.clone();
            self.note(Note::Ignored { node, what: "idle", rule: "X4", why });
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        if matches!(phase, Phase::Idle | Phase::Waiting) {
            self.phase = phase;
            return;
        }
        // The durable term: a higher one may still be taken back by a disk that refuses it, and
        // then this node could lead it later.
        let (epoch, term) = (self.runner.idle, self.durable.term);
        self.own_word = Some(ReleasedWord { epoch, term, vouched: false });
        self.note(Note::Idle { epoch: self.runner.idle });
        if let Standing::Leader(leader) = &mut self.standing {
            leader.released = true;
            self.own_lease = None;
            if matches!(phase, Phase::Promoting | Phase::Boss) {
                // The executor's permit ended by itself: the epoch is spent.
                leader.begin_handover(None, Reason::PermitOver);
            }
        }
        self.announce_released(None);
    }

    /// The leader's next step towards acting as boss. Called after every event.
    pub(crate) fn live_as_boss(&mut self, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        let released = leader.released;
        let handing_over = leader.handover.is_some();
        match self.phase {
            Phase::Idle if !released => self.phase = Phase::Waiting,
            Phase::Idle if !handing_over => self.seek_successor(now),
            Phase::Waiting if !handing_over => self.wait_or_promote(now),
            Phase::Promoting | Phase::Boss => self.give_up_if_due(now),
            Phase::Idle | Phase::Waiting | Phase::Demoting | Phase::Fencing => {}
        }
    }

    /// Waiting: hand over to a better node, or promote as soon as W1 to W5 hold.
    fn wait_or_promote(&mut self, now: Moment) {
        if let Some((to, reason)) = self.better_while_waiting(now) {
            self.release_unpromoted();
            if let Standing::Leader(leader) = &mut self.standing {
                leader.begin_handover(Some(to), reason);
            }
            return;
        }
        if self.promote_waits_for(now).is_none() {
            self.promote();
        }
    }

    /// While Waiting no hook has run, so a leader elected normally hands over to a better ranked
    /// node at once; one elected by Handover only when it cannot be boss itself.
    fn better_while_waiting(&self, now: Moment) -> Option<(NodeId, Reason)> {
        let Standing::Leader(leader) = &self.standing else { return None };
        if !self.is_committed() || self.hard.state.paused.is_some() || leader.lease.is_none() {
            return None;
        }
        let best = self.best_successor(now)?;
        if self.ineligible(&self.me, now).is_some() {
            return Some((best, Reason::Ineligible));
        }
        let may_yield = leader.ground == Ground::Elected && !self.hard.state.stay;
        let better = self.better_successor(now).filter(|_| may_yield)?;
        Some((better, Reason::BetterNode))
    }

    /// The first of W1 to W5 that does not hold; None when the promote may start.
    pub fn promote_waits_for(&self, now: Moment) -> Option<Wait> {
        let Standing::Leader(leader) = &self.standing else { return Some(Wait::Commit) };
        if leader.released {
            return Some(Wait::Spent);
        }
        if let Some(wait) = self.claim_waits_for(now) {
            return Some(wait);
        }
        let committed = self.is_committed() || self.sabotage.is(Mutant::W3PromotesUncommitted);
        if !committed || self.own_claim().is_none_or(|held| Some(held.epoch) != leader.epoch) {
            return Some(Wait::Claim);
        }
        let margin = self.hard.state.timing.promote_margin();
        let margin = if self.sabotage.is(Mutant::W4NoMargin) { Span::ZERO } else { margin };
        if leader.lease.is_none_or(|lease| lease.left(now) < margin || !lease.is_live(now)) {
            return Some(Wait::Margin);
        }
        None
    }

    /// W1, W2 and W5: what must hold before the claim is even written.
    pub(crate) fn claim_waits_for(&self, now: Moment) -> Option<Wait> {
        let Standing::Leader(leader) = &self.standing else { return Some(Wait::Commit) };
        let ineligible_ok = self.sabotage.is(Mutant::W5PromotesIneligible);
        if !ineligible_ok {
            if self.hard.state.paused.is_some() {
                return Some(Wait::Paused);
            }
            if self.ineligible(&self.me, now).is_some() {
                return Some(Wait::Ineligible);
            }
        }
        if leader.committed.term != leader.term {
            return Some(Wait::Commit);
        }
        if !self.runner.is_idle() {
            return Some(Wait::Runner);
        }
        match self.window(now) {
            Window::Closed(_) => None,
            Window::Open(left) => Some(Wait::FenceWindow(left)),
        }
    }

    pub(crate) fn is_mine(&self, held: &Held) -> bool {
        held.node == self.me && held.incarnation == self.incarnation
    }

    pub(crate) fn own_claim(&self) -> Option<&Held> {
        self.hard.state.claim.held_by(&self.me, self.incarnation)
    }

    /// W1 to W5 hold: the permit goes out.
    fn promote(&mut self) {
        let Standing::Leader(leader) = &self.standing else { return };
        let (Some(lease), Some(held)) = (leader.lease, self.own_claim()) else { return };
        let permit = Permit { epoch: held.epoch, until: lease.until, fence: held.fence };
        let cause = leader.cause();
        let history = &self.hard.state.history;
        let previous = history.iter().rev().find(|e| e.epoch < permit.epoch);
        let previous = previous.map(|e| e.node.clone());
        self.phase = Phase::Promoting;
        // Whoever was boss before is not any more, also when this node gives up later.
        self.followed = None;
        let last = self.runner.sent.max(self.runner.idle);
        assert!(
            permit.epoch > last || self.sabotage.is_any(),
            "9.13: epoch {} after {last}",
            permit.epoch
        );
        self.runner.sent = permit.epoch;
        self.note(Note::Promoting { epoch: permit.epoch });
        self.act(Act::Promote { permit, cause, previous });
    }

    /// A boss that may no longer be one, or that a better node should replace, lets go.
    fn give_up_if_due(&mut self, now: Moment) {
        // A boss whose hooks are not in order stays: to let go it would need them.
        let ineligible = self.ineligible(&self.me, now);
        if ineligible.is_some_and(|why| why != Ineligible::NotReady) {
            let reason = if self.leaving { Reason::Leaving } else { Reason::Ineligible };
            self.give_up(None, reason);
        } else if let Some(to) = self.failback_due(now) {
            self.give_up(Some(to), Reason::Failback);
        }
    }

    /// Failback: a better node has been fit for the whole delay.
    fn failback_due(&mut self, now: Moment) -> Option<NodeId> {
        let Failback::After(delay) = self.hard.state.policy.failback else { return None };
        let stay = self.hard.state.stay && !self.sabotage.is(Mutant::FailbackIgnoresStay);
        // While paused nobody new could act.
        let may = !stay && self.phase == Phase::Boss && self.hard.state.paused.is_none();
        let best = self.better_successor(now).filter(|_| may);
        let Standing::Leader(leader) = &mut self.standing else { return None };
        leader.better_since = match (best, leader.better_since.take()) {
            (Some(best), Some((node, since))) if best == node => Some((node, since)),
            (Some(best), _) => Some((best, now)),
            (None, _) => None,
        };
        let (node, since) = leader.better_since.clone()?;
        since.plus(delay).over_when_both(now).then_some(node)
    }

    /// Begins a handover: demote first where something is in effect.
    pub(crate) fn give_up(&mut self, to: Option<NodeId>, reason: Reason) {
        match self.phase {
            Phase::Promoting | Phase::Boss => {
                self.phase = Phase::Demoting;
                let epoch = self.runner.sent;
                self.note(Note::Demoting { epoch, reason });
                self.act(Act::Demote { epoch, reason });
                if self.sabotage.is(Mutant::TakeOverWithoutRelease) {
                    self.phase = Phase::Idle;
                    self.runner.idle = self.runner.sent;
                    self.release_unpromoted();
                }
            }
            Phase::Waiting | Phase::Idle => self.release_unpromoted(),
            Phase::Demoting | Phase::Fencing => {}
        }
        if let Standing::Leader(leader) = &mut self.standing {
            leader.begin_handover(to, reason);
        }
    }

    /// A leader that never sent a permit in this epoch lets it go by a word.
    fn release_unpromoted(&mut self) {
        if let Standing::Leader(leader) = &mut self.standing {
            leader.released = true;
            self.phase = Phase::Idle;
            self.own_lease = None;
        }
    }

    /// Lease over, or lost to another leader: what is in effect ends at once.
    pub(crate) fn fence(&mut self, reason: Reason) {
        match self.phase {
            Phase::Promoting | Phase::Boss | Phase::Demoting => {
                self.phase = Phase::Fencing;
                let epoch = self.runner.sent;
                self.note(Note::Fencing { epoch, reason });
                self.act(Act::Revoke { epoch, reason });
            }
            Phase::Waiting => self.phase = Phase::Idle,
            Phase::Idle | Phase::Fencing => {}
        }
    }

    /// X6: to everybody, or to `to`, while the claim names this node and it does not lead.
    pub(crate) fn announce_released(&mut self, to: Option<&NodeId>) {
        let Some(word) = self.own_word else { return };
        let leads = matches!(self.standing, Standing::Leader(_));
        let names_me = self.own_claim().is_some_and(|held| held.epoch <= word.epoch);
        let idle = self.runner.is_idle() && self.phase == Phase::Idle;
        if self.sabotage.is(Mutant::X6ReleasesEarly) && !leads && self.phase == Phase::Fencing {
            let (epoch, term) = (self.runner.sent, self.hard.term);
            let word = ReleasedWord { epoch, term, vouched: false };
            return self.send_released(word, to);
        }
        let word = if self.sabotage.is(Mutant::X6ResendsCurrentTerm) {
            ReleasedWord::vouched_for(self.hard.term)
        } else {
            word
        };
        if leads || !names_me || !idle {
            return;
        }
        self.send_released(word, to);
    }

    pub(crate) fn send_released(&mut self, word: ReleasedWord, to: Option<&NodeId>) {
        let message = crate::message::Message::Released { epoch: word.epoch, term: word.term };
        match to {
            Some(to) => self.send(to.clone(), message),
            None => self.send_to_all(&message),
        }
    }

    /// What this leader would claim: W3.
    pub(crate) fn claim_to_publish(&self, leader: &Leader, epoch: Term) -> Held {
        let timing = &self.hard.state.timing;
        Held {
            node: self.me.clone(),
            incarnation: self.incarnation,
            epoch: leader.epoch.unwrap_or(Epoch(epoch.0)),
            fence: timing.fence,
            rho_ppm: timing.rho_ppm,
        }
    }
}
