//! Frames between electors. Whatever comes is refused or understood; what is understood comes back
//! the same from another round; what this release says, it understands. The first byte chooses.

use bossd::elector::forward::{Foreseen, Order, Report, core_command};
use bossd::elector::peer::frame::{LENGTH, announced};
use bossd::elector::peer::hello::{Hello, Local, check};
use bossd::elector::peer::{Frame, MAX_DATAGRAM, MAX_FRAME, PROTOCOL_MINOR};
use bossd::elector::schema::wire::{self, Sender};
use control::identity::Identity;
use election::{Envelope, Epoch, Term};

use crate::draw::Draw;
use crate::values::{CLUSTER, Near, bind_all, change, life_of, name_of, unborn};

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    match draw.byte() {
        0 => stream(draw.rest()),
        1 => {
            if let Ok(frame) = Frame::from_datagram(draw.rest()) {
                understand(&frame);
            }
        }
        2 => {
            let kind = u16::from(draw.byte());
            understand(&Frame::new(kind, draw.rest().to_vec()));
        }
        3 => hello(draw.rest()),
        4 => order(draw.rest()),
        5 => report(draw.rest()),
        u8::MAX => foreseen(draw.rest()),
        _ => said(&mut draw),
    }
}

/// Frames one after the other, as they come on a stream.
fn stream(mut bytes: &[u8]) {
    while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() {
        let Ok(size) = announced(*length, MAX_FRAME) else { return };
        let Some((frame, rest)) = rest.split_at_checked(size) else { return };
        let Ok(frame) = Frame::from_datagram(frame) else { return };
        let again = Frame { minor: PROTOCOL_MINOR, ..frame.clone() }.to_stream();
        assert_eq!(again.map(|bytes| bytes.len()), Ok(LENGTH + size), "as long as it was");
        understand(&frame);
        bytes = rest;
    }
}

fn sender() -> Sender {
    Sender { cluster: CLUSTER, node: name_of(1), incarnation: life_of(1) }
}

fn understand(frame: &Frame) {
    let Ok(envelope) = wire::decode(frame, sender()) else { return };
    comes_back(&envelope);
}

fn comes_back(envelope: &Envelope) {
    let frame = wire::encode(envelope);
    assert_eq!(wire::decode(&frame, sender()).as_ref(), Ok(envelope));
    if envelope.message.is_datagram() {
        assert!(frame.body.len() < MAX_DATAGRAM / 2, "a {} of many bytes", envelope.message.name());
    }
}

/// A message of this release, and then what a bad line, or a bad member, makes of it.
fn said(draw: &mut Draw<'_>) {
    let count = 1 + draw.below(crate::values::MOST);
    let mut state = unborn(draw, count);
    bind_all(&mut state);
    let term = Term(draw.near(9));
    let epoch = Epoch(draw.near(8));
    let mut near = Near { term, state: state.clone().into(), epoch, seq: 1, attempt: 1 };
    change(draw, &mut state, &near);
    near.state = state.into();
    let message = near.message(draw, term);
    let Sender { cluster, node: from, incarnation } = sender();
    let envelope = Envelope { cluster, from, incarnation, term, message };
    let mut frame = wire::encode(&envelope);
    if let Ok(understood) = wire::decode(&frame, sender()) {
        assert_eq!(understood, envelope, "what is taken is what was said");
        comes_back(&envelope);
    }
    let whole = frame.to_stream().expect("a message fits a frame");
    stream(&whole);
    while !draw.is_over() && !frame.body.is_empty() {
        damage(draw, &mut frame);
        understand(&frame);
    }
}

fn damage(draw: &mut Draw<'_>, frame: &mut Frame) {
    let body = &mut frame.body;
    let place = usize::try_from(draw.number() % body.len() as u64).expect("small");
    match draw.below(5) {
        0 => body[place] = draw.byte(),
        1 => body[place] ^= 1 << draw.below(8),
        2 => body.truncate(place),
        3 => body.insert(place, draw.byte()),
        _ => frame.kind = u16::from(draw.byte() % 40),
    }
}

/// What a member says at the beginning: its refusal is read on terminals on both sides.
fn hello(bytes: &[u8]) {
    let Ok(hello) = postcard::from_bytes::<Hello>(bytes) else { return };
    let again = postcard::to_stdvec(&hello).expect("plain data");
    assert_eq!(postcard::from_bytes::<Hello>(&again).as_ref(), Ok(&hello));
    let beta = Identity::new("web", "beta").expect("valid names");
    for is_member in [true, false] {
        let canonical = "cluster.name = web\nmember.beta.kind = voter\n";
        let unborn = true;
        let cluster_ids = &[7];
        let shadow = !is_member;
        let (cluster, me) = ("web", "alpha");
        let local = Local { cluster, cluster_ids, me, shadow, unborn, canonical, is_member };
        if let Err(refusal) = check(&hello, &beta, &local) {
            assert!(!refusal.contains(char::is_control), "for a terminal: {refusal:?}");
        }
    }
}

/// A command that another node forwards: what the core gets of it is fit for every state file.
fn order(bytes: &[u8]) {
    let Ok(order) = postcard::from_bytes::<Order>(bytes) else { return };
    let again = postcard::to_stdvec(&order).expect("plain data");
    assert_eq!(postcard::from_bytes::<Order>(&again).as_ref(), Ok(&order));
    if let Ok(command) = core_command(&order.command, crate::control::WALL_S) {
        crate::control::is_published(command);
    }
}

fn report(bytes: &[u8]) {
    let Ok(report) = postcard::from_bytes::<Report>(bytes) else { return };
    let again = postcard::to_stdvec(&report).expect("plain data");
    assert_eq!(postcard::from_bytes::<Report>(&again).as_ref(), Ok(&report));
    let _ = report.outcome();
}

fn foreseen(bytes: &[u8]) {
    let Ok(foreseen) = postcard::from_bytes::<Foreseen>(bytes) else { return };
    let again = postcard::to_stdvec(&foreseen).expect("plain data");
    assert_eq!(postcard::from_bytes::<Foreseen>(&again).as_ref(), Ok(&foreseen));
    let _ = foreseen.outcome();
}
