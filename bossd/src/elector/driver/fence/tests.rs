//! For whom the command is run, by whom, and when its word counts.

use std::sync::Arc;

use election::{Member, Members, Paused, PeerView};

use super::*;
use crate::elector::control::explain::tests::beta_follows_alpha;

/// Beta, which could be boss, has lost alpha, whose claim stands; gamma, a witness, is connected.
fn lost() -> Snapshot {
    let mut snapshot = beta_follows_alpha().snapshot;
    let peer = |node: &str, connected| PeerView {
        node: NodeId::new(node),
        incarnation: Some(Incarnation(1)),
        connected,
        heard: None,
        facts: None,
    };
    snapshot.peers = vec![peer("alpha", false), peer("gamma", true)];
    snapshot.promise_left = Span::ZERO;
    (snapshot.leader, snapshot.ineligible) = (None, None);
    lives(&mut snapshot, 1);
    snapshot
}

/// Every member has been heard of, in this life.
fn lives(snapshot: &mut Snapshot, life: u128) {
    change(snapshot, |state| {
        let members = state.members.iter().map(|(name, member)| {
            let incarnation = Some(Incarnation(life));
            (name.clone(), Member { incarnation, ..member.clone() })
        });
        state.members = Members::new(members.collect::<Vec<_>>()).expect("valid");
    });
}

fn change(snapshot: &mut Snapshot, how: impl FnOnce(&mut election::ClusterState)) {
    let mut state = (*snapshot.state).clone();
    how(&mut state);
    snapshot.state = Arc::new(state);
}

fn at(ms: u64) -> Moment {
    Moment::default().plus(Span::from_millis(ms))
}

fn targets(orders: &[FenceOrder]) -> Vec<(&str, Option<u64>)> {
    orders.iter().map(|order| (order.target.as_str(), order.epoch)).collect()
}

/// What is run for this within a minute.
fn ever_run(snapshot: &Snapshot) -> usize {
    let mut fences = Fences::default();
    (0..600).map(|tenth| fences.look(at(tenth * 100), snapshot).len()).sum()
}

#[test]
fn a_lost_boss_is_fenced_once_it_has_been_silent_for_the_grace() {
    let (mut fences, snapshot) = (Fences::default(), lost());
    assert_eq!(fences.look(at(0), &snapshot), []);
    assert_eq!(fences.look(at(999), &snapshot), []);
    let orders = fences.look(at(1_000), &snapshot);
    assert_eq!(targets(&orders), [("alpha", Some(1_790_000_007))]);
    assert_eq!(orders[0].address, "10.0.0.1:26770");
    assert_eq!(ever_run(&snapshot), 1, "once for a loss, as long as it has not ended");
    let alpha = NodeId::new("alpha");
    assert_eq!(fences.ended(orders[0].run, &snapshot), Some((alpha.clone(), 0)));
    fences.confirmed(&alpha);
    assert_eq!(fences.look(at(500_000), &snapshot), []);
    assert_eq!(fences.trouble(), None);
}

#[test]
fn what_fails_is_run_again_with_longer_and_longer_pauses_and_is_told() {
    let (mut fences, snapshot) = (Fences::default(), lost());
    let alpha = NodeId::new("alpha");
    let mut begun = Vec::new();
    fences.look(at(0), &snapshot);
    for tenth in 10..2_000 {
        for order in fences.look(at(tenth * 100), &snapshot) {
            begun.push(tenth / 10);
            let (node, failures) = fences.ended(order.run, &snapshot).expect("it counts");
            fences.failed(at(tenth * 100), &node, failures, "exit status: 1".to_owned());
        }
    }
    assert_eq!(begun, [1, 2, 4, 8, 16, 32, 64, 124, 184]);
    assert!(fences.trouble().expect("told").contains("exit status: 1; failures: 9"));
    let mut back = snapshot.clone();
    back.peers[0].connected = true;
    assert_eq!(fences.look(at(200_000), &back), []);
    assert_eq!(fences.trouble(), None, "{alpha} is back");
}

#[test]
fn nobody_is_fenced_who_is_connected_heard_or_not_waited_for() {
    let mut connected = lost();
    connected.peers[0].connected = true;
    let mut heard = lost();
    heard.promise_left = heard.state.timing.promise();
    let mut released = lost();
    change(&mut released, |state| state.claim = Claim::None);
    let mut paused = lost();
    change(&mut paused, |state| {
        state.paused = Some(Paused { until: None, reason: String::new() });
    });
    for (snapshot, why) in
        [(connected, "connected"), (heard, "heard"), (released, "released"), (paused, "paused")]
    {
        assert_eq!(ever_run(&snapshot), 0, "{why}");
    }
}

#[test]
fn one_node_alone_fences_and_only_with_a_quorum() {
    let mut alone = lost();
    alone.peers[1].connected = false;
    let mut unfit = lost();
    unfit.ineligible = Some(election::Ineligible::NotReady);
    let mut led = lost();
    led.leader = Some(NodeId::new("gamma"));
    let mut second = lost();
    change(&mut second, |state| {
        let members = state.members.iter().map(|(name, member)| {
            let mut member = Member { kind: Kind::Voter, drained: None, ..member.clone() };
            member.priority = if name.as_str() == "gamma" { 200 } else { 100 };
            (name.clone(), member)
        });
        state.members = Members::new(members.collect::<Vec<_>>()).expect("valid");
    });
    let wrong = [(alone, "alone"), (unfit, "unfit"), (led, "led"), (second.clone(), "second")];
    for (snapshot, why) in wrong {
        assert_eq!(ever_run(&snapshot), 0, "{why}");
    }
    // Whoever leads does it, preferred or not.
    (second.standing, second.leader) = ("leader", Some(second.me.clone()));
    assert_eq!(ever_run(&second), 1);
}

#[test]
fn a_word_about_an_earlier_loss_claim_or_life_does_not_count() {
    let run = |fences: &mut Fences, snapshot: &Snapshot| {
        fences.look(at(0), snapshot);
        fences.look(at(1_000), snapshot).first().expect("an order").run
    };
    let (mut fences, snapshot) = (Fences::default(), lost());
    let number = run(&mut fences, &snapshot);
    let mut back = snapshot.clone();
    back.peers[0].connected = true;
    fences.look(at(1_100), &back);
    fences.look(at(1_200), &snapshot);
    assert_eq!(fences.ended(number, &snapshot), None, "it was heard in between");

    let mut fences = Fences::default();
    let number = run(&mut fences, &snapshot);
    let mut later = snapshot.clone();
    change(&mut later, |state| {
        if let Claim::Held(held) = &mut state.claim {
            held.epoch.0 += 1;
        }
    });
    assert_eq!(fences.ended(number, &later), None, "it has acted in between");

    let mut fences = Fences::default();
    let number = run(&mut fences, &snapshot);
    let mut other = snapshot.clone();
    lives(&mut other, 2);
    assert_eq!(fences.ended(number, &other), None, "it is another one");
    assert_eq!(fences.ended(number + 1, &snapshot), None, "nobody asked");
}
