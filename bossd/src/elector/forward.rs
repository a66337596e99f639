//! Operators' commands: carried out here when this node leads, else forwarded to the leader over
//! the peers' connections; the answer goes back the same way.

use std::collections::BTreeMap;

use control::interface::{Done, MAX_REASON, Refusal, RefusalKind};
use election::{Answer, Command, CommandError, Node, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::info;

use super::control::{ControlCommand, ControlRequest};
use super::peer::{Frame, Peers};
use super::picture::Background;
use super::schema::SchemaError;
use super::schema::wire::{kind, to_bytes};
use crate::clock;

/// How many commands may be under way at once: operators give one at a time.
const UNDER_WAY: usize = 64;

type Reply = oneshot::Sender<Result<Done, Refusal>>;

/// Who waits for an answer.
enum Waiting {
    /// A client of this node's control socket, for this node's core.
    Here { reply: Reply, done: Done },
    /// Another node, which forwarded it, for this node's core.
    Peer { node: String, id: u64, done: Done },
    /// A client of this node's control socket, for the answer of this leader.
    Leader { reply: Reply, leader: NodeId },
}

/// The commands under way.
pub(super) struct Forwards {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

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
    Drain { node: String, reason: String, force: bool },
    Undrain { node: String },
    Resign { force: bool },
    Switchover { to: String },
    // Last, so that the numbers of the others stay: another version may be at the other end.
    Clear { node: String },
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
            Err(Refusal { kind, text }) => {
                let number = KINDS.iter().position(|known| *known == kind);
                let kind = number.and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX);
                Err(RefusalDoc { kind, text })
            }
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

impl Forwards {
    /// Ids begin at `first`, which differs from life to life: an answer to a command of an earlier
    /// one must not be taken for the answer to another.
    pub(super) fn new(first: u64) -> Self {
        // Half of the numbers are left to count with; 0 is nobody's.
        Self { next: first / 2, waiting: BTreeMap::new() }
    }

    /// A request from this node's control socket.
    pub(super) fn take(
        &mut self,
        request: ControlRequest,
        node: &mut Node,
        peers: &Peers,
        background: &Background,
    ) {
        let ControlRequest { command, by, reply } = request;
        self.forget_the_gone();
        if reply.is_closed() {
            return;
        }
        let command = document(command, background.me());
        match self.carry_out(&command, node) {
            Outcome::Answered(result) => {
                let _ = reply.send(result);
            }
            Outcome::Later { id, done } => {
                self.waiting.insert(id, Waiting::Here { reply, done });
            }
            Outcome::NotLeader(Some(leader)) => {
                self.next += 1;
                let order = Order { id: self.next, command, uid: by.uid };
                let frame = Frame::new(kind::COMMAND, to_bytes(&order));
                // When it cannot be sent the client's own time limit says so.
                if peers.send(leader.as_str(), &frame).is_ok() {
                    self.waiting.insert(order.id, Waiting::Leader { reply, leader });
                }
            }
            Outcome::NotLeader(leader) => {
                let _ = reply.send(Err(refusal(&CommandError::NotLeader(leader))));
            }
        }
    }

    /// A frame of another node's forwarding. False when it is something else; an error when it
    /// cannot be read.
    pub(super) fn take_frame(
        &mut self,
        peer: &str,
        frame: &Frame,
        node: &mut Node,
        peers: &Peers,
        background: &Background,
    ) -> Result<bool, SchemaError> {
        match frame.kind {
            kind::COMMAND => {
                let order: Order = read(frame)?;
                if background.is_member(peer) {
                    self.take_order(peer, order, node, peers);
                }
            }
            kind::ANSWER => self.take_report(peer, read(frame)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The core's answer to a command that it accepted earlier.
    pub(super) fn answer(&mut self, id: u64, answer: Answer, peers: &Peers, _: &Background) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        let result = |done: Done| match answer {
            Answer::Done => Ok(done),
            Answer::Refused(error) => Err(refusal(&error)),
        };
        match waiting {
            Waiting::Here { reply, done } => {
                let _ = reply.send(result(done));
            }
            Waiting::Peer { node, id, done } => report(peers, &node, id, result(done)),
            Waiting::Leader { .. } => {}
        }
    }

    fn take_order(&mut self, peer: &str, order: Order, node: &mut Node, peers: &Peers) {
        let Order { id, command, uid } = order;
        self.forget_the_gone();
        info!("{peer} forwards a command of its uid {uid}: {}", words(&command));
        match self.carry_out(&command, node) {
            Outcome::Answered(result) => report(peers, peer, id, result),
            Outcome::Later { id: own, done } => {
                self.waiting.insert(own, Waiting::Peer { node: peer.to_owned(), id, done });
            }
            Outcome::NotLeader(leader) => {
                report(peers, peer, id, Err(refusal(&CommandError::NotLeader(leader))));
            }
        }
    }

    /// Counts only from the leader that was asked.
    fn take_report(&mut self, peer: &str, report: Report) {
        match self.waiting.get(&report.id) {
            Some(Waiting::Leader { leader, .. }) if leader.as_str() == peer => {}
            _ => return,
        }
        let Some(Waiting::Leader { reply, .. }) = self.waiting.remove(&report.id) else { return };
        let _ = reply.send(report.outcome());
    }

    fn carry_out(&mut self, command: &CommandDoc, node: &mut Node) -> Outcome {
        let order = match core_command(command) {
            Ok(order) => order,
            Err(refusal) => return Outcome::Answered(Err(refusal)),
        };
        let now = clock::now();
        let snapshot = node.snapshot(now);
        let epoch = snapshot.boss.map(|(_, epoch)| epoch.0);
        let held_off = match command {
            CommandDoc::Clear { node } => {
                snapshot.hold_offs.iter().any(|(held, _)| held.as_str() == node)
            }
            _ => false,
        };
        let done = done_text(command, epoch, held_off);
        self.next += 1;
        let id = self.next;
        match node.handle_command(now, id, order) {
            Ok(true) => Outcome::Answered(Ok(done)),
            Ok(false) => Outcome::Later { id, done },
            Err(CommandError::NotLeader(leader)) => Outcome::NotLeader(leader),
            Err(error) => Outcome::Answered(Err(refusal(&error))),
        }
    }

    /// Clients that gave up are not waited for, and of too many the oldest is forgotten: its client
    /// hears of a time limit.
    fn forget_the_gone(&mut self) {
        self.waiting.retain(|_, waiting| match waiting {
            Waiting::Here { reply, .. } | Waiting::Leader { reply, .. } => !reply.is_closed(),
            Waiting::Peer { .. } => true,
        });
        while self.waiting.len() >= UNDER_WAY {
            self.waiting.pop_first();
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, SchemaError> {
    postcard::from_bytes(&frame.body).map_err(|error| SchemaError::Encoding(error.to_string()))
}

enum Outcome {
    Answered(Result<Done, Refusal>),
    Later { id: u64, done: Done },
    NotLeader(Option<NodeId>),
}

/// What the control socket took, as it travels: a node that is not named is `me`.
pub fn document(command: ControlCommand, me: &NodeId) -> CommandDoc {
    let named = |node: Option<String>| node.unwrap_or_else(|| me.to_string());
    match command {
        ControlCommand::Drain { node, reason, force } => {
            CommandDoc::Drain { node: named(node), reason: reason.unwrap_or_default(), force }
        }
        ControlCommand::Undrain { node } => CommandDoc::Undrain { node: named(node) },
        ControlCommand::Clear { node } => CommandDoc::Clear { node: named(node) },
        ControlCommand::Resign { force } => CommandDoc::Resign { force },
        ControlCommand::Switchover { to } => CommandDoc::Switchover { to },
    }
}

/// What the core is to do. Whatever the core must not see is refused here, with the text for the
/// operator: `command` may be another node's.
pub fn core_command(command: &CommandDoc) -> Result<Command, Refusal> {
    let node = |name: &str| {
        super::schema::document::node(name).map_err(|_| {
            let error = CommandError::UnknownNode(NodeId::new(name));
            Refusal::new(RefusalKind::UnknownNode, error.to_string())
        })
    };
    Ok(match command {
        CommandDoc::Drain { node: name, reason, force } => {
            check_reason(reason)?;
            let (node, reason) = (node(name)?, reason.clone());
            Command::Drain { node, until: None, reason, force: *force }
        }
        CommandDoc::Undrain { node: name } => Command::Undrain { node: node(name)? },
        CommandDoc::Clear { node: name } => Command::Clear { node: node(name)? },
        CommandDoc::Resign { force } => Command::Resign { force: *force },
        CommandDoc::Switchover { to } => Command::Switchover { to: node(to)? },
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

fn words(command: &CommandDoc) -> String {
    match command {
        CommandDoc::Drain { node, .. } => format!("drain of {node}"),
        CommandDoc::Undrain { node } => format!("undrain of {node}"),
        CommandDoc::Clear { node } => format!("clear of {node}"),
        CommandDoc::Resign { force: false } => "resign".to_owned(),
        CommandDoc::Resign { force: true } => "forced resign".to_owned(),
        CommandDoc::Switchover { to } => format!("switchover to {to}"),
    }
}

fn done_text(command: &CommandDoc, epoch: Option<u64>, held_off: bool) -> Done {
    let (text, undo) = match command {
        CommandDoc::Drain { node, .. } => (
            format!("{node} is drained: it votes, and does not become boss"),
            Some(format!("bossctl undrain {node}")),
        ),
        CommandDoc::Undrain { node } => (format!("{node} is no longer drained"), None),
        CommandDoc::Clear { node } if held_off => (format!("{node} is no longer held off"), None),
        CommandDoc::Clear { node } => (format!("{node} was not held off"), None),
        CommandDoc::Resign { .. } => ("the boss resigns".to_owned(), None),
        CommandDoc::Switchover { to } => (format!("the boss hands over to {to}"), None),
    };
    Done { text, undo, epoch }
}

fn refusal(error: &CommandError) -> Refusal {
    let kind = match error {
        CommandError::NotLeader(_) => RefusalKind::NoQuorum,
        CommandError::UnknownNode(_) => RefusalKind::UnknownNode,
        CommandError::NobodyEligible(_) => RefusalKind::NobodyEligible,
        CommandError::Unfit(..) | CommandError::AlreadyBoss(_) | CommandError::Paused => {
            RefusalKind::Refused
        }
        CommandError::NoBoss => RefusalKind::NotBoss,
        CommandError::TryAgain(_) => RefusalKind::TryAgain,
    };
    Refusal::new(kind, error.to_string())
}

const KINDS: [RefusalKind; 7] = [
    RefusalKind::NotPermitted,
    RefusalKind::UnknownNode,
    RefusalKind::NotBoss,
    RefusalKind::NobodyEligible,
    RefusalKind::NoQuorum,
    RefusalKind::TryAgain,
    RefusalKind::Refused,
];

fn kind_of(number: u8) -> RefusalKind {
    KINDS.get(usize::from(number)).copied().unwrap_or(RefusalKind::Refused)
}

fn report(peers: &Peers, to: &str, id: u64, result: Result<Done, Refusal>) {
    // When it cannot be sent the client is told "try again" by its own node's time limit.
    let _ = peers.send(to, &Frame::new(kind::ANSWER, to_bytes(&Report::new(id, result))));
}

#[cfg(test)]
mod tests;
