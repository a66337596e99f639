//! An operator's command as it travels from node to node, what the core is to make of it, and the
//! answer in words.

use control::interface::{Done, MAX_FOR_S, MAX_REASON, Refusal, RefusalKind};
use election::{Command, CommandError, NodeId, Settings, Snapshot};
use serde::{Deserialize, Serialize};

use super::confirm::is_waited_for;
use crate::clock::utc;
use crate::elector::control::ControlCommand;
use crate::elector::schema::{SettingsDoc, document};

/// A command on its way to the leader: the body of a frame of [`kind::COMMAND`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The sender's number for it; the [`Report`] repeats it.
    pub id: u64,
    /// What is to be done.
    pub command: CommandDoc,
    /// Who asked for it, a user id of the sender's host, for the log only.
    pub uid: u32,
}

/// An operator's command as it travels; [`core_command`] makes of it what the core takes.
#[allow(missing_docs, reason = "each is the ControlCommand of its name")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandDoc {
    Drain {
        node: String,
        reason: String,
        force: bool,
        for_s: Option<u64>,
    },
    Undrain {
        node: String,
    },
    Resign {
        force: bool,
    },
    Switchover {
        to: String,
    },
    // Last, so that the numbers of the others stay: another version may be at the other end.
    Clear {
        node: String,
    },
    Pause {
        reason: String,
        for_s: Option<u64>,
    },
    Resume,
    Apply {
        settings: SettingsDoc,
    },
    /// Never sent: the node that is asked vouches itself.
    Confirm {
        node: String,
    },
}

/// The leader's answer: the body of a frame of [`kind::ANSWER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// As in the [`Order`].
    pub id: u64,
    result: Result<DoneDoc, RefusalDoc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DoneDoc {
    text: String,
    undo: Option<String>,
    epoch: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RefusalDoc {
    kind: u8,
    text: String,
}

impl Report {
    /// Of the order with that number.
    pub fn new(id: u64, result: Result<Done, Refusal>) -> Self {
        let result = match result {
            Ok(Done { text, undo, epoch }) => Ok(DoneDoc { text, undo, epoch }),
            Err(Refusal { kind, text }) => Err(RefusalDoc { kind: number_of(kind), text }),
        };
        Self { id, result }
    }

    /// What the operator is told.
    pub fn outcome(self) -> Result<Done, Refusal> {
        match self.result {
            Ok(DoneDoc { text, undo, epoch }) => Ok(Done { text, undo, epoch }),
            Err(RefusalDoc { kind, text }) => Err(Refusal::new(kind_of(kind), text)),
        }
    }
}

/// What the control socket took, as it travels: a node that is not named is `me`.
pub fn document(command: ControlCommand, me: &NodeId) -> CommandDoc {
    let named = |node: Option<String>| node.unwrap_or_else(|| me.to_string());
    match command {
        ControlCommand::Drain { node, reason, force, for_s } => CommandDoc::Drain {
            node: named(node),
            reason: reason.unwrap_or_default(),
            force,
            for_s,
        },
        ControlCommand::Undrain { node } => CommandDoc::Undrain { node: named(node) },
        ControlCommand::Pause { reason, for_s } => {
            CommandDoc::Pause { reason: reason.unwrap_or_default(), for_s }
        }
        ControlCommand::Resume => CommandDoc::Resume,
        ControlCommand::Apply { settings, .. } => {
            CommandDoc::Apply { settings: SettingsDoc::from(settings.as_ref()) }
        }
        ControlCommand::Clear { node } => CommandDoc::Clear { node: named(node) },
        ControlCommand::Resign { force } => CommandDoc::Resign { force },
        ControlCommand::Switchover { to } => CommandDoc::Switchover { to },
        ControlCommand::ConfirmDead { node } => CommandDoc::Confirm { node },
    }
}

/// What the core is to do. Whatever the core must not see is refused here, with the text for the
/// operator: `command` may be another node's.
///
/// What is to end by itself is counted from `wall_s`, the leader's wall clock in seconds since 1970,
/// rounded up: that of the operator's host may be another.
pub fn core_command(command: &CommandDoc, wall_s: u64) -> Result<Command, Refusal> {
    let node = |name: &str| {
        document::node(name).map_err(|_| {
            let error = CommandError::UnknownNode(NodeId::new(name));
            Refusal::new(RefusalKind::UnknownNode, error.to_string())
        })
    };
    Ok(match command {
        CommandDoc::Drain { node: name, reason, force, for_s } => {
            check_reason(reason)?;
            let until = end_of(*for_s, wall_s)?;
            let (node, reason) = (node(name)?, reason.clone());
            Command::Drain { node, until, reason, force: *force }
        }
        CommandDoc::Undrain { node: name } => Command::Undrain { node: node(name)? },
        CommandDoc::Pause { reason, for_s } => {
            check_reason(reason)?;
            Command::Pause { until: end_of(*for_s, wall_s)?, reason: reason.clone() }
        }
        CommandDoc::Resume => Command::Resume,
        CommandDoc::Apply { settings } => {
            let settings = Settings::try_from(settings.clone()).map_err(|error| {
                Refusal::new(RefusalKind::Refused, format!("these settings are refused: {error}"))
            })?;
            Command::Apply(Box::new(settings))
        }
        CommandDoc::Clear { node: name } => Command::Clear { node: node(name)? },
        CommandDoc::Resign { force } => Command::Resign { force: *force },
        CommandDoc::Switchover { to } => Command::Switchover { to: node(to)? },
        CommandDoc::Confirm { node: name } => Command::Confirm { node: node(name)? },
    })
}

/// The control socket checks it as well; another node's word for that is not enough, for what the
/// leader publishes with a reason that nobody takes is never committed.
fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
        let text = format!("a reason has at most {MAX_REASON} bytes and no control characters");
        return Err(Refusal::new(RefusalKind::Refused, text));
    }
    Ok(())
}

fn end_of(for_s: Option<u64>, wall_s: u64) -> Result<Option<u64>, Refusal> {
    match for_s {
        Some(seconds) if !(1..=MAX_FOR_S).contains(&seconds) => {
            let text = format!("it may end after 1 to {MAX_FOR_S} seconds, not {seconds}");
            Err(Refusal::new(RefusalKind::Refused, text))
        }
        _ => Ok(for_s.map(|seconds| wall_s.saturating_add(seconds))),
    }
}

/// For the log.
pub(super) fn words(command: &CommandDoc) -> String {
    match command {
        CommandDoc::Drain { node, for_s: None, .. } => format!("drain of {node}"),
        CommandDoc::Drain { node, for_s: Some(s), .. } => format!("drain of {node} for {s} s"),
        CommandDoc::Undrain { node } => format!("undrain of {node}"),
        CommandDoc::Pause { for_s: None, .. } => "pause".to_owned(),
        CommandDoc::Pause { for_s: Some(seconds), .. } => format!("pause for {seconds} s"),
        CommandDoc::Resume => "resume".to_owned(),
        CommandDoc::Apply { .. } => "apply".to_owned(),
        CommandDoc::Clear { node } => format!("clear of {node}"),
        CommandDoc::Resign { force: false } => "resign".to_owned(),
        CommandDoc::Resign { force: true } => "forced resign".to_owned(),
        CommandDoc::Switchover { to } => format!("switchover to {to}"),
        CommandDoc::Confirm { node } => format!("confirm-dead of {node}"),
    }
}

/// What is told of a command that was accepted, by how things stood before.
pub(super) fn done(command: &Command, before: &Snapshot) -> Done {
    let epoch = before.boss.as_ref().map(|(_, epoch)| epoch.0);
    let (text, undo) = match command {
        Command::Drain { node, until, .. } => (
            format!("{node} is drained{}: it votes, and does not become boss", until_text(*until)),
            Some(format!("bossctl undrain {node}")),
        ),
        Command::Undrain { node } => {
            let member = before.state.members.find(node);
            let was = member.is_some_and(|member| member.drained.is_some());
            (format!("{node} {} drained", no_longer(was)), None)
        }
        Command::Pause { until, .. } => (
            format!(
                "paused{}: nobody new becomes boss, and one that loses its lease lets go all the \
                 same",
                until_text(*until)
            ),
            Some("bossctl resume".to_owned()),
        ),
        Command::Resume => {
            (format!("the cluster {} paused", no_longer(before.state.paused.is_some())), None)
        }
        Command::Apply(_) => (
            "the cluster has the timing, policy and priorities of the file; a fence window counts \
             from the next boss on"
                .to_owned(),
            None,
        ),
        Command::Clear { node } => {
            let was = before.hold_offs.iter().any(|(held, _)| held == node);
            (format!("{node} {} held off", no_longer(was)), None)
        }
        Command::Resign { .. } => ("the boss resigns".to_owned(), None),
        Command::Switchover { to } => (format!("the boss hands over to {to}"), None),
        Command::Confirm { node } if is_waited_for(before, node) => {
            (format!("{node} is taken to be off: nobody waits for it any more"), None)
        }
        Command::Confirm { node } => {
            (format!("{node} is taken to be off; nobody waited for it"), None)
        }
        Command::Leave | Command::SetReady(_) => (String::new(), None),
    };
    Done { text, undo, epoch }
}

fn no_longer(was: bool) -> &'static str {
    if was { "is no longer" } else { "was not" }
}

fn until_text(until: Option<u64>) -> String {
    until.map(|until| format!(" until {}", utc(until))).unwrap_or_default()
}

pub(super) fn refusal(error: &CommandError) -> Refusal {
    let kind = match error {
        CommandError::NotLeader(_) => RefusalKind::NoQuorum,
        CommandError::UnknownNode(_) => RefusalKind::UnknownNode,
        CommandError::NobodyEligible(_) => RefusalKind::NobodyEligible,
        CommandError::Unfit(..)
        | CommandError::AlreadyBoss(_)
        | CommandError::Paused
        | CommandError::Unsound(_) => RefusalKind::Refused,
        CommandError::NoBoss => RefusalKind::NotBoss,
        CommandError::TryAgain(_) => RefusalKind::TryAgain,
    };
    Refusal::new(kind, error.to_string())
}

pub(super) const KINDS: [RefusalKind; 7] = [
    RefusalKind::NotPermitted,
    RefusalKind::UnknownNode,
    RefusalKind::NotBoss,
    RefusalKind::NobodyEligible,
    RefusalKind::NoQuorum,
    RefusalKind::TryAgain,
    RefusalKind::Refused,
];

pub(super) fn number_of(kind: RefusalKind) -> u8 {
    let number = KINDS.iter().position(|known| *known == kind);
    number.and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX)
}

pub(super) fn kind_of(number: u8) -> RefusalKind {
    KINDS.get(usize::from(number)).copied().unwrap_or(RefusalKind::Refused)
}
