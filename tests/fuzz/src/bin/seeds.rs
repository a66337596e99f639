//! Writes inputs made of real values, one directory per target: what the fuzzer begins with when a
//! format has changed. `tests/fuzz/run seeds` calls it.
//!
//!     seeds DIRECTORY

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bossd::elector::forward::{CommandDoc, Foreseen, Order, Report};
use bossd::elector::peer::hello::Hello;
use bossd::elector::schema::state_file::{Stored, render};
use bossd::elector::schema::wire;
use bossd::ipc::{HookFacts, ToElector, ToExecutor, to_frame};
use control::interface::{
    CLEAR, DRAIN, Done, GET_STATUS, PAUSE, RESIGN, RESUME, Refusal, RefusalKind, SWITCHOVER,
    UNDRAIN,
};
use control::model::DemoteTime;
use control::varlink::{Call, Fault, MAX_MESSAGE, Reply, encode};
use election::{Envelope, Epoch, HardState, Moment, Permit, Span, Term, Version, Word};
use fuzz::draw::Draw;
use fuzz::values::{CLUSTER, Near, bind_all, life_of, name_of, unborn};
use serde_json::json;

fn main() -> ExitCode {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: seeds DIRECTORY");
        return ExitCode::from(64);
    };
    match write_all(Path::new(&directory)) {
        Ok(count) => {
            println!("{count} inputs");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{directory}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &Path) -> io::Result<usize> {
    let seeds = [
        ("wire", wires()),
        ("state_file", state_files()),
        ("config", configs()?),
        ("control", controls()),
        ("ipc", channels()),
    ];
    let mut count = 0;
    for (target, inputs) in seeds {
        let directory = directory.join(target);
        fs::create_dir_all(&directory)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:02}")), input)?;
        }
        count += inputs.len();
    }
    Ok(count)
}

/// A cluster of three that has lived a while.
fn near() -> Near {
    let mut state = unborn(&mut Draw::new(&[]), 3);
    state.version = Version { term: Term(9), index: 4 };
    bind_all(&mut state);
    Near { term: Term(9), state: Arc::new(state), epoch: Epoch(8), seq: 1, attempt: 1 }
}

/// The first byte says what the rest is: see `fuzz::wire`.
fn tagged(tag: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [&[tag], bytes.as_ref()].concat()
}

fn wires() -> Vec<Vec<u8>> {
    let near = near();
    let mut inputs = Vec::new();
    for kind in 0..11 {
        let message = near.message(&mut Draw::new(&[kind]), near.term);
        let (from, incarnation) = (name_of(1), life_of(1));
        let envelope = Envelope { cluster: CLUSTER, from, incarnation, term: near.term, message };
        let frame = wire::encode(&envelope);
        inputs.push(tagged(0, frame.to_stream().expect("a message fits")));
        if envelope.message.is_datagram() {
            inputs.push(tagged(1, frame.to_datagram().expect("a heartbeat fits")));
        }
    }
    let hello = Hello {
        cluster_id: 7,
        node: "beta".to_owned(),
        incarnation: 1,
        session: 2,
        connection: 3,
        lost: 0,
        features: 0,
        unborn: false,
        canonical: "cluster.name = web\nmember.beta.kind = witness\n".to_owned(),
        extensions: vec![(1, vec![2])],
    };
    inputs.push(tagged(3, postcard::to_stdvec(&hello).expect("plain data")));
    let (node, reason) = ("alpha".to_owned(), "disk".to_owned());
    for command in [
        CommandDoc::Drain {
            node: node.clone(),
            reason: reason.clone(),
            force: true,
            for_s: Some(60),
        },
        CommandDoc::Pause { reason, for_s: None },
        CommandDoc::Resume,
        CommandDoc::Undrain { node: node.clone() },
        CommandDoc::Clear { node: node.clone() },
        CommandDoc::Resign { force: false },
        CommandDoc::Switchover { to: node.clone() },
        CommandDoc::Confirm { node },
    ] {
        let order = Order { id: 1, command, uid: 0 };
        inputs.push(tagged(4, postcard::to_stdvec(&order).expect("plain data")));
    }
    for result in [Ok(Done::default()), Err(Refusal::new(RefusalKind::NotBoss, "none"))] {
        let report = Report::new(1, result);
        inputs.push(tagged(5, postcard::to_stdvec(&report).expect("plain data")));
    }
    let preview = include_str!("../../../../control/tests/preview.json");
    let preview = serde_json::from_str(preview).expect("the golden document");
    for result in [Ok(preview), Err(Refusal::new(RefusalKind::NoQuorum, "none"))] {
        let foreseen = Foreseen::new(1, result);
        inputs.push(tagged(u8::MAX, postcard::to_stdvec(&foreseen).expect("plain data")));
    }
    inputs
}

fn state_files() -> Vec<Vec<u8>> {
    let lived = HardState {
        term: Term(9),
        voted_for: Some(name_of(1)),
        state: near().state,
        promise_hiwater: Span::from_millis(410),
    };
    let mut inputs = Vec::new();
    for hard in [HardState::unborn(unborn(&mut Draw::new(&[]), 3)), lived] {
        let (node, incarnation) = (name_of(0), life_of(0));
        let stored = Stored { generation: 5, cluster: CLUSTER, node, incarnation, hard };
        let text = render(&stored);
        let body = text.split_once('\n').expect("a header").1;
        inputs.extend([tagged(0, &text), tagged(1, body)]);
    }
    inputs
}

fn configs() -> io::Result<Vec<Vec<u8>>> {
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/cluster.toml");
    let example = fs::read_to_string(etc)?;
    // Without its comments, which only make it long.
    let plain: Vec<_> = example
        .lines()
        .map(|line| if line.contains(" = ") { line.trim_start_matches('#') } else { line })
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let plain = plain.join("\n");
    let node = "[node]\nname = \"beta\"\nlisten = \"[::]:7\"\n[log]\nlevel = \"debug\"\n";
    let both = format!("{plain}\n{}{node}", fuzz::config::NODE_FILE);
    Ok(vec![example.into_bytes(), plain.into_bytes(), both.into_bytes()])
}

/// Two bytes first: the side, and into how large pieces the rest is cut.
fn controls() -> Vec<Vec<u8>> {
    let calls = [
        (GET_STATUS, json!({})),
        (DRAIN, json!({ "node": "alpha", "reason": "disk", "force": true })),
        (DRAIN, json!({ "node": "alpha", "for_s": 7_200 })),
        (UNDRAIN, json!({ "node": "alpha" })),
        (PAUSE, json!({ "reason": "upgrade", "for_s": 60 })),
        (RESUME, json!({})),
        (CLEAR, json!({ "node": "alpha" })),
        (RESIGN, json!({ "force": false })),
        (SWITCHOVER, json!({ "to": "beta" })),
        (control::interface::GET_INFO, json!({})),
        (control::interface::GET_INTERFACE_DESCRIPTION, json!({ "interface": "io.boss.Cluster" })),
    ];
    let call = |(method, parameters)| {
        let call = Call { more: true, ..Call::new(method, parameters) };
        [&[0, 40], &*encode(&call, MAX_MESSAGE).expect("short")].concat()
    };
    let mut inputs: Vec<_> = calls.into_iter().map(call).collect();
    let done = serde_json::to_value(Done::default()).expect("plain text is JSON");
    let refused = Fault::from(Refusal::new(RefusalKind::TryAgain, "later"));
    for reply in [Reply::last(done), Reply::from(refused)] {
        inputs.push([&[1, 40], &*encode(&reply, MAX_MESSAGE).expect("short")].concat());
    }
    inputs
}

/// The first byte is the direction; then what one life of a channel carries.
fn channels() -> Vec<Vec<u8>> {
    let facts = HookFacts {
        epoch: Some(9),
        term: 9,
        current: Some("alpha".to_owned()),
        current_address: None,
        previous: None,
        reason: "elected".to_owned(),
        priority: 100,
        members: vec!["alpha".to_owned(), "beta".to_owned()],
    };
    let until = Moment { boot: 6_000_000_000, raw: 5_000_000_000 };
    let permit = Permit { epoch: Epoch(9), until, fence: Span::from_millis(800) };
    let orders = [
        ToExecutor::Serving,
        ToExecutor::Promote { permit: permit.into(), facts: facts.clone() },
        ToExecutor::Extend { epoch: 9, until: until.into() },
        ToExecutor::Demote { epoch: 9, facts: facts.clone() },
        ToExecutor::Revoke { epoch: 9, facts: facts.clone() },
        ToExecutor::Follow { facts: facts.clone() },
        ToExecutor::Reassert { epoch: 9, facts },
        ToExecutor::Status("boss".to_owned()),
        ToExecutor::Left,
        ToExecutor::Known {
            boss: Some(("alpha".to_owned(), "10.0.0.1:26770".to_owned(), 9)),
            until: until.into(),
        },
    ];
    let epoch = Epoch(9);
    let words = [
        Word::Promoted { epoch },
        Word::PromoteFailed { epoch },
        Word::Idle { epoch },
        Word::Stuck { epoch },
    ];
    let slow = DemoteTime {
        hook: "20-db".to_owned(),
        last_ms: 900,
        urgent: true,
        ok: false,
        urgent_ms: Some(80),
        worst_ms: 900,
        count: 2,
    };
    let told = words.into_iter().map(|word| to_frame(&ToElector::Word(word.into())));
    let told = told.chain([
        to_frame(&ToElector::Ready(Err("no hooks".to_owned()))),
        to_frame(&ToElector::Alarm(None)),
        to_frame(&ToElector::Demotes(vec![slow])),
        to_frame(&ToElector::Leave),
    ]);
    vec![
        tagged(0, orders.iter().flat_map(to_frame).collect::<Vec<u8>>()),
        tagged(1, told.flatten().collect::<Vec<u8>>()),
    ]
}
