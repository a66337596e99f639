//! Partitions, both ways and one way, by the relay.

use control::model::Phase;
use harness::{Bed, acting};

use crate::three;

#[test]
fn a_boss_that_is_cut_off_lets_go_before_another_acts() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    bed.set_isolated(before.index, true);
    let after =
        bed.until("another boss", |seen| acting(seen).filter(|acting| acting.epoch > before.epoch));
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
    bed.set_isolated(before.index, false);
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_boss_that_hears_nobody_lets_go_though_it_is_heard() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    for other in (0..3).filter(|other| *other != before.index) {
        bed.set_cut(other, before.index, true);
    }
    let after =
        bed.until("another boss", |seen| acting(seen).filter(|acting| acting.epoch > before.epoch));
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
    bed.set_isolated(before.index, false);
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_follower_that_is_cut_off_and_comes_back_does_not_disturb_the_boss() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    bed.set_isolated(follower, true);
    bed.until("a follower that knows itself alone", |seen| {
        let status = seen[follower].status()?;
        (status.quorum.connected == 1 && status.boss.is_none()).then_some(())
    });
    bed.set_isolated(follower, false);
    bed.agree_on(&boss);
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.last().map(|effect| effect.epoch), Some(boss.epoch), "no hook ran");
}

#[test]
fn a_follower_that_does_not_hear_the_boss_alone_does_not_disturb_it() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let deaf = (boss.index + 1) % 3;
    bed.set_cut(boss.index, deaf, true);
    bed.until("a follower without a boss", |seen| {
        let status = seen[deaf].status()?;
        let member = status.member(&boss.name)?;
        (!member.connected).then_some(())
    });
    bed.set_cut(boss.index, deaf, false);
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn without_a_quorum_nobody_acts_and_with_one_again_somebody_does() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    for index in 0..3 {
        bed.set_isolated(index, true);
    }
    bed.until("three that do not act", |seen| {
        seen.iter().all(|seen| seen.phase() == Some(Phase::Idle)).then_some(())
    });
    bed.judge(None);
    for index in 0..3 {
        bed.set_isolated(index, false);
    }
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}
