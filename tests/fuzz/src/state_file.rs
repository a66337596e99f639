//! The state file: any text, with and without a checksum that fits, and files torn by a crash.
//! Whatever is taken for a state is one that a node can begin with.

use bossd::elector::schema::state_file::{Stored, checksum, parse, render};
use election::{ClusterState, Epoch, HardState, Moment, Node, NodeId, Span, Start, Term};

use crate::draw::Draw;
use crate::values::{CLUSTER, MOST, hard, life, life_of, name_of};

/// Any bytes; the first chooses.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    match draw.byte() {
        0 => any(draw.rest()),
        1 => fitting(draw.rest()),
        _ => written(&mut draw),
    }
}

/// Any text.
fn any(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(stored) = parse(text) {
        is_a_state(&stored);
    }
}

/// Any body behind a header that fits it.
fn fitting(bytes: &[u8]) {
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    let body = body.trim_end_matches('\n');
    let crc = checksum("boss-state 1 5", body);
    if let Ok(stored) = parse(&format!("boss-state 1 5 {crc:08x}\n{body}\n")) {
        assert_eq!(stored.generation, 5);
        is_a_state(&stored);
    }
}

/// A file of this release, and what a crash or a bad disk leaves of it.
fn written(draw: &mut Draw<'_>) {
    let count = 1 + draw.below(MOST);
    let hard = hard(draw, count);
    let member = draw.below(count);
    let incarnation = life(draw, member);
    let generation = draw.near(5);
    let stored = Stored { generation, cluster: CLUSTER, node: name_of(member), incarnation, hard };
    let text = render(&stored);
    match parse(&text) {
        Ok(read) => {
            assert_eq!(read, stored, "what is read is what was written");
            is_a_state(&stored);
        }
        // Drawn values lie outside the bounds now and then.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    while !draw.is_over() {
        let place = usize::try_from(draw.number() % text.len() as u64).expect("small");
        let torn = &text[..place];
        assert!(parse(torn).is_err(), "torn after {place} bytes of {}", text.len());
        let zeros = format!("{torn}{}", "\0".repeat(text.len() - place));
        assert!(parse(&zeros).is_err(), "zeros after {place} bytes of {}", text.len());
        if place < text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[place] ^= 1 << draw.below(7);
            let damaged = String::from_utf8(damaged).expect("still ASCII");
            assert!(parse(&damaged).is_err(), "one bit at {place} of {}", text.len());
        }
    }
}

fn is_a_state(stored: &Stored) {
    let text = render(stored);
    assert_eq!(parse(&text).as_ref(), Ok(stored), "what was read can be written");
    turns(&stored.hard, &stored.node);
}

/// A cluster begins with this state: it is the same for whoever reads it from a disk.
pub fn begins(state: &ClusterState, me: &NodeId) {
    let hard = HardState::unborn(state.clone());
    let (node, incarnation) = (me.clone(), life_of(0));
    let stored = Stored { generation: 1, cluster: CLUSTER, node, incarnation, hard };
    is_a_state(&stored);
}

/// A node begins and lets some time pass.
fn turns(hard: &HardState, me: &NodeId) {
    let mut now = Moment { boot: 50_000_000_000, raw: 40_000_000_000 };
    let start = Start {
        me: me.clone(),
        incarnation: life_of(0),
        cluster: CLUSTER,
        hard: hard.clone(),
        first_term: Term(1),
        last_epoch: Epoch(0),
        ready: true,
        seed: 1,
    };
    let mut node = Node::start(now, start);
    for _ in 0..4 {
        now = now.plus(node.wake(now)).plus(Span::from_secs(30));
        node.handle_timeout(now);
        if let Some(write) = node.ready().write {
            let written = election::Written { generation: write.generation, durable: true };
            node.handle_written(now, written);
        }
        let _ = node.snapshot(now);
    }
}
