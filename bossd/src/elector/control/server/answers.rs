//! What is read over the control socket: answered from the latest picture, at once.

use control::interface::{
    Apply, CompareReply, ExplainReply, HistoryReply, HooksReply, PlanReply, Refusal, RefusalKind,
    StatusReply,
};
use control::varlink::Fault;
use serde_json::Value;

use super::Connection;
use crate::clock::now;
use crate::elector::control::apply;
use crate::elector::control::explain::explain;
use crate::elector::control::hooks;
use crate::elector::control::posture::present;
use crate::executor::hooks::plan::HookEvent;

impl Connection {
    pub(super) fn status(&self) -> Value {
        let status = present(&self.desk.pictures.borrow().status, now());
        serde_json::to_value(StatusReply { status }).expect("a status is JSON")
    }

    pub(super) fn explanation(&self, node: Option<&str>) -> Result<Value, Fault> {
        let picture = self.desk.pictures.borrow().clone();
        let name = node.unwrap_or(&picture.status.node);
        let Some(explanation) = explain(&picture, now(), name) else {
            let known: Vec<_> = picture.status.members.iter().map(|it| it.name.as_str()).collect();
            let text = format!("no member is called {name}; there are {}", known.join(", "));
            return Err(Refusal::new(RefusalKind::UnknownNode, text).into());
        };
        Ok(serde_json::to_value(ExplainReply { explanation }).expect("an explanation is JSON"))
    }

    pub(super) fn comparison(&self, asked: &Apply) -> Result<Value, Fault> {
        let picture = self.desk.pictures.borrow().clone();
        let comparison = apply::compare(&picture, &asked.file, &asked.text)?;
        Ok(serde_json::to_value(CompareReply { comparison }).expect("a comparison is JSON"))
    }

    pub(super) fn hooks(&self) -> Value {
        let hooks = hooks::hooks(&self.desk.pictures.borrow());
        serde_json::to_value(HooksReply { hooks }).expect("a list is JSON")
    }

    pub(super) fn plan(&self, event: HookEvent) -> Value {
        let plan = hooks::planned(&self.desk.pictures.borrow(), event);
        serde_json::to_value(PlanReply { plan }).expect("a plan is JSON")
    }

    pub(super) fn history(&self) -> Value {
        let history = self.desk.pictures.borrow().clone().history();
        serde_json::to_value(HistoryReply { history }).expect("a history is JSON")
    }
}
