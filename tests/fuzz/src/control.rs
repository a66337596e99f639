//! The control socket: bytes are cut into messages, messages are calls, calls are commands, and
//! what a command leaves in the cluster state is something that every peer takes.

use std::sync::OnceLock;

use bossd::elector::control::methods::{Asked, understand};
use bossd::elector::forward::{core_command, document};
use control::interface::{Done, Refusal};
use control::model::Status;
use control::varlink::{Call, Decoder, Fault, MAX_MESSAGE, MAX_REPLY, Reply, decode, encode};
use election::{
    Command, Effect, Epoch, HardState, Message, Moment, Node, Span, Start, Term, Written,
};

use serde_json::Value;

use crate::draw::Draw;
use crate::values::{CLUSTER, life_of, name_of, over_the_wire, unborn};

/// The leader's wall clock.
pub const WALL_S: u64 = 1_790_000_000;

/// Any bytes: the first chooses the side, the second into how large pieces the rest is cut.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let to_server = !draw.flag();
    let piece = 1 + usize::from(draw.byte());
    let rest = draw.rest();
    let whole = messages(rest, rest.len().max(1));
    assert_eq!(whole, messages(rest, piece), "how the bytes were cut makes no difference");
    for message in whole {
        if to_server { call(&message) } else { reply(&message) }
    }
}

/// What comes out of a decoder that gets the bytes in such pieces, until it gives up.
fn messages(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(MAX_MESSAGE);
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        while let Ok(Some(message)) = decoder.next_message() {
            all.push(message);
        }
    }
    all
}

/// What bossd makes of a call, up to the election and through it.
fn call(message: &[u8]) {
    let Ok(call) = decode::<Call>(message) else { return };
    comes_back(&call);
    match understand(call) {
        Ok(Asked::Change(command)) => {
            let said = command.to_string();
            assert!(!said.contains(char::is_control), "for the log: {said:?}");
            match core_command(&document(command, &name_of(0)), WALL_S) {
                Ok(command) => is_published(command),
                Err(refusal) => answered(refusal.into()),
            }
        }
        Ok(asked) => drop(asked.needs()),
        Err(fault) => answered(fault),
    }
}

fn answered(fault: Fault) {
    let bytes = encode(&Reply::from(fault), MAX_REPLY).expect("an error is short");
    let (nul, message) = bytes.split_last().expect("it ends with a NUL");
    assert!(*nul == 0 && !message.contains(&0), "one NUL, at the end");
    reply(message);
}

/// What bossctl makes of a reply.
fn reply(message: &[u8]) {
    let Ok(reply) = decode::<Reply>(message) else { return };
    comes_back(&reply);
    if let Some(name) = &reply.error {
        if let Some(refusal) = Refusal::from_fault(name, &reply.parameters) {
            let fault = Fault::from(refusal.clone());
            assert_eq!(Refusal::from_fault(&fault.name, &fault.parameters), Some(refusal));
        }
        return;
    }
    if let Ok(status) = serde_json::from_value::<Status>(reply.parameters.clone()) {
        comes_back(&status);
    }
    if let Ok(done) = serde_json::from_value::<Done>(reply.parameters) {
        comes_back(&done);
    }
}

fn comes_back<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    // Longer than the bound is refused where it is sent.
    let Ok(mut bytes) = encode(value, MAX_REPLY) else { return };
    assert_eq!(bytes.pop(), Some(0));
    let read = decode::<T>(&bytes).expect("what is written is read");
    // The last digit of a float is not kept; nothing rests on one.
    assert!(&read == value || has_float(&bytes), "{read:?} and {value:?}");
}

fn has_float(json: &[u8]) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(items) => items.iter().any(within),
            Value::Object(fields) => fields.values().any(within),
            Value::Null | Value::Bool(_) | Value::String(_) => false,
        }
    }
    serde_json::from_slice(json).is_ok_and(|value| within(&value))
}

/// A leader carries the command out: each peer takes the state that comes of it.
pub fn is_published(command: Command) {
    static LEADER: OnceLock<(Moment, Node)> = OnceLock::new();
    let (now, leader) = LEADER.get_or_init(lead);
    let mut node = leader.clone();
    let accepted = node.handle_command(*now, 1, command) == Ok(false);
    let mut answered = false;
    for effect in durable(&mut node, *now) {
        match effect {
            Effect::Send { envelope, .. }
                if matches!(envelope.message, Message::Publish { .. }) =>
            {
                assert_eq!(over_the_wire(&envelope).as_ref(), Some(&envelope), "no peer takes it");
            }
            Effect::Answer { id, .. } => answered |= id == 1,
            _ => {}
        }
    }
    assert!(answered || !accepted, "what was accepted is answered");
}

/// A lone voter that leads, with observers.
fn lead() -> (Moment, Node) {
    let mut now = Moment { boot: 50_000_000_000, raw: 40_000_000_000 };
    // Witnesses and observers, by these bytes: kind and priority of each member but the first.
    let state = unborn(&mut Draw::new(&[0, 4, 0, 4, 0]), 3);
    let start = Start {
        me: name_of(0),
        incarnation: life_of(0),
        cluster: CLUSTER,
        hard: HardState::unborn(state),
        first_term: Term(1),
        last_epoch: Epoch(0),
        ready: true,
        seed: 1,
    };
    let mut node = Node::start(now, start);
    while node.snapshot(now).standing != "leader" {
        now = now.plus(Span::from_millis(50));
        node.handle_timeout(now);
        durable(&mut node, now);
    }
    durable(&mut node, now);
    (now, node)
}

/// The disk keeps up; all effects.
fn durable(node: &mut Node, now: Moment) -> Vec<Effect> {
    let mut effects = Vec::new();
    loop {
        let ready = node.ready();
        effects.extend(ready.effects);
        let Some(write) = ready.write else { return effects };
        node.handle_written(now, Written { generation: write.generation, durable: true });
    }
}
