//! What the permit machine orders is carried out here, in its order: the marker before and after
//! the effects (X5), hooks, the escalation, and the word to the elector.

use std::io;

use election::{Epoch, Marker, Order};
use tracing::{debug, error, warn};

use super::Daemon;
use crate::clock;
use crate::executor::escalate::{self, Emergency};
use crate::executor::target;
use crate::ipc::ToElector;
use crate::journal;

impl Daemon {
    /// Carries the machine's orders out, in order; what starts a task does not wait for it.
    pub(super) fn carry_out_orders(&mut self) -> io::Result<()> {
        let mut skipped_promote = false;
        loop {
            let order = self.machine.borrow_mut().next_order();
            let Some(order) = order else { return Ok(()) };
            self.set_watchdog(&order);
            match order {
                Order::MarkActing(permit) => {
                    if let Err(error) = self.marker.write_acting(permit) {
                        // Without the record there must be no effect: the promote has failed.
                        error!("{}: {error}: not promoting", self.marker.path().display());
                        skipped_promote = true;
                    }
                    // It may have got there all the same.
                    self.recorded =
                        !matches!(self.marker.read(), Marker::Idle { .. } | Marker::Missing);
                }
                Order::Promote { .. } if skipped_promote => {
                    self.transitions.nothing_started();
                    self.machine.borrow_mut().handle_promoted(clock::now(), false);
                }
                Order::Promote { epoch } => self.transitions.promote(epoch),
                Order::Demote { epoch, limit, urgent } => {
                    self.transitions.demote(epoch, limit, urgent);
                }
                Order::Escalate { epoch, limit } => {
                    let how = self.environment.config.hooks.on_fence_failure.clone();
                    let emergency = Emergency {
                        facts: self.transitions.facts_of_demote(epoch),
                        target: target::name_of_instance(&self.environment.config),
                        limit,
                        units: self.environment.runs_units(),
                        acted_since_boot: self.marker.acted_since_boot(),
                    };
                    let done = self.transitions.outcome_sender();
                    let spared = self.environment.spared.clone();
                    tokio::task::spawn_local(escalate::run(how, emergency, spared, done));
                }
                Order::MarkIdle { epoch } => self.mark_idle(epoch)?,
                Order::Say(word) => self.tell(ToElector::Word(word.into())),
                Order::Alarm(alarm) => {
                    let (message_id, boss_epoch) = journal::alarm(&alarm);
                    error!(message_id, boss_epoch, "{alarm}");
                    self.alarmed = true;
                    self.tell(ToElector::Alarm(Some(alarm.to_string())));
                }
                Order::Idle { last } => {
                    debug!("nothing of this node is active, last epoch {last}");
                    if std::mem::take(&mut self.alarmed) {
                        self.tell(ToElector::Alarm(None));
                    }
                    self.transitions.start_follow();
                }
            }
        }
    }

    /// X5. Where "acting" was never recorded the record that stands is as good: who starts from it
    /// demotes once more because of the claim, which harms nobody.
    fn mark_idle(&mut self, epoch: Epoch) -> io::Result<()> {
        // Whoever asks the file must not be told MASTER when another node may be.
        self.state_json.take_back(clock::now())?;
        match self.marker.write_idle(epoch) {
            Err(error) if self.recorded => Err(error),
            Err(error) => {
                warn!("{}: {error}: nothing had been promoted", self.marker.path().display());
                Ok(())
            }
            Ok(()) => {
                self.recorded = false;
                Ok(())
            }
        }
    }
}
