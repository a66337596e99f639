//! What elector and executor say to each other. The executor has privileges and the elector has
//! the network: whatever an elector says, the executor's machine goes on keeping its rules.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bossd::ipc::{self, ToElector, ToExecutor};
use election::{Epoch, Executor, Marker, Moment, Span};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draw::Draw;

/// Any bytes: the first chooses the direction, the rest is the channel until its end.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let to_elector = draw.flag();
    let mut rest = draw.rest();
    if to_elector {
        while let Some(message) = read::<ToElector>(&mut rest) {
            comes_back(&message);
            if let ToElector::Word(word) = message {
                let _ = election::Word::from(word);
            }
        }
    } else {
        obey(rest);
    }
}

/// What the executor does with a channel's messages, until it ends.
fn obey(mut rest: &[u8]) {
    let mut now = Moment { boot: 5_000_000_000, raw: 4_000_000_000 };
    let (fence, escalation) = (Span::from_millis(800), Span::from_millis(200));
    let mut machine =
        Executor::start(now, Marker::Missing, None, fence, escalation, Span::from_secs(30));
    machine.handle_channel_opened();
    while let Some(message) = read::<ToExecutor>(&mut rest) {
        comes_back(&message);
        now = now.plus(Span::from_millis(10));
        let last = machine.last_epoch();
        match message {
            ToExecutor::Promote { permit, .. } => machine.handle_permit(now, permit.into()),
            ToExecutor::Extend { epoch, until } => {
                machine.handle_extend(now, Epoch(epoch), until.into());
            }
            ToExecutor::Demote { epoch, .. } => machine.handle_demote(now, Epoch(epoch)),
            ToExecutor::Revoke { epoch, .. } => machine.handle_revoke(now, Epoch(epoch)),
            ToExecutor::Serving
            | ToExecutor::Follow { .. }
            | ToExecutor::Reassert { .. }
            | ToExecutor::Status(_)
            | ToExecutor::Known { .. }
            | ToExecutor::Reload { .. }
            | ToExecutor::Taken(_)
            | ToExecutor::Fence(_)
            | ToExecutor::MaySleep
            | ToExecutor::Left => {}
        }
        assert!(machine.last_epoch() >= last, "9.4: the epoch fell");
        if let Some(permit) = machine.permit() {
            let live = !permit.until.over_when_either(now);
            assert!(live || !machine.may_act(now, permit.epoch), "9.7: acts without a permit");
        }
        while machine.next_order().is_some() {}
    }
    machine.handle_channel_closed(now);
    assert!(
        machine.permit().is_none_or(|permit| !machine.may_act(now, permit.epoch)),
        "X2: acts on after the channel's end"
    );
}

/// What is in memory is there at once.
fn read<T: DeserializeOwned>(stream: &mut &[u8]) -> Option<T> {
    let mut reading = pin!(ipc::read(stream));
    match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message,
        Poll::Pending => panic!("a slice never waits"),
    }
}

fn comes_back<T: Serialize + DeserializeOwned>(message: &T) {
    let frame = ipc::to_frame(message);
    let again: T = read(&mut frame.as_slice()).expect("what is said is understood");
    assert_eq!(ipc::to_frame(&again), frame);
}
