//! What a seed says of the cluster itself: how many members, of which kinds, timing and policy.

use std::net::{Ipv4Addr, SocketAddr};

use election::{
    Address, ClusterState, Criterion, Failback, HardState, Incarnation, Kind, Member, Members,
    NodeId, Policy, Profile, Span, Timing,
};

use crate::host::Host;
use crate::random::Random;
use crate::world::Settings;

pub(crate) const LETTERS: usize = 26;
/// Each begins with another letter, so that lines are told apart at a glance.
pub(crate) const NAMES: [&str; 9] =
    ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "hector", "theta", "iota"];

/// Mostly three: what can go wrong goes wrong there, and soonest.
const COUNTS: [usize; 20] = [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 6, 7, 9];

pub(crate) fn draw_settings(random: &mut Random) -> Settings {
    let profile = [Profile::Lan, Profile::Lan, Profile::Lan, Profile::Fast, Profile::Vm];
    let mut timing = Timing::of(profile[random.below(5)]);
    if timing.profile == Profile::Lan && random.chance(50) {
        timing.fence = Span::from_millis(random.between(150, 800));
    }
    if random.chance(30) {
        timing.heartbeat = timing.lease.part(random.between(4, 8));
    }
    let escalation = if random.chance(50) { timing.fence.part(4) } else { Span::ZERO };
    let prefer = match random.below(3) {
        0 => vec![Criterion::Priority, Criterion::Oldest],
        1 => vec![Criterion::HighestAddress],
        _ => vec![Criterion::Name],
    };
    let failback = if random.chance(50) {
        Failback::After(Span::from_millis(random.between(100, 5_000)))
    } else {
        Failback::Never
    };
    let hooks_timeout = Span::from_millis(random.between(500, 4_000));
    Settings { timing, hooks_timeout, escalation, prefer, failback }
}

pub(crate) fn draw_hosts(random: &mut Random, settings: &Settings) -> (Vec<Host>, ClusterState) {
    let count = COUNTS[random.below(COUNTS.len())];
    let members = (0_u8..).zip(0..count).map(|(number, index)| {
        let kind = match random.below(10) {
            0 | 1 if index > 0 && count > 2 => Kind::Witness,
            2 if index > 0 && count > 3 => Kind::Observer,
            _ => Kind::Voter,
        };
        let address = SocketAddr::from((Ipv4Addr::new(10, 0, 0, number + 1), 7400));
        let member = Member {
            address: Address::Ip(address),
            kind,
            priority: [100, 100, 200, 50][random.below(4)],
            incarnation: None,
            joined: u32::from(number),
            drained: None,
        };
        (NodeId::new(NAMES[index]), member)
    });
    let members = Members::new(members).expect("one voter, and no name twice");
    let policy = Policy {
        prefer: settings.prefer.clone(),
        failback: settings.failback,
        hold_off: Span::from_millis(random.between(200, 5_000)),
    };
    let state = ClusterState::unborn(members, settings.timing, policy);
    let hosts = (0..count).map(|index| {
        let incarnation = Incarnation((index as u128 + 1) << 96);
        let kind = state.members.find(&NodeId::new(NAMES[index])).map(|m| m.kind);
        let kind = kind.unwrap_or(Kind::Observer);
        Host::new(index, NAMES[index], kind, incarnation, HardState::unborn(state.clone()))
    });
    (hosts.collect(), state)
}
