//! The lines of the log that tell of a transition, each with its kind and figures for the journal.

use election::{Epoch, Moment};
use tracing::{error, info};

use crate::clock;
use crate::executor::hooks::sequence::{DemoteOutcome, PromoteResult};
use crate::journal;

pub(super) fn not_promoting(boss_transition: &str, problem: &str) {
    error!(boss_transition, message_id = journal::PROMOTE_FAILED, "{problem}: not promoting");
}

pub(super) fn promoting(boss_transition: &str, epoch: Epoch, hooks: usize) {
    info!(
        boss_transition,
        message_id = journal::PROMOTING,
        boss_epoch = epoch.0,
        "promoting under epoch {epoch}: {hooks} hooks"
    );
}

/// Whether it succeeded.
pub(super) fn promoted(boss_transition: &str, result: &PromoteResult, begun: Moment) -> bool {
    let took = begun.elapsed(clock::now());
    match result {
        PromoteResult::Ok => {
            info!(boss_transition, message_id = journal::PROMOTED, "promoted in {took}");
        }
        PromoteResult::Failed(step) => {
            error!(boss_transition, message_id = journal::PROMOTE_FAILED, "promote failed: {step}");
        }
        PromoteResult::Cancelled(Some(step)) => info!(boss_transition, "promote ended: {step}"),
        PromoteResult::Cancelled(None) => info!(boss_transition, "promote ended between two hooks"),
        PromoteResult::PermitOver => info!(boss_transition, "promote ended: the permit is over"),
    }
    *result == PromoteResult::Ok
}

pub(super) fn nothing_can_be_demoted(boss_transition: &str, problem: &str) {
    let message_id = journal::DEMOTE_FAILED;
    error!(boss_transition, message_id, "{problem}: nothing can be demoted");
}

pub(super) fn letting_go(boss_transition: &str, epoch: Epoch, urgent: bool, hooks: usize) {
    let how = if urgent { "at once" } else { "in order" };
    info!(
        boss_transition,
        message_id = journal::LETTING_GO,
        boss_epoch = epoch.0,
        "letting go of epoch {epoch} {how}: {hooks} hooks"
    );
}

/// Whether all hooks succeeded.
pub(super) fn let_go(boss_transition: &str, epoch: Epoch, outcome: &DemoteOutcome) -> bool {
    for step in outcome.steps.iter().filter(|step| !step.outcome.is_done()) {
        error!(boss_transition, "{step}");
    }
    let success = outcome.all_ok();
    let judged = if success { "all hooks succeeded" } else { "not all hooks succeeded" };
    info!(
        boss_transition,
        message_id = journal::LET_GO,
        boss_epoch = epoch.0,
        "let go of epoch {epoch} in {}: {judged}",
        outcome.took
    );
    success
}
