//! Runs the calls of a plan one after the other, each within its time, and says what happened. It
//! neither plans them nor decides what follows: a failed promote is demoted by the caller.

use std::io;

use election::{Moment, Span};
use tokio::sync::watch;

use super::directory::Hook;
use super::outcome::{Cut, Outcome, Step};
use super::plan::Call;
use super::runner::Runner;
use crate::clock::{Alarm, now};

/// What has happened so far in a promote. The caller holds it, so that it stays even if the
/// promote is dropped midway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepLog {
    started: Vec<Hook>,
    steps: Vec<Step>,
}

impl StepLog {
    /// The hooks whose turn came, in their order, however they ended: what a demote must reverse.
    pub fn started(&self) -> &[Hook] {
        &self.started
    }

    /// The calls that have ended, in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// How a promote ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoteOutcome {
    /// What must be demoted when this node lets go, the one that failed included.
    pub started: Vec<Hook>,
    /// Whether this node acts now.
    pub result: PromoteResult,
}

/// Whether a promote succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromoteResult {
    /// Every hook succeeded.
    Ok,
    /// This one did not; those after it did not run.
    Failed(Step),
    /// It was cancelled, while this one ran or, with None, between two.
    Cancelled(Option<Step>),
    /// The permit was over when the next hook's turn came.
    PermitOver,
}

/// How long a demote may take. It may change while the demote runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoteLimit {
    /// Over as soon as either clock has reached it.
    pub deadline: Moment,
    /// The hooks share the time, so that one that hangs leaves the others theirs.
    pub urgent: bool,
}

/// How a demote ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoteOutcome {
    /// Each hook, in the order in which it ran.
    pub steps: Vec<Step>,
    /// How long it took as a whole.
    pub took: Span,
}

impl DemoteOutcome {
    /// Every hook succeeded: what hooks hold has been let go.
    pub fn all_ok(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_done())
    }

    /// Some hook was killed, or had no turn, because the time was over.
    pub fn timed_out(&self) -> bool {
        self.steps.iter().any(|step| step.outcome.ran_out_of_time())
    }
}

/// Runs promote hooks until one fails. Each has `timeout`; before each, `may_act` is asked whether
/// the permit still holds. When `cancel` becomes true (or its sender is gone, so that nobody could
/// cancel any more) the running hook is killed at once with its tree.
pub async fn run_promote(
    runner: &Runner,
    calls: &[Call],
    timeout: Span,
    mut may_act: impl FnMut() -> bool,
    mut cancel: watch::Receiver<bool>,
    log: &mut StepLog,
) -> PromoteOutcome {
    let mut result = PromoteResult::Ok;
    for call in calls {
        if *cancel.borrow() || cancel.has_changed().is_err() {
            result = PromoteResult::Cancelled(None);
        } else if !may_act() {
            result = PromoteResult::PermitOver;
        } else {
            log.started.push(call.hook.clone());
            let cut = cut_by(now().plus(timeout), &mut cancel);
            let call = call.limited(false, timeout.as_millis());
            let step = run_call(runner, &call, &mut may_act, cut).await;
            log.steps.push(step.clone());
            result = match step.outcome {
                Outcome::Done => continue,
                Outcome::Killed(Cut::Cancelled) => PromoteResult::Cancelled(Some(step)),
                _ => PromoteResult::Failed(step),
            };
        }
        break;
    }
    PromoteOutcome { started: log.started.clone(), result }
}

/// Runs demote hooks, all of them whatever each one says. In a graceful demote each has until the
/// deadline; in an urgent one each has an equal share of what is left, and what one does not use is
/// left to those after it. `limit` may become shorter or urgent at any time, also for the hook that
/// runs. What has had no turn at the deadline is reported as not run.
pub async fn run_demote(
    runner: &Runner,
    calls: &[Call],
    mut limit: watch::Receiver<DemoteLimit>,
) -> DemoteOutcome {
    let begun = now();
    let mut steps = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let hooks_left = u64::try_from(calls.len() - index).expect("few hooks");
        let current = *limit.borrow();
        if current.deadline.over_when_either(now()) {
            steps.push(not_run(&call.limited(current.urgent, 0)));
            continue;
        }
        let time = share(current, hooks_left).left_until_either(now());
        let call = call.limited(current.urgent, time.as_millis());
        let cut = demote_cut(&mut limit, hooks_left);
        // Letting go is never forbidden.
        steps.push(run_call(runner, &call, &mut || true, cut).await);
    }
    DemoteOutcome { steps, took: begun.elapsed(now()) }
}

/// Runs hooks whose outcome decides nothing (follow, reassert, stop), each within `timeout`. One
/// that fails is logged and stops nothing. Before each, `may_run` is asked; what it refuses ends the
/// sequence. When `cancel` becomes true (or its sender is gone) the running hook is
/// killed at once with its tree, and those after it do not run.
pub async fn run_notify(
    runner: &Runner,
    calls: &[Call],
    timeout: Span,
    may_run: impl Fn() -> bool,
    mut cancel: watch::Receiver<bool>,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(calls.len());
    for call in calls {
        if *cancel.borrow() || cancel.has_changed().is_err() || !may_run() {
            break;
        }
        let cut = cut_by(now().plus(timeout), &mut cancel);
        let call = call.limited(false, timeout.as_millis());
        steps.push(run_call(runner, &call, &mut || may_run(), cut).await);
    }
    steps
}

/// One call, with its lines in the log.
async fn run_call(
    runner: &Runner,
    call: &Call,
    may_begin: &mut dyn FnMut() -> bool,
    cut: impl Future<Output = Cut>,
) -> Step {
    let (event, transition) = (call.event.as_str(), call.facts.transition.as_str());
    tracing::debug!(
        boss_event = event,
        boss_transition = transition,
        boss_urgent = call.facts.urgent,
        "{} starts",
        call.hook.name
    );
    let step = runner.run(call, may_begin, cut).await;
    if step.outcome.is_done() {
        tracing::info!(boss_event = event, boss_transition = transition, "{step}");
    } else {
        tracing::warn!(boss_event = event, boss_transition = transition, "{step}");
    }
    step
}

fn not_run(call: &Call) -> Step {
    let (event, transition) = (call.event.as_str(), call.facts.transition.as_str());
    let step = Step {
        hook: call.hook.name.clone(),
        event: call.event,
        urgent: call.facts.urgent,
        outcome: Outcome::NotRun,
        took: Span::ZERO,
        left: Vec::new(),
    };
    tracing::warn!(boss_event = event, boss_transition = transition, "{step}");
    step
}

/// At the deadline, or when cancelled.
async fn cut_by(deadline: Moment, cancel: &mut watch::Receiver<bool>) -> Cut {
    tokio::select! {
        reached = reached(deadline) => cut_when(reached, Cut::Timeout),
        // An error means that the sender is gone.
        _ = cancel.wait_for(|cancelled| *cancelled) => Cut::Cancelled,
    }
}

/// Ends when the hook that runs, the first of `hooks_left`, has had its time.
async fn demote_cut(limit: &mut watch::Receiver<DemoteLimit>, hooks_left: u64) -> Cut {
    let mut current = *limit.borrow_and_update();
    let mut deadline = share(current, hooks_left);
    loop {
        let why = if current.urgent { Cut::Urgent } else { Cut::Timeout };
        tokio::select! {
            reached = reached(deadline) => return cut_when(reached, why),
            limit = next_limit(limit) => {
                // The share is reckoned anew only when something has changed.
                if limit != current {
                    current = limit;
                    deadline = share(current, hooks_left);
                }
            }
        }
    }
}

/// The next limit that is sent; once the sender is gone, the last one stays for good.
async fn next_limit(limit: &mut watch::Receiver<DemoteLimit>) -> DemoteLimit {
    if limit.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *limit.borrow_and_update()
}

/// Until when the first of `hooks_left` may run.
fn share(limit: DemoteLimit, hooks_left: u64) -> Moment {
    if !limit.urgent {
        return limit.deadline;
    }
    let now = now();
    now.plus(limit.deadline.left_until_either(now).part(hooks_left))
}

/// Waits until either clock has reached `deadline`.
async fn reached(deadline: Moment) -> io::Result<()> {
    let alarm = Alarm::new()?;
    while !deadline.over_when_either(now()) {
        alarm.set(now().plus(deadline.left_until_either(now())))?;
        alarm.fired().await?;
    }
    Ok(())
}

/// A hook whose time cannot be watched is not let run on.
fn cut_when(reached: io::Result<()>, why: Cut) -> Cut {
    match reached {
        Ok(()) => why,
        Err(error) => Cut::Clock(error.to_string()),
    }
}
