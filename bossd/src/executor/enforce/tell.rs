//! What the executor tells of itself beside the permit machine's words: the file that scripts ask, and
//! how long its hooks take to let go.

use election::{Order, Span, fence_reserve};
use tracing::{info, warn};

use super::Daemon;
use super::stop::Stopping;
use crate::clock;
use crate::ipc::ToElector;

impl Daemon {
    /// For those who ask the file: what this node is now.
    pub(super) fn tell_state(&mut self) {
        let now = clock::now();
        let permit = self.machine.borrow().permit();
        match (self.transitions.acting(now), permit) {
            (Some(epoch), Some(permit)) => {
                let config = &self.environment.config;
                let me = config.cluster.state.members.find(&config.node.name);
                let address = me.map(|me| me.address.to_string()).unwrap_or_default();
                self.state_json.say_master(now, &address, epoch.0, permit.until);
            }
            _ => self.state_json.say_backup(now, self.known.as_ref()),
        }
    }

    pub(super) fn end_state_json(&mut self) {
        if let Err(error) = self.state_json.end(clock::now()) {
            warn!("state.json cannot be written or removed ({error}): it runs out by itself");
        }
    }

    /// The loop has turned: what the service manager watches, and what it waits for.
    pub(super) fn turn_ended(&mut self) {
        let now = clock::now();
        if let Some(word) = self.watchdog.turn(now) {
            word.say();
        }
        // A clean-up is not the unit's main process: nobody listens to it.
        let starts = !self.serving && !self.machine.borrow().is_idle();
        let is_busy = starts || self.stopping != Stopping::No;
        if is_busy && !self.environment.is_clean_up {
            self.extension.ask(now);
        }
    }

    /// The permit machine's orders, as far as the watchdog has to know: what is about to act, what is
    /// let go at once, and that nothing stands any more.
    pub(super) fn set_watchdog(&mut self, order: &Order) {
        let now = clock::now();
        let word = match order {
            Order::MarkActing(permit) => {
                if self.watchdog.is_there() && !self.watchdog.covers(permit.fence) {
                    info!(
                        "a fence window of {} is too short for the watchdog: if this process \
                         freezes, what stands may outlast it",
                        permit.fence
                    );
                }
                self.watchdog.act(now, permit.fence)
            }
            Order::Demote { limit, urgent: true, .. } => {
                let fence = self.machine.borrow().permit().map_or(Span::ZERO, |it| it.fence);
                // The hooks' limit is D's end less what is kept back, or later where D is over.
                let kept = self.environment.config.hooks.escalation_budget();
                let end = limit.plus(kept).plus(fence_reserve(fence));
                self.watchdog.let_go(now, end, fence)
            }
            Order::Idle { .. } => self.watchdog.rest(now),
            Order::Promote { .. }
            | Order::Demote { .. }
            | Order::Escalate { .. }
            | Order::MarkIdle { .. }
            | Order::Say(_)
            | Order::Alarm(_) => None,
        };
        if let Some(word) = word {
            word.say();
        }
    }

    /// After each demote, to the elector and to whoever runs after this process.
    pub(super) fn share_demote_times(&self) {
        let changed = self.transitions.demote_times().borrow_mut().take_changed();
        if let Some(times) = changed {
            self.tell(ToElector::Demotes(times));
        }
    }
}
