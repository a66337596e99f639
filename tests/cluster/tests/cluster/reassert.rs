//! A boss that finds a lost member again has its hooks announce anew what they hold: once, on the
//! boss alone, and never in the way of a demote.

use harness::{Acting, Bed, until};
use nix::sys::signal::{Signal, kill};

use crate::hooks_under_fire::{HANGS, all_forked_end, does, jobs, wrote};

#[test]
fn a_boss_that_finds_a_lost_member_again_reasserts_and_nobody_else_does() {
    let mut bed = Bed::start(&jobs());
    let boss = bed.boss();
    for index in 0..3 {
        does(
            &bed,
            index,
            "reassert",
            "echo \"$BOSS_EPOCH $BOSS_STATE $BOSS_REASON\" >>\"$d/calls\"\n",
        );
    }
    let lost = (boss.index + 1) % 3;
    let name = bed.node(lost).name.clone();
    lose_and_find(&mut bed, &boss, lost);
    let said = until("a reassert", || wrote(&bed, boss.index, "calls").first().cloned());
    assert_eq!(said, format!("{} MASTER {name} is back", boss.epoch));
    bed.agree_on(&boss);
    for other in (0..3).filter(|index| *index != boss.index) {
        assert!(wrote(&bed, other, "calls").is_empty(), "it is not the boss");
    }
    // One that fails is told and changes nothing, and takes what it forked with it.
    does(&bed, boss.index, "reassert", &format!("{FORKS}exit 7\n"));
    lose_and_find(&mut bed, &boss, lost);
    bed.logged(boss.index, "50-job exited with status 7");
    all_forked_end(&bed, boss.index);
    bed.agree_on(&boss);
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.last().map(|effect| effect.epoch), Some(boss.epoch), "nothing was demoted");
    let witnessed = bed.lines();
    assert!(witnessed.iter().any(|line| line.event == "reassert"), "the judge saw them");
}

#[test]
fn a_demote_does_not_wait_for_a_reassert_that_hangs() {
    let mut bed = Bed::start(&jobs());
    let boss = bed.boss();
    does(&bed, boss.index, "reassert", HANGS);
    lose_and_find(&mut bed, &boss, (boss.index + 1) % 3);
    until("a reassert that hangs", || wrote(&bed, boss.index, "hangs").pop());
    // hooks.timeout is not over: what ends it is the demote, with the whole tree.
    kill(bed.node(boss.index).elector().expect("it runs"), Signal::SIGKILL).expect("killed");
    let line = bed.logged(boss.index, "50-job was killed after");
    assert!(line.contains("what is due now does not wait for it"), "{line}");
    all_forked_end(&bed, boss.index);
    let after = bed.boss_after(&boss);
    bed.judge(Some(&after));
}

/// A grandchild in a session of its own.
const FORKS: &str = "setsid sh -c 'sh -c \"echo \\$\\$ >>$0/forked; exec sleep 600\" &' \"$d\"\n\
    while ! [ -s \"$d/forked\" ]; do sleep 0.02; done\n";

/// Cuts a member off until the boss has lost it, and joins it again.
fn lose_and_find(bed: &mut Bed, boss: &Acting, lost: usize) {
    let name = bed.node(lost).name.clone();
    let connected = |bed: &mut Bed, wanted: bool| {
        bed.until(&format!("{name} is connected: {wanted}"), |seen| {
            let member = seen[boss.index].status()?.member(&name)?;
            (member.connected == wanted).then_some(())
        });
    };
    bed.set_isolated(lost, true);
    connected(bed, false);
    bed.set_isolated(lost, false);
    connected(bed, true);
    bed.agree_on(boss);
}
