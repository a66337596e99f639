//! The server as its clients see it: a live one on a temporary socket, with small limits, asked by
//! the client that bossctl uses and by sockets that misbehave.

mod streams;

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use control::client::{Client, ClientError};
use control::explanation::Explanation;
use control::history::History;
use control::interface::{
    Description, Done, Drain, GET_INFO, GET_INTERFACE_DESCRIPTION, INTERFACE, Info, Refusal,
    RefusalKind, Switchover,
};
use control::model::{Level, Status, Taken};
use control::preview::{OrderKind, Preview, PreviewOrder};
use control::reload::Reload;
use control::varlink::{Call, Decoder, MAX_MESSAGE, MAX_REPLY, Reply, decode, encode};
use election::Span;
use nix::unistd::{getgid, getuid};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::permissions::Access;
use super::{
    ControlCommand, ControlRequest, Doors, Limits, PreviewRequest, ReloadRequest, Request, spawn,
};
use crate::clock::now;
use crate::elector::picture::Picture;

/// No test waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bed {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    pictures: watch::Sender<Arc<Picture>>,
    commands: Option<mpsc::Receiver<Request>>,
    reloads: mpsc::Receiver<ReloadRequest>,
    access: watch::Sender<Access>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

impl Bed {
    fn new(access: Access, limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("control.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (pictures, seen) = watch::channel(Arc::new(picture(1)));
        let (sender, commands) = mpsc::channel(1);
        let (reload_sender, reloads) = mpsc::channel(1);
        let doors = Doors { commands: sender, reloads: reload_sender };
        let (give_access, access) = watch::channel(access);
        let server = spawn(listener, access, limits, seen, doors).expect("a thread");
        Self {
            _directory: directory,
            socket,
            pictures,
            commands: Some(commands),
            reloads,
            access: give_access,
            server: Some(server),
        }
    }

    fn client(&self) -> Client {
        Client::connect(&self.socket, PATIENCE).expect("the server listens")
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// An election thread that answers each command with what `answer` says.
    fn elect(&mut self, answer: impl Fn(ControlRequest) + Send + 'static) {
        let mut commands = self.commands.take().expect("only once");
        std::thread::spawn(move || {
            while let Some(request) = commands.blocking_recv() {
                match request {
                    Request::Change(change) => answer(change),
                    Request::Preview(preview) => foresee(preview),
                }
            }
        });
    }
}

/// A leader whose every order would be accepted, by the words of the order.
fn foresee(request: PreviewRequest) {
    let golden = include_str!("../../../../control/tests/preview.json");
    let mut preview: Preview = serde_json::from_str(golden).expect("the golden document");
    preview.order = format!("{} of uid {}", request.command, request.by.uid);
    request.reply.send(Ok(preview)).expect("awaited");
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.commands.take().is_some() {
            let server = self.server.take().expect("only here");
            server.join().expect("no panic").expect("the server ends with its daemon");
        }
    }
}

fn picture(epoch: u64) -> Picture {
    let mut picture = super::explain::tests::beta_follows_alpha();
    let now = now();
    picture.status.taken = Taken { boot_ns: now.boot, raw_ns: now.raw };
    picture.status.boss.as_mut().expect("alpha").epoch = epoch;
    picture
}

fn owner() -> Access {
    Access { owners: vec![getuid().as_raw()], readers: None, operators: None }
}

fn reader() -> Access {
    Access { owners: vec![], readers: Some(getgid().as_raw()), operators: None }
}

fn stranger() -> Access {
    Access { owners: vec![], readers: None, operators: None }
}

/// Limits that a test need not wait for.
fn impatient() -> Limits {
    Limits { stall: Span::from_millis(300), command: Span::from_millis(100), ..Limits::default() }
}

fn replies(stream: &mut UnixStream, count: usize) -> Vec<Reply> {
    let mut decoder = Decoder::new(MAX_REPLY);
    let mut replies = Vec::new();
    let mut chunk = [0_u8; 4096];
    while replies.len() < count {
        match stream.read(&mut chunk).expect("in time") {
            0 => break,
            read => decoder.push(&chunk[..read]),
        }
        while let Some(message) = decoder.next_message().expect("short") {
            replies.push(decode(&message).expect("a reply"));
        }
    }
    replies
}

/// Reads until the server has closed.
#[track_caller]
fn expect_closed(stream: &mut UnixStream) {
    let mut chunk = [0_u8; 8192];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                return;
            }
        }
    }
}

fn call(method: &str) -> Vec<u8> {
    encode(&Call::new(method, Value::Null), MAX_MESSAGE).expect("short")
}

#[test]
fn a_reader_gets_the_status_as_it_is_now_with_a_verdict() {
    let bed = Bed::new(reader(), Limits::default());
    let mut client = bed.client();
    let status: Status =
        serde_json::from_value(client.status().expect("a status")).expect("understood");
    assert_eq!((status.node.as_str(), status.posture.level), ("beta", Level::Degraded));

    bed.pictures.send_replace(Arc::new(picture(2)));
    let status: Status =
        serde_json::from_value(client.status().expect("a status")).expect("understood");
    assert_eq!(status.boss.expect("alpha").epoch, 2);
}

#[test]
fn a_reload_is_answered_when_it_is_done_or_at_once_and_is_not_for_readers() {
    let mut bed = Bed::new(owner(), Limits::default());
    assert_eq!(bed.client().reload(false).expect("handed on"), Value::Null);
    let asked = bed.reloads.blocking_recv().expect("asked for");
    assert!(asked.reply.is_none(), "nobody waits");
    let mut client = bed.client();
    let waits = std::thread::spawn(move || client.reload(true));
    let asked = bed.reloads.blocking_recv().expect("asked for");
    let node = "beta".to_owned();
    let outcome = Reload { node, taken: true, ..Reload::default() };
    asked.reply.expect("somebody waits").send(outcome.clone()).expect("it still does");
    let told = waits.join().expect("no panic").expect("answered");
    assert_eq!(serde_json::from_value::<Reload>(told).expect("understood"), outcome);

    let bed = Bed::new(reader(), Limits::default());
    let refused = bed.client().reload(true).expect_err("not permitted");
    assert!(
        matches!(&refused, ClientError::Refused(Refusal { kind, .. })
            if *kind == RefusalKind::NotPermitted),
        "{refused}"
    );
}

#[test]
fn who_may_change_things_can_change_under_a_connection() {
    let mut bed = Bed::new(reader(), Limits::default());
    let mut client = bed.client();
    client.status().expect("a reader");
    assert!(client.reload(false).is_err(), "not an operator");
    bed.access.send_replace(owner());
    client.reload(false).expect("one now");
    bed.reloads.try_recv().expect("asked for");
    bed.access.send_replace(stranger());
    assert!(client.status().is_err() && client.reload(false).is_err());
}

#[test]
fn a_reader_may_ask_why_and_who_was_boss_and_a_stranger_may_not() {
    let bed = Bed::new(reader(), Limits::default());
    let of = |node: Option<&str>| bed.client().explanation(node);
    let explained = |node| {
        let document = of(node).expect("explained");
        serde_json::from_value::<Explanation>(document).expect("understood").verdict
    };
    assert_eq!(explained(None), "beta is not the boss: alpha is, epoch 1");
    assert_eq!(explained(Some("alpha")), "alpha is the boss, epoch 1");
    let refused = of(Some("delta")).expect_err("no member");
    assert!(
        matches!(&refused, ClientError::Refused(Refusal { kind: RefusalKind::UnknownNode, text })
            if text.contains("alpha, beta, gamma")),
        "{refused}"
    );
    let history = bed.client().history().expect("told");
    let history: History = serde_json::from_value(history).expect("understood");
    assert_eq!((history.node.as_str(), history.entries.len()), ("beta", 1));

    let bed = Bed::new(stranger(), Limits::default());
    for asked in [bed.client().explanation(None), bed.client().history()] {
        let refused = asked.expect_err("not permitted");
        assert!(
            matches!(&refused, ClientError::Refused(Refusal { kind, .. })
                if *kind == RefusalKind::NotPermitted),
            "{refused}"
        );
    }
}

#[test]
fn a_reader_may_not_change_anything() {
    let mut bed = Bed::new(reader(), Limits::default());
    let refused = bed.client().drain(&Drain::default()).expect_err("not permitted");
    assert!(
        matches!(&refused, ClientError::Refused(Refusal { kind: RefusalKind::NotPermitted, text })
            if text.contains("operators")),
        "{refused}"
    );
    let commands = bed.commands.as_mut().expect("not taken");
    assert!(commands.try_recv().is_err(), "the election thread never hears of it");
}

#[test]
fn a_stranger_learns_only_what_kind_of_service_this_is() {
    let bed = Bed::new(stranger(), Limits::default());
    let mut client = bed.client();
    let info: Info = client.call(GET_INFO, &Value::Null).expect("info");
    assert!(info.interfaces.contains(&INTERFACE.to_owned()));
    let refused = client.status().expect_err("not permitted");
    let ClientError::Refused(Refusal { kind, .. }) = refused else { panic!("{refused}") };
    assert_eq!(kind, RefusalKind::NotPermitted);
}

#[test]
fn the_service_describes_its_interfaces() {
    let bed = Bed::new(owner(), Limits::default());
    let mut client = bed.client();
    let info: Info = client.call(GET_INFO, &Value::Null).expect("info");
    assert_eq!(info.product, "bossd");
    for interface in info.interfaces {
        let asked = json!({ "interface": interface });
        let reply: Description =
            client.call(GET_INTERFACE_DESCRIPTION, &asked).expect("a description");
        assert!(reply.description.contains(&format!("interface {interface}\n")), "{interface}");
    }
}

#[test]
fn a_permitted_change_reaches_the_election_thread_with_its_caller() {
    let mut bed = Bed::new(owner(), Limits::default());
    bed.elect(|request| {
        let outcome = match request.command {
            ControlCommand::Drain { node: None, reason, force: false, for_s: None } => Ok(Done {
                text: format!("{} drained beta ({})", request.by.uid, reason.unwrap_or_default()),
                ..Done::default()
            }),
            _ => Err(Refusal::new(RefusalKind::UnknownNode, "no member is called delta")),
        };
        request.reply.send(outcome).expect("awaited");
    });
    let mut client = bed.client();
    let drain = Drain { node: None, reason: Some("disk".to_owned()), ..Drain::default() };
    let done = client.drain(&drain).expect("done");
    assert_eq!(done.text, format!("{} drained beta (disk)", getuid()));

    let refused = client.switchover(&Switchover { to: "delta".to_owned() }).expect_err("refused");
    assert_eq!(refused.to_string(), "no member is called delta");
}

#[test]
fn a_preview_reaches_the_election_thread_for_those_who_may_give_the_order() {
    let order = PreviewOrder { order: OrderKind::Resign, node: None, force: Some(true) };
    let mut bed = Bed::new(owner(), Limits::default());
    bed.elect(|_| panic!("nothing is ordered"));
    let document = bed.client().preview(&order).expect("foreseen");
    let preview: Preview = serde_json::from_value(document).expect("a preview");
    assert_eq!(preview.order, format!("forced resign of uid {}", getuid()));

    let mut bed = Bed::new(reader(), Limits::default());
    let refused = bed.client().preview(&order).expect_err("not permitted");
    assert!(
        matches!(&refused, ClientError::Refused(Refusal { kind, .. })
            if *kind == RefusalKind::NotPermitted),
        "{refused}"
    );
    let commands = bed.commands.as_mut().expect("not taken");
    assert!(commands.try_recv().is_err(), "the election thread never hears of it");
}

#[test]
fn a_command_that_nobody_answers_ends_in_try_again() {
    let bed = Bed::new(owner(), impatient());
    // The first waits in vain, the second finds the channel (of one) full.
    for why in ["no answer in time", "too many commands wait"] {
        let refused = bed.client().drain(&Drain::default()).expect_err("nobody answers");
        let ClientError::Refused(refusal) = refused else { panic!("{refused}") };
        assert_eq!(refusal.kind, RefusalKind::TryAgain);
        assert!(refusal.text.contains(why), "{}", refusal.text);
    }
}

#[test]
fn a_client_that_stalls_in_a_call_is_dropped_while_another_is_served() {
    let bed = Bed::new(owner(), impatient());
    let mut stalled = bed.raw();
    stalled.write_all(b"{\"method\":").expect("written");
    let mut silent = bed.raw();

    let mut other = bed.client();
    for _ in 0..20 {
        other.status().expect("served");
    }
    expect_closed(&mut stalled);
    expect_closed(&mut silent);
    bed.client().status().expect("still served");
}

#[test]
fn a_client_that_does_not_read_is_dropped_while_another_is_served() {
    let bed = Bed::new(owner(), impatient());
    let mut deaf = bed.raw();
    let flood = call("io.boss.Cluster.GetStatus").repeat(50);
    // It writes until the server, which cannot answer any more, closes on it.
    while deaf.write_all(&flood).is_ok() {}
    bed.client().status().expect("still served");
}

#[test]
fn bytes_without_an_end_are_cut_at_the_bound() {
    let bed = Bed::new(owner(), Limits::default());
    let mut flood = bed.raw();
    let mut written = 0;
    while written < 100 * MAX_MESSAGE {
        match flood.write(&[b'a'; 4096]) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    // The rest of what was taken is the socket's own buffer.
    assert!(written < 20 * MAX_MESSAGE, "{written} bytes were taken");
    bed.client().status().expect("still served");
}

#[test]
fn garbage_ends_the_connection_without_an_answer() {
    let bed = Bed::new(owner(), Limits::default());
    let mut garbage = bed.raw();
    garbage.write_all(b"\0GET / HTTP/1.1\0").expect("written");
    expect_closed(&mut garbage);
}

#[test]
fn pipelined_calls_are_answered_in_order_and_oneway_calls_not_at_all() {
    let bed = Bed::new(owner(), Limits::default());
    let mut stream = bed.raw();
    let oneway = Call { oneway: true, ..Call::new(GET_INFO, Value::Null) };
    let mut calls = call("io.boss.Cluster.Explode");
    calls.extend(encode(&oneway, MAX_MESSAGE).expect("short"));
    calls.extend(call(GET_INFO));
    calls.extend(call("io.boss.Cluster.GetStatus"));
    stream.write_all(&calls).expect("written");

    let replies = replies(&mut stream, 3);
    assert_eq!(replies[0].error.as_deref(), Some("org.varlink.service.MethodNotFound"));
    assert!(replies[1].parameters.get("vendor").is_some());
    assert!(replies[2].parameters.get("status").is_some());
}

#[test]
fn a_stream_sends_each_change_and_ends_with_the_next_call() {
    let bed = Bed::new(owner(), Limits::default());
    let mut next = 2;
    let seen = bed.client().watch(|status| {
        let epoch = status.boss.as_ref().expect("alpha").epoch;
        if epoch == 4 {
            return ControlFlow::Break(epoch);
        }
        bed.pictures.send_replace(Arc::new(picture(next)));
        next += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(seen.expect("streamed"), 4);

    let mut stream = bed.raw();
    let more = Call { more: true, ..Call::new("io.boss.Cluster.GetStatus", Value::Null) };
    stream.write_all(&encode(&more, MAX_MESSAGE).expect("short")).expect("written");
    assert!(replies(&mut stream, 1)[0].continues);
    stream.write_all(&call(GET_INFO)).expect("written");
    let mut seen = vec![];
    while seen.last().is_none_or(|reply: &Reply| reply.parameters.get("vendor").is_none()) {
        seen.extend(replies(&mut stream, 1));
    }
    assert!(!seen[seen.len() - 2].continues, "the stream said that it ends");
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_is_freed_is_given() {
    let bed = Bed::new(reader(), Limits::default());
    let mut open: Vec<Client> = (0..56).map(|_| bed.client()).collect();
    for client in &mut open {
        client.status().expect("there is room");
    }
    let refused = bed.client().status().expect_err("full");
    let ClientError::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!(refusal.kind, RefusalKind::TryAgain);

    open.truncate(10);
    let deadline = now().plus(Span::from_secs(20));
    while bed.client().status().is_err() {
        assert!(!deadline.over_when_both(now()), "no place was freed");
        std::thread::yield_now();
    }
}

#[test]
fn the_server_ends_with_the_election_thread() {
    let mut bed = Bed::new(owner(), Limits::default());
    let mut open = bed.raw();
    open.write_all(&call(GET_INFO)).expect("written");
    assert_eq!(replies(&mut open, 1).len(), 1);
    drop(bed.commands.take());
    let server = bed.server.take().expect("not joined");
    server.join().expect("no panic").expect("an end in order");
    expect_closed(&mut open);
}
