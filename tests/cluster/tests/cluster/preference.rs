//! Each criterion alone on five voters, by whose facts every criterion has an order of its own: who
//! is the first boss, and who the next after each loss.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use bossctl::playground::cluster::{Place, Plan};
use harness::{Bed, Seen};

use crate::steps::{drain, quick, whole};

/// In the order in which they join, with priority and the last part of the address. That of their
/// ports is in [`PORTS`].
const FIVE: [(&str, u8, u8); 5] = [
    ("epsilon", 140, 10),
    ("gamma", 120, 50),
    ("beta", 130, 9),
    ("alpha", 110, 30),
    ("delta", 150, 40),
];
/// The lowest first.
const PORTS: [&str; 5] = ["delta", "alpha", "epsilon", "gamma", "beta"];

#[test]
fn by_priority() {
    succeed_each_other("priority", ["delta", "epsilon", "beta", "gamma", "alpha"]);
}

#[test]
fn by_oldest() {
    succeed_each_other("oldest", ["epsilon", "gamma", "beta", "alpha", "delta"]);
}

#[test]
fn by_lowest_address() {
    succeed_each_other("lowest-address", ["beta", "epsilon", "alpha", "delta", "gamma"]);
}

#[test]
fn by_highest_address() {
    succeed_each_other("highest-address", ["gamma", "delta", "alpha", "epsilon", "beta"]);
}

#[test]
fn by_lowest_port() {
    succeed_each_other("lowest-port", PORTS);
}

#[test]
fn by_name() {
    succeed_each_other("name", ["alpha", "beta", "delta", "epsilon", "gamma"]);
}

/// The first two are lost with their hosts, after which the rest is a quorum; the next two hand over
/// in order, because they are drained.
fn succeed_each_other(criterion: &str, order: [&str; 5]) {
    let mut plan: Plan = quick(&FIVE.map(|(name, _, _)| name));
    plan.election = format!("prefer = [\"{criterion}\"]");
    for (member, (_, priority, _)) in plan.members.iter_mut().zip(FIVE) {
        member.priority = priority;
    }
    let mut bed = Bed::prepare_at(&plan, &places());
    let place = |bed: &Bed, name: &str| bed.index_of(name).expect("one of five");
    // The best is there when the others make a quorum: else another is boss first, and stays.
    let early = [order[0], order[4]].map(|name| place(&bed, name));
    for index in early {
        bed.start_node(index).expect("started");
    }
    bed.until("two that answer", |seen| {
        early.iter().all(|index| matches!(seen[*index], Seen::Up(_))).then_some(())
    });
    bed.start_all().expect("started");
    for (place, name) in order.iter().enumerate() {
        let boss = whole(&mut bed);
        assert_eq!(boss.name, *name);
        match place {
            0 | 1 => bed.host_dies(boss.index),
            2 | 3 => {
                drain(&bed, boss.index, name).expect("another could");
            }
            _ => {
                let effects = bed.judge(Some(&boss));
                let mut bosses: Vec<_> = effects.iter().map(|it| it.node.as_str()).collect();
                // Who lost its lease to a busy machine and got it back is no other boss.
                bosses.dedup();
                assert_eq!(bosses, order);
                return;
            }
        }
        bed.boss_after(&boss);
    }
}

/// Addresses of their own on loopback. Ports are given out by the system, and handed round so that
/// their order is the wanted one.
fn places() -> Vec<Place> {
    let address = |last| Ipv4Addr::new(127, 0, 0, last);
    let free = |_| {
        // Free on every address.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        (port, socket)
    };
    let mut ports: Vec<_> = PORTS.iter().map(free).collect();
    ports.sort_by_key(|(port, _)| *port);
    let port_of = |name: &str| {
        let at = PORTS.iter().position(|other| *other == name).expect("one of five");
        ports[at].0
    };
    let place = |(name, _, last): &(&str, u8, u8)| Place {
        address: SocketAddr::from((address(*last), port_of(name))),
        launcher: Vec::new(),
    };
    FIVE.iter().map(place).collect()
}
