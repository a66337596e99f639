//! Who is preferred as boss: a list of criteria over facts that everybody knows, the name last,
//! so that the order is the same on every node (protocol.md 5).

use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;

use crate::id::NodeId;
use crate::members::{Address, Member, Members};

/// One criterion; earlier ones weigh more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Criterion {
    /// The higher `priority`.
    Priority,
    /// The one that joined first.
    Oldest,
    /// The lower address, as a number; IPv4 before IPv6 before host names.
    LowestAddress,
    /// The higher address.
    HighestAddress,
    /// The lower UDP port.
    LowestPort,
    /// The name, alphabetically.
    Name,
}

impl Criterion {
    /// Every criterion, in the order of the manual.
    pub const ALL: [Self; 6] = [
        Self::Priority,
        Self::Oldest,
        Self::LowestAddress,
        Self::HighestAddress,
        Self::LowestPort,
        Self::Name,
    ];

    /// As it is written in cluster.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Oldest => "oldest",
            Self::LowestAddress => "lowest-address",
            Self::HighestAddress => "highest-address",
            Self::LowestPort => "lowest-port",
            Self::Name => "name",
        }
    }

    fn compare(self, a: (&NodeId, &Member), b: (&NodeId, &Member)) -> Ordering {
        match self {
            Self::Priority => Reverse(a.1.priority).cmp(&Reverse(b.1.priority)),
            Self::Oldest => a.1.joined.cmp(&b.1.joined),
            Self::LowestAddress => host(a.1).cmp(&host(b.1)),
            Self::HighestAddress => host(b.1).cmp(&host(a.1)),
            Self::LowestPort => a.1.address.port().cmp(&b.1.address.port()),
            Self::Name => a.0.cmp(b.0),
        }
    }
}

/// The address without its port, which is a criterion of its own; addresses before names.
fn host(member: &Member) -> (bool, Option<IpAddr>, &str) {
    match &member.address {
        Address::Ip(address) => (false, Some(address.ip()), ""),
        Address::Host(name, _) => (true, None, name),
    }
}

/// Whether `a` is preferred to `b` (Less) or the other way round (Greater).
pub(crate) fn compare(
    prefer: &[Criterion],
    a: (&NodeId, &Member),
    b: (&NodeId, &Member),
) -> Ordering {
    prefer
        .iter()
        .map(|criterion| criterion.compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.0.cmp(b.0))
}

/// The candidates among `members`, the preferred first.
pub fn ranking<'a>(
    members: &'a Members,
    prefer: &[Criterion],
    candidate: impl Fn(&NodeId, &Member) -> bool,
) -> Vec<&'a NodeId> {
    let mut list: Vec<_> = members.iter().filter(|(name, m)| candidate(name, m)).collect();
    list.sort_by(|a, b| compare(prefer, *a, *b));
    list.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Kind;

    fn members() -> Members {
        let member = |address: &str, priority, joined| Member {
            address: Address::Ip(address.parse().expect("an address")),
            kind: Kind::Voter,
            priority,
            incarnation: None,
            joined,
            drained: None,
        };
        let list = [
            ("gamma", member("10.0.0.3:7", 100, 0)),
            ("alpha", member("10.0.0.20:9", 100, 2)),
            ("beta", member("10.0.0.1:8", 150, 1)),
        ];
        Members::new(list.map(|(n, m)| (NodeId::new(n), m))).expect("valid")
    }

    fn order(prefer: &[Criterion]) -> String {
        let members = members();
        let names: Vec<_> =
            ranking(&members, prefer, |_, _| true).iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    #[test]
    fn each_criterion_orders_by_its_own_fact_and_the_name_breaks_every_tie() {
        assert_eq!(order(&[Criterion::Priority]), "beta alpha gamma");
        assert_eq!(order(&[Criterion::Oldest]), "gamma beta alpha");
        assert_eq!(order(&[Criterion::LowestAddress]), "beta gamma alpha");
        assert_eq!(order(&[Criterion::HighestAddress]), "alpha gamma beta");
        assert_eq!(order(&[Criterion::LowestPort]), "gamma beta alpha");
        assert_eq!(order(&[Criterion::Name]), "alpha beta gamma");
        assert_eq!(order(&[]), "alpha beta gamma");
        assert_eq!(order(&[Criterion::Priority, Criterion::Oldest]), "beta gamma alpha");
    }
}
