//! The interface `io.boss.Cluster`: the description that the daemon hands out, the names of its
//! methods, and what goes in and comes out of each. The elector decides; this is only how it is
//! said.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::comparison::Comparison;
use crate::explanation::Explanation;
use crate::history::History;
use crate::hooks::{Hooks, Plan};
use crate::model::Status;
use crate::reload::Reload as ReloadOutcome;
use crate::varlink::Fault;

/// The interface of the cluster.
pub const INTERFACE: &str = "io.boss.Cluster";
/// The interface that every Varlink service has.
pub const SERVICE: &str = "org.varlink.service";

/// Answers [`StatusReply`]; with `more`, again at every change and at least once a second.
pub const GET_STATUS: &str = "io.boss.Cluster.GetStatus";
/// Takes [`Explain`], answers [`ExplainReply`].
pub const EXPLAIN: &str = "io.boss.Cluster.Explain";
/// Answers [`HistoryReply`].
pub const GET_HISTORY: &str = "io.boss.Cluster.GetHistory";
/// Answers [`HooksReply`].
pub const GET_HOOKS: &str = "io.boss.Cluster.GetHooks";
/// Takes [`PlanHooks`], answers [`PlanReply`].
pub const PLAN_HOOKS: &str = "io.boss.Cluster.PlanHooks";
/// Takes [`Apply`], answers [`CompareReply`].
pub const COMPARE: &str = "io.boss.Cluster.Compare";
/// Takes [`Apply`], answers [`Done`].
pub const APPLY: &str = "io.boss.Cluster.Apply";
/// Takes [`crate::preview::PreviewOrder`], answers [`crate::preview::PreviewReply`].
pub const PREVIEW_ORDER: &str = "io.boss.Cluster.PreviewOrder";
/// Takes [`Drain`], answers [`Done`].
pub const DRAIN: &str = "io.boss.Cluster.Drain";
/// Takes [`Undrain`], answers [`Done`].
pub const UNDRAIN: &str = "io.boss.Cluster.Undrain";
/// Takes [`Pause`], answers [`Done`].
pub const PAUSE: &str = "io.boss.Cluster.Pause";
/// Takes [`Resume`], answers [`Done`].
pub const RESUME: &str = "io.boss.Cluster.Resume";
/// Takes [`Clear`], answers [`Done`].
pub const CLEAR: &str = "io.boss.Cluster.Clear";
/// Takes [`Resign`], answers [`Done`].
pub const RESIGN: &str = "io.boss.Cluster.Resign";
/// Takes [`Switchover`], answers [`Done`].
pub const SWITCHOVER: &str = "io.boss.Cluster.Switchover";
/// Takes [`ConfirmDead`], answers [`Done`].
pub const CONFIRM_DEAD: &str = "io.boss.Cluster.ConfirmDead";
/// Takes [`Reload`], answers [`ReloadReply`].
pub const RELOAD: &str = "io.boss.Cluster.Reload";
/// Answers [`Info`].
pub const GET_INFO: &str = "org.varlink.service.GetInfo";
/// Takes [`WhichInterface`], answers [`Description`].
pub const GET_INTERFACE_DESCRIPTION: &str = "org.varlink.service.GetInterfaceDescription";

/// The longest reason of a drain or a pause, in bytes: it travels in the cluster state and stands in
/// tables.
pub const MAX_REASON: usize = 200;
/// The longest cluster.toml that `Compare` and `Apply` take, in bytes: a call holds no more.
pub const MAX_TEXT: usize = 48 * 1024;
/// The longest time after which a drain or a pause ends by itself, in seconds: a year. Whoever wants
/// more wants no end.
pub const MAX_FOR_S: u64 = 366 * 24 * 60 * 60;

/// `io.boss.Cluster.Drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Which node; without it, the one that is asked.
    pub node: Option<String>,
    /// Why, for those who look at the status later.
    pub reason: Option<String>,
    /// Also when no other node could be boss.
    pub force: Option<bool>,
    /// After how many seconds it ends by itself, 1 to [`MAX_FOR_S`]; without it, never.
    pub for_s: Option<u64>,
}

/// `io.boss.Cluster.Undrain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undrain {
    /// Which node; without it, the one that is asked.
    pub node: Option<String>,
}

/// `io.boss.Cluster.Pause`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Why, for those who look at the status later.
    pub reason: Option<String>,
    /// After how many seconds it ends by itself, 1 to [`MAX_FOR_S`]; without it, never.
    pub for_s: Option<u64>,
}

/// `io.boss.Cluster.Resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {}

/// `io.boss.Cluster.Clear`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// Which node; without it, the one that is asked.
    pub node: Option<String>,
}

/// `io.boss.Cluster.Resign`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resign {
    /// Resign even if nobody eligible could take over; without it, no.
    pub force: Option<bool>,
}

/// `io.boss.Cluster.Switchover`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switchover {
    /// Who is to become boss.
    pub to: String,
}

/// `io.boss.Cluster.Compare` and `io.boss.Cluster.Apply`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The name of the file, for messages.
    pub file: String,
    /// All of it, at most [`MAX_TEXT`] bytes.
    pub text: String,
}

/// The reply to `Compare`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareReply {
    /// How the file differs from the cluster.
    pub comparison: Comparison,
}

/// `io.boss.Cluster.ConfirmDead`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmDead {
    /// Whose host is surely off.
    pub node: String,
    /// Its name once more, as the operator typed it: whoever is wrong makes a second boss.
    pub again: String,
}

/// `io.boss.Cluster.Reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Answer when it is done, with what came of it; without it, at once.
    pub wait: Option<bool>,
}

/// The reply to `Reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReply {
    /// What came of it; None if that was not waited for.
    pub reload: Option<ReloadOutcome>,
}

/// `io.boss.Cluster.Explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Which node; without it, the one that is asked.
    pub node: Option<String>,
}

/// The reply to `Explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainReply {
    /// Why the node is boss or is not.
    pub explanation: Explanation,
}

/// The reply to `GetHistory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryReply {
    /// The epochs that the cluster remembers.
    pub history: History,
}

/// The reply to `GetHooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksReply {
    /// The hooks of the node.
    pub hooks: Hooks,
}

/// `io.boss.Cluster.PlanHooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanHooks {
    /// `promote`, `demote`, `follow`, `reassert` or `stop`.
    pub event: String,
}

/// The reply to `PlanHooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReply {
    /// What the event would call.
    pub plan: Plan,
}

/// The reply to `GetStatus`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The cluster as the node sees it.
    pub status: Status,
}

/// The reply to every change that was accepted. The cluster has it; hooks may still run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was done, in a sentence.
    pub text: String,
    /// The command that takes it back, if one does.
    pub undo: Option<String>,
    /// The epoch of the boss when the change was accepted; a successor's is higher.
    pub epoch: Option<u64>,
}

/// The reply to `GetInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Who makes it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// Which version of it.
    pub version: String,
    /// Where to read about it.
    pub url: String,
    /// The interfaces of the service.
    pub interfaces: Vec<String>,
}

/// The parameters of `GetInterfaceDescription`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhichInterface {
    /// The full name.
    pub interface: String,
}

/// The reply to `GetInterfaceDescription`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The text, in Varlink's own language.
    pub description: String,
}

impl Info {
    /// What bossd says about itself.
    pub fn of_bossd() -> Self {
        Self {
            vendor: "boss".to_owned(),
            product: "bossd".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            url: "man:boss-protocol(7)".to_owned(),
            interfaces: vec![SERVICE.to_owned(), INTERFACE.to_owned()],
        }
    }
}

/// The text of an interface, if bossd has it.
pub fn description(interface: &str) -> Option<&'static str> {
    match interface {
        INTERFACE => Some(include_str!("io.boss.Cluster.varlink")),
        SERVICE => Some(include_str!("org.varlink.service.varlink")),
        _ => None,
    }
}

/// A change that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub kind: RefusalKind,
    /// For people: why, and what to do. For `NotPermitted`, who would have been allowed.
    pub text: String,
}

/// The errors of `io.boss.Cluster`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The caller may not do this.
    NotPermitted,
    /// No member has this name.
    UnknownNode,
    /// There is no boss to act on, or it is not the one that was meant.
    NotBoss,
    /// Nobody eligible would be left to take over.
    NobodyEligible,
    /// No quorum can be reached, so nothing can be changed.
    NoQuorum,
    /// Not now: a change is under way, the node is busy, or nobody answered in time.
    TryAgain,
    /// Any other reason.
    Refused,
}

impl RefusalKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NotPermitted,
        Self::UnknownNode,
        Self::NotBoss,
        Self::NobodyEligible,
        Self::NoQuorum,
        Self::TryAgain,
        Self::Refused,
    ];

    /// The name within the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotPermitted => "NotPermitted",
            Self::UnknownNode => "UnknownNode",
            Self::NotBoss => "NotBoss",
            Self::NobodyEligible => "NobodyEligible",
            Self::NoQuorum => "NoQuorum",
            Self::TryAgain => "TryAgain",
            Self::Refused => "Refused",
        }
    }

    /// The one parameter of the error.
    const fn field(self) -> &'static str {
        match self {
            Self::NotPermitted => "needed",
            _ => "text",
        }
    }
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Reads an error reply; None if it is none of this interface's.
    pub fn from_fault(name: &str, parameters: &Value) -> Option<Self> {
        let name = name.strip_prefix(INTERFACE)?.strip_prefix('.')?;
        let kind = RefusalKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let text = parameters.get(kind.field()).and_then(Value::as_str).unwrap_or_default();
        Some(Self::new(kind, text))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self {
            name: format!("{INTERFACE}.{}", refusal.kind.name()),
            parameters: json!({ refusal.kind.field(): refusal.text }),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RefusalKind::NotPermitted => write!(f, "not permitted: this needs {}", self.text),
            _ => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_way_over_the_socket() {
        for kind in RefusalKind::ALL {
            let refusal = Refusal::new(kind, "because");
            let fault = Fault::from(refusal.clone());
            assert_eq!(Refusal::from_fault(&fault.name, &fault.parameters), Some(refusal));
        }
        assert_eq!(Refusal::from_fault("org.varlink.service.MethodNotFound", &json!({})), None);
    }

    #[test]
    fn the_description_names_every_method_error_and_field() {
        let text = description(INTERFACE).expect("described");
        for method in [
            EXPLAIN,
            GET_HISTORY,
            GET_HOOKS,
            PLAN_HOOKS,
            PREVIEW_ORDER,
            COMPARE,
            CONFIRM_DEAD,
            APPLY,
            RELOAD,
        ] {
            let name = method.rsplit('.').next().expect("a name");
            assert!(text.contains(&format!("method {name}(")), "{method}");
        }
        for method in [GET_STATUS, DRAIN, UNDRAIN, PAUSE, RESUME, CLEAR, RESIGN, SWITCHOVER] {
            let name = method.rsplit('.').next().expect("a name");
            assert!(text.contains(&format!("method {name}(")), "{method}");
        }
        for kind in RefusalKind::ALL {
            let (_, error) = text.split_once(&format!("error {} (", kind.name())).expect("named");
            let fields = error.split(')').next().expect("its fields");
            assert!(fields.contains(&format!("{}: string", kind.field())), "{kind:?}");
        }
        let status = include_str!("../tests/status.json");
        let mut keys = Vec::new();
        collect_keys(&serde_json::from_str(status).expect("JSON"), &mut keys);
        for document in [
            include_str!("../tests/explanation.json"),
            include_str!("../tests/history.json"),
            include_str!("../tests/hooks.json"),
            include_str!("../tests/plan.json"),
            include_str!("../tests/comparison.json"),
            include_str!("../tests/preview.json"),
            include_str!("../tests/reload.json"),
        ] {
            collect_keys(&serde_json::from_str(document).expect("JSON"), &mut keys);
        }
        collect_keys(&serde_json::to_value(Done::default()).expect("JSON"), &mut keys);
        for key in keys {
            assert!(text.contains(&format!("  {key}: ")), "no field {key}");
        }
    }

    fn collect_keys(value: &Value, keys: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    keys.push(key.clone());
                    collect_keys(field, keys);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
            _ => {}
        }
    }

    #[test]
    fn an_unknown_parameter_is_an_error() {
        assert!(serde_json::from_value::<Drain>(json!({ "nod": "alpha" })).is_err());
        assert!(serde_json::from_value::<Resume>(json!({ "node": "alpha" })).is_err());
        assert!(serde_json::from_value::<Switchover>(json!({})).is_err());
        assert_eq!(serde_json::from_value::<Resign>(json!({})).expect("fine"), Resign::default());
    }
}
