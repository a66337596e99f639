//! Which datagrams get through, from each host to each other: a percentage of loss for every
//! direction, and the nftables rules that make it so. Rules stand at the receiver, so that a sender
//! never hears from its own kernel what a network would not tell it. Pure.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::lan::{PORT, address, front};

/// What is lost between the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    size: usize,
    // In percent, at from * size + to; 100 is a cut.
    loss: Vec<u8>,
    detour: bool,
}

impl Firewall {
    /// All get through.
    pub fn open(size: usize) -> Self {
        Self { size, loss: vec![0; size * size], detour: false }
    }

    /// Loses `percent` of what `from` sends to `to`.
    #[must_use]
    pub fn lose(mut self, from: usize, to: usize, percent: u8) -> Self {
        self.loss[from * self.size + to] = percent.min(100);
        self
    }

    /// Loses all of it. The other direction is another cut.
    #[must_use]
    pub fn cut(self, from: usize, to: usize) -> Self {
        self.lose(from, to, 100)
    }

    /// Both directions.
    #[must_use]
    pub fn part(self, one: usize, other: usize) -> Self {
        self.cut(one, other).cut(other, one)
    }

    /// Cuts a host off from all others.
    #[must_use]
    pub fn isolate(self, host: usize) -> Self {
        self.others(host).into_iter().fold(self, |rules, other| rules.part(host, other))
    }

    /// What the others send to `host` is lost: it is heard and hears nothing.
    #[must_use]
    pub fn deafen(self, host: usize) -> Self {
        self.others(host).into_iter().fold(self, |rules, other| rules.cut(other, host))
    }

    /// `host` reaches `bridge` alone, which reaches all.
    #[must_use]
    pub fn behind_bridge(self, host: usize, bridge: usize) -> Self {
        let others = self.others(host).into_iter().filter(|other| *other != bridge);
        others.fold(self, |rules, other| rules.part(host, other))
    }

    /// Only neighbours of this order reach each other.
    #[must_use]
    pub fn chain(size: usize, order: &[usize]) -> Self {
        let joined = |one: &usize, other: &usize| {
            order.windows(2).any(|pair| pair == [*one, *other] || pair == [*other, *one])
        };
        let all = Self::open(size);
        let pairs: Vec<_> = all.pairs().filter(|(one, other)| !joined(one, other)).collect();
        pairs.into_iter().fold(all, |rules, (one, other)| rules.cut(one, other))
    }

    /// The same with the ends joined.
    #[must_use]
    pub fn ring(size: usize, order: &[usize]) -> Self {
        let closed: Vec<_> = order.iter().chain(order.first()).copied().collect();
        Self::chain(size, &closed)
    }

    /// Only hosts of the same group reach each other. A host of no group is alone, one of several
    /// joins them.
    #[must_use]
    pub fn groups(size: usize, groups: &[&[usize]]) -> Self {
        let together = |one: &usize, other: &usize| {
            groups.iter().any(|group| group.contains(one) && group.contains(other))
        };
        let all = Self::open(size);
        let pairs: Vec<_> = all.pairs().filter(|(one, other)| !together(one, other)).collect();
        pairs.into_iter().fold(all, |rules, (one, other)| rules.cut(one, other))
    }

    /// Loses `percent` between all of them.
    #[must_use]
    pub fn noise(size: usize, percent: u8) -> Self {
        let all = Self::open(size);
        let pairs: Vec<_> = all.pairs().collect();
        pairs.into_iter().fold(all, |rules, (from, to)| rules.lose(from, to, percent))
    }

    /// Leads what bossd sends through the relay.
    #[must_use]
    pub fn with_detour(mut self, detour: bool) -> Self {
        self.detour = detour;
        self
    }

    /// The rules of one host, for `nft -f`; they replace those that are there.
    pub(crate) fn rules(&self, host: usize) -> String {
        let mut text = "add table ip lan\ndelete table ip lan\ntable ip lan {\n".to_owned();
        if self.detour {
            // A datagram is addressed anew and not translated: nothing has to be remembered, and it
            // can begin and end at any time. No host sees another address than the one it knows.
            let others = self.others(host);
            chain_of(&mut text, "leave", "type route hook output priority -150", |text| {
                for other in &others {
                    let (from, to) = (address(*other), front(*other));
                    let _ = writeln!(
                        text,
                        "    ip daddr {from} udp dport {PORT} ip daddr set {to} return"
                    );
                }
            });
            chain_of(&mut text, "arrive", "type filter hook prerouting priority -150", |text| {
                for other in &others {
                    let (from, to) = (front(*other), address(*other));
                    let _ = writeln!(text, "    ip saddr {from} ip saddr set {to} return");
                }
            });
        }
        chain_of(&mut text, "in", "type filter hook input priority 0", |text| {
            for other in self.others(host) {
                match self.loss[other * self.size + host] {
                    0 => {}
                    percent => drop_some(text, address(other), percent),
                }
            }
        });
        text.push_str("}\n");
        text
    }

    fn others(&self, host: usize) -> Vec<usize> {
        (0..self.size).filter(|other| *other != host).collect()
    }

    /// Every ordered pair of two hosts.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let size = self.size;
        let all = (0..size).flat_map(move |from| (0..size).map(move |to| (from, to)));
        all.filter(|(from, to)| from != to)
    }
}

fn chain_of(text: &mut String, name: &str, kind: &str, body: impl FnOnce(&mut String)) {
    let _ = writeln!(text, "  chain {name} {{\n    {kind}; policy accept;");
    body(text);
    text.push_str("  }\n");
}

fn drop_some(text: &mut String, from: Ipv4Addr, percent: u8) {
    let some =
        if percent < 100 { format!("numgen random mod 100 < {percent} ") } else { String::new() };
    let _ = writeln!(text, "    ip saddr {from} {some}drop");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(rules: &Firewall) -> Vec<(usize, usize)> {
        rules.pairs().filter(|(from, to)| rules.loss[from * rules.size + to] == 0).collect()
    }

    #[test]
    fn a_cut_is_of_one_direction() {
        let rules = Firewall::open(2).cut(0, 1);
        assert_eq!(through(&rules), [(1, 0)]);
        assert_eq!(through(&Firewall::open(2).part(0, 1)), []);
        assert_eq!(through(&Firewall::open(3).deafen(0)), [(0, 1), (0, 2), (1, 2), (2, 1)]);
    }

    #[test]
    fn shapes_join_whom_they_say() {
        assert_eq!(through(&Firewall::open(3).isolate(1)), [(0, 2), (2, 0)]);
        let bridge = through(&Firewall::open(3).behind_bridge(0, 1));
        assert_eq!(bridge, [(0, 1), (1, 0), (1, 2), (2, 1)]);
        let chain = through(&Firewall::chain(3, &[0, 2, 1]));
        assert_eq!(chain, [(0, 2), (1, 2), (2, 0), (2, 1)]);
        assert_eq!(through(&Firewall::ring(5, &[0, 1, 2, 3, 4])).len(), 10);
        let groups = through(&Firewall::groups(4, &[&[0, 1], &[1, 2]]));
        assert_eq!(groups, [(0, 1), (1, 0), (1, 2), (2, 1)]);
    }

    #[test]
    fn rules_stand_at_the_receiver_and_are_none_where_all_get_through() {
        let rules = Firewall::open(3).cut(0, 1).lose(2, 1, 20);
        assert!(!rules.rules(0).contains("drop"));
        let text = rules.rules(1);
        assert!(text.contains("ip saddr 10.77.0.1 drop"), "{text}");
        assert!(text.contains("ip saddr 10.77.0.3 numgen random mod 100 < 20 drop"), "{text}");
        assert!(!text.contains("daddr set"));
        let text = rules.with_detour(true).rules(1);
        assert!(text.contains("ip daddr 10.77.0.1 udp dport 26770 ip daddr set 10.77.0.101"));
        assert!(text.contains("ip saddr 10.77.0.103 ip saddr set 10.77.0.3"), "{text}");
    }
}
