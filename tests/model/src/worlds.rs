//! The small worlds, each for what it is to show, in a size for every change (ci) and a larger one
//! (deep).

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::ValueEnum;
use election::{Command, Kind, Policy, Profile, Settings, Span, Timing};

use crate::coverage::Mark;
use crate::setup::{Budget, Setup, Swift, TICK, name_of};

/// How large the worlds are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Tier {
    /// What every change can wait for.
    Ci,
    /// Larger budgets and terms: minutes to hours each.
    Deep,
}

/// h = D = one tick, L = P = `lease` ticks: perfect clocks, so that nothing is left between a lease
/// and the promises that it rests on.
fn timing(lease: u64) -> Timing {
    Timing {
        profile: Profile::Fast,
        heartbeat: TICK,
        lease: TICK.times(lease),
        fence: TICK,
        rho_ppm: 0,
        slot: Span::from_millis(1),
        margin: Span::ZERO,
    }
}

/// All but two whole ticks: the slots that candidates wait for fit in before the tick at which the
/// lease is seen to be over, so that all of them campaign at once.
fn no_slack() -> Timing {
    let less = Span::from_millis(5);
    Timing { lease: TICK.times(2).minus(less), fence: TICK.minus(less), ..timing(2) }
}

fn world(name: &'static str, voters: usize, lease: u64, highest_term: u64) -> Setup {
    Setup {
        name,
        members: vec![Kind::Voter; voters],
        timing: timing(lease),
        rates: Vec::new(),
        terms: Vec::new(),
        alone: None,
        highest_term,
        budget: Budget::default(),
        one_way: false,
        swift: if voters > 2 { Swift::All } else { Swift::Nothing },
        ordered: true,
        slow_disk: false,
        orders: Vec::new(),
        unborn: false,
        broken: None,
        sometimes: &[],
        seen: Arc::default(),
        stop: Arc::default(),
    }
}

fn resign() -> Command {
    Command::Resign { force: false }
}

fn drain(host: usize) -> Command {
    Command::Drain { node: name_of(host), until: None, reason: String::new(), force: false }
}

fn pause() -> Command {
    Command::Pause { until: None, reason: String::new() }
}

/// All of them.
pub(crate) fn all(tier: Tier) -> Vec<Setup> {
    let deep = tier == Tier::Deep;
    let mut worlds = handovers(deep);
    worlds.extend(refreshes(deep));
    worlds.extend(crashes(deep));
    worlds.extend(clocks(deep));
    worlds.extend(members_and_hooks(deep));
    worlds.extend(first_starts(deep));
    worlds.extend(few(deep));
    worlds
}

/// Another lease; everything else stays. Four heartbeats must fit into it: one goes out at every
/// tick all the same.
fn apply(lease: u64) -> Command {
    let timing = Timing { heartbeat: TICK.times(lease).part(4), ..timing(lease) };
    let policy = Policy { hold_off: TICK.times(2), ..Policy::default() };
    Command::Apply(Box::new(Settings { timing, policy, priorities: BTreeMap::new() }))
}

/// M1.
fn handovers(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            budget: Budget { cuts: 2, delays: more, orders: 1 + more, ..Budget::default() },
            orders: vec![resign()],
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::V4Grants, Mark::L2Over, Mark::W2Waits],
            ..world("M1 three voters, handover", 3, 2, if deep { 4 } else { 3 })
        },
        Setup {
            timing: no_slack(),
            budget: Budget { cuts: 1 + more, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::V3Second, Mark::L2Over],
            ..world("M1 three voters, all campaign at once", 3, 2, 3)
        },
        Setup {
            budget: Budget { cuts: 3, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::L2Over, Mark::W2Waited],
            ..world("M1 three voters, links cut and joined", 3, 2, if deep { 5 } else { 4 })
        },
        Setup {
            alone: Some(0),
            timing: Timing { fence: TICK.times(2), ..timing(2) },
            budget: Budget { cuts: 2 + more, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::V4Grants, Mark::W2Waited],
            ..world("M1 three voters, a better voter returns", 3, 2, if deep { 5 } else { 4 })
        },
        Setup {
            budget: Budget { doubles: 1, delays: 1 + more, orders: 1, ..Budget::default() },
            orders: vec![resign()],
            sometimes: &[Mark::Boss, Mark::V4Grants, Mark::V4Ignores],
            ..world("M1 three voters, TakeOver late and twice", 3, 2, if deep { 5 } else { 4 })
        },
        Setup {
            swift: Swift::AllButAnswers,
            timing: no_slack(),
            budget: Budget { cuts: 1 + more, delays: 2, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::L2Over],
            ..world("M1 three voters, answers late", 3, 2, 3)
        },
    ]
}

/// M2: R1 by a voter that was a candidate in a higher term once, R2 after promotes that fail.
fn refreshes(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            terms: vec![1, 1, 3],
            budget: Budget { delays: 2, cuts: 1 + more, ..Budget::default() },
            one_way: true,
            sometimes: &[Mark::Boss, Mark::R1Wins, Mark::V6Grants, Mark::A1Refuses],
            ..world("M2 three voters, refresh", 3, 2, if deep { 7 } else { 6 })
        },
        Setup {
            budget: Budget { hook_failures: 1, delays: 1 + more, losses: 1, ..Budget::default() },
            sometimes: &[Mark::PromoteFailed, Mark::R2Wins, Mark::HandoverFailed],
            ..world("M2 three voters, renew", 3, 2, if deep { 5 } else { 4 })
        },
        Setup {
            swift: Swift::AllButAnswers,
            timing: no_slack(),
            budget: Budget { cuts: 1, delays: 1 + more, orders: 1 + more, ..Budget::default() },
            orders: vec![apply(3), apply(2)],
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::L2Over],
            ..world("M2 three voters, a longer lease applied", 3, 2, 3)
        },
        Setup {
            budget: Budget { cuts: 1 + more, delays: 1, orders: 1 + more, ..Budget::default() },
            orders: vec![apply(2), apply(3)],
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::L2Over],
            ..world("M2 three voters, a shorter lease applied", 3, 3, 3)
        },
    ]
}

/// M3: Released delayed, doubled, lost.
fn crashes(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            budget: Budget { elector_crashes: 1, cuts: 2, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::V5Ends, Mark::W2Released, Mark::S1Withholds],
            ..world("M3 three voters, an elector dies", 3, 2, 3)
        },
        Setup {
            budget: Budget { elector_crashes: 1, delays: 1 + more, losses: 1, ..Budget::default() },
            sometimes: &[Mark::V5Ends, Mark::V5Ignores, Mark::X2Closed],
            ..world("M3 three voters, Released late, lost", 3, 2, 3)
        },
        Setup {
            timing: Timing { fence: TICK.times(2), ..timing(2) },
            budget: Budget { elector_crashes: 1, doubles: 1, cuts: 1 + more, ..Budget::default() },
            sometimes: &[Mark::V5Ends, Mark::V5Ignores, Mark::X2Closed],
            ..world("M3 three voters, Released twice", 3, 2, 5)
        },
        Setup {
            budget: Budget { elector_crashes: 2, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::W2Released],
            ..world("M3 three voters, two electors die", 3, 2, if deep { 4 } else { 3 })
        },
        Setup {
            budget: Budget { unit_crashes: 1 + more, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::X5Acting, Mark::X5Idle],
            ..world("M3 three voters, both processes die", 3, 2, 3)
        },
        Setup {
            budget: Budget { power_cuts: 1 + more, orders: 1, delays: 1, ..Budget::default() },
            orders: (0..3).map(|host| Command::Confirm { node: name_of(host) }).collect(),
            sometimes: &[Mark::Boss, Mark::V7Ends, Mark::W2Waited, Mark::W2Confirmed],
            ..world("M3 three voters, power loss, confirmed", 3, 2, 3)
        },
        Setup {
            budget: Budget { freezes: 1, cuts: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::X2Expired, Mark::V1Refuses],
            ..world("M3 three voters, a frozen elector", 3, 2, 3)
        },
    ]
}

/// M4: one clock slow, one fast, as far apart as rho = 1/5 allows; a suspend, which stops RAW.
fn clocks(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    let timing = Timing { rho_ppm: 200_000, ..timing(2) };
    vec![
        Setup {
            timing,
            rates: vec![(80, 80), (120, 120)],
            budget: Budget { cuts: 2 + more, delays: 1, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::L2Over, Mark::W2Waits],
            ..world("M4 two voters, clocks at rho", 2, 2, if deep { 4 } else { 3 })
        },
        Setup {
            timing: Timing { rho_ppm: 200_000, ..self::timing(3) },
            rates: vec![(80, 120), (120, 80)],
            budget: Budget { cuts: 2 + more, delays: 1, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::L2Over],
            ..world("M4 two voters, each clock of a pair at rho", 2, 3, if deep { 4 } else { 3 })
        },
        Setup {
            budget: Budget { suspends: 1 + more, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::X2Expired, Mark::L2Over],
            ..world("M4 three voters, a suspend", 3, 2, 3)
        },
    ]
}

/// M5, M6.
fn members_and_hooks(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            members: vec![Kind::Voter, Kind::Voter, Kind::Witness],
            budget: Budget { orders: 1 + more, cuts: 1, ..Budget::default() },
            orders: vec![drain(0), drain(1), pause()],
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::V4Grants, Mark::W5Waits],
            ..world("M5 two voters and a witness, drain, pause", 3, 2, 4)
        },
        Setup {
            budget: Budget { hook_failures: 2, delays: 1, cuts: 1 + more, ..Budget::default() },
            sometimes: &[Mark::PromoteFailed, Mark::DemoteFailed, Mark::V4Grants],
            ..world("M6 two voters, hooks that fail or hang", 2, 3, 5)
        },
    ]
}

/// M7.
fn first_starts(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            unborn: true,
            budget: Budget { elector_crashes: 1 + more, delays: 1, losses: 1, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::W2Waits],
            ..world("M7 two voters, first start", 2, 3, 4)
        },
        Setup {
            unborn: true,
            budget: Budget { cuts: 2, elector_crashes: 1, delays: more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::W2Waits],
            ..world("M7 three voters, first start", 3, 2, 3)
        },
        Setup {
            unborn: true,
            alone: Some(2),
            budget: Budget { power_cuts: 1, wipes: 1, cuts: 1 + more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::W2Waits],
            ..world("M7 three voters, one never met, one wiped", 3, 2, 6)
        },
        Setup {
            budget: Budget { power_cuts: 1, wipes: 1, cuts: 1 + more, ..Budget::default() },
            sometimes: &[Mark::Boss, Mark::W2Waited],
            ..world("M7 three voters, one is wiped", 3, 2, 3)
        },
    ]
}

/// M8.
fn few(deep: bool) -> Vec<Setup> {
    let more = u8::from(deep);
    vec![
        Setup {
            ordered: false,
            budget: Budget {
                cuts: 1 + more,
                delays: 1 + more,
                losses: 1,
                orders: 1,
                ..Budget::default()
            },
            orders: vec![resign()],
            sometimes: &[Mark::Boss, Mark::V1Refuses, Mark::V4Grants, Mark::L2Over],
            ..world("M8 two voters, late", 2, 3, if deep { 4 } else { 3 })
        },
        Setup {
            slow_disk: true,
            budget: Budget {
                elector_crashes: 1,
                refusals: 1,
                delays: 1 + more,
                cuts: more,
                ..Budget::default()
            },
            sometimes: &[Mark::Boss, Mark::DiskRefused, Mark::S1Withholds],
            ..world("M8 two voters, slow disks that refuse", 2, 3, 3)
        },
        Setup {
            ordered: false,
            slow_disk: true,
            budget: Budget {
                elector_crashes: 1,
                unit_crashes: 1,
                hook_failures: 1 + more,
                delays: 2,
                orders: 1,
                ..Budget::default()
            },
            orders: vec![Command::Resign { force: true }],
            sometimes: &[Mark::Boss, Mark::W2Own, Mark::X1Refuses],
            ..world("M8 one voter", 1, 3, if deep { 5 } else { 4 })
        },
    ]
}
