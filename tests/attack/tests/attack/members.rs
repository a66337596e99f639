//! Those who are in: somebody with the key of gamma, whose host is down. It can be connected as
//! gamma, and no more than that.

use control::model::Level;
use harness::until;
use serde_json::{Value, json};

use crate::certificates::Pair;
use crate::client::attack;
use crate::siege::{ELSEWHERE, Siege, VICTIM};

const GAMMA: usize = 2;
const SECONDS: u64 = 6;

fn as_gamma(siege: &Siege, name: &str) -> Value {
    let mut job = siege.job(name, ELSEWHERE);
    job["node"] = json!("gamma");
    job["incarnation"] = json!(siege.incarnation(GAMMA));
    job["seconds"] = json!(SECONDS);
    Pair::stolen(&siege.bed, GAMMA).give(&mut job);
    job
}

#[test]
fn garbage_is_cut_off_and_named() {
    let Some(mut siege) = Siege::without_gamma("garbage_is_cut_off_and_named") else { return };
    let mut seen = Value::Null;
    for (what, words) in [
        ("long frame", "gamma sent a frame of 4294967295 bytes"),
        ("body", "gamma sent a message of kind 5 that is none"),
        ("short datagram", "gamma sent a frame of 1 bytes"),
        ("noise", "gamma sent a frame of"),
    ] {
        // The pause after the last one: it is let in again when that is over.
        let mut knock = as_gamma(&siege, "enter");
        knock["stay"] = json!(0.0);
        until("gamma is let in", || (attack(&knock)["welcome"] == true).then_some(()));
        let mut job = as_gamma(&siege, "garbage");
        job["what"] = json!(what);
        seen = attack(&job);
        assert_eq!(seen["welcome"], true, "{seen}");
        let closed = seen["closed"].as_str().unwrap_or_default();
        assert!(closed.starts_with("2: ") && closed.contains(words), "{what}: {seen}");
        assert_eq!(seen["again"]["welcome"], false, "{what}: it was let in again: {seen}");
        siege.bed.logged(VICTIM, words);
        siege.is_unmoved();
    }
    let lines = siege.log();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("cut off, and not let")).collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    for line in told {
        println!("LOG {line}");
    }
    let status = siege.bed.node(VICTIM).status().expect("it answers");
    let alarm = status.alarms.iter().find(|alarm| alarm.text.contains("gamma was cut off"));
    assert!(alarm.is_some_and(|alarm| alarm.level == Level::Degraded), "{:?}", status.alarms);
    siege.stands(&seen);
}

/// Gets in, sends without end, and is not cut off: none of it is a fault, and none of it does harm.
fn sends(siege: &Siege, job: &Value) -> Value {
    let seen = attack(job);
    assert_eq!((&seen["welcome"], &seen["closed"]), (&json!(true), &Value::Null), "{seen}");
    // One line for what is not known, not one for each.
    let lines = siege.log().into_iter().filter(|line| line.contains("is ignored")).count();
    assert!((1..=12).contains(&lines), "{lines} lines about what is ignored");
    seen
}

#[test]
fn a_stream_without_end() {
    let Some(siege) = Siege::without_gamma("a_stream_without_end") else { return };
    let seen = sends(&siege, &as_gamma(&siege, "endless"));
    let sent = seen["sent"]["stream"].as_u64();
    assert!(sent.is_some_and(|sent| sent > 4 << 20), "hardly endless: {seen}");
    siege.stands(&seen);
}

#[test]
fn streams_without_number() {
    let Some(siege) = Siege::without_gamma("streams_without_number") else { return };
    let mut job = as_gamma(&siege, "endless");
    job["more_streams"] = json!(10_000);
    let seen = sends(&siege, &job);
    siege.stands(&seen);
}

#[test]
fn datagrams_without_end() {
    let Some(siege) = Siege::without_gamma("datagrams_without_end") else { return };
    let mut job = as_gamma(&siege, "endless");
    job["datagrams"] = json!(true);
    let seen = sends(&siege, &job);
    let sent = seen["sent"]["datagrams"].as_u64();
    assert!(sent.is_some_and(|sent| sent > 5_000), "hardly a flood: {seen}");
    siege.stands(&seen);
}
