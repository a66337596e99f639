//! Partitions by the hosts' firewalls: whole, of one direction, and those in which everybody
//! reaches somebody.

use network::Firewall;

use crate::{all_idle, others, renewals, resign, site, successor};

#[test]
fn a_boss_cut_off_from_the_network_hands_on_the_address_all_the_same() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.answered_by(before.index);
    site.set_firewall(Firewall::open(3).isolate(before.index));
    let after = successor(&mut site, &before);
    assert_ne!(after.name, before.name);
    site.answered_by(after.index);
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn a_boss_whose_heartbeats_arrive_and_whose_replies_are_lost_lets_go() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    site.set_firewall(Firewall::open(5).deafen(before.index));
    let after = successor(&mut site, &before);
    assert_ne!(after.name, before.name);
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn a_voter_that_hears_no_heartbeats_and_is_heard_disturbs_nobody() {
    let Some(mut site) = site(3) else { return };
    let boss = site.boss();
    let deaf = (boss.index + 1) % 3;
    site.set_firewall(Firewall::open(3).cut(boss.index, deaf));
    site.until("a voter that has lost the boss and campaigns", |seen| {
        let status = seen[deaf].status()?;
        let lost = status.boss.is_none() && status.this.promise_left_ms.is_none();
        lost.then_some(())
    });
    renewals(&mut site, &boss, 10);
    site.heal();
    site.agree_on(&boss);
    site.judge(Some(&boss));
}

#[test]
fn a_bridge_between_the_old_boss_and_the_rest_follows_the_rest() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    let bridge = (before.index + 1) % 5;
    site.set_firewall(Firewall::open(5).behind_bridge(before.index, bridge));
    let after = successor(&mut site, &before);
    assert_ne!(after.name, before.name);
    // The bridge reaches both, and believes the one with a quorum.
    site.until("a bridge that knows the new boss", |seen| {
        let boss = seen[bridge].status()?.boss.clone()?;
        (boss.epoch >= after.epoch).then_some(())
    });
    site.heal();
    let at_last = site.boss();
    site.judge(Some(&at_last));
}

#[test]
fn a_ring_of_five_keeps_its_boss() {
    let Some(mut site) = site(5) else { return };
    let boss = site.boss();
    site.set_firewall(Firewall::ring(5, &[0, 1, 2, 3, 4]));
    let far = (boss.index + 2) % 5;
    site.until("one across the ring that has lost the boss", |seen| {
        (!seen[far].status()?.member(&boss.name)?.connected).then_some(())
    });
    renewals(&mut site, &boss, 10);
    site.heal();
    site.agree_on(&boss);
    site.judge(Some(&boss));
}

#[test]
fn at_the_end_of_a_chain_nobody_stays_boss() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    let rest = others(&site, &[before.index]);
    let order = [before.index, rest[0], rest[1], rest[2], rest[3]];
    site.set_firewall(Firewall::chain(5, &order));
    let after = successor(&mut site, &before);
    assert!(order[1..4].contains(&after.index), "{after:?} has two neighbours in {order:?}");
    renewals(&mut site, &after, 5);
    site.heal();
    let at_last = site.boss();
    site.judge(Some(&at_last));
}

#[test]
fn a_witness_that_changes_sides_decides_and_nobody_acts_twice() {
    let Some(mut site) = site(5) else { return };
    let mut boss = site.boss();
    let rest = others(&site, &[boss.index]);
    let (one, other, flapping) = ([boss.index, rest[0]], [rest[1], rest[2]], rest[3]);
    for round in 0..3 {
        let with = |side: [usize; 2]| [side[0], side[1], flapping];
        let (mine, yours) = if round % 2 == 0 { (with(other), one) } else { (with(one), other) };
        site.set_firewall(Firewall::groups(5, &[&mine, &yours]));
        boss = successor(&mut site, &boss);
        assert!(mine.contains(&boss.index), "{boss:?} is among {mine:?}");
    }
    // To and fro faster than anybody can be elected.
    for round in 0..20 {
        let flap: &[usize] = if round % 2 == 0 { &one } else { &other };
        let joined = [flap[0], flap[1], flapping];
        let away: &[usize] = if round % 2 == 0 { &other } else { &one };
        site.set_firewall(Firewall::groups(5, &[&joined, away]));
    }
    site.heal();
    let at_last = site.boss();
    site.judge(Some(&at_last));
}

#[test]
fn an_even_split_has_no_boss_until_it_heals() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    site.set_firewall(Firewall::groups(5, &[&[0, 1], &[2, 3], &[4]]));
    all_idle(&mut site);
    site.judge(None);
    site.set_firewall(Firewall::groups(5, &[&[0, 1, 4], &[2, 3]]));
    let after = successor(&mut site, &before);
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn a_fifth_of_all_datagrams_lost_does_not_lose_the_boss_for_long() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.set_firewall(Firewall::noise(3, 20));
    // Whoever it is by now: it can hand over, or loses its lease and is replaced.
    let boss = site.until("a boss in the noise", harness::acting);
    resign(&site, &boss);
    let after = successor(&mut site, &boss);
    assert!(after.epoch > before.epoch);
    site.heal();
    let at_last = site.boss();
    site.judge(Some(&at_last));
}

#[test]
fn a_resignation_in_a_partition_goes_to_one_who_is_reached() {
    let Some(mut site) = site(5) else { return };
    let before = site.boss();
    let rest = others(&site, &[before.index]);
    site.set_firewall(Firewall::groups(5, &[&[before.index, rest[0], rest[1]], &rest[2..]]));
    site.until("a boss that has lost two", |seen| {
        (seen[before.index].status()?.quorum.connected == 3).then_some(())
    });
    resign(&site, &before);
    let after = successor(&mut site, &before);
    assert!(rest[..2].contains(&after.index), "{after:?} was reached");
    site.heal();
    site.agree_on(&after);
    site.judge(Some(&after));
}
