//! From a Varlink call to what is asked for, and what that needs: names and parameters are checked
//! here, nothing is done yet.

use control::interface::{
    APPLY, Apply, CLEAR, COMPARE, CONFIRM_DEAD, Clear, ConfirmDead, DRAIN, Description, Drain,
    EXPLAIN, Explain, GET_HISTORY, GET_HOOKS, GET_INFO, GET_INTERFACE_DESCRIPTION, GET_STATUS,
    INTERFACE, Info, MAX_FOR_S, MAX_REASON, MAX_TEXT, PAUSE, PLAN_HOOKS, PREVIEW_ORDER, Pause,
    PlanHooks, RELOAD, RESIGN, RESUME, Reload, Resign, Resume, SERVICE, SWITCHOVER, Switchover,
    UNDRAIN, Undrain, WhichInterface, description,
};
use control::preview::{OrderKind, PreviewOrder};
use control::varlink::{Call, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ControlCommand;
use super::permissions::Rights;
use crate::executor::hooks::plan::HookEvent;

/// The longest name of a node that is looked for, in bytes: that of a host name.
const MAX_NAME: usize = 255;
/// The longest name of a file, in bytes: the system's.
const MAX_PATH: usize = 4096;

/// A call that was understood.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// Something that never changes; this is the reply.
    Fixed(Value),
    /// The status, once.
    Status,
    /// The status, again and again.
    StatusStream,
    /// Why a node is boss or is not; None: the one that is asked.
    Explanation {
        /// Which.
        node: Option<String>,
    },
    /// The bosses of the past.
    History,
    /// The hooks of this node.
    Hooks,
    /// What an event would call.
    Plan(HookEvent),
    /// How a file differs from the cluster.
    Comparison(Apply),
    /// The settings of a file are published.
    Apply(Apply),
    /// What would come of an order: a drain, a resignation or a switchover.
    Preview(ControlCommand),
    /// Read the files anew.
    Reload {
        /// Answer with what came of it.
        wait: bool,
    },
    /// A change.
    Change(ControlCommand),
}

impl Asked {
    /// What the caller must be allowed.
    pub fn needs(&self) -> Rights {
        match self {
            Self::Fixed(_) => Rights::Nothing,
            Self::Status
            | Self::StatusStream
            | Self::Explanation { .. }
            | Self::History
            | Self::Hooks
            | Self::Plan(_)
            | Self::Comparison(_) => Rights::Read,
            // Of a preview only the leader can answer: it costs the election a turn, as a change does.
            Self::Preview(_) | Self::Apply(_) | Self::Reload { .. } | Self::Change(_) => {
                Rights::Change
            }
        }
    }
}

impl Asked {
    /// In words, if only those may ask who may change something: the log names who did.
    pub fn change(&self) -> Option<String> {
        match self {
            Self::Change(command) => Some(command.to_string()),
            Self::Apply(Apply { file, .. }) => Some(format!("apply of {file}")),
            Self::Reload { .. } => Some("reload".to_owned()),
            Self::Preview(command) => Some(format!("preview of {command}")),
            Self::Fixed(_)
            | Self::Status
            | Self::StatusStream
            | Self::Explanation { .. }
            | Self::History
            | Self::Hooks
            | Self::Plan(_)
            | Self::Comparison(_) => None,
        }
    }
}

/// Understands a call, or says which error it earns.
pub fn understand(call: Call) -> Result<Asked, Fault> {
    if call.upgrade {
        return Err(Fault::invalid_parameter("upgrade: this service speaks Varlink only"));
    }
    match call.method.as_str() {
        GET_INFO => Ok(fixed(&Info::of_bossd())),
        GET_INTERFACE_DESCRIPTION => {
            let WhichInterface { interface } = parameters(call.parameters)?;
            let text =
                description(&interface).ok_or_else(|| Fault::interface_not_found(&interface))?;
            Ok(fixed(&Description { description: text.to_owned() }))
        }
        GET_STATUS if call.more => Ok(Asked::StatusStream),
        GET_STATUS => Ok(Asked::Status),
        EXPLAIN => {
            let Explain { node } = parameters(call.parameters)?;
            check("node", node.as_deref(), MAX_NAME)?;
            Ok(Asked::Explanation { node })
        }
        GET_HISTORY => Ok(Asked::History),
        GET_HOOKS => Ok(Asked::Hooks),
        PLAN_HOOKS => {
            let PlanHooks { event } = parameters(call.parameters)?;
            let known = HookEvent::ALL.into_iter().find(|known| known.as_str() == event);
            let wrong =
                || Fault::invalid_parameter("event: promote, demote, follow, reassert, stop");
            Ok(Asked::Plan(known.ok_or_else(wrong)?))
        }
        COMPARE => Ok(Asked::Comparison(file(call.parameters)?)),
        APPLY => Ok(Asked::Apply(file(call.parameters)?)),
        DRAIN => {
            let Drain { node, reason, force, for_s } = parameters(call.parameters)?;
            check("node", node.as_deref(), MAX_NAME)?;
            check("reason", reason.as_deref(), MAX_REASON)?;
            check_for(for_s)?;
            let force = force.unwrap_or_default();
            Ok(Asked::Change(ControlCommand::Drain { node, reason, force, for_s }))
        }
        UNDRAIN => {
            let Undrain { node } = parameters(call.parameters)?;
            check("node", node.as_deref(), MAX_NAME)?;
            Ok(Asked::Change(ControlCommand::Undrain { node }))
        }
        PAUSE => {
            let Pause { reason, for_s } = parameters(call.parameters)?;
            check("reason", reason.as_deref(), MAX_REASON)?;
            check_for(for_s)?;
            Ok(Asked::Change(ControlCommand::Pause { reason, for_s }))
        }
        RESUME => {
            let Resume {} = parameters(call.parameters)?;
            Ok(Asked::Change(ControlCommand::Resume))
        }
        CLEAR => {
            let Clear { node } = parameters(call.parameters)?;
            check("node", node.as_deref(), MAX_NAME)?;
            Ok(Asked::Change(ControlCommand::Clear { node }))
        }
        RESIGN => {
            let Resign { force } = parameters(call.parameters)?;
            Ok(Asked::Change(ControlCommand::Resign { force: force.unwrap_or(false) }))
        }
        SWITCHOVER => {
            let Switchover { to } = parameters(call.parameters)?;
            check("to", Some(&to), MAX_NAME)?;
            Ok(Asked::Change(ControlCommand::Switchover { to }))
        }
        PREVIEW_ORDER => Ok(Asked::Preview(order(parameters(call.parameters)?)?)),
        CONFIRM_DEAD => {
            let ConfirmDead { node, again } = parameters(call.parameters)?;
            check("node", Some(&node), MAX_NAME)?;
            if node != again {
                return Err(Fault::invalid_parameter("again: not the same name as node"));
            }
            Ok(Asked::Change(ControlCommand::ConfirmDead { node }))
        }
        RELOAD => {
            let Reload { wait } = parameters(call.parameters)?;
            Ok(Asked::Reload { wait: wait.unwrap_or(false) })
        }
        unknown => Err(not_found(unknown)),
    }
}

fn file(given: Value) -> Result<Apply, Fault> {
    let apply: Apply = parameters(given)?;
    check("file", Some(&apply.file), MAX_PATH)?;
    if apply.text.len() > MAX_TEXT {
        return Err(Fault::invalid_parameter(&format!("text: at most {MAX_TEXT} bytes")));
    }
    Ok(apply)
}

/// The order that a preview is of.
fn order(asked: PreviewOrder) -> Result<ControlCommand, Fault> {
    let PreviewOrder { order, node, force } = asked;
    check("node", node.as_deref(), MAX_NAME)?;
    let force = force.unwrap_or_default();
    match (order, node) {
        (OrderKind::Drain, node) => {
            Ok(ControlCommand::Drain { node, reason: None, force, for_s: None })
        }
        (OrderKind::Resign, None) => Ok(ControlCommand::Resign { force }),
        (OrderKind::Resign, Some(_)) => {
            Err(Fault::invalid_parameter("node: it is the boss that resigns, whoever that is"))
        }
        (OrderKind::Switchover, Some(_)) if force => {
            Err(Fault::invalid_parameter("force: a switchover cannot be forced"))
        }
        (OrderKind::Switchover, Some(to)) => Ok(ControlCommand::Switchover { to }),
        (OrderKind::Switchover, None) => {
            Err(Fault::invalid_parameter("node: missing; a switchover is to a node"))
        }
    }
}

fn not_found(method: &str) -> Fault {
    match method.rsplit_once('.') {
        Some((interface, _)) if interface != INTERFACE && interface != SERVICE => {
            Fault::interface_not_found(interface)
        }
        _ => Fault::method_not_found(method),
    }
}

/// The typed parameters. A call without any means an empty object.
fn parameters<P: DeserializeOwned>(given: Value) -> Result<P, Fault> {
    let given = match given {
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => given,
        _ => return Err(Fault::invalid_parameter("the parameters are not an object")),
    };
    serde_json::from_value(given).map_err(|error| Fault::invalid_parameter(&error.to_string()))
}

/// What a caller wrote ends up in logs, in terminals, and a reason in every node's state.
fn check(parameter: &str, text: Option<&str>, max: usize) -> Result<(), Fault> {
    let text = text.unwrap_or_default();
    if text.len() > max {
        return Err(Fault::invalid_parameter(&format!("{parameter}: longer than {max} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::invalid_parameter(&format!("{parameter}: has control characters")));
    }
    Ok(())
}

fn check_for(for_s: Option<u64>) -> Result<(), Fault> {
    match for_s {
        Some(0) => Err(Fault::invalid_parameter("for_s: 0 seconds are over at once")),
        Some(seconds) if seconds > MAX_FOR_S => {
            Err(Fault::invalid_parameter(&format!("for_s: more than {MAX_FOR_S} seconds")))
        }
        _ => Ok(()),
    }
}

fn fixed<R: Serialize>(reply: &R) -> Asked {
    Asked::Fixed(serde_json::to_value(reply).expect("plain text is JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(method: &str, parameters: Value) -> Result<Asked, Fault> {
        understand(Call::new(method, parameters))
    }

    #[test]
    fn each_command_is_understood() {
        let drain = asked(DRAIN, json!({ "node": "alpha", "reason": "disk", "force": true }));
        let node = Some("alpha".to_owned());
        let reason = Some("disk".to_owned());
        let for_s = None;
        let wanted = ControlCommand::Drain { node: node.clone(), reason, force: true, for_s };
        assert_eq!(drain, Ok(Asked::Change(wanted)));
        let drain = asked(DRAIN, json!({ "for_s": MAX_FOR_S }));
        let for_s = Some(MAX_FOR_S);
        let wanted = ControlCommand::Drain { node: None, reason: None, force: false, for_s };
        assert_eq!(drain, Ok(Asked::Change(wanted)));
        let undrain = asked(UNDRAIN, json!({ "node": "alpha" }));
        assert_eq!(undrain, Ok(Asked::Change(ControlCommand::Undrain { node: node.clone() })));
        let pause = asked(PAUSE, json!({ "reason": "upgrade", "for_s": 60 }));
        let reason = Some("upgrade".to_owned());
        let wanted = ControlCommand::Pause { reason, for_s: Some(60) };
        assert_eq!(pause, Ok(Asked::Change(wanted)));
        assert_eq!(asked(RESUME, Value::Null), Ok(Asked::Change(ControlCommand::Resume)));
        let clear = asked(CLEAR, json!({ "node": "alpha" }));
        assert_eq!(clear, Ok(Asked::Change(ControlCommand::Clear { node })));
        let explained = Asked::Explanation { node: Some("beta".to_owned()) };
        assert_eq!(asked(EXPLAIN, json!({ "node": "beta" })), Ok(explained));
        assert_eq!(asked(GET_HISTORY, Value::Null), Ok(Asked::History));
        assert_eq!(asked(GET_HOOKS, Value::Null), Ok(Asked::Hooks));
        let plan = asked(PLAN_HOOKS, json!({ "event": "stop" }));
        assert_eq!(plan, Ok(Asked::Plan(HookEvent::Stop)));
        let resign = asked(RESIGN, Value::Null);
        assert_eq!(resign, Ok(Asked::Change(ControlCommand::Resign { force: false })));
        assert_eq!(asked(RELOAD, Value::Null), Ok(Asked::Reload { wait: false }));
        assert_eq!(asked(RELOAD, json!({ "wait": true })), Ok(Asked::Reload { wait: true }));
        let switchover = asked(SWITCHOVER, json!({ "to": "beta" }));
        let to = "beta".to_owned();
        assert_eq!(switchover, Ok(Asked::Change(ControlCommand::Switchover { to: to.clone() })));
        let dead = asked(CONFIRM_DEAD, json!({ "node": "beta", "again": "beta" }));
        assert_eq!(dead, Ok(Asked::Change(ControlCommand::ConfirmDead { node: to.clone() })));
        let preview = |order, node: Value, force: Value| {
            asked(PREVIEW_ORDER, json!({ "order": order, "node": node, "force": force }))
        };
        let foreseen = preview("switchover", "beta".into(), Value::Null);
        assert_eq!(foreseen, Ok(Asked::Preview(ControlCommand::Switchover { to })));
        let foreseen = preview("resign", Value::Null, true.into());
        assert_eq!(foreseen, Ok(Asked::Preview(ControlCommand::Resign { force: true })));
        let foreseen = preview("drain", Value::Null, Value::Null);
        let drain = ControlCommand::Drain { node: None, reason: None, force: false, for_s: None };
        assert_eq!(foreseen, Ok(Asked::Preview(drain)));
    }

    #[test]
    fn each_mistake_earns_its_error() {
        let cases = [
            ("io.boss.Cluster.Explode", json!({}), "MethodNotFound"),
            ("Explode", json!({}), "MethodNotFound"),
            ("io.example.More", json!({}), "InterfaceNotFound"),
            (GET_INTERFACE_DESCRIPTION, json!({ "interface": "a.b" }), "InterfaceNotFound"),
            (SWITCHOVER, json!({}), "InvalidParameter"),
            (EXPLAIN, json!({ "node": "a\u{1b}[2J" }), "InvalidParameter"),
            (EXPLAIN, json!({ "to": "a" }), "InvalidParameter"),
            (PLAN_HOOKS, json!({ "event": "explode" }), "InvalidParameter"),
            (DRAIN, json!({ "nod": "a" }), "InvalidParameter"),
            (DRAIN, json!(["alpha"]), "InvalidParameter"),
            (DRAIN, json!({ "reason": "a\u{1b}[2J" }), "InvalidParameter"),
            (DRAIN, json!({ "reason": "a".repeat(MAX_REASON + 1) }), "InvalidParameter"),
            (DRAIN, json!({ "for_s": 0 }), "InvalidParameter"),
            (DRAIN, json!({ "for_s": -1 }), "InvalidParameter"),
            (PAUSE, json!({ "for_s": MAX_FOR_S + 1 }), "InvalidParameter"),
            (PAUSE, json!({ "for_s": 1.5 }), "InvalidParameter"),
            (PAUSE, json!({ "reason": "a\u{7}" }), "InvalidParameter"),
            (PAUSE, json!({ "node": "alpha" }), "InvalidParameter"),
            (RESUME, json!({ "for_s": 1 }), "InvalidParameter"),
            (SWITCHOVER, json!({ "to": "a\nb" }), "InvalidParameter"),
            (PREVIEW_ORDER, json!({}), "InvalidParameter"),
            (PREVIEW_ORDER, json!({ "order": "explode" }), "InvalidParameter"),
            (PREVIEW_ORDER, json!({ "order": "switchover" }), "InvalidParameter"),
            (PREVIEW_ORDER, json!({ "order": "resign", "node": "a" }), "InvalidParameter"),
            (CONFIRM_DEAD, json!({ "node": "a" }), "InvalidParameter"),
            (CONFIRM_DEAD, json!({ "node": "a", "again": "b" }), "InvalidParameter"),
        ];
        for (method, parameters, error) in cases {
            let fault = asked(method, parameters).expect_err(method);
            assert_eq!(fault.name, format!("org.varlink.service.{error}"), "{method}");
        }
        let upgrade = Call { upgrade: true, ..Call::new(GET_STATUS, Value::Null) };
        assert!(understand(upgrade).is_err());
    }
}
