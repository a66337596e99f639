//! What operators and the shell ask of a node ([`Command`]): refused at once with the reason, done
//! at once, or put in line for the next version.

use crate::boss::Phase;
use crate::cluster_state::HoldOffCause;
use crate::command::{Command, CommandError};
use crate::id::{Incarnation, NodeId, Term};
use crate::leader::{Leader, MOST_ORDERS};
use crate::members::Member;
use crate::message::Message;
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::node::{Node, ReleasedWord, Standing};
use crate::ready::{Effect, Reason};

impl Node {
    pub(crate) fn take_command(
        &mut self,
        now: Moment,
        id: u64,
        command: Command,
    ) -> Result<bool, CommandError> {
        match command {
            Command::SetReady(ready) => self.facts.ready = ready,
            Command::Leave => self.leave(now),
            Command::Confirm { node } => self.confirm(now, &node)?,
            Command::Resign { force } => self.resign(now, force)?,
            Command::Switchover { to } => self.switch_over(now, to)?,
            Command::Drain { ref node, force, .. } => {
                self.may_drain(node, now, force)?;
                return self.enqueue(id, command);
            }
            Command::Undrain { ref node } | Command::Clear { ref node } => {
                self.require_leader()?;
                self.require_member(node)?;
                return self.enqueue(id, command);
            }
            Command::Apply(ref settings) => {
                self.require_leader()?;
                self.require_sound(settings)?;
                return self.enqueue(id, command);
            }
            Command::Pause { .. } | Command::Resume => {
                self.require_leader()?;
                return self.enqueue(id, command);
            }
        }
        Ok(true)
    }

    pub(crate) fn enqueue(&mut self, id: u64, command: Command) -> Result<bool, CommandError> {
        self.require_room()?;
        if let Standing::Leader(leader) = &mut self.standing {
            leader.orders.push_back((id, command));
        }
        Ok(false)
    }

    fn require_room(&self) -> Result<(), CommandError> {
        if self.require_leader()?.orders.len() >= MOST_ORDERS {
            return Err(CommandError::TryAgain("too many orders wait to be written"));
        }
        Ok(())
    }

    pub(crate) fn require_leader(&self) -> Result<&Leader, CommandError> {
        match &self.standing {
            Standing::Leader(leader) => Ok(leader),
            _ => Err(CommandError::NotLeader(self.leader.clone())),
        }
    }

    pub(crate) fn require_member(&self, node: &NodeId) -> Result<&Member, CommandError> {
        let member = self.hard.state.members.find(node);
        member.ok_or_else(|| CommandError::UnknownNode(node.clone()))
    }

    pub(crate) fn may_drain(
        &self,
        node: &NodeId,
        now: Moment,
        force: bool,
    ) -> Result<(), CommandError> {
        self.require_leader()?;
        self.require_other_eligible(node, now, force)?;
        self.require_room()
    }

    /// A drain that would leave nobody who could be boss needs force. That of a boss is asked what a
    /// resignation is: somebody has to take over now.
    pub(crate) fn require_other_eligible(
        &self,
        node: &NodeId,
        now: Moment,
        force: bool,
    ) -> Result<(), CommandError> {
        self.require_member(node)?;
        let acts = *node == self.me && self.phase.has_permit();
        if acts {
            self.require_running(force)?;
        }
        let other = if acts {
            self.best_successor(now).is_some()
        } else {
            self.eligible(now).any(|(candidate, _)| candidate != node)
        };
        if other || force { Ok(()) } else { Err(self.nobody_eligible(now)) }
    }

    fn require_running(&self, force: bool) -> Result<(), CommandError> {
        let paused = self.hard.state.paused.is_some();
        if paused && !force { Err(CommandError::Paused) } else { Ok(()) }
    }

    pub(crate) fn may_resign(&self, now: Moment, force: bool) -> Result<(), CommandError> {
        self.require_boss()?;
        self.require_running(force)?;
        if !force && self.best_successor(now).is_none() {
            return Err(self.nobody_eligible(now));
        }
        Ok(())
    }

    pub(crate) fn resign(&mut self, now: Moment, force: bool) -> Result<(), CommandError> {
        self.may_resign(now, force)?;
        if let Standing::Leader(leader) = &mut self.standing {
            leader.hold_off_me = Some(HoldOffCause::Resigned);
        }
        self.give_up(None, Reason::Resigned);
        Ok(())
    }

    pub(crate) fn may_switch_over(&self, now: Moment, to: &NodeId) -> Result<(), CommandError> {
        self.require_boss()?;
        self.require_running(false)?;
        self.require_member(to)?;
        if *to == self.me {
            return Err(CommandError::AlreadyBoss(to.clone()));
        }
        match self.unfit(to, now) {
            Some(why) => Err(CommandError::Unfit(to.clone(), why.to_string())),
            None => Ok(()),
        }
    }

    pub(crate) fn switch_over(&mut self, now: Moment, to: NodeId) -> Result<(), CommandError> {
        self.may_switch_over(now, &to)?;
        if let Standing::Leader(leader) = &mut self.standing {
            leader.set_stay = true;
        }
        self.give_up(Some(to), Reason::Switchover);
        Ok(())
    }

    pub(crate) fn require_boss(&self) -> Result<(), CommandError> {
        self.require_leader()?;
        if self.phase == Phase::Boss { Ok(()) } else { Err(CommandError::NoBoss) }
    }

    /// V7, W2: a host that is surely off. Told to everybody; it counts here at once.
    ///
    /// The term is one that the node is known to have led, never this node's own: it may come back
    /// and lead any term above its own disk's, and a word that names one of those, late on its way,
    /// would end the promises that it then rests on.
    pub(crate) fn confirm(&mut self, now: Moment, node: &NodeId) -> Result<(), CommandError> {
        let member = self.require_member(node)?;
        let Some(incarnation) = member.incarnation else {
            return Err(CommandError::UnknownNode(node.clone()));
        };
        let term = if self.sabotage.is(Mutant::V7NamesOwnTerm) {
            self.hard.term
        } else {
            self.last_led(node, incarnation)
        };
        let word = ReleasedWord::vouched_for(term);
        if self.sabotage.is(Mutant::V7IgnoresConfirmed) {
            return Ok(());
        }
        self.take_released(now, node, incarnation, word, "V7");
        self.send_to_all(&Message::Confirmed { node: node.clone(), incarnation, term });
        Ok(())
    }

    /// The highest term that this life of `node` has surely led: of a promise to it, or its claim.
    fn last_led(&self, node: &NodeId, incarnation: Incarnation) -> Term {
        let promised = self.promise.is_to(node, incarnation).then_some(self.promise.term);
        let claimed = self.hard.state.claim.held_by(node, incarnation);
        promised.max(claimed.map(|held| Term(held.epoch.0))).unwrap_or_default()
    }

    pub(crate) fn leave(&mut self, now: Moment) {
        self.leaving = true;
        match self.standing {
            Standing::Leader(_)
                if self.best_successor(now).is_none() && !self.phase.has_permit() =>
            {
                self.abdicate(Reason::Leaving);
            }
            Standing::Leader(_) => self.give_up(None, Reason::Leaving),
            Standing::PreCandidate(_) | Standing::Candidate(_) => {
                self.standing = Standing::Follower;
            }
            Standing::Follower => {}
        }
    }

    pub(crate) fn leave_if_done(&mut self) {
        let follows = matches!(self.standing, Standing::Follower);
        // What the successor must hear is behind the writes; a disk that refuses them frees it.
        let said = !self.outbox.is_outstanding();
        if self.leaving && !self.left && follows && said && self.phase == Phase::Idle {
            self.left = true;
            self.outbox.push(0, Effect::Left);
        }
    }
}
