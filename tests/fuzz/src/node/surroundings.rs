//! What surrounds the node: the state that it begins with, and what others answer it.

use std::collections::BTreeMap;

use bossd::elector::schema::state_file::{Stored, parse, render};
use election::{
    Claim, ClusterState, Epoch, Facts, HardState, Incarnation, Message, Span, Start, Term, Version,
};

use crate::values::{CLUSTER, life_of, name_of};

/// Only what a state file can hold is ever begun with.
pub(super) fn readable(hard: HardState, me: usize) -> HardState {
    let unborn = HardState::unborn(ClusterState {
        hold_offs: BTreeMap::new(),
        claim: Claim::Unknown,
        version: Version::default(),
        ..(*hard.state).clone()
    });
    let (node, incarnation) = (name_of(me), life_of(me));
    let stored = Stored { generation: 1, cluster: CLUSTER, node, incarnation, hard };
    parse(&render(&stored)).map_or(unborn, |stored| stored.hard)
}

/// The node's life begins.
pub(super) fn start(
    me: usize,
    incarnation: Incarnation,
    disk: &HardState,
    last_epoch: Epoch,
) -> Start {
    Start {
        me: name_of(me),
        incarnation,
        cluster: CLUSTER,
        hard: disk.clone(),
        first_term: Term(1),
        last_epoch,
        ready: true,
        seed: 0,
    }
}

/// What the sender of `message` would like to hear.
pub(super) fn favour(message: &Message, term: Term) -> Option<Message> {
    Some(match message {
        Message::PreVote { version, attempt, .. } => Message::PreVoteReply {
            attempt: *attempt,
            refusal: None,
            version: *version,
            better: None,
            promise_left: Span::ZERO,
        },
        Message::Vote { .. } => Message::VoteReply { vote: term, refusal: None },
        Message::Heartbeat { seq, version, .. } => {
            Message::HeartbeatReply { seq: Some(*seq), version: *version, facts: Facts::default() }
        }
        Message::Publish { state } => Message::PublishReply { version: state.version },
        _ => return None,
    })
}
