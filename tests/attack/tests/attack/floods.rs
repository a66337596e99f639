//! Those who do not want in: floods of what costs the sender little. The peers' connections live on
//! the same socket and the same thread, and must not notice.

use harness::until;
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::client::attack;
use crate::siege::{ELSEWHERE, MEMBERS, Siege, VICTIM};

const SECONDS: u64 = 8;

#[test]
fn datagrams_that_are_no_quic() {
    let Some(siege) = Siege::of_three("datagrams_that_are_no_quic") else { return };
    let mut job = siege.job("flood", ELSEWHERE);
    job["seconds"] = json!(SECONDS);
    let seen = attack(&job);
    assert!(seen["sent"].as_u64().is_some_and(|sent| sent > 10_000), "hardly a flood: {seen}");
    siege.stands(&seen);
}

#[test]
fn thousands_of_half_open_handshakes_from_elsewhere() {
    let name = "thousands_of_half_open_handshakes_from_elsewhere";
    let Some(siege) = Siege::of_three(name) else { return };
    let mut job = siege.job("half_open", ELSEWHERE);
    job["seconds"] = json!(SECONDS);
    let seen = attack(&job);
    assert!(seen["begun"].as_u64().is_some_and(|begun| begun > 3_000), "hardly a flood: {seen}");
    assert!(seen["answers"].as_u64().is_some_and(|count| count > 0), "nobody answered: {seen}");
    siege.stands(&seen);
}

#[test]
fn thousands_of_half_open_handshakes_under_a_members_address() {
    let name = "thousands_of_half_open_handshakes_under_a_members_address";
    let Some(mut siege) = Siege::of_three(name) else { return };
    let mut job = siege.job("half_open", MEMBERS);
    job["seconds"] = json!(SECONDS);
    job["different"] = json!(1_500);
    let marker = siege.bed.dir().join("the-flood-has-begun");
    job["marker"] = json!(marker);
    // A member that comes back in the middle of it proves its address and is let in.
    let seen = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| attack(&job));
        let follower = if siege.boss.index == 1 { 2 } else { 1 };
        let elector = siege.bed.node(follower).elector().expect("it runs");
        until("the flood has begun", || marker.exists().then_some(()));
        kill(elector, Signal::SIGKILL).expect("killed");
        siege.is_unmoved();
        let during = !attacker.is_finished();
        println!("FIGURES {name}: a member came back during the attack: {during}");
        attacker.join().expect("the attacker ends by itself")
    });
    assert!(seen["begun"].as_u64().is_some_and(|begun| begun > 3_000), "hardly a flood: {seen}");
    siege.stands(&seen);
}

#[test]
fn half_open_handshakes_that_proved_their_address() {
    let name = "half_open_handshakes_that_proved_their_address";
    let Some(siege) = Siege::of_three(name) else { return };
    let mut job = siege.job("proved_half_open", ELSEWHERE);
    job["seconds"] = json!(SECONDS);
    let seen = attack(&job);
    assert!(seen["proved"].as_u64().is_some_and(|proved| proved > 50), "{seen}");
    let line = siege.bed.logged(VICTIM, "turned away a connection from 127.0.0.66");
    assert!(line.contains("firewall"), "{line}");
    let lines = siege.log().into_iter().filter(|line| line.contains("turned away")).count();
    assert!(lines <= 3, "{lines} lines in {SECONDS} seconds");
    println!("LOG {line}");
    siege.stands(&seen);
}

#[test]
fn whole_handshakes_without_end() {
    let Some(siege) = Siege::of_three("whole_handshakes_without_end") else { return };
    let mut job = siege.job("handshakes", ELSEWHERE);
    job["seconds"] = json!(SECONDS);
    let seen = attack(&job);
    let (begun, closed) = (seen["begun"].as_u64(), seen["closed"].as_u64());
    assert!(begun > Some(100) && closed > Some(50), "{seen}");
    let refused = seen["reasons"]["2: "].as_u64().unwrap_or(0);
    assert!(refused > 0, "none was turned away: {seen}");
    siege.stands(&seen);
}
