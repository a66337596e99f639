//! Hosts that lose their power, and processes that end, with nothing on the host left to tell.

use harness::until;
use network::{Firewall, Target};
use nix::sys::signal::Signal;

use crate::{in_phase, others, site};
use control::model::Phase;

#[test]
fn a_host_without_power_is_replaced_and_comes_back() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.answered_by(before.index);
    site.power_off(before.index);
    let after = site.boss_after(&before);
    site.answered_by(after.index);
    site.power_on(before.index);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn three_leaders_lost_in_a_row_with_the_first_still_letting_go() {
    let Some(mut site) = site(5) else { return };
    let first = site.boss();
    // It needs all the time that it has.
    site.hold(first.index, "demote", true);
    site.set_firewall(Firewall::open(5).isolate(first.index));
    let mut lost = Vec::new();
    for _ in 0..2 {
        let waiting = in_phase(&mut site, Phase::Waiting, Some(first.index));
        site.power_off(waiting.index);
        lost.push(waiting.index);
    }
    // Two are left, and the first.
    site.hold(first.index, "demote", false);
    site.heal();
    let after = site.boss_after(&first);
    assert!(!lost.contains(&after.index));
    for host in lost {
        site.power_on(host);
    }
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn both_processes_killed_at_once_are_cleaned_up_after_by_the_service_manager() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.signal(before.index, Target::Both, Signal::SIGKILL);
    site.revive(before.index);
    let after = site.boss_after(&before);
    site.judge(Some(&after));
}

/// Outside the promise, and the manual says so: what is seen of it, and how it ends.
#[test]
fn both_killed_and_nobody_cleans_up_is_seen_from_outside_and_ends_with_the_next_start() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.answered_by(before.index);
    site.signal(before.index, Target::Both, Signal::SIGKILL);
    site.gone(before.index);
    let after = site.boss_after(&before);
    let double = until("the address on two hosts", || {
        site.address().doubles().expect("watched").first().cloned()
    });
    let mut pair = [double.first, double.second];
    pair.sort_unstable();
    let mut expected = [before.index, after.index];
    expected.sort_unstable();
    assert_eq!(pair, expected);
    site.start_node(before.index).expect("started");
    site.logged(before.index, "demoting first");
    until("the address on one host", || (site.address().holders() == [after.index]).then_some(()));
    site.agree_on(&after);
}

#[test]
fn a_voter_that_restarts_inside_its_promise_does_not_bring_the_next_boss_forward() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    let least = site.bounds().least_ms;
    let rest = others(&site, &[before.index]);
    let lost_ns = harness::boot_ns();
    site.power_off(before.index);
    for host in &rest {
        site.signal(*host, Target::Both, Signal::SIGKILL);
        site.revive(*host);
    }
    let after = site.boss_after(&before);
    let effects = site.judge(Some(&after));
    let from_ns = effects.last().expect("the boss's").from_ns;
    assert!(
        from_ns - lost_ns >= least * 1_000_000,
        "the next boss started {} ns after the loss, {least} ms at least were promised",
        from_ns - lost_ns
    );
    site.power_on(before.index);
    site.agree_on(&after);
}

#[test]
fn all_hosts_without_power_at_once_have_one_boss_afterwards() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    for host in 0..5 {
        site.power_off(host);
    }
    site.judge(None);
    for host in 0..5 {
        site.power_on(host);
    }
    let after = site.boss_after(&before);
    site.answered_by(after.index);
    site.judge(Some(&after));
}
