//! Handovers during which something else happens.

use std::thread;

use control::interface::{Resign, Switchover};
use control::model::Phase;
use harness::{Acting, until};
use network::{Firewall, Site};

use crate::{others, resign, site, successor};

/// A boss that resigned and whose demote is held.
fn demoting(site: &mut Site) -> Acting {
    let boss = site.boss();
    site.hold(boss.index, "demote", true);
    resign(site, &boss);
    until("a demote at the gate", || (site.at_gate(boss.index, "demote") > 0).then_some(()));
    boss
}

#[test]
fn a_successor_that_dies_as_it_is_handed_over_to_is_replaced() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    let rest = others(&site, &[before.index]);
    let to = site.node(rest[0]).name.clone();
    site.hold(before.index, "demote", true);
    site.client(before.index).switchover(&Switchover { to }).expect("it is ready");
    until("a demote at the gate", || (site.at_gate(before.index, "demote") > 0).then_some(()));
    site.power_off(rest[0]);
    site.hold(before.index, "demote", false);
    let after = site.boss_after(&before);
    assert_ne!(after.index, rest[0]);
    site.power_on(rest[0]);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn the_old_boss_that_is_cut_off_in_the_middle_of_a_handover_holds_nobody_up() {
    let Some(mut site) = site(3) else { return };
    let before = demoting(&mut site);
    site.set_firewall(Firewall::open(3).isolate(before.index));
    let after = successor(&mut site, &before);
    assert_ne!(after.index, before.index);
    site.hold(before.index, "demote", false);
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn commands_during_a_handover_end_with_one_boss() {
    let Some(mut site) = site(5) else { return };
    let before = demoting(&mut site);
    // From all sides at once, each on the way to whoever it takes for the boss.
    let words: Vec<_> = (0..5).map(|host| (site.client(host), site.client(host))).collect();
    let to = site.node((before.index + 1) % 5).name.clone();
    thread::scope(|scope| {
        for (mut resign, mut switchover) in words {
            let to = to.clone();
            // Refused or done: each must be answered, and leave one boss.
            scope.spawn(move || drop(resign.resign(&Resign { force: None })));
            scope.spawn(move || drop(switchover.switchover(&Switchover { to })));
        }
        site.hold(before.index, "demote", false);
    });
    let after = site.boss_after(&before);
    site.judge(Some(&after));
}

#[test]
fn a_successor_cut_off_while_its_promote_runs_takes_it_back() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    let rest = others(&site, &[before.index]);
    let to = site.node(rest[0]).name.clone();
    site.hold(rest[0], "promote", true);
    site.client(before.index).switchover(&Switchover { to }).expect("it is ready");
    site.until("a successor that promotes", |seen| {
        (seen[rest[0]].phase() == Some(Phase::Promoting)).then_some(())
    });
    site.set_firewall(Firewall::open(3).isolate(rest[0]));
    let after = site.until("another boss", |seen| {
        harness::acting(seen).filter(|acting| acting.epoch > before.epoch)
    });
    assert_ne!(after.index, rest[0]);
    site.hold(rest[0], "promote", false);
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}
