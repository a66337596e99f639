//! One of the three hosts: its elector with the disk, its executor with marker and hooks, and the
//! channel between the two. The executor keeps its times; the elector may stand still for ever.

use std::collections::VecDeque;

use election::{
    Act, ClusterState, Epoch, Executor, HardState, Incarnation, Marker, Moment, Node, NodeId,
    Order, Span, Start, Term, Word, Write,
};

use super::clock::Clock;
use crate::node::judge::Judge;
use crate::values::{CLUSTER, life_of, name_of};

/// D's part for the escalation, which always succeeds here: what fails for good is outside the
/// promise.
const ESCALATION: Span = Span::from_millis(20);
const GRACEFUL: Span = Span::from_secs(2);

/// What hooks run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Running {
    Promote,
    /// Its hooks are killed then.
    Demote(Moment),
    Escalate(Moment),
}

/// A running elector.
pub(super) struct Elector {
    pub(super) node: Node,
    pub(super) write: Option<Write>,
    /// On its way to the executor.
    pub(super) acts: VecDeque<Act>,
    /// On its way from it.
    pub(super) words: VecDeque<Word>,
}

/// One host.
pub(super) struct Host {
    pub(super) name: NodeId,
    pub(super) life: Incarnation,
    pub(super) clock: Clock,
    pub(super) disk: HardState,
    pub(super) judge: Judge,
    pub(super) elector: Option<Elector>,
    pub(super) executor: Executor,
    pub(super) running: Option<Running>,
    /// What stands, or may stand.
    pub(super) stands: Option<Epoch>,
    lives: u64,
}

impl Host {
    pub(super) fn new(clock: Clock, number: usize, state: &ClusterState) -> Self {
        let disk = HardState::unborn(state.clone());
        let (name, life) = (name_of(number), life_of(number));
        let now = clock.read(0);
        let fence = state.timing.fence;
        let judge = Judge::new(now, name.clone(), life, &disk);
        let mut executor = Executor::start(now, Marker::Missing, None, fence, ESCALATION, GRACEFUL);
        crate::sabotage::executor(&mut executor);
        Self {
            name,
            life,
            clock,
            disk,
            judge,
            elector: None,
            executor,
            running: None,
            stands: None,
            lives: number as u64 * 1000,
        }
    }

    /// X2: only when nothing stands any more.
    pub(super) fn start_elector(&mut self, now: Moment) -> bool {
        if self.elector.is_some() || !self.executor.is_idle() {
            return false;
        }
        self.executor.handle_channel_opened();
        self.lives += 1;
        let start = Start {
            me: self.name.clone(),
            incarnation: self.life,
            cluster: CLUSTER,
            hard: self.disk.clone(),
            first_term: Term(1),
            last_epoch: self.executor.last_epoch(),
            ready: true,
            seed: self.lives << 20,
        };
        self.judge.restarted(now, &self.disk);
        let mut node = Node::start(now, start);
        crate::sabotage::node(&mut node, now);
        let (acts, words) = (VecDeque::new(), VecDeque::new());
        self.elector = Some(Elector { node, write: None, acts, words });
        true
    }

    /// The elector's process ends; what was in its channel is not read. Its write may have landed.
    pub(super) fn end_elector(&mut self, now: Moment, landed: bool) {
        let Some(elector) = self.elector.take() else { return };
        if let Some(write) = elector.write.filter(|_| landed) {
            Judge::written(&self.disk, &write.hard);
            self.disk = write.hard;
        }
        self.executor.handle_channel_closed(now);
        self.obey(now);
    }

    /// The power fails and returns: nothing stands, the marker is gone, the disk is there.
    pub(super) fn lose_power(&mut self, now: Moment, landed: bool) {
        self.end_elector(now, landed);
        self.stands = None;
        self.running = None;
        let claim = self.disk.state.claim.held_by(&self.name, self.life).map(|held| held.epoch);
        let fence = self.disk.state.timing.fence;
        self.executor = Executor::start(now, Marker::Missing, claim, fence, ESCALATION, GRACEFUL);
        crate::sabotage::executor(&mut self.executor);
        self.obey(now);
    }

    /// The executor reads one order of its elector. The epoch whose effects begin by it.
    pub(super) fn read_act(&mut self, now: Moment) -> Option<Epoch> {
        let act = self.elector.as_mut()?.acts.pop_front()?;
        match act {
            Act::Promote { permit, .. } => self.executor.handle_permit(now, permit),
            Act::Extend { epoch, until } => self.executor.handle_extend(now, epoch, until),
            Act::Demote { epoch, .. } => self.executor.handle_demote(now, epoch),
            Act::Revoke { epoch, .. } => self.executor.handle_revoke(now, epoch),
            Act::Follow { .. } => {}
        }
        self.obey(now)
    }

    /// What runs ends.
    pub(super) fn hooks_end(&mut self, now: Moment, success: bool) {
        match self.running.take() {
            None => {}
            Some(Running::Promote) => self.executor.handle_promoted(now, success),
            Some(Running::Demote(_)) => {
                self.stands = self.stands.filter(|_| !success);
                self.executor.handle_demoted(now, success);
            }
            Some(Running::Escalate(_)) => {
                self.stands = None;
                self.executor.handle_escalated(true);
            }
        }
        self.obey(now);
    }

    /// The next real time at which the executor has something to do by itself.
    pub(super) fn next(&self, now: u64) -> Option<u64> {
        let limit = match self.running {
            Some(Running::Demote(limit) | Running::Escalate(limit)) => Some(limit),
            Some(Running::Promote) | None => None,
        };
        let times = [limit, self.executor.wake()].into_iter().flatten();
        times.map(|at| self.clock.reaches(now, at)).min()
    }

    /// Its time has come: hooks that are still there are killed.
    pub(super) fn wake(&mut self, now: Moment) {
        if let Some(Running::Demote(limit) | Running::Escalate(limit)) = self.running
            && limit.over_when_either(now)
        {
            return self.hooks_end(now, false);
        }
        self.executor.handle_timeout(now);
        self.obey(now);
    }

    /// The executor's orders, at once. The epoch whose effects begin.
    fn obey(&mut self, now: Moment) -> Option<Epoch> {
        let mut begins = None;
        while let Some(order) = self.executor.next_order() {
            match order {
                Order::Promote { epoch } if self.executor.may_act(now, epoch) => {
                    assert!(self.stands.is_none() && self.running.is_none(), "9.18: two runs");
                    self.running = Some(Running::Promote);
                    self.stands = Some(epoch);
                    begins = Some(epoch);
                }
                Order::Demote { limit, .. } => self.running = Some(Running::Demote(limit)),
                Order::Escalate { limit, .. } => self.running = Some(Running::Escalate(limit)),
                Order::Say(word) => {
                    if let Word::Idle { .. } = word {
                        assert!(self.stands.is_none(), "X5: idle with something standing");
                    }
                    if let Some(elector) = &mut self.elector {
                        elector.words.push_back(word);
                    }
                }
                Order::Promote { .. }
                | Order::MarkActing(_)
                | Order::MarkIdle { .. }
                | Order::Alarm(_)
                | Order::Idle { .. } => {}
            }
        }
        begins
    }
}
