//! `failback = "auto"`: a better node that is back takes over when it has been well for the whole
//! delay, and not after a switchover.

use bossctl::playground::cluster::Plan;
use control::interface::Switchover;
use harness::{Acting, Bed, agreed, boot_ns};

use crate::steps::{all_say, quick, renewals, whole};

const ALPHA: usize = 0;

/// Three voters of which alpha is the best.
fn with_delay(delay: &str) -> Plan {
    let mut plan = quick(&["alpha", "beta", "gamma"]);
    plan.election = format!("failback = \"auto\"\nfailback-delay = \"{delay}\"");
    plan.members[ALPHA].priority = 200;
    plan
}

/// Waits until alpha is boss, by its rank or by failback.
fn alpha_is_boss(bed: &mut Bed) -> Acting {
    bed.until("alpha as boss", |seen| agreed(seen).filter(|it| it.index == ALPHA));
    whole(bed)
}

/// Waits until the boss hears alpha, or has heard nothing of it for longer than a lease.
fn heard(bed: &mut Bed, boss: &Acting, wanted: bool) {
    bed.until(if wanted { "alpha is heard" } else { "alpha is silent" }, |seen| {
        let status = seen[boss.index].status()?;
        let member = status.member("alpha")?;
        let silent = member.last_seen_ms.is_none_or(|seen| seen > status.timing.lease_ms);
        (silent != wanted).then_some(())
    });
}

/// When the last boss's hooks began, counted from `since_ns`, in milliseconds.
fn promoted_after_ms(bed: &Bed, boss: &Acting, since_ns: u64) -> u64 {
    let effects = bed.judge(Some(boss));
    let last = effects.last().expect("judged");
    assert_eq!(last.epoch, boss.epoch);
    last.from_ns.saturating_sub(since_ns) / 1_000_000
}

#[test]
fn a_better_node_that_is_back_takes_over_after_the_delay_which_a_flap_begins_anew() {
    let mut bed = Bed::start(&with_delay("1s"));
    let first = alpha_is_boss(&mut bed);
    bed.host_dies(ALPHA);
    let second = bed.boss_after(&first);
    let started_ns = boot_ns();
    bed.start_node(ALPHA).expect("started");
    let third = bed.boss_after(&second);
    assert_eq!(third.index, ALPHA);
    let after_ms = promoted_after_ms(&bed, &third, started_ns);
    assert!(after_ms >= 1_000, "{after_ms} ms after its start");

    let third = whole(&mut bed);
    bed.host_dies(ALPHA);
    let fourth = bed.boss_after(&third);
    bed.start_node(ALPHA).expect("started");
    heard(&mut bed, &fourth, true);
    bed.set_isolated(ALPHA, true);
    heard(&mut bed, &fourth, false);
    let healed_ns = boot_ns();
    bed.set_isolated(ALPHA, false);
    let fifth = bed.boss_after(&fourth);
    assert_eq!(fifth.index, ALPHA);
    let after_ms = promoted_after_ms(&bed, &fifth, healed_ns);
    assert!(after_ms >= 1_000, "{after_ms} ms after it could be heard again");
}

#[test]
fn after_a_switchover_a_better_node_waits_for_the_next_unclean_change() {
    let mut bed = Bed::start(&with_delay("1s"));
    let first = alpha_is_boss(&mut bed);
    bed.client(ALPHA).switchover(&Switchover { to: "beta".to_owned() }).expect("it can");
    let second = bed.boss_after(&first);
    assert_eq!(second.name, "beta");
    all_say(&mut bed, "that the boss stays", |status| status.stay);
    let second = whole(&mut bed);
    // Nearly twice the delay.
    renewals(&mut bed, &second, 18);
    bed.host_dies(second.index);
    let third = bed.boss_after(&second);
    assert_eq!(third.index, ALPHA);
    all_say(&mut bed, "that failback counts again", |status| !status.stay);
    bed.judge(Some(&third));
}
