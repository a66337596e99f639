//! The leader's versions: what has gathered becomes the next edition of the cluster state (E1, W3,
//! X6, orders, hold-offs), one uncommitted at a time, and a majority commits it (K1).

use std::sync::Arc;

use crate::boss::Phase;
use crate::cluster_state::{Claim, ClusterState, HistoryEntry};
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
        self.publish(now, next);
    }

    /// K1: a majority of the voters replied with exactly this version, in the term that I lead.
    pub(crate) fn watch_commit(&mut self) {
        let version = self.hard.state.version;
        let own = self.durable.state.version == version;
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
        let mut next = self.edition();
        let before = next.clone();
        self.bind_incarnations(&mut next);
        self.carry_out_orders(&mut next);
        self.end_hold_offs(&mut next, now);
        self.settle_claim(&mut next, now);
        if self.phase == Phase::Boss && next.hold_offs.get(&self.me).is_some_and(|h| h.ended) {
            // A promote that succeeded ends the doubling.
            next.hold_offs.remove(&self.me);
        }
        if next == before {
            self.answer_orders();
        } else {
            self.publish(now, next);
        }
    }

    /// The state as the next version.
    pub(crate) fn edition(&self) -> ClusterState {
        let mut next = (*self.hard.state).clone();
        next.version = Version { term: self.leading_term(), index: next.version.index + 1 };
        next
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
    pub(crate) fn bind_incarnations(&self, next: &mut ClusterState) {
        let unbound: Vec<NodeId> = next
            .members
            .iter()
            .filter(|(_, member)| member.incarnation.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for name in unbound {
            let life = if name == self.me {
                Some(self.incarnation)
            } else {
                self.peers.get(&name).map(|peer| peer.incarnation)
            };
            if let Some(life) = life {
                next.members.bind(&name, life);
            }
        }
    }

    pub(crate) fn carry_out_orders(&mut self, next: &mut ClusterState) {
        let Standing::Leader(leader) = &mut self.standing else { return };
        for (id, order) in std::mem::take(&mut leader.orders) {
            match order {
                Command::Drain { node, until, reason, .. } => {
                    next.members.set_drained(&node, Some(Drained { until, reason }));
                }
                Command::Undrain { node } => next.members.set_drained(&node, None),
                Command::Pause { until, reason } => {
                    next.paused = Some(crate::cluster_state::Paused { until, reason });
                }
                Command::Resume => next.paused = None,
                Command::Clear { node } => {
                    next.hold_offs.remove(&node);
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
    pub(crate) fn end_hold_offs(&mut self, next: &mut ClusterState, now: Moment) {
        let over: Vec<NodeId> = self
            .hold_off_ends
            .iter()
            .filter(|(_, (_, end))| end.over_when_both(now))
            .map(|(node, _)| node.clone())
            .collect();
        for node in over {
            if let Some(hold_off) = next.hold_offs.get_mut(&node)
                && !hold_off.ended
            {
                hold_off.ended = true;
                self.note(Note::HoldOffEnded { node });
            }
        }
    }

    /// W3 and X6: the own claim, before the first effect; None, after the last.
    pub(crate) fn settle_claim(&mut self, next: &mut ClusterState, now: Moment) {
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
    pub(crate) fn settle_release(&mut self, next: &mut ClusterState) {
        let mine = match &next.claim {
            Claim::Held(held) => self.is_mine(held),
            Claim::Unknown | Claim::None => false,
        };
        let mine = mine || self.sabotage.is(Mutant::WaitingErasesForeignClaim);
        if mine {
            next.claim = Claim::None;
        }
        let Standing::Leader(leader) = &mut self.standing else { return };
        let set_stay = std::mem::take(&mut leader.set_stay);
        if let Some(cause) = leader.hold_off_me.take() {
            next.hold_off(&self.me, cause);
            if let Some(hold_off) = next.hold_offs.get(&self.me) {
                let (node, span) = (self.me.clone(), hold_off.span);
                self.note(Note::HeldOff { node, cause, span });
            }
        }
        next.stay |= set_stay;
    }

    pub(crate) fn write_claim(&mut self, next: &mut ClusterState) {
        let Standing::Leader(leader) = &self.standing else { return };
        let held = self.claim_to_publish(leader, leader.term);
        let entry =
            HistoryEntry { epoch: held.epoch, node: self.me.clone(), cause: leader.cause() };
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
