//! Bad input: files that are wrong, a second daemon on the same directories, and a state file that
//! cannot be believed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::{Bed, bossd};

use crate::three;

#[test]
fn a_wrong_file_keeps_a_running_node_and_stops_the_next_start() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    let config = bed.node(follower).config();
    let good = fs::read_to_string(&config).expect("read");
    fs::write(&config, good.replace("priority = 100", "priorty = 100")).expect("written");
    let error = bed.check(follower).expect_err("a typing error").to_string();
    assert!(error.contains("priorty") && error.contains("did you mean `priority`?"), "{error}");
    bed.agree_on(&boss);
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    bed.start_node(follower).expect("started");
    assert_eq!(bed.gone(follower).expect("ended").code(), Some(78));
    bed.logged(follower, "did you mean `priority`?");
    fs::write(&config, good).expect("written");
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_second_daemon_on_the_same_directories_is_refused() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let run = |config: PathBuf| {
        let output = Command::new(bossd()).arg("--config").arg(config).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // All of it shared; then only the state directory, as by two instances of which one was copied
    // from the other: run directory, socket, port and hooks are its own.
    let (status, said) = run(bed.node(boss.index).config());
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("another bossd of this instance is running"), "{said}");
    let node = bed.node(boss.index);
    let second = node.dir.join("second");
    fs::create_dir_all(second.join("hooks.d")).expect("made");
    fs::copy(node.config(), second.join("cluster.toml")).expect("copied");
    let text = fs::read_to_string(node.dir.join("node.toml")).expect("read");
    let text = text
        .replace("/run\"", "/second/run\"")
        .replace("/run/", "/second/run/")
        .replace("/hooks.d\"", "/second/hooks.d\"")
        .replace(&node.listen().port().to_string(), &free_port().to_string());
    fs::write(second.join("node.toml"), text).expect("written");
    let (status, said) = run(second.join("cluster.toml"));
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("another bossd uses this state directory"), "{said}");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_state_file_that_cannot_be_believed_is_refused_and_the_rest_goes_on() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    let state = bed.node(follower).dir.join("state/state");
    let good = fs::read_to_string(&state).expect("it has one");
    let torn = good[..good.len() / 2].to_owned();
    let corrupt = good.replacen("\"term\":1", "\"term\":2", 1);
    let newer = good.replacen("boss-state 1 ", "boss-state 999 ", 1);
    assert!(corrupt != good && newer != good, "{good}");
    let cases = [
        (torn, "torn or corrupt"),
        (corrupt, "torn or corrupt"),
        (newer, "written by a later version"),
        (String::new(), "not a state file, or it is torn"),
    ];
    for (text, reason) in cases {
        fs::write(&state, text).expect("written");
        bed.start_node(follower).expect("started");
        assert_eq!(bed.gone(follower).expect("ended").code(), Some(65), "{reason}");
        let line = bed.logged(follower, reason);
        assert!(line.contains("state/state"), "the file is named: {line}");
        bed.agree_on(&boss);
        fs::write(bed.node(follower).log(), "").expect("emptied for the next");
    }
    fs::remove_file(&state).expect("removed");
    bed.start_node(follower).expect("started");
    assert_eq!(bed.gone(follower).expect("ended").code(), Some(65));
    bed.logged(follower, "is missing");
    fs::write(&state, good).expect("restored");
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}
