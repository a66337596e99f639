//! Clusters of an even size: half of the votes is no quorum, on either side.

use control::interface::RefusalKind;
use control::model::{Phase, Standing};
use harness::{Bed, Seen};

use crate::steps::{drain, nobody_acts, quick, refused};

/// Cuts all links between these two groups, or joins them again.
fn set_apart(bed: &Bed, one: &[usize], other: &[usize], apart: bool) {
    for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
        bed.set_cut(a, b, apart);
        bed.set_cut(b, a, apart);
    }
}

/// Waits until each of these groups has been seen asking for votes again and again, and nobody acts
/// or leads all the while.
fn each_asks_in_vain(bed: &mut Bed, groups: &[&[usize]]) {
    const LOOKS: u32 = 5;
    nobody_acts(bed);
    let mut asked = vec![0; groups.len()];
    bed.until("halves that ask in vain", |seen| {
        for (group, asked) in groups.iter().zip(&mut asked) {
            let standing = |index: &usize| seen[*index].status().map(|it| it.this.standing);
            let asks = |index| standing(index) == Some(Standing::PreCandidate);
            *asked += u32::from(group.iter().any(asks));
        }
        let leads = |seen: &Seen| {
            seen.status().is_some_and(|status| {
                status.this.standing == Standing::Leader || status.this.phase != Phase::Idle
            })
        };
        assert!(!seen.iter().any(leads), "half a cluster has a leader: {seen:?}");
        asked.iter().all(|asked| *asked >= LOOKS).then_some(())
    });
}

#[test]
fn of_two_that_are_apart_neither_acts_and_together_one_does() {
    let mut bed = Bed::start(&quick(&["alpha", "beta"]));
    let before = bed.boss();
    bed.set_isolated(before.index, true);
    each_asks_in_vain(&mut bed, &[&[0], &[1]]);
    bed.judge(None);
    for asked in 0..2 {
        refused(drain(&bed, asked, "alpha"), RefusalKind::NoQuorum);
    }
    bed.set_isolated(before.index, false);
    let after = bed.boss_after(&before);
    // A host that is lost is no other thing.
    bed.host_dies(after.index);
    each_asks_in_vain(&mut bed, &[&[1 - after.index]]);
    bed.judge(None);
    bed.start_all().expect("started");
    let last = bed.boss_after(&after);
    bed.judge(Some(&last));
}

#[test]
fn of_two_halves_of_four_neither_has_a_boss_and_three_have() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma", "delta"]));
    let before = bed.boss();
    let around: Vec<usize> = (0..4).map(|step| (before.index + step) % 4).collect();
    let (one, other) = around.split_at(2);
    set_apart(&bed, one, other, true);
    each_asks_in_vain(&mut bed, &[one, other]);
    bed.judge(None);
    set_apart(&bed, one, other, false);
    let second = bed.boss_after(&before);
    bed.judge(Some(&second));

    // Half of them lose their power, the boss among them; with one back there are three.
    let with_boss = if one.contains(&second.index) { one } else { other };
    let rest = if one.contains(&second.index) { other } else { one };
    for index in with_boss {
        bed.host_dies(*index);
    }
    each_asks_in_vain(&mut bed, &[rest]);
    bed.judge(None);
    bed.start_node(with_boss[0]).expect("started");
    let third = bed.boss_after(&second);
    bed.judge(Some(&third));
}
