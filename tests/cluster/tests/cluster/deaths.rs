//! Processes and hosts that die or freeze, at rest and in the middle of a promote.

use std::fs;

use control::model::Phase;
use harness::{Acting, Bed, Seen, acting, boot_ns, until};
use nix::sys::signal::{Signal, kill};

use crate::{three, with_script};

/// A promote hook that says that it runs and waits for a file. What a killed one would still do is
/// told by `late.log`.
const GATE: &str = "#!/bin/sh\ntest \"$1\" = promote || exit 0\n\
    echo \"$BOSS_NODE\" >> \"${0%/*}/../../gate.log\"\n\
    while ! test -e \"${0%/*}/../../open\"; do sleep 0.02; done\n\
    echo \"$BOSS_NODE\" >> \"${0%/*}/../../late.log\"\n";

#[test]
fn a_killed_elector_is_replaced_and_the_boss_lets_go_at_once() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let elector = bed.node(before.index).elector().expect("it runs");
    let executor = bed.node(before.index).executor();
    kill(elector, Signal::SIGKILL).expect("killed");
    let after = bed.boss_after(&before);
    let status = bed.node(before.index).status().expect("it answers again");
    assert_ne!(status.pids.elector, elector.as_raw().unsigned_abs());
    assert_eq!(bed.node(before.index).executor(), executor);
    bed.judge(Some(&after));
}

#[test]
fn a_killed_executor_is_cleaned_up_after() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let executor = bed.node(before.index).executor().expect("it runs");
    kill(executor, Signal::SIGKILL).expect("killed");
    bed.gone(before.index);
    let after = bed.boss_after(&before);
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
    bed.start_node(before.index).expect("started");
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_pause_of_the_election_thread_is_measured_shown_and_told() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    let timing = bed.node(follower).status().expect("it answers").timing;
    let elector = bed.node(follower).elector().expect("it runs");
    // Twice a third of the lease: more than what is told, less than what a cluster minds.
    let pause_ms = timing.lease_ms * 2 / 3;
    kill(elector, Signal::SIGSTOP).expect("stopped");
    let from = boot_ns();
    until("the pause is over", || (boot_ns() - from > pause_ms * 1_000_000).then_some(()));
    kill(elector, Signal::SIGCONT).expect("continued");
    let line = bed.logged(follower, "the election's loop stood still for");
    assert!(line.contains("WARN"), "{line}");
    bed.until("the pause in the status", |seen| {
        let status = seen[follower].status()?;
        // The timer that was due may have been almost a picture's age ahead.
        (status.max_loop_gap_us / 1_000 > timing.lease_ms / 3).then_some(())
    });
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn an_elector_that_hangs_for_ever_is_ended_and_replaced() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    let elector = bed.node(follower).elector().expect("it runs");
    kill(elector, Signal::SIGSTOP).expect("stopped");
    bed.logged(follower, "the elector has said nothing for");
    bed.until("a new elector", |seen| {
        let pid = seen[follower].status()?.pids.elector;
        (pid != elector.as_raw().unsigned_abs()).then_some(())
    });
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_follower_whose_processes_die_does_not_disturb_the_boss() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    let elector = bed.node(follower).elector().expect("it runs");
    kill(elector, Signal::SIGKILL).expect("killed");
    bed.until("a new elector", |seen| {
        let pid = seen[follower].status()?.pids.elector;
        (pid != elector.as_raw().unsigned_abs()).then_some(())
    });
    bed.agree_on(&boss);
    kill(bed.node(follower).executor().expect("it runs"), Signal::SIGKILL).expect("killed");
    bed.gone(follower);
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.last().map(|effect| effect.epoch), Some(boss.epoch), "no hook ran");
}

#[test]
fn a_lost_host_is_replaced() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    bed.host_dies(before.index);
    let after = bed.boss_after(&before);
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
    bed.start_node(before.index).expect("started");
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn three_bosses_lost_in_a_row_leave_one_that_acts() {
    let mut bed = Bed::start(&harness::plan(&["alpha", "beta", "gamma", "delta", "epsilon"]));
    let mut boss = bed.boss();
    for _ in 0..2 {
        bed.host_dies(boss.index);
        boss = bed.boss_after(&boss);
    }
    // Without a quorum there is no boss, and with one again there is.
    let lost = boss.clone();
    bed.host_dies(lost.index);
    bed.until("two who know no boss", |seen| {
        let up: Vec<_> = seen.iter().filter_map(Seen::status).collect();
        (up.len() == 2 && up.iter().all(|status| status.this.phase == Phase::Idle)).then_some(())
    });
    bed.judge(None);
    bed.start_node(lost.index).expect("started");
    let after = bed.boss_after(&lost);
    bed.judge(Some(&after));
}

#[test]
fn an_elector_frozen_beyond_its_lease_comes_back_as_a_follower() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let elector = bed.node(before.index).elector().expect("it runs");
    kill(elector, Signal::SIGSTOP).expect("stopped");
    let after = bed.until("another boss while the first is frozen", |seen| {
        acting(seen).filter(|acting| acting.epoch > before.epoch)
    });
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
    kill(elector, Signal::SIGCONT).expect("continued");
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_frozen_executor_keeps_its_lease_and_nobody_else_becomes_boss() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let executor = bed.node(before.index).executor().expect("it runs");
    kill(executor, Signal::SIGSTOP).expect("stopped");
    // Five seconds of cluster time: the leader's state moves on while nothing else does.
    let leader = before.index;
    let mut renewals = 0;
    let mut left = None;
    bed.until("many renewals of the lease", |seen| {
        let now = seen[leader].status()?.this.lease_left_ms;
        renewals += u32::from(now.is_some() && now != left);
        left = now;
        (renewals > 10).then_some(())
    });
    bed.agree_on(&before);
    kill(executor, Signal::SIGCONT).expect("continued");
    let client = control::interface::Resign { force: None };
    bed.client(before.index).resign(&client).expect("two others could");
    let after = bed.boss_after(&before);
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
}

#[test]
fn an_elector_killed_in_the_middle_of_a_promote_takes_the_promote_with_it() {
    let mut bed = Bed::start(&with_script(three(), "50-gate", GATE));
    let promoting = promoting(&mut bed);
    let elector = bed.node(promoting.index).elector().expect("it runs");
    kill(elector, Signal::SIGKILL).expect("killed");
    demoted(&bed, &promoting);
    assert_eq!(late(&bed), "", "the hook of the killed promote went on");
    open(&bed);
    let after = bed.boss_after(&promoting);
    bed.judge(Some(&after));
}

#[test]
fn an_executor_killed_in_the_middle_of_a_promote_takes_the_promote_with_it() {
    let mut bed = Bed::start(&with_script(three(), "50-gate", GATE));
    let promoting = promoting(&mut bed);
    let executor = bed.node(promoting.index).executor().expect("it runs");
    kill(executor, Signal::SIGKILL).expect("killed");
    // Also the hook that the executor left behind.
    bed.gone(promoting.index);
    demoted(&bed, &promoting);
    assert_eq!(late(&bed), "", "the hook of the killed promote went on");
    open(&bed);
    let after = bed.boss_after(&promoting);
    assert_ne!(after.name, promoting.name);
    bed.judge(Some(&after));
}

/// Waits until a node is in the middle of its promote hooks.
fn promoting(bed: &mut Bed) -> Acting {
    bed.until("a node that promotes", |seen| {
        seen.iter().enumerate().find_map(|(index, seen)| {
            let status = seen.status().filter(|it| it.this.phase == Phase::Promoting)?;
            let boss = status.boss.as_ref().filter(|boss| boss.node == status.node)?;
            Some(Acting { index, name: boss.node.clone(), epoch: boss.epoch })
        })
    });
    until("the gate, which comes after the witness", || {
        let log = fs::read_to_string(bed.dir().join("gate.log")).unwrap_or_default();
        (!log.is_empty()).then_some(())
    });
    let line = until("the witness's promote", || {
        bed.lines().into_iter().rev().find(|line| line.event == "promote")
    });
    let index = bed.index_of(&line.node).expect("one of ours");
    Acting { index, name: line.node, epoch: line.epoch.expect("a promote has one") }
}

fn demoted(bed: &Bed, node: &Acting) {
    until("the end of the demote", || {
        let its = |line: &&harness::judge::Line| {
            let is_end = line.edge == harness::judge::Edge::End;
            line.node == node.name && line.event == "demote" && is_end
        };
        bed.lines().iter().find(its).map(|_| ())
    });
}

fn open(bed: &Bed) {
    fs::write(bed.dir().join("open"), "").expect("our own directory");
}

fn late(bed: &Bed) -> String {
    fs::read_to_string(bed.dir().join("late.log")).unwrap_or_default()
}
