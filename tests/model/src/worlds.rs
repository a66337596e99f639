//! The small worlds, each for what it is to show, in a size for every change (ci) and a larger one
//! (deep).

use election::{Command, Kind, Profile, Span, Timing};

use crate::world::{Budget, Setup, TICK};

/// How large the worlds are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier {
    Ci,
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

fn world(name: &'static str, voters: usize, lease: u64, highest_term: u64) -> Setup {
    Setup {
        name,
        members: vec![Kind::Voter; voters],
        timing: timing(lease),
        rates: vec![100; voters],
        highest_term,
        budget: Budget::default(),
        one_way: false,
        swift: voters > 2,
        orders: Vec::new(),
        unborn: false,
        broken: None,
        sometimes: &[],
    }
}

fn resign() -> Command {
    Command::Resign { force: false }
}

fn drain() -> Command {
    Command::Drain {
        node: crate::world::name_of(0),
        until: None,
        reason: String::new(),
        force: false,
    }
}

/// All of them, the weightiest first.
pub(crate) fn all(tier: Tier) -> Vec<Setup> {
    let deep = tier == Tier::Deep;
    let more = u8::from(deep);
    let terms = |ci: u64| if deep { ci + 1 } else { ci };
    vec![
        Setup {
            budget: Budget {
                elector_crashes: 1,
                unit_crashes: 1,
                hook_failures: 1 + more,
                delays: 2,
                orders: 1,
                ..Budget::default()
            },
            orders: vec![Command::Resign { force: true }],
            sometimes: &["a boss", "W2 own claim"],
            ..world("M8 one voter", 1, 3, terms(4))
        },
        Setup {
            budget: Budget {
                cuts: 1 + more,
                delays: 1 + more,
                losses: 1,
                orders: 1,
                ..Budget::default()
            },
            orders: vec![resign()],
            sometimes: &["a boss", "V1 refuses", "V4 grants", "L2 lease over"],
            ..world("M8 two voters", 2, 3, terms(3))
        },
        Setup {
            budget: Budget { cuts: 1, delays: more, orders: 1, ..Budget::default() },
            orders: vec![resign()],
            sometimes: &["a boss", "V1 refuses", "V4 grants", "L2 lease over", "W2 waits"],
            ..world("M1 three voters, handover", 3, 2, terms(3))
        },
        Setup {
            budget: Budget {
                elector_crashes: 1,
                cuts: 1,
                delays: more,
                losses: more,
                doubles: more,
                ..Budget::default()
            },
            sometimes: &["a boss", "V1 refuses", "V5 ends a promise", "W2 by Released"],
            ..world("M3 three voters, an elector dies", 3, 2, 3)
        },
        Setup {
            budget: Budget { unit_crashes: 1, delays: more, ..Budget::default() },
            sometimes: &["a boss", "V1 refuses"],
            ..world("M3 three voters, both processes die", 3, 2, 3)
        },
        Setup {
            budget: Budget { cuts: more, delays: 3 + more, losses: 1 + more, ..Budget::default() },
            one_way: true,
            sometimes: &["a boss", "V1 refuses", "V6 grants", "R2 renews"],
            ..world("M2 three voters, late votes, renew", 3, 2, 4)
        },
        Setup {
            members: vec![Kind::Voter, Kind::Voter, Kind::Witness],
            budget: Budget { orders: 1, cuts: more, ..Budget::default() },
            orders: vec![drain()],
            sometimes: &["a boss", "V1 refuses", "V4 grants"],
            ..world("M5 two voters and a witness, a drain", 3, 2, terms(3))
        },
        Setup {
            budget: Budget { hook_failures: 2, delays: 1, cuts: more, ..Budget::default() },
            sometimes: &["a promote failed", "a demote failed", "V4 grants", "R2 renews"],
            ..world("M6 two voters, hooks that fail or hang", 2, 3, terms(4))
        },
        unequal_clocks(deep),
        Setup {
            unborn: true,
            budget: Budget { elector_crashes: 1, delays: more, losses: more, ..Budget::default() },
            sometimes: &["a boss", "W2 waits"],
            ..world("M7 two voters, first start", 2, 3, terms(3))
        },
    ]
}

/// M4: one clock slow, one fast, as far apart as rho = 1/5 allows.
fn unequal_clocks(deep: bool) -> Setup {
    let timing = Timing { rho_ppm: 200_000, ..timing(2) };
    Setup {
        timing,
        rates: vec![80, 120],
        budget: Budget { cuts: 1 + u8::from(deep), delays: 1, ..Budget::default() },
        sometimes: &["a boss", "V1 refuses", "L2 lease over", "W2 waits"],
        ..world("M4 two voters, clocks at rho", 2, 2, 3)
    }
}
