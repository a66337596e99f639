//! What the file says in each state, for how long, and when it is written anew.

use serde_json::Value;

use super::super::bench::Bench;
use super::*;

/// A file without a thread: what would be written is asked of `text`.
fn unwritten() -> StateJson {
    let (cluster, node) = ("web".to_owned(), "alpha".to_owned());
    let boot_id = "0b5e7c1a".to_owned();
    let (shadow, writer, said, may_say_master) = (false, None, None, false);
    StateJson { cluster, node, boot_id, shadow, writer, said, may_say_master }
}

fn at(ms: u64) -> Moment {
    Moment::default().plus(Span::from_millis(ms))
}

fn shown(state: &StateJson, now: Moment) -> Value {
    let text = state.text(now, state.said.as_ref().expect("said"));
    serde_json::from_slice(&text).expect("JSON")
}

fn beta(until: Moment) -> KnownBoss {
    let (name, address) = ("beta".to_owned(), "10.0.0.2:26770".to_owned());
    KnownBoss { name, address, epoch: 7, until }
}

#[test]
fn the_document_is_the_one_of_the_golden_file() {
    let mut state = unwritten();
    state.say_master(at(1_000), "10.0.0.1:26770", 8, at(1_409));
    let golden = include_str!("../../../../control/tests/state.json");
    let text = state.text(at(1_000), state.said.as_ref().expect("said"));
    assert_eq!(String::from_utf8(text).expect("UTF-8"), golden);
}

#[test]
fn a_shadow_never_says_master() {
    let mut state = StateJson { shadow: true, ..unwritten() };
    state.say_master(at(1_000), "10.0.0.1:26770", 8, at(1_409));
    assert_eq!(shown(&state, at(1_000))["state"], "SHADOW");
}

#[test]
fn it_is_valid_until_the_permits_end_by_whichever_clock_is_earlier_and_never_longer() {
    let mut state = unwritten();
    let now = at(1_000);
    for (boot, raw, wanted) in [(1_409, 1_409, 1.4), (1_409, 1_300, 1.3), (1_300, 1_409, 1.3)] {
        let until = Moment { boot: at(boot).boot, raw: at(raw).raw };
        state.said = None;
        state.say_master(now, "", 8, until);
        assert_eq!(shown(&state, now)["valid_until"], wanted);
    }
}

#[test]
fn another_boss_is_told_as_long_as_it_may_be_believed() {
    let mut state = unwritten();
    state.say_backup(at(0), Some(&beta(at(400))));
    let said = shown(&state, at(0));
    assert_eq!(
        (&said["state"], &said["boss"], &said["epoch"]),
        (&"BACKUP".into(), &"beta".into(), &7.into())
    );
    state.say_backup(at(400), Some(&beta(at(400))));
    let said = shown(&state, at(400));
    assert_eq!((&said["state"], &said["boss"]), (&"BACKUP".into(), &Value::Null));
    // The elector may hold this node for the boss while the executor lets go already.
    state.say_backup(at(500), Some(&KnownBoss { name: "alpha".to_owned(), ..beta(at(900)) }));
    assert_eq!(shown(&state, at(500))["boss"], Value::Null);
}

#[test]
fn it_is_written_anew_at_each_change_and_before_it_runs_out_but_not_always() {
    let mut state = unwritten();
    let mut written = 0;
    let mut shortest = u64::MAX;
    // A lease of 400 ms that is renewed every 80.
    for turn in 0..1_000 {
        let now = at(turn * 10);
        let until = at(turn / 8 * 80 + 400);
        let before = state.said.clone();
        state.say_master(now, "", 8, until);
        written += usize::from(before != state.said);
        let said = state.said.as_ref().expect("said");
        shortest = shortest.min(said.until.left_until_either(now).as_millis());
    }
    assert!((60..=125).contains(&written), "{written} in 10 s");
    assert!(shortest >= 200, "{shortest} ms were left for a reader");
}

#[test]
fn taken_back_is_what_may_say_master_and_only_that() {
    let bench = Bench::new();
    let environment = bench.environment();
    let path = environment.config.node.run_directory.join("state.json");
    let mut state = StateJson::start(&environment.config).expect("started");
    let read =
        || -> Value { serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON") };
    // Of an earlier life.
    fs::write(&path, "MASTER").expect("writable");
    let now = clock::now();
    state.take_back(now).expect("taken back");
    assert_eq!(read()["state"], "BACKUP");
    fs::remove_file(&path).expect("there");
    state.take_back(now).expect("nothing to take back");
    assert!(!path.exists());

    state.say_master(now, "", 8, now.plus(Span::from_secs(60)));
    state.take_back(now).expect("taken back");
    assert_eq!(read()["state"], "BACKUP");
    state.end(now).expect("ended");
    let ended = read();
    assert_eq!(ended["state"], "STOP");
    assert!(ended["valid_until"].as_f64().expect("a number") <= now.boot as f64 / 1e9);
}
