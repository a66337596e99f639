//! Restarts of all nodes, at once and one by one.

use harness::{Bed, until};
use nix::sys::signal::{Signal, kill};

use crate::{three, with_script};

#[test]
fn all_nodes_can_lose_power_at_once() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    for index in 0..bed.size() {
        bed.host_dies(index);
    }
    bed.judge(None);
    bed.start_all().expect("started");
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}

#[test]
fn all_nodes_can_be_stopped_and_started() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    for index in 0..bed.size() {
        bed.node(index).stop();
    }
    for index in 0..bed.size() {
        assert!(bed.gone(index).expect("ended").success());
    }
    bed.judge(None);
    bed.start_all().expect("started");
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}

#[test]
fn nodes_can_be_restarted_one_by_one() {
    let mut bed = Bed::start(&three());
    let mut boss = bed.boss();
    for index in 0..bed.size() {
        bed.node(index).stop();
        assert!(bed.gone(index).expect("ended").success());
        // The two that are left agree, and do not need the third.
        boss = bed.until("a boss of two", |seen| {
            harness::agreed(seen).filter(|acting| acting.epoch >= boss.epoch)
        });
        bed.start_node(index).expect("started");
        bed.agree_on(&boss.clone());
    }
    bed.judge(Some(&boss));
}

#[test]
fn a_second_term_does_not_wait_for_an_elector_that_hangs() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let elector = bed.node(before.index).elector().expect("it runs");
    kill(elector, Signal::SIGSTOP).expect("stopped");
    bed.node(before.index).stop();
    bed.logged(before.index, "stopping: letting go and handing over");
    assert!(bed.node_mut(before.index).is_running(), "it waits for its elector");
    bed.node(before.index).stop();
    bed.logged(before.index, "stopping at once");
    assert!(bed.gone(before.index).expect("ended").success());
    let demotes = bed.lines().into_iter().filter(|line| line.node == before.name);
    assert_eq!(
        demotes.filter(|line| line.event == "demote").count(),
        2,
        "one demote, start and end"
    );
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}

#[test]
fn one_transition_id_runs_through_log_hooks_and_history() {
    const NOTE: &str =
        "#!/bin/sh\necho \"$1 $BOSS_TRANSITION\" >> \"${0%/*}/../../transitions.log\"\n";
    let mut bed = Bed::start(&with_script(three(), "50-note", NOTE));
    let boss = bed.boss();
    let id = format!("{}-{}-promote", boss.name, boss.epoch);
    let noted = until("the hook's note", || {
        std::fs::read_to_string(bed.dir().join("transitions.log"))
            .ok()
            .filter(|text| !text.is_empty())
    });
    assert!(noted.lines().any(|line| line == format!("promote {id}")), "{noted}");
    // The elector's line, elected or by a handover of who was there first; then the executor's.
    bed.logged(boss.index, &format!("transition=\"{id}\""));
    bed.logged(boss.index, "promoted in");
    let status = bed.node(boss.index).status().expect("it answers");
    assert_eq!(status.history.first().map(|entry| entry.transition.as_str()), Some(id.as_str()));
    bed.judge(Some(&boss));
}
