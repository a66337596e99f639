//! The graceful end of a boss: let go, publish that nothing is claimed, tell the successor to
//! take over (V4). A handover that does not come about leaves the leader leading, its epoch spent.

use std::fmt;

use crate::boss::Phase;
use crate::command::CommandError;
use crate::eligibility::Ineligible;
use crate::id::{NodeId, Version};
use crate::leader::Leader;
use crate::message::{Envelope, Message, VoteKind};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::preference::compare;
use crate::ready::Reason;

/// A leader that cannot be boss looks for a successor again after two leases, doubling up to this
/// many times: a successor that cannot win must not fill the log.
const MOST_DOUBLINGS: u32 = 6;

/// How often the wait of a [`Trial`] doubles at most: 39 s with the profile `lan`.
const MOST_TRIALS: u32 = 4;

/// A handover under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Handover {
    /// The chosen successor; None takes the best.
    pub to: Option<NodeId>,
    pub reason: Reason,
    pub stage: Stage,
}

/// How far it has come.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    /// Effects end.
    LettingGo,
    /// Nothing is in effect; the cluster state is to say so.
    Publishing { since: Moment },
    /// The successor was told.
    Sent { to: NodeId, at: Moment },
}

/// A node that was told to take over. Until it is heard leading, this node does not step back for
/// it by preference: it may reach no quorum, and each such handover is a while without a boss.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Trial {
    /// How many in a row, no further than the wait doubles.
    pub count: u32,
    /// Over when BOTH clocks have reached it.
    pub until: Moment,
}

/// Why a node could not take over, as the leader knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfit {
    NoLeader,
    Ineligible(Ineligible),
    Unheard,
    Silent(Span),
    NotReady,
    Disk,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeader => f.write_str("this node does not lead"),
            Self::Ineligible(why) => write!(f, "{why}"),
            Self::Unheard => f.write_str("it has not answered"),
            Self::Silent(span) => write!(f, "silent for {span}"),
            Self::NotReady => f.write_str("its hooks are not in order, or it is stopping"),
            Self::Disk => f.write_str("its disk refuses writes"),
        }
    }
}

impl Leader {
    /// Begins, or gives the one that has not yet been sent another reason.
    pub(crate) fn begin_handover(&mut self, to: Option<NodeId>, reason: Reason) {
        match &mut self.handover {
            Some(Handover { stage: Stage::Sent { .. }, .. }) => {}
            Some(handover) => {
                handover.to = to.or(handover.to.take());
                handover.reason = reason;
            }
            None => self.handover = Some(Handover { to, reason, stage: Stage::LettingGo }),
        }
    }
}

impl Node {
    /// The next step of the handover. Called after every event.
    pub(crate) fn advance_handover(&mut self, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        let Some(handover) = leader.handover.clone() else { return };
        let patience = self.hard.state.timing.lease.times(2);
        let gone = self.phase == Phase::Idle && leader.released && self.runner.is_idle();
        let sent = matches!(handover.stage, Stage::Sent { .. });
        if gone && !sent && !self.facts.disk_ok {
            // Nothing can be published: Released needs no write.
            return self.abdicate(Reason::DiskRefused);
        }
        match handover.stage {
            Stage::LettingGo => {
                if gone {
                    self.set_stage(Stage::Publishing { since: now });
                    self.advance_handover(now);
                }
            }
            Stage::Publishing { since } => {
                if since.plus(patience).over_when_both(now) {
                    self.give_up_handover(now, None);
                } else if self.is_release_committed() {
                    self.tell_successor(now, &handover);
                }
            }
            Stage::Sent { to, at } => {
                if at.plus(patience).over_when_both(now) {
                    self.give_up_handover(now, Some(to));
                }
            }
        }
    }

    /// Whether a successor was told and is still waited for.
    pub(crate) fn has_sent_take_over(&self) -> bool {
        let Standing::Leader(leader) = &self.standing else { return false };
        let handover = leader.handover.as_ref();
        handover.is_some_and(|handover| matches!(handover.stage, Stage::Sent { .. }))
    }

    /// Whether the cluster knows that nothing of this leader is claimed, and what goes with it.
    fn is_release_committed(&self) -> bool {
        let Standing::Leader(leader) = &self.standing else { return false };
        self.is_committed()
            && self.own_claim().is_none()
            && leader.hold_off_me.is_none()
            && !leader.set_stay
    }

    fn tell_successor(&mut self, now: Moment, handover: &Handover) {
        let chosen = match (&handover.to, handover.reason) {
            (Some(to), _) if self.is_fit(to, now) => Some(to.clone()),
            // An operator's choice is not replaced by another node.
            (Some(_), Reason::Switchover) => None,
            (Some(_), Reason::BetterNode | Reason::Failback) => {
                let better = self.better_successor(now);
                if better.is_none() {
                    // Then this node is the best itself: R2.
                    return self.give_up_handover(now, None);
                }
                better
            }
            _ => self.best_successor(now),
        };
        match chosen {
            Some(to) if self.is_caught_up(&to) => {
                let (version, window) = (self.hard.state.version, self.window_left(now));
                self.note(Note::HandingOver { to: to.clone(), reason: handover.reason });
                self.send(to.clone(), Message::TakeOver { version, window });
                self.count_on(to.clone(), now);
                self.set_stage(Stage::Sent { to, at: now });
            }
            Some(_) => {}
            None if self.leaving => self.give_up_handover(now, None),
            None => {}
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Standing::Leader(leader) = &mut self.standing
            && let Some(handover) = &mut leader.handover
        {
            handover.stage = stage;
        }
    }

    fn give_up_handover(&mut self, now: Moment, to: Option<NodeId>) {
        self.note(Note::HandoverFailed { to });
        let patience = self.hard.state.timing.lease.times(2);
        if let Standing::Leader(leader) = &mut self.standing {
            leader.handover = None;
            leader.better_since = None;
            let failures = leader.handovers_failed.min(MOST_DOUBLINGS);
            leader.handovers_failed = leader.handovers_failed.saturating_add(1);
            leader.seek_after = now.plus(patience.times(1 << failures));
        }
        if self.leaving {
            self.abdicate(Reason::Leaving);
        }
    }

    /// A leader whose epoch is spent and that has no handover under way: one that cannot be boss
    /// looks for another; one that can renews (R2).
    pub(crate) fn seek_successor(&mut self, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        if self.leaving {
            self.abdicate(Reason::Leaving);
        } else if !self.facts.disk_ok {
            self.abdicate(Reason::DiskRefused);
        } else if leader.seek_after.over_when_both(now)
            && self.ineligible(&self.me, now).is_some()
            && let Some(best) = self.best_successor(now)
            && let Standing::Leader(leader) = &mut self.standing
        {
            leader.begin_handover(Some(best), Reason::Ineligible);
        }
    }

    /// The best node that could take over now; a doubtful one only when there is no other.
    pub(crate) fn best_successor(&self, now: Moment) -> Option<NodeId> {
        let prefer = &self.hard.state.policy.prefer;
        self.eligible(now)
            .filter(|(node, _)| **node != self.me && self.is_fit(node, now))
            .min_by(|a, b| {
                let doubtful = self.is_doubtful(a.0, now).cmp(&self.is_doubtful(b.0, now));
                doubtful.then_with(|| compare(prefer, *a, *b))
            })
            .map(|(node, _)| node.clone())
    }

    /// The best successor, if it is preferred to this node and not doubtful.
    pub(crate) fn better_successor(&self, now: Moment) -> Option<NodeId> {
        let best = self.best_successor(now)?;
        (self.is_better(&best, &self.me) && !self.is_doubtful(&best, now)).then_some(best)
    }

    pub(crate) fn is_on_trial(&self, node: &NodeId, now: Moment) -> bool {
        !self.sabotage.is(Mutant::ForgetsTrials)
            && self.trials.get(node).is_some_and(|trial| !trial.until.over_when_both(now))
    }

    /// `to` was told to take over: if it cannot win, the next try comes after twice the time of an
    /// unplanned change, doubling.
    fn count_on(&mut self, to: NodeId, now: Moment) {
        let timing = &self.hard.state.timing;
        let change = timing.promise().plus(timing.fence_wait());
        let count = self.trials.get(&to).map_or(0, |trial| trial.count);
        let until = now.plus(change.times(2 << count));
        let count = (count + 1).min(MOST_TRIALS);
        self.trials.insert(to, Trial { count, until });
    }

    fn is_fit(&self, node: &NodeId, now: Moment) -> bool {
        self.unfit(node, now).is_none()
    }

    /// Why `node` could not take over now; None if it could.
    pub(crate) fn unfit(&self, node: &NodeId, now: Moment) -> Option<Unfit> {
        let Standing::Leader(leader) = &self.standing else { return Some(Unfit::NoLeader) };
        if let Some(why) = self.ineligible(node, now) {
            return Some(Unfit::Ineligible(why));
        }
        let fresh = self.hard.state.timing.lease;
        let Some(progress) = leader.progress.get(node) else { return Some(Unfit::Unheard) };
        match progress.heard {
            Some(heard) if heard.elapsed(now) < fresh => {}
            Some(heard) => return Some(Unfit::Silent(heard.elapsed(now))),
            None => return Some(Unfit::Unheard),
        }
        if !progress.facts.ready {
            return Some(Unfit::NotReady);
        }
        (!progress.facts.disk_ok).then_some(Unfit::Disk)
    }

    fn is_caught_up(&self, node: &NodeId) -> bool {
        let Standing::Leader(leader) = &self.standing else { return false };
        let accepted = leader.progress.get(node).and_then(|p| p.accepted);
        accepted == Some(self.hard.state.version)
    }

    /// Why nobody could take over, for an operator.
    pub(crate) fn nobody_eligible(&self, now: Moment) -> CommandError {
        let reasons: Vec<String> = self
            .hard
            .state
            .members
            .iter()
            .filter(|(name, _)| **name != self.me)
            .filter_map(|(name, _)| self.unfit(name, now).map(|why| format!("{name}: {why}")))
            .collect();
        let text =
            if reasons.is_empty() { "there is no other".to_owned() } else { reasons.join("; ") };
        CommandError::NobodyEligible(text)
    }

    /// V4: a released boss asks this node to take over.
    pub(crate) fn handle_take_over(
        &mut self,
        now: Moment,
        env: &Envelope,
        version: Version,
        window: Span,
    ) {
        if let Some(why) = self.why_not_take_over(now, env, version) {
            let node = env.from.clone();
            self.note(Note::Ignored { node, what: "take-over", rule: "V4", why });
            return;
        }
        let from = env.from.clone();
        let kind = VoteKind::Handover { from, incarnation: env.incarnation, term: env.term };
        let term = self.hard.term.next();
        let closed = self.window_by(now, window);
        self.start_vote(now, term, kind);
        if let Standing::Candidate(candidate) = &mut self.standing {
            candidate.window = Some(closed);
        }
    }

    fn why_not_take_over(
        &self,
        now: Moment,
        env: &Envelope,
        version: Version,
    ) -> Option<&'static str> {
        if self.sabotage.is(Mutant::V4FollowsLateTakeOver) {
            return None;
        }
        let promised =
            self.promise.is_to(&env.from, env.incarnation) && self.promise.term == env.term;
        if env.term != self.hard.term || !matches!(self.standing, Standing::Follower) {
            Some("it is late: the term has moved on")
        } else if !promised {
            Some("the promise is not to it in this term")
        } else if version != self.hard.state.version {
            Some("this node does not have that version")
        } else if self.epoch_beyond(self.hard.term).is_some() {
            Some("its executor knows a later epoch")
        } else if self.phase != Phase::Idle || !self.runner.is_idle() {
            Some("this node is still letting go")
        } else if self.lacks_lease(now) {
            Some("this node led without a lease a moment ago")
        } else if self.ineligible(&self.me, now).is_some() {
            Some("this node is not eligible")
        } else {
            None
        }
    }
}
