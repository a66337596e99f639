//! What would come of an order, asked before it is given: answered here when this node leads, else by
//! the leader, over the peers' connections like the order itself. Nothing is done.

use control::interface::{Refusal, RefusalKind};
use control::preview::{Candidate, Preview};
use election::{Command, CommandError, Node, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::order::{self, CommandDoc, Order, core_command, document, kind_of, words};
use super::{Forwards, Waiting};
use crate::clock;
use crate::elector::control::PreviewRequest;
use crate::elector::peer::{Frame, Peers};
use crate::elector::picture::Background;
use crate::elector::schema::wire::{kind, to_bytes};

pub(super) type Reply = oneshot::Sender<Result<Preview, Refusal>>;

/// The leader's answer to a preview: the body of a frame of [`kind::PREVIEWED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// As in the [`Order`].
    pub id: u64,
    result: Result<PreviewDoc, (u8, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PreviewDoc {
    order: String,
    leader: String,
    accepted: bool,
    text: String,
    refusal: Option<String>,
    boss: Option<String>,
    epoch: Option<u64>,
    lets_go: bool,
    successor: Option<String>,
    // Each with why it could not be boss.
    candidates: Vec<(String, Option<String>)>,
}

impl Foreseen {
    /// Of the order with that number.
    pub fn new(id: u64, result: Result<Preview, Refusal>) -> Self {
        let result = match result {
            Ok(preview) => Ok(preview.into()),
            Err(Refusal { kind, text }) => Err((order::number_of(kind), text)),
        };
        Self { id, result }
    }

    /// What the operator is told.
    pub fn outcome(self) -> Result<Preview, Refusal> {
        match self.result {
            Ok(preview) => Ok(preview.into()),
            Err((kind, text)) => Err(Refusal::new(kind_of(kind), text)),
        }
    }
}

impl From<Preview> for PreviewDoc {
    fn from(preview: Preview) -> Self {
        let Preview {
            order,
            leader,
            accepted,
            text,
            refusal,
            boss,
            epoch,
            lets_go,
            successor,
            candidates,
        } = preview;
        let candidates = candidates.into_iter();
        let candidates =
            candidates.map(|Candidate { node, fit: _, why_not }| (node, why_not)).collect();
        Self { order, leader, accepted, text, refusal, boss, epoch, lets_go, successor, candidates }
    }
}

impl From<PreviewDoc> for Preview {
    fn from(doc: PreviewDoc) -> Self {
        let PreviewDoc {
            order,
            leader,
            accepted,
            text,
            refusal,
            boss,
            epoch,
            lets_go,
            successor,
            candidates,
        } = doc;
        let candidate =
            |(node, why_not): (_, Option<_>)| Candidate { node, fit: why_not.is_none(), why_not };
        Self {
            order,
            leader,
            accepted,
            text,
            refusal,
            boss,
            epoch,
            lets_go,
            successor,
            candidates: candidates.into_iter().map(candidate).collect(),
        }
    }
}

impl Forwards {
    /// A question from this node's control socket.
    pub(super) fn take_preview(
        &mut self,
        request: PreviewRequest,
        node: &Node,
        peers: &Peers,
        background: &Background,
    ) {
        let PreviewRequest { command, by, reply } = request;
        self.forget_the_gone();
        if reply.is_closed() {
            return;
        }
        let command = document(command, background.me());
        match foresee(&command, node, background.me()) {
            Err(Elsewhere(Some(leader))) => {
                self.next += 1;
                let order = Order { id: self.next, command, uid: by.uid };
                let frame = Frame::new(kind::PREVIEW, to_bytes(&order));
                // When it cannot be sent the client's own time limit says so.
                if peers.send(leader.as_str(), &frame).is_ok() {
                    self.waiting.insert(order.id, Waiting::Foresight { reply, leader });
                }
            }
            Err(Elsewhere(None)) => {
                let _ = reply.send(Err(order::refusal(&CommandError::NotLeader(None))));
            }
            Ok(foreseen) => {
                let _ = reply.send(foreseen);
            }
        }
    }

    /// Another node asks this one, which it takes for the leader.
    pub(super) fn take_foreign_preview(
        peer: &str,
        order: &Order,
        node: &Node,
        peers: &Peers,
        me: &NodeId,
    ) {
        let result = foresee(&order.command, node, me).unwrap_or_else(|Elsewhere(leader)| {
            Err(order::refusal(&CommandError::NotLeader(leader)))
        });
        let foreseen = Foreseen::new(order.id, result);
        // When it cannot be sent the client is told "try again" by its own node's time limit.
        let _ = peers.send(peer, &Frame::new(kind::PREVIEWED, to_bytes(&foreseen)));
    }

    /// Counts only from the leader that was asked.
    pub(super) fn take_foreseen(&mut self, peer: &str, foreseen: Foreseen) {
        match self.waiting.get(&foreseen.id) {
            Some(Waiting::Foresight { leader, .. }) if leader.as_str() == peer => {}
            _ => return,
        }
        if let Some(Waiting::Foresight { reply, .. }) = self.waiting.remove(&foreseen.id) {
            let _ = reply.send(foreseen.outcome());
        }
    }
}

/// Another node leads, perhaps.
struct Elsewhere(Option<NodeId>);

/// What would come of it; an error when this node does not lead.
fn foresee(
    command: &CommandDoc,
    node: &Node,
    me: &NodeId,
) -> Result<Result<Preview, Refusal>, Elsewhere> {
    let wanted = match core_command(command, clock::wall_s()) {
        Ok(order) => order,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let foreseen = node.preview(clock::now(), &wanted);
    if let Some(CommandError::NotLeader(leader)) = foreseen.refused {
        return Err(Elsewhere(leader));
    }
    let Some(text) = sentence(&wanted, &foreseen) else {
        let text = "only a drain, a resignation or a switchover can be previewed";
        return Ok(Err(Refusal::new(RefusalKind::Refused, text)));
    };
    let election::Preview { refused, boss, lets_go, successor, candidates } = foreseen;
    let refusal = refused.as_ref().map(order::refusal);
    let paused = refused == Some(CommandError::Paused);
    let candidate = |(node, why_not): (NodeId, Option<String>)| {
        let why_not = why_not.or_else(|| paused.then(|| "the cluster is paused".to_owned()));
        let fit = why_not.is_none();
        Candidate { node: node.to_string(), fit, why_not }
    };
    Ok(Ok(Preview {
        order: words(command),
        leader: me.to_string(),
        accepted: refusal.is_none(),
        text,
        refusal: refusal.map(|refusal| refusal.kind.name().to_owned()),
        epoch: boss.as_ref().map(|(_, epoch)| epoch.0),
        boss: boss.map(|(boss, _)| boss.to_string()),
        lets_go,
        successor: successor.map(|node| node.to_string()),
        candidates: candidates.into_iter().map(candidate).collect(),
    }))
}

/// What would happen, or why nothing would. None of an order that cannot be previewed.
fn sentence(command: &Command, foreseen: &election::Preview) -> Option<String> {
    let out = match command {
        Command::Drain { node, .. } => Some(node),
        Command::Resign { .. } | Command::Switchover { .. } => None,
        _ => return None,
    };
    if let Some(refused) = &foreseen.refused {
        return Some(refused.to_string());
    }
    let boss = foreseen.boss.as_ref().map(|(boss, _)| boss.as_str());
    let lets_go = boss.unwrap_or("the boss");
    Some(match (foreseen.lets_go, &foreseen.successor, out) {
        (true, Some(next), _) => format!("{lets_go} would let go, and {next} take over"),
        (true, None, _) => format!("{lets_go} would let go, and nobody could take over"),
        (false, _, out) => {
            let out = out.map_or("nobody", NodeId::as_str);
            match boss {
                Some(boss) if boss != out => {
                    format!("{out} would be out of service; {boss} stays the boss")
                }
                _ => format!("{out} would be out of service; there is no boss"),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::order::KINDS;
    use super::*;

    fn golden() -> Preview {
        serde_json::from_str(include_str!("../../../../control/tests/preview.json"))
            .expect("the golden document")
    }

    #[test]
    fn a_preview_comes_over_the_wire_as_it_was() {
        let bytes = to_bytes(&Foreseen::new(7, Ok(golden())));
        let read: Foreseen = postcard::from_bytes(&bytes).expect("readable");
        assert_eq!((read.id, read.outcome()), (7, Ok(golden())));
        for kind in KINDS {
            let refusal = Refusal::new(kind, "because");
            let bytes = to_bytes(&Foreseen::new(8, Err(refusal.clone())));
            let read: Foreseen = postcard::from_bytes(&bytes).expect("readable");
            assert_eq!(read.outcome(), Err(refusal));
        }
    }

    #[test]
    fn a_preview_counts_only_from_the_leader_that_was_asked() {
        let mut forwards = Forwards::new(7);
        let (reply, mut answer) = oneshot::channel();
        let leader = NodeId::new("alpha");
        forwards.waiting.insert(9, Waiting::Foresight { reply, leader });
        forwards.take_foreseen("beta", Foreseen::new(9, Ok(golden())));
        forwards.take_foreseen("alpha", Foreseen::new(8, Ok(golden())));
        assert!(answer.try_recv().is_err(), "nobody who counts has answered");
        assert!(!forwards.is_waiting_for_core(), "another node's core has it");
        forwards.take_foreseen("alpha", Foreseen::new(9, Ok(golden())));
        assert_eq!(answer.try_recv().expect("answered"), Ok(golden()));
    }

    #[test]
    fn who_waits_for_a_preview_of_a_leader_that_is_lost_is_told_at_once() {
        let mut forwards = Forwards::new(7);
        let (reply, mut answer) = oneshot::channel();
        forwards.waiting.insert(9, Waiting::Foresight { reply, leader: NodeId::new("alpha") });
        forwards.lost(&NodeId::new("beta"));
        assert!(answer.try_recv().is_err());
        forwards.lost(&NodeId::new("alpha"));
        let told = answer.try_recv().expect("told").expect_err("not foreseen");
        assert_eq!(told.kind, RefusalKind::TryAgain);
    }
}
