//! A pause: nobody new becomes boss until it is resumed or its time is over, a lease that is lost
//! still demotes, and it outlives everything.

use std::process::Command;

use control::client::ClientError;
use control::interface::{Pause, RefusalKind, Resign, Switchover};
use control::model::{Level, Standing, Status};
use harness::{Bed, Seen, acting, bossctl};

use crate::steps::{
    all_say, leads_and_nobody_acts, lose_power, nobody_acts, quick, refused, stop_all,
    wall_ahead_ns,
};

fn pause(bed: &Bed, asked: usize) {
    let reason = Some("new switches".to_owned());
    let done = bed.client(asked).pause(&Pause { reason, for_s: None }).expect("accepted");
    assert_eq!(done.undo.as_deref(), Some("bossctl resume"));
}

fn is_paused(status: &Status) -> bool {
    let reason = status.paused.as_ref().and_then(|paused| paused.reason.as_deref());
    reason == Some("new switches")
}

#[test]
fn while_paused_a_lost_boss_has_no_successor_until_resumed() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let before = bed.boss();
    let (one, other) = ((before.index + 1) % 3, (before.index + 2) % 3);
    pause(&bed, one);
    all_say(&mut bed, "paused, and that it is degraded", |status| {
        is_paused(status)
            && status.posture.level == Level::Degraded
            && status.posture.reasons.iter().any(|why| why.contains("paused (new switches)"))
    });
    for index in 0..3 {
        bed.logged(index, "paused (new switches): nobody new becomes boss");
    }
    // What would need a successor is refused, and the boss stays.
    let resign = bed.client(one).resign(&Resign { force: None });
    let said = refused(resign, RefusalKind::Refused).text;
    assert!(said.contains("paused"), "{said}");
    let to = bed.node(one).name.clone();
    refused(bed.client(one).switchover(&Switchover { to }), RefusalKind::Refused);
    bed.agree_on(&before);

    bed.host_dies(before.index);
    let leader = leads_and_nobody_acts(&mut bed);
    assert_ne!(leader, before.index);
    bed.judge(None);
    let status = bed.node(other).status().expect("it answers");
    assert_eq!(status.posture.level, Level::Unsafe);
    assert!(status.posture.reasons[0].contains("while paused (new switches)"), "{status:?}");
    // A leader without a boss carries out orders all the same.
    let done = bed.client(other).resume().expect("accepted");
    assert_eq!(done.text, "the cluster is no longer paused");
    let after = bed.boss_after(&before);
    all_say(&mut bed, "not paused", |status| status.paused.is_none());
    bed.judge(Some(&after));
    let again = bed.client(other).resume().expect("accepted");
    assert_eq!(again.text, "the cluster was not paused");
}

#[test]
fn while_paused_a_boss_that_loses_its_lease_lets_go_and_does_not_come_back() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let before = bed.boss();
    pause(&bed, before.index);
    bed.set_isolated(before.index, true);
    nobody_acts(&mut bed);
    bed.judge(None);
    leads_and_nobody_acts(&mut bed);
    bed.set_isolated(before.index, false);
    all_say(&mut bed, "connected and paused", |status| {
        status.quorum.connected == 3 && is_paused(status)
    });
    leads_and_nobody_acts(&mut bed);
    let effects = bed.judge(None);
    assert_eq!(effects.len(), 1, "nobody was boss again: {effects:?}");
    bed.client(before.index).resume().expect("accepted");
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}

#[test]
fn a_pause_outlives_the_restart_and_the_loss_of_all() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let before = bed.boss();
    pause(&bed, (before.index + 1) % 3);
    stop_all(&mut bed);
    bed.start_all().expect("started");
    bed.until("a leader, and a pause", |seen| {
        let status =
            seen.iter().filter_map(Seen::status).find(|it| it.this.standing == Standing::Leader);
        status.filter(|status| is_paused(status)).map(|_| ())
    });
    lose_power(&mut bed);
    let leader = leads_and_nobody_acts(&mut bed);
    all_say(&mut bed, "still paused", is_paused);
    bed.judge(None);
    bed.client((leader + 1) % 3).resume().expect("accepted");
    let after = bed.boss_after(&before);
    bed.judge(Some(&after));
}

#[test]
fn a_pause_with_an_end_ends_by_itself_and_not_before() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let before = bed.boss();
    let follower = (before.index + 1) % 3;
    let said = run_bossctl(&bed, follower, &["pause", "--for", "3s", "--reason", "a moment"]);
    assert!(
        said.starts_with("paused until ") && said.ends_with("undo: bossctl resume\n"),
        "{said}"
    );
    bed.host_dies(before.index);
    let until_s =
        bed.until("the end of the pause", |seen| seen[follower].status()?.paused.as_ref()?.until_s);
    let shown = run_bossctl(&bed, follower, &["status"]);
    assert!(shown.contains("(a moment)") && shown.contains("paused   nobody new"), "{shown}");
    let after = bed.boss_after(&before);
    let effects = bed.judge(Some(&after));
    let promoted_ns = effects.last().expect("judged").from_ns + wall_ahead_ns();
    assert!(promoted_ns >= until_s * 1_000_000_000, "promoted at {promoted_ns}: {until_s} s");
    all_say(&mut bed, "not paused", |status| status.paused.is_none());
    bed.logged(after.index, "the time of the pause is over");
}

#[test]
fn a_pause_that_no_quorum_hears_is_refused_and_has_no_effect() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let before = bed.boss();
    bed.set_isolated(before.index, true);
    // The boss takes it, and loses its lease before a majority has it.
    let answer = bed.client(before.index).pause(&Pause::default());
    assert!(matches!(answer, Err(ClientError::Refused(_))), "{answer:?}");
    let after =
        bed.until("another boss", |seen| acting(seen).filter(|acting| acting.epoch > before.epoch));
    bed.set_isolated(before.index, false);
    bed.agree_on(&after);
    bed.until("nobody who says that it is paused", |seen| {
        let paused = |seen: &Seen| seen.status().is_none_or(|status| status.paused.is_some());
        (!seen.iter().any(paused)).then_some(())
    });
    bed.judge(Some(&after));
}

/// Runs the command against a node; what it printed. Its exit status is not looked at: a status that
/// is degraded has one of its own.
fn run_bossctl(bed: &Bed, asked: usize, words: &[&str]) -> String {
    let socket = bed.node(asked).socket();
    let run = Command::new(bossctl()).arg("--socket").arg(socket).args(words).output();
    String::from_utf8(run.expect("it runs").stdout).expect("text")
}
