//! A witness: it votes, and never becomes boss, though it may have to lead.

use control::model::Kind;
use harness::Bed;

use crate::steps::{drain, leads_and_nobody_acts, quick, renewals, undrain};
use crate::three;

#[test]
fn a_witness_votes_and_never_becomes_boss() {
    let mut plan = three();
    plan.members[0].kind = Kind::Witness;
    plan.members[0].priority = 254;
    let mut bed = Bed::start(&plan);
    let first = bed.boss();
    assert_ne!(first.name, "alpha");
    // The other voter has a quorum only with the witness.
    bed.host_dies(first.index);
    let second = bed.boss_after(&first);
    assert!(!["alpha", first.name.as_str()].contains(&second.name.as_str()));
    bed.judge(Some(&second));
}

#[test]
fn a_witness_leads_as_a_last_resort_and_hands_over_to_whom_is_taken_back() {
    const WITNESS: usize = 2;
    let mut plan = quick(&["alpha", "beta", "gamma"]);
    plan.members[WITNESS].kind = Kind::Witness;
    plan.members[WITNESS].priority = 254;
    let mut bed = Bed::start(&plan);
    let first = bed.boss();
    let other = 1 - first.index;
    let name = bed.node(other).name.clone();
    bed.host_dies(other);
    // Every renewal rests on the witness's reply now, and the drain on its vote.
    renewals(&mut bed, &first, 10);
    drain(&bed, first.index, &name).expect("the boss could");
    bed.host_dies(first.index);
    bed.start_node(other).expect("started");
    // The one that is back has an older state and is given no votes (V3), so that the witness leads.
    assert_eq!(leads_and_nobody_acts(&mut bed), WITNESS);
    bed.judge(None);
    undrain(&bed, other, &name).expect("the witness leads");
    let second = bed.boss_after(&first);
    assert_eq!(second.index, other);
    let effects = bed.judge(Some(&second));
    assert!(effects.iter().all(|effect| effect.node != "gamma"), "{effects:?}");
}
