//! What the election thread is asked for: a change, or what would come of one. It answers when it can,
//! and is waited for so long and no longer; each change is told to the log with who asked for it.

use control::interface::{Apply, Done, Refusal, RefusalKind, ReloadReply};
use control::preview::Preview;
use control::varlink::Fault;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{Connection, End, within};
use crate::elector::control::{
    ControlCommand, ControlRequest, PreviewRequest, ReloadRequest, Request, apply,
};

/// What the election thread, or the leader by way of it, says.
type Answer<T> = Result<T, Refusal>;

impl Connection {
    /// The reply to a change.
    pub(super) async fn changed(
        &self,
        command: ControlCommand,
    ) -> Result<Result<Value, Fault>, End> {
        Ok(match self.change(command).await? {
            Ok(done) => Ok(serde_json::to_value(done).expect("plain text is JSON")),
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// The settings of a file, looked at by the latest picture, and then a change like others.
    pub(super) async fn apply(&self, asked: Apply) -> Result<Result<Value, Fault>, End> {
        let Apply { file, text } = asked;
        let picture = self.desk.pictures.borrow().clone();
        match apply::settings(&picture, &file, &text) {
            Ok(settings) => {
                let settings = Box::new(settings);
                self.changed(ControlCommand::Apply { settings, file }).await
            }
            Err(refusal) => Ok(Err(refusal.into())),
        }
    }

    /// Hands a change to the election thread and waits for what it says.
    async fn change(&self, command: ControlCommand) -> Result<Answer<Done>, End> {
        let what = command.to_string();
        let (reply, answer) = oneshot::channel();
        let request = Request::Change(ControlRequest { command, by: self.caller, reply });
        let late = "no answer in time; the change may still happen: look at the status first";
        let outcome = self.ask(request, answer, late).await?;
        match &outcome {
            Ok(done) => tracing::info!("{what} asked for by {}: {}", self.caller, done.text),
            Err(no) => tracing::info!("{what} asked for by {}: refused: {no}", self.caller),
        }
        Ok(outcome)
    }

    /// Asks the election thread what would come of an order.
    pub(super) async fn preview(&self, command: ControlCommand) -> Result<Answer<Preview>, End> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Preview(PreviewRequest { command, by: self.caller, reply });
        self.ask(request, answer, "no answer in time").await
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Answer<T>>,
        late: &str,
    ) -> Result<Answer<T>, End> {
        let try_again = |why: &str| Ok(Err(Refusal::new(RefusalKind::TryAgain, why)));
        match self.desk.doors.commands.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return try_again("too many commands wait"),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(End::Ending),
        }
        match within(&self.alarm, self.desk.limits.command, answer).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => try_again("the command was given up"),
            Err(End::Stalled) => try_again(late),
            Err(end) => Err(end),
        }
    }

    /// Has the files read anew, and waits for what comes of it if that is wanted.
    pub(super) async fn reload(&self, wait: bool) -> Result<Result<Value, Fault>, End> {
        let refuse = |why: &str| Ok(Err(Refusal::new(RefusalKind::TryAgain, why).into()));
        let (reply, answer) = oneshot::channel();
        let request = ReloadRequest { by: self.caller, reply: wait.then_some(reply) };
        match self.desk.doors.reloads.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return refuse("too many reloads wait"),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(End::Ending),
        }
        let reload = if wait {
            match within(&self.alarm, self.desk.limits.command, answer).await {
                Ok(Ok(outcome)) => Some(outcome),
                Ok(Err(_)) => return refuse("the reload was given up"),
                Err(End::Stalled) => {
                    return refuse("no answer in time; the log will say what comes of it");
                }
                Err(end) => return Err(end),
            }
        } else {
            None
        };
        Ok(Ok(serde_json::to_value(ReloadReply { reload }).expect("a reload is JSON")))
    }
}
