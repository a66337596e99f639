//! Who may introduce itself next: the decision about each connection that others start, taken on
//! its first packet, before any handshake is paid for. Pure; carried out by `accept`.
//!
//! A source address can be forged until it was proved by `retry`, so what has not been proved may
//! use half of the members' room and none of the others'.

use std::collections::BTreeMap;
use std::net::IpAddr;

use election::{Moment, Span};

use crate::elector::allowance::Allowance;

/// Somebody's first packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knock {
    /// Where it says it is.
    pub(super) ip: IpAddr,
    /// A member has this address.
    pub(super) is_members: bool,
    /// It has proved to be there.
    pub(super) proved: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The handshake may begin. [`Gate::leave`] when the introduction is over.
    Enter,
    /// It is to prove its address first, which costs this node one packet and no memory.
    Prove,
    /// Too many are there, or have been lately.
    TurnAway,
}

/// Everybody who is introducing himself.
#[derive(Debug)]
pub(super) struct Gate {
    members: Room,
    others: Room,
}

impl Gate {
    pub(super) fn new(now: Moment) -> Self {
        Self { members: Room::new(OF_MEMBERS, now), others: Room::new(OF_OTHERS, now) }
    }

    pub(super) fn judge(&mut self, knock: Knock, now: Moment) -> Verdict {
        let Knock { ip, is_members, proved } = knock;
        let room = self.room(is_members);
        if !proved && (!is_members || room.is_half_used(ip, now)) {
            return Verdict::Prove;
        }
        if room.enter(ip, now) { Verdict::Enter } else { Verdict::TurnAway }
    }

    /// Its introduction is over, whichever way.
    pub(super) fn leave(&mut self, knock: Knock) {
        self.room(knock.is_members).leave(knock.ip);
    }

    fn room(&mut self, is_members: bool) -> &mut Room {
        if is_members { &mut self.members } else { &mut self.others }
    }
}

#[derive(Debug)]
struct Room {
    limits: Limits,
    total: usize,
    under_way: BTreeMap<IpAddr, usize>,
    /// By address; the others have one together, under None, for they could be anybody.
    allowances: BTreeMap<Option<IpAddr>, Allowance>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Introductions at a time.
    total: usize,
    /// And of one address.
    per_address: usize,
    /// Handshakes that one address, or all others together, may cause at once,
    burst: u32,
    /// and then one in so long.
    each: Span,
    /// Each address has an allowance of its own.
    each_its_own: bool,
}

impl Room {
    fn new(limits: Limits, now: Moment) -> Self {
        let mut room =
            Self { limits, total: 0, under_way: BTreeMap::new(), allowances: BTreeMap::new() };
        if !limits.each_its_own {
            room.allowances.insert(None, Allowance::new(limits.burst, limits.each, now));
        }
        room
    }

    fn is_half_used(&mut self, ip: IpAddr, now: Moment) -> bool {
        let Limits { total, per_address, burst, .. } = self.limits;
        self.total >= total / 2
            || self.of(ip) >= per_address / 2
            || self.allowance(ip, now).left(now) <= burst / 2
    }

    fn enter(&mut self, ip: IpAddr, now: Moment) -> bool {
        let has_room = self.total < self.limits.total && self.of(ip) < self.limits.per_address;
        // Whoever finds no room has cost nothing.
        if !has_room || self.allowance(ip, now).take(now).is_none() {
            return false;
        }
        self.total += 1;
        *self.under_way.entry(ip).or_default() += 1;
        true
    }

    fn leave(&mut self, ip: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.under_way.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&ip);
            }
        }
    }

    fn of(&self, ip: IpAddr) -> usize {
        self.under_way.get(&ip).copied().unwrap_or(0)
    }

    fn allowance(&mut self, ip: IpAddr, now: Moment) -> &mut Allowance {
        let Limits { burst, each, each_its_own, .. } = self.limits;
        if self.allowances.len() > MAX_ADDRESSES {
            // Members change their addresses now and then; what is full says nothing.
            self.allowances.retain(|_, allowance| !allowance.is_full(now));
        }
        self.allowances
            .entry(each_its_own.then_some(ip))
            .or_insert_with(|| Allowance::new(burst, each, now))
    }
}

/// Members dial at most every 50 ms, soon once a second; a whole cluster may share one address
/// (containers, tests). Several per member of the largest cluster at a time.
const OF_MEMBERS: Limits = Limits {
    total: 64,
    per_address: 32,
    burst: 64,
    each: Span::from_millis(50),
    each_its_own: true,
};
/// Hosts that are no members' as this node knows them: a member behind another address now and then,
/// else scanners and worse. A handshake costs about a millisecond: two per cent of a processor.
const OF_OTHERS: Limits = Limits {
    total: 16,
    per_address: 4,
    burst: 32,
    each: Span::from_millis(50),
    each_its_own: false,
};
/// Addresses of members of which something is remembered.
const MAX_ADDRESSES: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn knock(last: u8, is_members: bool, proved: bool) -> Knock {
        Knock { ip: Ipv4Addr::new(192, 0, 2, last).into(), is_members, proved }
    }

    fn at(ms: u64) -> Moment {
        Moment::default().plus(Span::from_millis(ms))
    }

    /// How many of a hundred come in.
    fn entered(gate: &mut Gate, knock: Knock, now: Moment) -> usize {
        (0..100).filter(|_| gate.judge(knock, now) == Verdict::Enter).count()
    }

    #[test]
    fn a_stranger_proves_its_address_and_has_a_small_room() {
        let mut gate = Gate::new(at(0));
        assert_eq!(gate.judge(knock(1, false, false), at(0)), Verdict::Prove);
        assert_eq!(entered(&mut gate, knock(1, false, true), at(0)), OF_OTHERS.per_address);
        assert_eq!(gate.judge(knock(1, false, true), at(0)), Verdict::TurnAway);
        for other in 2..20 {
            entered(&mut gate, knock(other, false, true), at(0));
        }
        assert_eq!(gate.others.total, OF_OTHERS.total);
        // Whatever strangers do, members come in.
        assert_eq!(gate.judge(knock(99, true, false), at(0)), Verdict::Enter);
    }

    #[test]
    fn a_forged_members_address_uses_up_half_of_the_room_at_most() {
        let mut gate = Gate::new(at(0));
        let forged = knock(1, true, false);
        assert_eq!(entered(&mut gate, forged, at(0)), OF_MEMBERS.per_address / 2);
        assert_eq!(gate.judge(forged, at(0)), Verdict::Prove);
        assert_eq!(gate.judge(knock(1, true, true), at(0)), Verdict::Enter);
        assert_eq!(gate.judge(knock(2, true, false), at(0)), Verdict::Enter);
    }

    #[test]
    fn one_members_address_leaves_room_for_the_others() {
        let mut gate = Gate::new(at(0));
        assert_eq!(entered(&mut gate, knock(1, true, true), at(0)), OF_MEMBERS.per_address);
        assert_eq!(gate.judge(knock(2, true, true), at(0)), Verdict::Enter);
    }

    #[test]
    fn who_comes_and_goes_all_the_time_is_slowed_down() {
        for is_members in [false, true] {
            let mut gate = Gate::new(at(0));
            let mut count = 0;
            for ms in 0..10_000 {
                let knock = knock(1, is_members, true);
                if gate.judge(knock, at(ms)) == Verdict::Enter {
                    count += 1;
                    gate.leave(knock);
                }
            }
            let limits = gate.room(is_members).limits;
            let most = usize::try_from(limits.burst).expect("small") + 10_000 / 50;
            assert!((most - 1..=most).contains(&count), "{count} in ten seconds, of {most}");
            assert!(gate.room(is_members).under_way.is_empty());
        }
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut gate = Gate::new(at(0));
        for n in 0..10_000_u32 {
            let knock = Knock { ip: Ipv4Addr::from(n).into(), is_members: true, proved: true };
            let now = at(u64::from(n) * 100);
            if gate.judge(knock, now) == Verdict::Enter {
                gate.leave(knock);
            }
        }
        assert!(gate.members.allowances.len() <= MAX_ADDRESSES + 1);
        assert!(gate.members.under_way.is_empty());
    }
}
