//! Who becomes boss, what all say about it, and in which order hooks are called.

use std::fs;

use harness::{Acting, Bed, agreed, plan, until};

use crate::{three, with_script};

#[test]
fn the_voter_of_the_highest_priority_becomes_boss() {
    let mut plan = three();
    for (member, priority) in plan.members.iter_mut().zip([50, 100, 200]) {
        member.priority = priority;
    }
    let mut bed = Bed::start(&plan);
    let boss = bed.boss();
    assert_eq!(boss.name, "gamma");
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.len(), 1, "nobody else was boss before: {effects:?}");
}

#[test]
fn a_single_node_is_boss_of_itself() {
    let mut bed = Bed::start(&plan(&["alpha"]));
    let boss = bed.boss();
    bed.judge(Some(&boss));
}

#[test]
fn all_nodes_say_the_same() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    bed.until("three documents of the same content", |seen| {
        let documents: Option<Vec<_>> = seen.iter().map(|seen| seen.status()).collect();
        let documents = documents?;
        let same = |a: &control::model::Status, b: &control::model::Status| {
            let members = |status: &control::model::Status| {
                let names = status.members.iter();
                names
                    .map(|m| (m.name.clone(), m.address.clone(), m.boss, m.leader))
                    .collect::<Vec<_>>()
            };
            a.cluster_id == b.cluster_id
                && a.this.state_version == b.this.state_version
                && a.this.term == b.this.term
                && a.quorum == b.quorum
                && a.timing == b.timing
                && members(a) == members(b)
        };
        documents.iter().all(|document| same(document, documents[0])).then_some(())
    });
    bed.judge(Some(&boss));
}

#[test]
fn hooks_are_called_in_order_and_demoted_in_reverse() {
    let script = "#!/bin/sh\necho \"$BOSS_NODE ${0##*/} $1\" >> \"${0%/*}/../../order.log\"\n";
    let plan = with_script(with_script(three(), "20-first", script), "30-second", script);
    let mut bed = Bed::start(&plan);
    let first = bed.boss();
    let calls = |bed: &Bed, node: &str| -> Vec<String> {
        let log = fs::read_to_string(bed.dir().join("order.log")).unwrap_or_default();
        let own = log.lines().filter_map(|line| line.strip_prefix(node));
        own.map(|call| call.trim().to_owned()).collect()
    };
    bed.client(first.index)
        .resign(&control::interface::Resign { force: None })
        .expect("two others could");
    let second = bed.boss_after(&first);
    assert_ne!(first.name, second.name);
    let expected = [
        "20-first promote",
        "30-second promote",
        "30-second demote",
        "20-first demote",
        "20-first follow",
        "30-second follow",
    ];
    until("the old boss follows the new one", || {
        let calls = calls(&bed, &first.name);
        // Whether it heard of an earlier boss, and followed, before it was promoted is open.
        let from = calls.iter().position(|call| call.ends_with("promote"))?;
        (calls.len() >= from + expected.len()).then(|| assert_eq!(calls[from..], expected))
    });
    bed.node(first.index).stop();
    assert!(bed.gone(first.index).expect("ended").success());
    let calls = calls(&bed, &first.name);
    assert_eq!(calls[calls.len() - 2..], ["20-first stop", "30-second stop"]);
    bed.judge(Some(&second));
}

#[test]
fn a_node_whose_promote_fails_is_passed_over() {
    let script = "#!/bin/sh\ntest \"$1 $BOSS_NODE\" != 'promote alpha'\n";
    let mut plan = with_script(three(), "20-fails", script);
    plan.members[0].priority = 200;
    let mut bed = Bed::start(&plan);
    let boss: Acting = bed.boss();
    assert_ne!(boss.name, "alpha");
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects[0].node, "alpha", "it was tried first, and taken back: {effects:?}");
}

#[test]
fn clusters_that_share_a_log_are_caught_by_the_judge() {
    let mut one = Bed::start(&plan(&["alpha"]));
    let mut other = Bed::prepare(&plan(&["beta"]));
    other.witness_into(&one.dir().join("witness.log"));
    other.start_all().expect("started");
    one.boss();
    other.until("the other boss", agreed);
    let verdict = harness::judge::judge(&one.lines(), Some("alpha"));
    assert!(
        matches!(
            verdict,
            Err(harness::judge::Violation::Overlap { .. } | harness::judge::Violation::Epoch { .. })
        ),
        "two bosses and the judge says {verdict:?}"
    );
}
