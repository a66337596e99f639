//! The leader's versions: what has gathered becomes the next edition of the cluster state (E1, W3,
//! X6, orders, hold-offs), one uncommitted at a time, and a majority commits it (K1).

use std::sync::Arc;

use crate::boss::Phase;
use crate::cluster_state::{Cause, Claim, ClusterState, HistoryEntry, HoldOff, Paused};
use crate::command::{Answer, Command};
use crate::id::{NodeId, Term, Version};
use crate::leader::Ground;
use crate::members::Drained;
use crate::message::Message;
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::ready::Effect;
use crate::window::Window;

/// The next edition while it gathers. A leader looks for one at every event and nearly always
/// finds none: the copy is made at the first change.
struct Draft {
    base: Arc<ClusterState>,
    version: Version,
    next: Option<ClusterState>,
}

impl Draft {
    /// The edition as it is so far.
    fn so_far(&self) -> &ClusterState {
        self.next.as_ref().unwrap_or(&self.base)
    }

    fn change(&mut self) -> &mut ClusterState {
        self.next.get_or_insert_with(|| {
            let mut next = (*self.base).clone();
            next.version = self.version;
            next
        })
    }

    /// None when it says nothing but what the last edition said.
    fn news(self) -> Option<ClusterState> {
        let mut next = self.next?;
        next.version = self.base.version;
        if next == *self.base {
            return None;
        }
        next.version = self.version;
        Some(next)
    }
}

impl Node {
    /// E1, R1: the state again, as a version of this term, so that it can be committed. After a
    /// handover it carries the claim already: the predecessor has none any more.
    pub(crate) fn restamp(&mut self, now: Moment) {
        if self.sabotage.is(Mutant::E1SkipsRestamp) {
            return;
        }
        let Standing::Leader(leader) = &self.standing else { return };
        let early = leader.ground == Ground::Handover
            && leader.epoch.is_none()
            && self.hard.state.claim == Claim::None
            && self.hard.state.paused.is_none()
            && self.runner.is_idle()
            && self.ineligible(&self.me, now).is_none();
        let early = early || (self.sabotage.is(Mutant::W2ClaimsEarly) && leader.epoch.is_none());
        let mut next = self.edition();
        self.bind_incarnations(&mut next);
        if early {
            self.write_claim(&mut next);
        }
        next.change();
        if let Some(next) = next.next {
            self.publish(now, next);
        }
    }

    /// K1: a majority of the voters replied with exactly this version, in the term that I lead.
    pub(crate) fn watch_commit(&mut self) {
        let version = self.hard.state.version;
        let early = self.sabotage.is(Mutant::K1CountsOwnCopyEarly);
        let own = self.durable.state.version == version || early;
        let Standing::Leader(leader) = &mut self.standing else { return };
        if leader.committed == version || version.term != leader.term {
            return;
        }
        let members = &self.hard.state.members;
        let have = members
            .voting()
            .filter(|voter| {
                let theirs = leader.progress.get(*voter).and_then(|p| p.accepted);
                if **voter == self.me { own } else { theirs == Some(version) }
            })
            .count();
        let have = if self.sabotage.is(Mutant::K1CommitsAlone) { have + 99 } else { have };
        if have < members.quorum() {
            return;
        }
        leader.committed = version;
        self.note(Note::Committed { version });
        self.answer_orders();
    }

    /// What was ordered is committed, or was so already.
    pub(crate) fn answer_orders(&mut self) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        for id in std::mem::take(&mut leader.answers) {
            self.outbox.push(0, Effect::Answer { id, answer: Answer::Done });
        }
    }

    /// Whether this leader's current version is committed.
    pub(crate) fn is_committed(&self) -> bool {
        matches!(&self.standing, Standing::Leader(l) if l.committed == self.hard.state.version)
    }

    /// One uncommitted version at a time: what has gathered meanwhile becomes the next.
    pub(crate) fn publish_if_due(&mut self, now: Moment) {
        let restamped = self.is_committed() || self.sabotage.is(Mutant::E1SkipsRestamp);
        if !restamped || !self.facts.disk_ok {
            return;
        }
        if self.has_sent_take_over() && !self.sabotage.is(Mutant::WaitingErasesForeignClaim) {
            // A later version than the one that it names would cost the successor its votes (V3).
            return;
        }
        let mut next = self.edition();
        self.bind_incarnations(&mut next);
        self.carry_out_orders(&mut next);
        self.end_hold_offs(&mut next, now);
        self.settle_claim(&mut next, now);
        let over = |hold_off: &HoldOff| hold_off.ended;
        if self.phase == Phase::Boss && next.so_far().hold_offs.get(&self.me).is_some_and(over) {
            // A promote that succeeded ends the doubling.
            next.change().hold_offs.remove(&self.me);
        }
        match next.news() {
            Some(next) => self.publish(now, next),
            None => self.answer_orders(),
        }
    }

    /// The state as the next version.
    fn edition(&self) -> Draft {
        let base = self.hard.state.clone();
        let version = Version { term: self.leading_term(), index: base.version.index + 1 };
        Draft { base, version, next: None }
    }

    pub(crate) fn leading_term(&self) -> Term {
        match &self.standing {
            Standing::Leader(leader) => leader.term,
            _ => self.hard.term,
        }
    }

    pub(crate) fn publish(&mut self, now: Moment, next: ClusterState) {
        let state = Arc::new(next);
        self.hard.state = state.clone();
        self.outbox.changed();
        self.time_hold_offs(now);
        if let Standing::Leader(leader) = &mut self.standing {
            for progress in leader.progress.values_mut() {
                progress.published = Some(now);
            }
        }
        self.send_to_all(&Message::Publish { state });
    }

    /// Section 6: the lives that authenticated Hellos proved are bound.
    fn bind_incarnations(&self, next: &mut Draft) {
        let unbound: Vec<NodeId> = next
            .so_far()
            .members
            .iter()
            .filter(|(_, m)| m.incarnation.is_none() || self.sabotage.is(Mutant::RebindsLives))
            .map(|(name, _)| name.clone())
            .collect();
        for name in unbound {
            let life = if name == self.me {
                Some(self.incarnation)
            } else {
                self.peers.get(&name).map(|peer| peer.incarnation)
            };
            if let Some(life) = life {
                next.change().members.bind(&name, life);
            }
        }
    }

    fn carry_out_orders(&mut self, next: &mut Draft) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        for (id, order) in std::mem::take(&mut leader.orders) {
            match order {
                Command::Drain { node, until, reason, .. } => {
                    let drained = Drained { until, reason };
                    next.change().members.set_drained(&node, Some(drained));
                }
                Command::Undrain { node } => next.change().members.set_drained(&node, None),
                Command::Pause { until, reason } => {
                    next.change().paused = Some(Paused { until, reason });
                }
                Command::Resume => next.change().paused = None,
                Command::Apply(settings) => settings.put_into(next.change()),
                Command::Clear { node } => {
                    next.change().hold_offs.remove(&node);
                }
                Command::Resign { .. }
                | Command::Switchover { .. }
                | Command::Confirm { .. }
                | Command::Leave
                | Command::SetReady(_) => {}
            }
            leader.answers.push(id);
        }
    }

    /// A hold-off that is over by the leader's clock is over for all.
    fn end_hold_offs(&mut self, next: &mut Draft, now: Moment) {
        let over: Vec<NodeId> = self
            .hold_off_ends
            .iter()
            .filter(|(_, (_, end))| end.over_when_both(now))
            .map(|(node, _)| node.clone())
            .collect();
        for node in over {
            let runs = |hold_off: &HoldOff| !hold_off.ended;
            if next.so_far().hold_offs.get(&node).is_some_and(runs)
                && let Some(hold_off) = next.change().hold_offs.get_mut(&node)
            {
                hold_off.ended = true;
                self.note(Note::HoldOffEnded { node });
            }
        }
    }

    /// W3 and X6: the own claim, before the first effect; None, after the last.
    fn settle_claim(&mut self, next: &mut Draft, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        if leader.released {
            if self.phase == Phase::Idle && self.runner.is_idle() {
                self.settle_release(next);
            }
        } else if self.phase == Phase::Waiting
            && leader.epoch.is_none()
            && leader.handover.is_none()
            && self.claim_waits_for(now).is_none()
        {
            if let Window::Closed(how) = self.window(now) {
                if let Standing::Leader(leader) = &mut self.standing {
                    leader.window = how;
                }
                self.note(Note::WindowClosed { how });
            }
            self.write_claim(next);
        }
    }

    /// X6: None over the own claim only; a predecessor's stays as it is.
    fn settle_release(&mut self, next: &mut Draft) {
        let mine = match &next.so_far().claim {
            Claim::Held(held) => self.is_mine(held),
            Claim::Unknown | Claim::None => false,
        };
        let mine = mine || self.sabotage.is(Mutant::WaitingErasesForeignClaim);
        if mine {
            next.change().claim = Claim::None;
        }
        let Standing::Leader(leader) = &mut self.standing else { return };
        let set_stay = std::mem::take(&mut leader.set_stay);
        if let Some(cause) = leader.hold_off_me.take() {
            next.change().hold_off(&self.me, cause);
            if let Some(hold_off) = next.so_far().hold_offs.get(&self.me) {
                let (node, span) = (self.me.clone(), hold_off.span);
                self.note(Note::HeldOff { node, cause, span });
            }
        }
        if set_stay {
            next.change().stay = true;
        }
    }

    fn write_claim(&mut self, next: &mut Draft) {
        let Standing::Leader(leader) = &self.standing else { return };
        let held = self.claim_to_publish(leader, leader.term);
        let vouched = matches!(&self.hard.state.claim, Claim::Held(predecessor)
            if !self.is_mine(predecessor) && self.is_vouched_off(predecessor));
        let cause = if vouched { Cause::Confirmed } else { leader.cause() };
        let entry = HistoryEntry { epoch: held.epoch, node: self.me.clone(), cause };
        let next = next.change();
        if leader.ground == Ground::Elected {
            // An unclean change ends what a switchover had set.
            next.stay = false;
        }
        next.claim = Claim::Held(held.clone());
        if next.history.last().is_none_or(|last| last.epoch < held.epoch) {
            next.record(entry);
        }
        if let Standing::Leader(leader) = &mut self.standing {
            leader.epoch = Some(held.epoch);
        }
    }
}
