//! Restarts of all nodes, at once and one by one.

use harness::Bed;

use crate::three;

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
