//! Hooks that hang, that leave something behind, and that lie.

use control::model::Level;
use harness::until;
use network::hooks::script;
use network::{Firewall, Options, Site, plan};

use crate::{allowed, others, resign, site, successor};

#[test]
fn a_promote_that_hangs_is_ended_and_another_host_takes_over() {
    if !allowed() {
        return;
    }
    let mut plan = plan(3);
    plan.members[0].priority = 200;
    for member in &mut plan.members {
        member.hook_timeout = "1s".to_owned();
    }
    let mut site = Site::prepare(&plan, Options::default());
    site.hold(0, "promote", true);
    site.start_all().expect("started");
    let boss = site.boss();
    assert_ne!(boss.name, "alpha");
    site.answered_by(boss.index);
    let effects = site.judge(Some(&boss));
    assert_eq!(effects[0].node, "alpha", "it was tried first, and taken back: {effects:?}");
    assert!(site.at_gate(0, "promote") > 0 && site.at_gate(0, "demote") > 0);
    assert_eq!(site.node(0).processes().len(), 2, "bossd's own, and not the hook that hung");
}

#[test]
fn a_demote_that_hangs_in_an_emergency_is_ended_in_time_and_said_to_be_unsafe() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.hold(before.index, "demote", true);
    site.set_firewall(Firewall::open(3).isolate(before.index));
    let after = successor(&mut site, &before);
    assert_ne!(after.index, before.index);
    site.until("the one that could not let go says so", |seen| {
        (seen[before.index].status()?.posture.level == Level::Unsafe).then_some(())
    });
    // The other hooks had their share of the time: nothing of theirs is left.
    site.answered_by(after.index);
    site.judge(Some(&after));
    site.hold(before.index, "demote", false);
    site.node(before.index).stop();
    site.gone(before.index);
    site.heal();
    site.revive(before.index);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn what_a_failed_promote_left_in_another_session_holds_no_address() {
    if !allowed() {
        return;
    }
    let mut plan = plan(3);
    plan.members[0].priority = 200;
    let mut site = Site::prepare(&plan, Options::default());
    site.set_stray(0, true);
    site.start_all().expect("started");
    let boss = site.boss();
    assert_ne!(boss.name, "alpha");
    assert!(site.strays(0) > 0, "it never ran");
    assert_eq!(site.node(0).processes().len(), 2, "bossd's own, and nothing else");
    site.answered_by(boss.index);
    site.judge(Some(&boss));
}

/// Outside the promise, and the manual says so: the hooks' word is believed, and only what looks at
/// the thing itself sees two.
#[test]
fn a_demote_that_lies_is_seen_by_those_who_look_at_the_address_alone() {
    if !allowed() {
        return;
    }
    let mut plan = plan(3);
    for member in &mut plan.members {
        let lie = script(
            "20-address",
            "#!/bin/sh\n\
            test \"$1\" != promote || ip address replace 10.77.0.200/24 dev eth0\n",
        );
        member.hooks.retain(|hook| hook.name != "20-address");
        member.hooks.push(lie);
    }
    let mut site = Site::start(&plan, Options::default());
    let before = site.boss();
    site.answered_by(before.index);
    resign(&site, &before);
    let after = site.boss_after(&before);
    let double = until("the address on two hosts", || {
        site.address().doubles().expect("watched").first().cloned()
    });
    let pair = [double.first, double.second];
    assert!(pair.contains(&before.index) && pair.contains(&after.index), "{double}");
    assert_eq!(others(&site, &pair).len(), 1);
    let status = site.node(after.index).status().expect("it answers");
    assert_ne!(status.posture.level, Level::Unsafe, "bossd cannot know: {:?}", status.posture);
    harness::judge::judge(&site.lines(), Some(&after.name)).expect("the witnesses cannot either");
}
