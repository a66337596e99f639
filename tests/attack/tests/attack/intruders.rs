//! Those who want in: each tries the regular way with something that is not right, is refused
//! before it is a peer, and is told of in the log, in words and not at every attempt.

use serde_json::{Value, json};

use crate::certificates::{HOUR, Pair};
use crate::client::attack;
use crate::siege::{ELSEWHERE, MEMBERS, Siege};

/// How often each tries: a line for each attempt would be seen.
const ATTEMPTS: usize = 5;

/// Tries to get in, several times; what happened last. It never gets a Welcome.
fn refused(siege: &Siege, job: &Value, words: &str) -> Value {
    let before = siege.log().len();
    let mut seen = Value::Null;
    for _ in 0..ATTEMPTS {
        seen = attack(job);
        assert_eq!(seen["welcome"], false, "{seen}");
        assert!(seen["closed"].is_string(), "nobody ended it: {seen}");
        assert_eq!(seen["tickets"], 0, "there is something to resume with: {seen}");
    }
    siege.bed.logged(crate::siege::VICTIM, words);
    let lines = siege.log().split_off(before);
    let told: Vec<_> = lines.iter().filter(|line| line.contains(words)).collect();
    assert_eq!(told.len(), 1, "{ATTEMPTS} attempts, {told:?}");
    println!("LOG {}", told[0]);
    seen
}

#[test]
fn without_a_certificate() {
    let Some(siege) = Siege::of_three("without_a_certificate") else { return };
    let job = siege.job("enter", ELSEWHERE);
    let seen = refused(&siege, &job, "its certificate was not shown");
    assert_eq!(seen["retried"], true, "a stranger has to prove its address first: {seen}");
    siege.stands(&seen);
}

#[test]
fn with_a_certificate_of_another_authority() {
    let Some(siege) = Siege::of_three("with_a_certificate_of_another_authority") else { return };
    let mut job = siege.job("enter", ELSEWHERE);
    job["node"] = json!("beta");
    Pair::of_another_authority(&siege.bed, "beta").give(&mut job);
    let seen = refused(&siege, &job, "not from this cluster's authority");
    siege.stands(&seen);
}

#[test]
fn with_a_certificate_out_of_its_time() {
    let Some(siege) = Siege::of_three("with_a_certificate_out_of_its_time") else { return };
    let mut job = siege.job("enter", ELSEWHERE);
    job["node"] = json!("beta");
    let expired = Pair::out_of_time(&siege.bed, "beta", -2 * HOUR, -HOUR);
    expired.give(&mut job);
    refused(&siege, &job, "has expired: issue a new one");
    let future = Pair::out_of_time(&siege.bed, "beta", HOUR, 2 * HOUR);
    future.give(&mut job);
    let seen = refused(&siege, &job, "is not valid yet: check the clock of both servers");
    siege.stands(&seen);
}

#[test]
fn with_a_good_certificate_of_no_member() {
    let Some(siege) = Siege::of_three("with_a_good_certificate_of_no_member") else { return };
    let mut job = siege.job("enter", ELSEWHERE);
    Pair::of_cluster(&siege.bed, "delta").give(&mut job);
    let seen = refused(&siege, &job, "delta is not a member of cluster test");
    siege.stands(&seen);
}

#[test]
fn as_a_member_with_another_state_directory() {
    let Some(siege) = Siege::of_three("as_a_member_with_another_state_directory") else { return };
    for source in [ELSEWHERE, MEMBERS] {
        let mut job = siege.job("enter", source);
        job["node"] = json!("beta");
        let incarnation = format!("0000{:04}{}", source.len(), "0".repeat(24));
        job["incarnation"] = json!(incarnation);
        Pair::stolen(&siege.bed, 1).give(&mut job);
        refused(
            &siege,
            &job,
            &format!("another state directory (incarnation {})", &incarnation[..8]),
        );
    }
    siege.stands(&Value::Null);
}

#[test]
fn as_a_member_under_another_ones_name() {
    let Some(siege) = Siege::of_three("as_a_member_under_another_ones_name") else { return };
    let mut job = siege.job("enter", ELSEWHERE);
    job["node"] = json!("gamma");
    job["incarnation"] = json!(siege.incarnation(2));
    Pair::stolen(&siege.bed, 1).give(&mut job);
    let seen = refused(&siege, &job, "certificate is for node beta, but the node calls itself");
    siege.stands(&seen);
}

#[test]
fn with_the_ticket_of_an_earlier_session() {
    let Some(siege) = Siege::of_three("with_the_ticket_of_an_earlier_session") else { return };
    // Even a member gets nothing to resume with; that is asserted for every attempt.
    let mut job = siege.job("enter", ELSEWHERE);
    job["resume"] = json!(true);
    let seen = refused(&siege, &job, "its certificate was not shown");
    siege.stands(&seen);
}
