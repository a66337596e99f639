//! One queue of transitions: never two at once. A promote, demote or stop that is due ends a
//! running `follow` or `reassert` (`notify`) with its tree; a demote ends a running promote. Each
//! runs as one task that is awaited to its end and reports its outcome; the loop decides what
//! follows.

mod lines;
mod notify;

use std::cell::RefCell;
use std::rc::Rc;

use election::{Epoch, Executor, Moment};
use tokio::sync::{mpsc, watch};

use super::Environment;
use super::demote_times::DemoteTimes;
use super::hooks::directory::{Hook, HookDirectory};
use super::hooks::plan::{Facts, HookEvent, HookState, plan};
use super::hooks::runner::Runner;
use super::hooks::sequence::{DemoteLimit, StepLog, run_demote, run_promote};
use super::hooks::tree::{self, Spared};
use super::keepalived;
use super::readiness::read_hooks;
use super::target::Target;
use crate::clock;
use crate::config::{Config, KeepalivedConfig};
use crate::ipc::{HookFacts, transition_id};

/// What came of a transition.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The promote hooks ended.
    Promoted {
        /// All of them succeeded.
        success: bool,
    },
    /// The demote hooks ended.
    Demoted {
        /// All of them succeeded.
        success: bool,
    },
    /// The escalation ended.
    Escalated {
        /// Nothing stands any more.
        success: bool,
    },
    /// The `follow` or `reassert` hooks ended.
    Notified,
    /// The `stop` hooks ended.
    Stopped,
}

enum Running {
    Nothing,
    Promote { epoch: Epoch, cancel: watch::Sender<bool> },
    Demote { epoch: Epoch, began_urgent: bool, limit: watch::Sender<DemoteLimit> },
    Notify { cancel: watch::Sender<bool> },
}

/// What starts when the running transition has ended.
#[derive(Clone, Copy)]
enum Next {
    Promote(Epoch),
    Demote(Epoch, DemoteLimit),
    Stop,
}

/// The queue.
pub(super) struct Transitions {
    config: Rc<Config>,
    runner: Rc<Runner>,
    spared: Spared,
    target: Option<Rc<Target>>,
    machine: Rc<RefCell<Executor>>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    running: Running,
    /// What the last promote started; None when another life of this daemon did it.
    started: Option<Rc<RefCell<StepLog>>>,
    next: Option<Next>,
    /// A `follow` that waits for its turn.
    follow: Option<HookFacts>,
    /// The epoch whose promote hooks have succeeded and which nothing has ended yet.
    promoted: Option<Epoch>,
    /// A `reassert` that waits for its turn.
    reassert: Option<(Epoch, HookFacts)>,
    /// Not before this.
    reassert_after: Moment,
    demote_times: Rc<RefCell<DemoteTimes>>,
    /// The state that the scripts for keepalived were told last; None: not known. They are told of a
    /// change, and a demote that failed is no change.
    notified: Option<HookState>,
    /// The scripts that were told MASTER: a reload must not keep them from being told the end of it.
    told_master: Option<KeepalivedConfig>,
    facts: HookFacts,
}

impl Transitions {
    /// An empty queue.
    pub(super) fn new(
        environment: &Environment,
        machine: Rc<RefCell<Executor>>,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) -> Self {
        let state = &environment.config.cluster.state;
        let me = state.members.find(&environment.config.node.name);
        let facts = HookFacts {
            epoch: None,
            term: 0,
            current: None,
            current_address: None,
            previous: None,
            reason: "start".to_owned(),
            priority: me.map_or(election::DEFAULT_PRIORITY, |member| member.priority),
            members: state.members.iter().map(|(name, _)| name.to_string()).collect(),
        };
        Self {
            config: environment.config.clone(),
            runner: environment.runner.clone(),
            spared: environment.spared.clone(),
            target: environment.target.clone(),
            machine,
            outcomes,
            running: Running::Nothing,
            started: None,
            next: None,
            follow: None,
            promoted: None,
            reassert: None,
            reassert_after: Moment::default(),
            demote_times: Rc::new(RefCell::new(DemoteTimes::load(&environment.config))),
            notified: None,
            told_master: None,
            facts,
        }
    }

    /// What counts for all that starts from now on. A demote calls what its promote had started,
    /// wherever that was.
    pub(super) fn set_config(&mut self, config: Rc<Config>) {
        self.demote_times.borrow_mut().set_hooks(&config);
        self.config = config;
    }

    /// What the elector said last about the cluster.
    pub(super) fn learn(&mut self, facts: HookFacts) {
        self.facts = facts;
    }

    /// How long the hooks took to let go.
    pub(super) fn demote_times(&self) -> &Rc<RefCell<DemoteTimes>> {
        &self.demote_times
    }

    /// The epoch under which this node acts now: its promote hooks have succeeded, nothing has ended
    /// it, and the permit holds.
    pub(super) fn acting(&self, now: Moment) -> Option<Epoch> {
        self.promoted.filter(|epoch| self.machine.borrow().may_act(now, *epoch))
    }

    /// Where other tasks report.
    pub(super) fn outcome_sender(&self) -> mpsc::UnboundedSender<Outcome> {
        self.outcomes.clone()
    }

    /// The promote hooks of `epoch` are due. A `follow` that runs is ended first; one that waits
    /// tells of a boss that is none any more.
    pub(super) fn promote(&mut self, epoch: Epoch) {
        self.follow = None;
        (self.promoted, self.reassert) = (None, None);
        self.nothing_started();
        self.start(Next::Promote(epoch));
    }

    /// What a promote that never came to its first hook has to let go.
    pub(super) fn nothing_started(&mut self) {
        self.started = Some(Rc::default());
    }

    /// Starts it, or ends what runs, which starts it then.
    fn start(&mut self, next: Next) {
        match &self.running {
            Running::Nothing => self.start_now(next),
            Running::Promote { cancel, .. } | Running::Notify { cancel } => {
                cancel.send_replace(true);
                self.next = Some(next);
            }
            Running::Demote { .. } => self.next = Some(next),
        }
    }

    fn start_now(&mut self, next: Next) {
        match next {
            Next::Promote(epoch) => self.start_promote(epoch),
            Next::Demote(epoch, limit) => self.start_demote(epoch, limit),
            Next::Stop => {
                let epoch = Epoch(self.facts.epoch.unwrap_or_default());
                self.notify(HookEvent::Stop, epoch, HookState::Stop, Outcome::Stopped);
            }
        }
    }

    fn start_promote(&mut self, epoch: Epoch) {
        let facts = self.facts_for(HookEvent::Promote, epoch, HookState::Master);
        let transition = facts.transition.clone();
        let hooks = match self.trusted_hooks() {
            Ok(hooks) => hooks,
            Err(problem) => {
                lines::not_promoting(&transition, &problem);
                let _ = self.outcomes.send(Outcome::Promoted { success: false });
                return;
            }
        };
        let notified = self.to_notify(HookState::Master, facts.priority);
        self.notified = Some(HookState::Master);
        self.told_master = Some(self.config.keepalived.clone());
        let calls = plan(HookEvent::Promote, &hooks, &facts, None, &notified);
        lines::promoting(&transition, epoch, calls.len());
        let (cancel, cancelled) = watch::channel(false);
        let log = Rc::new(RefCell::new(StepLog::default()));
        self.started = Some(log.clone());
        self.running = Running::Promote { epoch, cancel };
        let (runner, machine) = (self.runner.clone(), self.machine.clone());
        let (timeout, outcomes) = (self.config.hooks.timeout, self.outcomes.clone());
        tokio::task::spawn_local(async move {
            let begun = clock::now();
            let mut steps = StepLog::default();
            let may_act = || machine.borrow().may_act(clock::now(), epoch);
            let outcome =
                run_promote(&runner, &calls, timeout, may_act, cancelled, &mut steps).await;
            *log.borrow_mut() = steps;
            let success = lines::promoted(&transition, &outcome.result, begun);
            let _ = outcomes.send(Outcome::Promoted { success });
        });
    }

    /// Starts the demote hooks, or gives those that run their new limit.
    pub(super) fn demote(&mut self, epoch: Epoch, deadline: Moment, urgent: bool) {
        (self.promoted, self.reassert) = (None, None);
        let limit = DemoteLimit { deadline, urgent };
        if let Running::Demote { limit: current, .. } = &self.running {
            // Kept even if its task has just ended: see `finished`.
            current.send_replace(limit);
        } else {
            self.start(Next::Demote(epoch, limit));
        }
    }

    /// The `stop` hooks.
    pub(super) fn stop(&mut self) {
        self.follow = None;
        self.start(Next::Stop);
    }

    /// A task reported. None when the outcome decides nothing any more.
    pub(super) fn finished(&mut self, outcome: Outcome) -> Option<Outcome> {
        let was = std::mem::replace(&mut self.running, Running::Nothing);
        match (was, &outcome) {
            (Running::Promote { epoch, .. }, Outcome::Promoted { success }) => {
                self.promoted = success.then_some(epoch);
            }
            (Running::Notify { .. }, Outcome::Notified | Outcome::Stopped) => {}
            (Running::Demote { epoch, began_urgent, limit }, Outcome::Demoted { success }) => {
                if *success {
                    self.notified = Some(HookState::Backup);
                    self.told_master = None;
                }
                let limit = *limit.borrow();
                if !success && !began_urgent && limit.urgent {
                    // It became urgent when a hook had failed already, or after the last one: each
                    // hook is to be asked once under the urgent limit.
                    self.start_demote(epoch, limit);
                    return None;
                }
            }
            // It could not even start; or it runs beside the queue.
            (
                Running::Nothing,
                Outcome::Promoted { success: false } | Outcome::Escalated { .. },
            ) => {}
            (other, _) => {
                // Overtaken before it was read: what runs now is what counts.
                self.running = other;
                return matches!(outcome, Outcome::Escalated { .. }).then_some(outcome);
            }
        }
        if let Some(next) = self.next.take() {
            self.promoted = None;
            // What had started is let go by the demote that overtook it, and so on.
            self.start_now(next);
            return None;
        }
        self.start_follow();
        Some(outcome)
    }

    /// The facts that an escalation gets.
    pub(super) fn facts_of_demote(&self, epoch: Epoch) -> Facts {
        Facts { urgent: true, ..self.facts_for(HookEvent::Demote, epoch, HookState::Backup) }
    }

    /// Waits for what hooks left behind.
    pub(super) fn reap(&self) {
        tree::reap_adopted(&self.spared);
    }

    fn start_demote(&mut self, epoch: Epoch, limit: DemoteLimit) {
        let mut facts = self.facts_for(HookEvent::Demote, epoch, HookState::Backup);
        facts.urgent = limit.urgent;
        let transition = facts.transition.clone();
        let started: Option<Vec<Hook>> =
            self.started.as_ref().map(|log| log.borrow().started().to_vec());
        let hooks = match (&started, self.all_hooks()) {
            (_, Ok(hooks)) => hooks,
            // What this life started can be let go even if the directory is gone.
            (Some(started), Err(_)) => started.clone(),
            (None, Err(problem)) => {
                lines::nothing_can_be_demoted(&transition, &problem);
                let (limit, began_urgent) = (watch::channel(limit).0, limit.urgent);
                self.running = Running::Demote { epoch, began_urgent, limit };
                let _ = self.outcomes.send(Outcome::Demoted { success: false });
                return;
            }
        };
        let notified = self.to_notify(HookState::Backup, facts.priority);
        let calls = plan(HookEvent::Demote, &hooks, &facts, started.as_deref(), &notified);
        lines::letting_go(&transition, epoch, limit.urgent, calls.len());
        let (sender, limits) = watch::channel(limit);
        self.running = Running::Demote { epoch, began_urgent: limit.urgent, limit: sender };
        let (runner, outcomes) = (self.runner.clone(), self.outcomes.clone());
        let times = self.demote_times.clone();
        tokio::task::spawn_local(async move {
            let outcome = run_demote(&runner, &calls, limits).await;
            times.borrow_mut().record(&outcome.steps);
            let success = lines::let_go(&transition, epoch, &outcome);
            let _ = outcomes.send(Outcome::Demoted { success });
        });
    }

    /// The scripts for keepalived that a change to this state calls; none if it is no change.
    fn to_notify(&self, state: HookState, priority: u8) -> Vec<Hook> {
        if self.config.node.shadow || self.notified == Some(state) {
            return Vec::new();
        }
        let scripts = self.told_master.as_ref().unwrap_or(&self.config.keepalived);
        keepalived::calls(scripts, state, priority)
    }

    /// All hooks; none when one cannot be trusted.
    fn trusted_hooks(&self) -> Result<Vec<Hook>, String> {
        let directory = self.read_directory()?;
        match directory.refused.first() {
            None => Ok(directory.hooks),
            Some(refused) => Err(refused.reason.to_string()),
        }
    }

    /// All hooks that can be run at all: letting go does not stop at one that is refused.
    fn all_hooks(&self) -> Result<Vec<Hook>, String> {
        self.read_directory().map(|directory| directory.hooks)
    }

    /// A shadow has none to run.
    fn read_directory(&self) -> Result<HookDirectory, String> {
        if self.config.node.shadow {
            return Ok(HookDirectory::default());
        }
        let mut directory = read_hooks(&self.config)?;
        let is_known = self.started.is_some();
        directory.hooks.extend(self.target.iter().filter_map(|target| target.hook(is_known)));
        Ok(directory)
    }

    fn facts_for(&self, event: HookEvent, epoch: Epoch, state: HookState) -> Facts {
        self.facts_of(self.facts.clone(), event, epoch, state)
    }

    fn facts_of(
        &self,
        known: HookFacts,
        event: HookEvent,
        epoch: Epoch,
        state: HookState,
    ) -> Facts {
        let node = self.config.node.name.to_string();
        Facts {
            cluster: self.config.cluster.name.clone(),
            transition: transition_id(&node, epoch.0, event.as_str()),
            node,
            state,
            epoch: (epoch.0 > 0).then_some(epoch.0),
            term: known.term,
            current: known.current,
            current_address: known.current_address,
            previous: known.previous,
            reason: known.reason,
            urgent: false,
            deadline_ms: self.config.hooks.timeout.as_millis(),
            priority: known.priority,
            role: None,
            members: known.members,
            dry_run: false,
            run_directory: self.config.node.run_directory.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
