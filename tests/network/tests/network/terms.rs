//! Nodes that come back with more, or less, than the others know.

use harness::Acting;
use network::{Firewall, Site};

use crate::{others, renewals, resign, site, successor};

#[test]
fn a_voter_that_comes_back_with_a_higher_term_moves_the_term_and_no_hook() {
    let Some(mut site) = site(3) else { return };
    let boss = site.boss();
    let voter = (boss.index + 1) % 3;
    site.node(voter).stop();
    site.gone(voter);
    site.raise_term(voter, 7);
    let term = site.node(boss.index).status().expect("it answers").this.term;
    site.start_node(voter).expect("started");
    site.until("the boss in the higher term", |seen| {
        (seen[boss.index].status()?.this.term >= term + 7).then_some(())
    });
    site.agree_on(&boss);
    let effects = site.judge(Some(&boss));
    assert_eq!(effects.len(), 1, "a refresh runs no hook: {effects:?}");
}

#[test]
fn a_voter_behind_a_bridge_with_a_higher_term_does_not_end_the_boss() {
    let Some(mut site) = site(5) else { return };
    let boss = site.boss();
    let rest = others(&site, &[boss.index]);
    let (voter, bridge) = (rest[0], rest[1]);
    site.node(voter).stop();
    site.gone(voter);
    site.raise_term(voter, 3);
    site.set_firewall(Firewall::open(5).behind_bridge(voter, bridge));
    let term = site.node(boss.index).status().expect("it answers").this.term;
    site.start_node(voter).expect("started");
    let over = site.node(bridge).name.clone();
    site.until("a voter that reaches the bridge", |seen| {
        seen[voter].status()?.member(&over)?.connected.then_some(())
    });
    renewals(&mut site, &boss, 5);
    site.heal();
    site.until("the boss in the higher term", |seen| {
        (seen[boss.index].status()?.this.term >= term + 3).then_some(())
    });
    site.agree_on(&boss);
    site.judge(Some(&boss));
}

#[test]
fn a_node_two_versions_behind_campaigns_in_vain() {
    let Some(mut site) = site(3) else { return };
    let first = site.boss();
    let behind = (first.index + 1) % 3;
    site.set_firewall(Firewall::open(3).isolate(behind));
    let version =
        |site: &Site, host: usize| site.node(host).status().expect("it answers").this.state_version;
    let old = version(&site, behind);
    // Its end, its hold-off, and the claim of the next: more than two versions.
    let after = handed_over(&mut site, &first);
    assert!(version(&site, after.index).index >= old.index + 2, "two versions on");
    // The one behind is reached by the follower alone, as the boss is lost.
    site.power_off(after.index);
    site.heal();
    let last = site.boss_after(&after);
    assert_ne!(last.index, after.index);
    let now = version(&site, last.index);
    assert!(
        (now.term, now.index) > (old.term, old.index),
        "nothing committed was forgotten: {now:?} after {old:?}"
    );
    site.power_on(after.index);
    site.agree_on(&last);
    site.judge(Some(&last));
}

/// The boss after one that resigned, once the first knows it.
fn handed_over(site: &mut Site, first: &Acting) -> Acting {
    resign(site, first);
    let second = successor(site, first);
    site.until("a second who has told the first", |seen| {
        let boss = seen[first.index].status()?.boss.clone()?;
        (boss.epoch == second.epoch).then_some(())
    });
    second
}
