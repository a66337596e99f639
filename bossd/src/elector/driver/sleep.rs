//! Before this host sleeps: the boss hands over, and the executor is told when it has, so that the
//! sleep goes on. After it nothing is special (X2): a lease that was held is over.

use election::{Command, Moment, Phase, Snapshot, Span};
use tracing::{info, warn};

use super::Driver;
use crate::clock;
use crate::ipc::ToExecutor;
use crate::journal;

/// What acts no more has been published by then, and the successor told, if there is one.
const HANDING_OVER: Span = Span::from_secs(1);

/// Whether a sleep waits, and for what.
#[derive(Default)]
pub(super) enum GoingToSleep {
    /// None does.
    #[default]
    No,
    /// Until nothing acts here.
    Acting,
    /// For the successor to hear of it: nothing has acted since then.
    Idle(Moment),
}

impl Driver {
    /// The executor says that a sleep is about to begin.
    pub(super) fn handle_sleep(&mut self) {
        self.going_to_sleep = GoingToSleep::Acting;
        let snapshot = self.node.snapshot(clock::now());
        if snapshot.phase != Phase::Boss {
            return;
        }
        let message_id = journal::SLEEPS;
        info!(message_id, "this host is about to sleep: handing over");
        // Also where nobody could take over: nobody is better than one that sleeps.
        if !self.forwards.command(Command::Resign { force: true }, &mut self.node) {
            warn!("the boss cannot hand over now; when the host wakes its lease is over");
            self.may_sleep();
        }
    }

    /// Asked again and again.
    pub(super) fn end_sleeps_wait(&mut self, now: Moment, snapshot: &Snapshot) {
        if !matches!(snapshot.phase, Phase::Idle | Phase::Waiting) {
            return;
        }
        let since = match self.going_to_sleep {
            GoingToSleep::No => return,
            GoingToSleep::Acting => now,
            GoingToSleep::Idle(since) => since,
        };
        if snapshot.standing != "leader" || since.plus(HANDING_OVER).over_when_either(now) {
            self.may_sleep();
        } else {
            self.going_to_sleep = GoingToSleep::Idle(since);
        }
    }

    fn may_sleep(&mut self) {
        self.going_to_sleep = GoingToSleep::No;
        self.executor.send(ToExecutor::MaySleep);
    }
}
