//! `io.boss.Cluster` as zlink sees it: its methods with their types, and its errors.

use control::interface::{
    CompareReply, Done, ExplainReply, HistoryReply, HooksReply, PlanReply, ReloadReply, StatusReply,
};
use control::preview::{OrderKind, PreviewReply};
use serde_json::{Value, json};

#[zlink::proxy("io.boss.Cluster")]
pub(crate) trait ClusterProxy {
    async fn get_status(&mut self) -> zlink::Result<Result<StatusReply, ClusterError>>;
    async fn explain(
        &mut self,
        node: Option<&str>,
    ) -> zlink::Result<Result<ExplainReply, ClusterError>>;
    async fn get_history(&mut self) -> zlink::Result<Result<HistoryReply, ClusterError>>;
    async fn get_hooks(&mut self) -> zlink::Result<Result<HooksReply, ClusterError>>;
    async fn plan_hooks(&mut self, event: &str) -> zlink::Result<Result<PlanReply, ClusterError>>;
    async fn preview_order(
        &mut self,
        order: OrderKind,
        node: Option<&str>,
        force: Option<bool>,
    ) -> zlink::Result<Result<PreviewReply, ClusterError>>;
    async fn drain(
        &mut self,
        node: Option<&str>,
        reason: Option<&str>,
        force: Option<bool>,
        for_s: Option<i64>,
    ) -> zlink::Result<Result<Done, ClusterError>>;
    async fn undrain(&mut self, node: Option<&str>) -> zlink::Result<Result<Done, ClusterError>>;
    async fn pause(
        &mut self,
        reason: Option<&str>,
        for_s: Option<i64>,
    ) -> zlink::Result<Result<Done, ClusterError>>;
    async fn resume(&mut self) -> zlink::Result<Result<Done, ClusterError>>;
    async fn clear(&mut self, node: Option<&str>) -> zlink::Result<Result<Done, ClusterError>>;
    async fn resign(&mut self, force: Option<bool>) -> zlink::Result<Result<Done, ClusterError>>;
    async fn switchover(&mut self, to: &str) -> zlink::Result<Result<Done, ClusterError>>;
    async fn compare(
        &mut self,
        file: &str,
        text: &str,
    ) -> zlink::Result<Result<CompareReply, ClusterError>>;
    async fn apply(&mut self, file: &str, text: &str) -> zlink::Result<Result<Done, ClusterError>>;
    async fn reload(
        &mut self,
        wait: Option<bool>,
    ) -> zlink::Result<Result<ReloadReply, ClusterError>>;
    async fn confirm_dead(
        &mut self,
        node: &str,
        again: &str,
    ) -> zlink::Result<Result<Done, ClusterError>>;
}

/// The errors of the interface.
#[derive(Debug, zlink::ReplyError)]
#[zlink(interface = "io.boss.Cluster")]
pub(crate) enum ClusterError {
    NotPermitted { needed: String },
    UnknownNode { text: String },
    NotBoss { text: String },
    NobodyEligible { text: String },
    NoQuorum { text: String },
    TryAgain { text: String },
    Refused { text: String },
}

impl ClusterError {
    /// The error as it came.
    pub(crate) fn told(self) -> Value {
        let (name, field, text) = match self {
            Self::NotPermitted { needed } => ("NotPermitted", "needed", needed),
            Self::UnknownNode { text } => ("UnknownNode", "text", text),
            Self::NotBoss { text } => ("NotBoss", "text", text),
            Self::NobodyEligible { text } => ("NobodyEligible", "text", text),
            Self::NoQuorum { text } => ("NoQuorum", "text", text),
            Self::TryAgain { text } => ("TryAgain", "text", text),
            Self::Refused { text } => ("Refused", "text", text),
        };
        json!({ "error": format!("io.boss.Cluster.{name}"), "parameters": { field: text } })
    }
}
