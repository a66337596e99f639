//! Streams of status under clients that misbehave: one that stalls, one that floods and one that says
//! garbage is dropped or answered, and delays nobody else.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;

/// A stream that sends without a pause, whether anything has changed or not.
fn eager(stall: Span) -> Limits {
    let always = Span::from_millis(1);
    Limits { stall, stream_pause: always, stream_quiet: always, ..Limits::default() }
}

fn more() -> Vec<u8> {
    let call = Call { more: true, ..Call::new("io.boss.Cluster.GetStatus", Value::Null) };
    encode(&call, MAX_MESSAGE).expect("short")
}

/// Waits until the server has closed, without taking anything from it or giving it anything.
#[track_caller]
fn expect_dropped(stream: &UnixStream) {
    let mut waits = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let timeout = PollTimeout::try_from(PATIENCE).expect("short");
    poll(&mut waits, timeout).expect("a socket can be waited for");
    let happened = waits[0].revents().expect("known");
    assert!(happened.contains(PollFlags::POLLHUP), "it is still open: {happened:?}");
}

/// What comes until there is what is sought.
fn read_until(stream: &mut UnixStream, mut found: impl FnMut(&[Reply]) -> bool) -> Vec<Reply> {
    let mut decoder = Decoder::new(MAX_REPLY);
    let mut replies = Vec::new();
    let mut chunk = [0_u8; 4096];
    while !found(&replies) {
        let count = stream.read(&mut chunk).expect("in time");
        assert_ne!(count, 0, "closed after {} replies", replies.len());
        decoder.push(&chunk[..count]);
        while let Some(message) = decoder.next_message().expect("short") {
            replies.push(decode(&message).expect("a reply"));
        }
    }
    replies
}

fn agreeable(bed: &mut Bed) {
    bed.elect(|request| {
        let done = Done { text: request.command.to_string(), ..Done::default() };
        request.reply.send(Ok(done)).expect("awaited");
    });
}

#[test]
fn a_client_that_stops_reading_its_stream_is_dropped() {
    let bed = Bed::new(owner(), eager(Span::from_millis(300)));
    let mut deaf = bed.raw();
    deaf.write_all(&more()).expect("written");
    // What it does not read fills the socket; then it stalls.
    expect_dropped(&deaf);
    bed.client().status().expect("others are served");
}

#[test]
fn while_clients_stall_in_their_streams_nobody_else_waits_for_them() {
    let stall = Span::from_secs(15);
    let mut bed = Bed::new(owner(), eager(stall));
    agreeable(&mut bed);
    let deaf: Vec<UnixStream> = (0..40)
        .map(|_| {
            let mut deaf = bed.raw();
            deaf.write_all(&more()).expect("written");
            deaf
        })
        .collect();
    let from = now();
    let mut seen = 0;
    let watched = bed.client().watch(|_| {
        seen += 1;
        if seen == 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    watched.expect("a stream beside theirs");
    for _ in 0..20 {
        assert_eq!(bed.client().resume().expect("carried out").text, "resume");
        bed.client().status().expect("served");
    }
    // Had anybody waited for one of them, it would have been for its whole time.
    assert!(from.elapsed(now()) < stall, "it took {}", from.elapsed(now()));
    drop(deaf);
}

#[test]
fn a_flood_of_streams_is_one_reply_to_each_call_and_the_last_one_goes_on() {
    const CALLS: usize = 200;
    let bed = Bed::new(owner(), Limits::default());
    let mut flood = bed.raw();
    flood.write_all(&more().repeat(CALLS)).expect("written");
    // Each call ends the stream before it, whose last reply does not continue.
    let ended = |replies: &[Reply]| replies.iter().filter(|reply| !reply.continues).count();
    let replies = read_until(&mut flood, |replies| {
        ended(replies) == CALLS - 1 && replies.last().is_some_and(|last| last.continues)
    });
    assert!(replies.iter().all(|reply| reply.error.is_none()));
    bed.client().status().expect("others are served");
}

#[test]
fn garbage_in_a_stream_ends_it_and_the_connection() {
    let bed = Bed::new(owner(), Limits::default());
    for garbage in [&b"\x00"[..], b"{\x00", b"GET / HTTP/1.1\r\n\r\n\x00", b"[]\x00"] {
        let mut stream = bed.raw();
        stream.write_all(&more()).expect("written");
        assert!(replies(&mut stream, 1)[0].continues);
        stream.write_all(garbage).expect("written");
        expect_closed(&mut stream);
    }
    bed.client().status().expect("others are served");
}

#[test]
fn bytes_without_an_end_in_a_stream_are_cut_at_the_bound() {
    let bed = Bed::new(owner(), Limits::default());
    let mut stream = bed.raw();
    stream.write_all(&more()).expect("written");
    assert!(replies(&mut stream, 1)[0].continues);
    let mut written = 0;
    while written < 100 * MAX_MESSAGE {
        match stream.write(&[b'a'; 4096]) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    assert!(written < 20 * MAX_MESSAGE, "{written} bytes were taken");
    bed.client().status().expect("others are served");
}
