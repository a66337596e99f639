//! Hooks that only announce: `follow` and `stop`, and `reassert`, which a boss's own hooks get while
//! the permit lasts. Their outcome decides nothing; of several that wait the newest counts.

use election::{Epoch, Moment, Span};
use tokio::sync::watch;
use tracing::error;

use super::{Outcome, Running, Transitions};
use crate::clock;
use crate::executor::hooks::directory::Hook;
use crate::executor::hooks::plan::{Call, Facts, HookEvent, HookState, plan};
use crate::executor::hooks::sequence::run_notify;
use crate::ipc::HookFacts;

/// A link that comes and goes must not keep the hooks busy: at most one `reassert` in this time.
pub(super) const BETWEEN_REASSERTS: Span = Span::from_secs(5);

impl Transitions {
    /// Another node is boss: tells the hooks when it is their turn.
    pub(in crate::executor) fn follow(&mut self, facts: HookFacts) {
        self.follow = Some(facts);
        self.start_follow();
    }

    /// This node is still boss: tells the hooks when it is their turn. Of several that wait the
    /// newest counts.
    pub(in crate::executor) fn reassert(&mut self, epoch: Epoch, facts: HookFacts) {
        self.reassert = Some((epoch, facts));
    }

    /// Starts a `reassert` that waits, if this node still acts, its hooks have all been promoted,
    /// and the last one is long enough ago.
    pub(in crate::executor) fn start_reassert(&mut self, now: Moment) {
        let free = matches!(self.running, Running::Nothing);
        if !free || !self.reassert_after.over_when_either(now) {
            return;
        }
        let Some((epoch, known)) = self.reassert.take() else { return };
        if self.promoted != Some(epoch) || !self.machine.borrow().may_act(now, epoch) {
            // Nothing that it could be about stands any more.
            return;
        }
        self.reassert_after = now.plus(BETWEEN_REASSERTS);
        let facts = self.facts_of(known, HookEvent::Reassert, epoch, HookState::Master);
        let started = self.started.as_ref().map(|log| log.borrow().started().to_vec());
        let machine = self.machine.clone();
        let may_run = move || machine.borrow().may_act(clock::now(), epoch);
        self.tell_hooks(
            HookEvent::Reassert,
            &facts,
            started.as_deref(),
            may_run,
            Outcome::Notified,
        );
    }

    /// Starts a `follow` that waits, once nothing of this node is active.
    pub(in crate::executor) fn start_follow(&mut self) {
        let free = matches!(self.running, Running::Nothing) && self.machine.borrow().is_idle();
        if let Some(facts) = self.follow.take_if(|_| free) {
            let epoch = Epoch(facts.epoch.unwrap_or_default());
            self.facts = facts;
            self.notify(HookEvent::Follow, epoch, HookState::Backup, Outcome::Notified);
        }
    }

    /// Best effort: an error is logged by the runner and decides nothing.
    pub(super) fn notify(
        &mut self,
        event: HookEvent,
        epoch: Epoch,
        state: HookState,
        then: Outcome,
    ) {
        let facts = self.facts_for(event, epoch, state);
        self.tell_hooks(event, &facts, None, || true, then);
    }

    fn tell_hooks(
        &mut self,
        event: HookEvent,
        facts: &Facts,
        started: Option<&[Hook]>,
        may_run: impl Fn() -> bool + 'static,
        then: Outcome,
    ) {
        let transition = facts.transition.clone();
        let calls: Vec<Call> = match self.trusted_hooks() {
            Ok(hooks) => {
                let notified = match event {
                    HookEvent::Follow | HookEvent::Stop => {
                        let notified = self.to_notify(facts.state, facts.priority);
                        self.notified = Some(facts.state);
                        notified
                    }
                    HookEvent::Promote | HookEvent::Demote | HookEvent::Reassert => Vec::new(),
                };
                plan(event, &hooks, facts, started, &notified)
            }
            Err(problem) => {
                error!(
                    boss_transition = transition,
                    "{problem}: {} hooks do not run",
                    event.as_str()
                );
                Vec::new()
            }
        };
        let (runner, outcomes) = (self.runner.clone(), self.outcomes.clone());
        let timeout: Span = self.config.hooks.timeout;
        let (cancel, cancelled) = watch::channel(false);
        self.running = Running::Notify { cancel };
        tokio::task::spawn_local(async move {
            let _ = run_notify(&runner, &calls, timeout, may_run, cancelled).await;
            let _ = outcomes.send(then);
        });
    }
}
