//! Operators' commands: carried out here when this node leads, else forwarded to the leader over
//! the peers' connections; the answer goes back the same way.

pub(super) mod confirm;
mod order;
mod preview;

use std::collections::BTreeMap;

use control::interface::{Done, Refusal, RefusalKind};
use election::{Answer, Command, CommandError, Node, NodeId};
use tokio::sync::oneshot;
use tracing::{debug, info};

pub use order::{CommandDoc, Order, Report, core_command, document};
pub use preview::Foreseen;

use self::order::{done, refusal, words};
use super::control::{ControlRequest, Request};
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
    /// A client of this node's control socket, for what this leader foresees.
    Foresight { reply: preview::Reply, leader: NodeId },
    /// Nobody: the time of a drain or a pause was over.
    Nobody,
}

/// The commands under way.
pub(super) struct Forwards {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
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
        request: Request,
        node: &mut Node,
        peers: &Peers,
        background: &Background,
    ) {
        match request {
            Request::Change(change) => self.take_change(change, node, peers, background),
            Request::Preview(preview) => self.take_preview(preview, node, peers, background),
        }
    }

    fn take_change(
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
            kind::PREVIEW => {
                let order: Order = read(frame)?;
                if background.is_member(peer) {
                    Self::take_foreign_preview(peer, &order, node, peers, background.me());
                }
            }
            kind::PREVIEWED => self.take_foreseen(peer, read(frame)?),
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
            Waiting::Leader { .. } | Waiting::Foresight { .. } | Waiting::Nobody => {}
        }
    }

    /// The connection to a node is lost, and with it what was under way on it: whoever waits for that
    /// node's answer is told at once.
    pub(super) fn lost(&mut self, peer: &NodeId) {
        let theirs = |waiting: &Waiting| {
            let (Waiting::Leader { leader, .. } | Waiting::Foresight { leader, .. }) = waiting
            else {
                return false;
            };
            leader == peer
        };
        let ids = self.waiting.iter().filter(|(_, waiting)| theirs(waiting)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            let refusal = |text| Refusal::new(RefusalKind::TryAgain, text);
            match self.waiting.remove(&id) {
                Some(Waiting::Leader { reply, .. }) => {
                    let _ = reply.send(Err(refusal(format!(
                        "{peer} led, and was lost before it answered: whether it is done is not \
                         known. Look at the status, and try again"
                    ))));
                }
                Some(Waiting::Foresight { reply, .. }) => {
                    let text = format!("{peer} led, and was lost before it answered: try again");
                    let _ = reply.send(Err(refusal(text)));
                }
                _ => {}
            }
        }
    }

    /// Whether this node's core has a command that it has not answered.
    pub(super) fn is_waiting_for_core(&self) -> bool {
        let here = |waiting: &Waiting| {
            !matches!(waiting, Waiting::Leader { .. } | Waiting::Foresight { .. })
        };
        self.waiting.values().any(here)
    }

    /// A command of nobody, for this node's core. Whether it is accepted.
    pub(super) fn command(&mut self, command: Command, node: &mut Node) -> bool {
        self.next += 1;
        match node.handle_command(clock::now(), self.next, command) {
            Ok(true) => true,
            Ok(false) => {
                self.waiting.insert(self.next, Waiting::Nobody);
                true
            }
            Err(error) => {
                debug!("not now: {error}");
                false
            }
        }
    }

    fn take_order(&mut self, peer: &str, order: Order, node: &mut Node, peers: &Peers) {
        let Order { id, command, uid } = order;
        self.forget_the_gone();
        info!("{peer} forwards a command of its uid {uid}: {}", words(&command));
        if matches!(command, CommandDoc::Confirm { .. }) {
            // It is the node that is asked that hears the other one, or does not.
            let text = "only the node that is asked takes another for dead";
            return report(peers, peer, id, Err(Refusal::new(RefusalKind::Refused, text)));
        }
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
        // The second that has begun does not count: nothing ends sooner than was asked for.
        let order = match core_command(command, clock::wall_s() + 1) {
            Ok(order) => order,
            Err(refusal) => return Outcome::Answered(Err(refusal)),
        };
        let now = clock::now();
        let before = node.snapshot(now);
        if let Command::Confirm { node } = &order
            && let Some(refusal) = confirm::refusal(&before, node)
        {
            return Outcome::Answered(Err(refusal));
        }
        let done = done(&order, &before);
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
            Waiting::Foresight { reply, .. } => !reply.is_closed(),
            Waiting::Peer { .. } | Waiting::Nobody => true,
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

fn report(peers: &Peers, to: &str, id: u64, result: Result<Done, Refusal>) {
    // When it cannot be sent the client is told "try again" by its own node's time limit.
    let _ = peers.send(to, &Frame::new(kind::ANSWER, to_bytes(&Report::new(id, result))));
}

#[cfg(test)]
mod tests;
