//! Answers find the command that they belong to, and nobody else's.

use control::interface::{MAX_FOR_S, MAX_REASON};

use super::order::{KINDS, kind_of};
use super::*;

fn waiting_for(
    forwards: &mut Forwards,
    leader: &str,
) -> (u64, oneshot::Receiver<Result<Done, Refusal>>) {
    let (reply, answer) = oneshot::channel();
    forwards.next += 1;
    let leader = NodeId::new(leader);
    forwards.waiting.insert(forwards.next, Waiting::Leader { reply, leader });
    (forwards.next, answer)
}

fn done(id: u64) -> Report {
    Report::new(id, Ok(Done { text: "done".to_owned(), undo: None, epoch: Some(3) }))
}

#[test]
fn an_answer_counts_only_from_the_leader_that_was_asked() {
    let mut forwards = Forwards::new(7);
    let (id, mut answer) = waiting_for(&mut forwards, "alpha");
    forwards.take_report("beta", done(id));
    forwards.take_report("alpha", done(id + 1));
    assert!(answer.try_recv().is_err(), "nobody who counts has answered");
    forwards.take_report("alpha", done(id));
    assert!(answer.try_recv().expect("answered").is_ok());
    forwards.take_report("alpha", done(id));
}

#[test]
fn a_report_does_not_take_away_what_waits_for_this_nodes_own_core() {
    let mut forwards = Forwards::new(7);
    let done_here = Done { text: String::new(), undo: None, epoch: None };
    let peer = Waiting::Peer { node: "beta".to_owned(), id: 1, done: done_here };
    forwards.waiting.insert(5, peer);
    forwards.take_report("gamma", done(5));
    assert!(forwards.waiting.contains_key(&5));
}

#[test]
fn who_waits_for_a_node_that_is_lost_is_told_at_once() {
    let mut forwards = Forwards::new(7);
    let (_, mut of_alpha) = waiting_for(&mut forwards, "alpha");
    let (id, mut of_beta) = waiting_for(&mut forwards, "beta");
    forwards.lost(&NodeId::new("alpha"));
    let told = of_alpha.try_recv().expect("told").expect_err("not done, as far as is known");
    assert_eq!(told.kind, RefusalKind::TryAgain);
    assert!(told.text.contains("alpha led") && told.text.contains("try again"), "{told}");
    assert!(of_beta.try_recv().is_err(), "beta may still answer");
    forwards.take_report("beta", done(id));
    assert!(of_beta.try_recv().expect("answered").is_ok());
}

#[test]
fn ids_differ_from_life_to_life_and_leave_room_to_count() {
    assert_ne!(Forwards::new(1 << 40).next, Forwards::new(1 << 50).next);
    assert!(Forwards::new(u64::MAX).next <= u64::MAX / 2);
}

#[test]
fn too_many_and_abandoned_commands_are_forgotten() {
    let mut forwards = Forwards::new(7);
    let (abandoned, answer) = waiting_for(&mut forwards, "alpha");
    drop(answer);
    let answers: Vec<_> = (0..UNDER_WAY + 5).map(|_| waiting_for(&mut forwards, "alpha")).collect();
    forwards.forget_the_gone();
    assert!(!forwards.waiting.contains_key(&abandoned));
    assert!(forwards.waiting.len() < UNDER_WAY);
    let (newest, _) = answers.last().expect("some");
    assert!(forwards.waiting.contains_key(newest), "the oldest go first");
}

#[test]
fn a_reason_that_nobody_would_take_is_refused_before_it_is_published() {
    let drain =
        |reason| CommandDoc::Drain { node: "beta".to_owned(), reason, force: false, for_s: None };
    let pause = |reason| CommandDoc::Pause { reason, for_s: None };
    for reason in ["a".repeat(MAX_REASON + 1), "a\u{1b}[2J".to_owned()] {
        assert!(core_command(&drain(reason.clone()), 0).is_err());
        assert!(core_command(&pause(reason), 0).is_err());
    }
    assert!(core_command(&drain("new kernel".to_owned()), 0).is_ok());
    assert!(core_command(&pause("new kernel".to_owned()), 0).is_ok());
    assert!(core_command(&CommandDoc::Switchover { to: "no such/name".to_owned() }, 0).is_err());
}

#[test]
fn an_end_is_counted_from_the_leaders_wall_clock_and_is_neither_now_nor_never() {
    let end = |for_s| match core_command(&CommandDoc::Pause { reason: String::new(), for_s }, 5_000)
    {
        Ok(Command::Pause { until, .. }) => Ok(until),
        other => Err(other),
    };
    assert_eq!(end(None), Ok(None));
    assert_eq!(end(Some(1)), Ok(Some(5_001)));
    assert_eq!(end(Some(MAX_FOR_S)), Ok(Some(5_000 + MAX_FOR_S)));
    assert!(end(Some(0)).is_err() && end(Some(MAX_FOR_S + 1)).is_err());
    let node = "beta".to_owned();
    let drain = CommandDoc::Drain { node, reason: String::new(), force: false, for_s: Some(7) };
    assert!(matches!(core_command(&drain, 5_000), Ok(Command::Drain { until: Some(5_007), .. })));
}

#[test]
fn while_the_core_has_a_command_nothing_is_ended_by_the_clock() {
    let mut forwards = Forwards::new(7);
    let _reply = waiting_for(&mut forwards, "alpha");
    assert!(!forwards.is_waiting_for_core(), "another node's core has it");
    for waiting in
        [Waiting::Nobody, Waiting::Peer { node: "b".into(), id: 1, done: Done::default() }]
    {
        forwards.waiting.insert(1, waiting);
        assert!(forwards.is_waiting_for_core());
        forwards.waiting.remove(&1);
    }
}

#[test]
fn a_refusal_keeps_its_kind_over_the_wire() {
    for kind in KINDS {
        let number = KINDS.iter().position(|known| *known == kind).expect("known");
        assert_eq!(kind_of(u8::try_from(number).expect("few")), kind);
    }
    assert_eq!(kind_of(200), RefusalKind::Refused);
}
