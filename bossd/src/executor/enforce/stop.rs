//! How the executor stops: the elector leaves in order or is ended, what stands is let go, the
//! `stop` hooks run, then the end with the exit status that says how it went.

use election::{Moment, Span};
use tracing::info;

use super::Daemon;
use crate::ipc::ToElector;
use crate::{journal, sysexits, systemd};

/// How long an elector may take to leave in order, beyond what the demote hooks may take.
const LEAVE: Span = Span::from_secs(3);

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    No,
    /// The elector was told to leave; until then it has time.
    Asked {
        until: Moment,
    },
    /// No elector any more, and no other is started: what stands is let go, then the end.
    LettingGo {
        status: u8,
    },
    /// The `stop` hooks run, or there are none.
    Hooks {
        status: u8,
    },
    Done {
        status: u8,
    },
}

impl Daemon {
    /// TERM: leave in order. A second one does not wait.
    pub(super) fn handle_terminate(&mut self, now: Moment) {
        match (self.stopping, &self.elector) {
            (Stopping::No, Some(elector)) => {
                info!(message_id = journal::STOPPING, "stopping: letting go and handing over");
                systemd::stopping();
                elector.to.send(ToElector::Leave);
                let until = now.plus(self.environment.config.hooks.timeout).plus(LEAVE);
                self.stopping = Stopping::Asked { until };
            }
            (Stopping::No | Stopping::Asked { .. }, _) => {
                info!(message_id = journal::STOPPING, "stopping at once");
                self.stop_at_once();
            }
            (Stopping::LettingGo { .. } | Stopping::Hooks { .. } | Stopping::Done { .. }, _) => {}
        }
    }

    pub(super) fn stop_at_once(&mut self) {
        self.stopping = Stopping::LettingGo { status: sysexits::OK };
        if let Some(elector) = &mut self.elector {
            elector.kill();
        }
        self.handle_elector_ended();
    }

    /// When no elector runs: a stop ends with the `stop` hooks once nothing stands; and where
    /// letting go has failed for good nothing is left to be done here, stopping or not. Whoever
    /// starts next finds "acting" and tries again.
    pub(super) fn end_if_due(&mut self) {
        if self.elector.is_some() || self.reaping.is_some() {
            return;
        }
        let (is_idle, is_stuck) = {
            let machine = self.machine.borrow();
            (machine.is_idle(), machine.is_stuck())
        };
        if is_stuck {
            self.stopping = Stopping::Done { status: sysexits::SOFTWARE };
        } else if let Stopping::LettingGo { status } = self.stopping
            && is_idle
        {
            self.stopping = Stopping::Hooks { status };
            if self.environment.is_clean_up || !self.serving {
                self.stopping = Stopping::Done { status };
            } else {
                self.transitions.stop();
            }
        }
    }
}
