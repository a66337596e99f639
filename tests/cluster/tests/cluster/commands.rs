//! What an operator asks for: resign, switchover, drain and undrain, and a stop in order.

use control::client::ClientError;
use control::interface::{Drain, RefusalKind, Resign, Switchover, Undrain};
use control::model::Status;
use harness::{Bed, Seen, agreed};

use crate::steps::stop_all;
use crate::three;

#[test]
fn a_boss_that_resigns_is_succeeded_by_another() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    bed.client(before.index).resign(&Resign { force: None }).expect("two others could");
    let after = bed.boss_after(&before);
    assert_ne!(after.name, before.name);
    bed.judge(Some(&after));
}

#[test]
fn a_switchover_asked_of_any_node_makes_the_named_one_boss() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let to = (before.index + 1) % 3;
    let asked = (before.index + 2) % 3;
    let name = bed.node(to).name.clone();
    bed.client(asked).switchover(&Switchover { to: name.clone() }).expect("it can");
    let after = bed.boss_after(&before);
    assert_eq!(after.name, name);
    bed.judge(Some(&after));
}

#[test]
fn a_switchover_to_nobody_or_to_a_drained_node_is_refused() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let drained = bed.node((boss.index + 1) % 3).name.clone();
    let drain =
        Drain { node: Some(drained.clone()), reason: Some("disk".to_owned()), ..Drain::default() };
    bed.client(boss.index).drain(&drain).expect("it is not even boss");
    for (to, kind) in [("delta", RefusalKind::UnknownNode), (&drained, RefusalKind::NobodyEligible)]
    {
        let answer = bed.client(boss.index).switchover(&Switchover { to: to.to_owned() });
        match answer {
            Err(ClientError::Refused(refusal)) => {
                assert!(refusal.text.contains(to), "{refusal:?}");
                let fits = refusal.kind == kind || refusal.kind == RefusalKind::Refused;
                assert!(fits, "{refusal:?}");
            }
            other => panic!("switchover to {to}: {other:?}"),
        }
    }
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_drained_boss_hands_over_and_stays_out_until_undrained() {
    let mut bed = Bed::start(&three());
    let first = bed.boss();
    let drain = Drain {
        node: Some(first.name.clone()),
        reason: Some("new disk".to_owned()),
        ..Drain::default()
    };
    bed.client(first.index).drain(&drain).expect("two others could");
    let second = bed.boss_after(&first);
    assert_ne!(second.name, first.name);
    stop_all(&mut bed);
    bed.judge(None);
    bed.start_all().expect("started");
    let third = bed.boss_after(&second);
    assert_ne!(third.name, first.name, "a drain survives the restart of all");
    let drained = |status: &Status| status.member(&first.name).map(|it| it.drained.is_some());
    let status = bed.node(third.index).status().expect("it answers");
    assert_eq!(drained(&status), Some(true));
    let undrain = Undrain { node: Some(first.name.clone()) };
    bed.client(third.index).undrain(&undrain).expect("it is drained");
    bed.until("nobody drained and the node eligible again", |seen| {
        let told = seen.iter().filter_map(Seen::status).all(|it| drained(it) == Some(false));
        let eligible = seen[first.index].status().is_some_and(|it| it.this.eligible);
        (told && eligible).then_some(())
    });
    let to = Switchover { to: first.name.clone() };
    bed.client(third.index).switchover(&to).expect("it can again");
    let fourth = bed.boss_after(&third);
    assert_eq!(fourth.name, first.name);
    bed.judge(Some(&fourth));
}

#[test]
fn a_boss_that_is_stopped_hands_over_in_order_first() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    bed.node(before.index).stop();
    let after = bed.boss_after(&before);
    assert!(bed.gone(before.index).expect("ended").success());
    assert_ne!(after.name, before.name);
    let effects = bed.judge(Some(&after));
    let [.., old, new] = effects.as_slice() else { panic!("two effects: {effects:?}") };
    let gap_ms = (new.from_ns - old.to_ns.expect("judged")) / 1_000_000;
    // A lost host costs at least the promise and the fence window, 1.1 s with profile `lan`.
    assert!(gap_ms < 700, "{gap_ms} ms from the end of the demote to the next promote");
}

#[test]
fn a_resignation_that_nobody_could_follow_is_refused_without_force() {
    let mut bed = Bed::start(&harness::plan(&["alpha"]));
    let boss = bed.boss();
    match bed.client(0).resign(&Resign { force: None }) {
        Err(ClientError::Refused(refusal)) => {
            assert_eq!(refusal.kind, RefusalKind::NobodyEligible, "{refusal}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bed.until("the boss", agreed), boss);
    bed.judge(Some(&boss));
}
