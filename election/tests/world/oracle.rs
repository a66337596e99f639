//! The judge outside the nodes. It sees real time, every effect and every disk, and writes down
//! each violation of protocol.md 9; a script that has one fails.

use std::collections::BTreeMap;

use election::{Epoch, Term, Version};

use super::host::Host;
use super::{HostId, Instant};

/// An effect that stands.
struct Live {
    epoch: Epoch,
    /// Its host sleeps: it does nothing.
    asleep: bool,
    /// After a suspend it may stand beside another until then (protocol.md 7).
    excused_until: Option<Instant>,
    /// Letting go failed for good: outside the promise.
    given_up: bool,
}

#[derive(Default)]
pub(crate) struct Oracle {
    live: BTreeMap<HostId, Live>,
    last_epoch: Epoch,
    leaders: BTreeMap<Term, HostId>,
    committed: Version,
    pub(crate) violations: Vec<String>,
}

impl Oracle {
    /// The first promote hook starts.
    pub(crate) fn effect_begins(&mut self, host: HostId, epoch: Epoch, hosts: &[Host]) {
        let name = &hosts[host].name;
        if self.live.contains_key(&host) {
            self.violate(format!("9.18: {name} promotes twice without a demote"));
        }
        if epoch <= self.last_epoch {
            self.violate(format!("9.13: {name} promotes epoch {epoch} again or late"));
        }
        let holds = |h: &&Host| {
            let claim = h.disk.hard.state.claim.held_by(name, hosts[host].incarnation);
            claim.is_some_and(|held| held.epoch == epoch)
        };
        let members = &hosts[host].disk.hard.state.members;
        let have = hosts.iter().filter(|h| members.has_vote(&h.name)).filter(holds).count();
        if have < members.quorum() {
            self.violate(format!("9.6: {name} promotes epoch {epoch}, its claim not committed"));
        }
        self.last_epoch = self.last_epoch.max(epoch);
        let live = Live { epoch, asleep: false, excused_until: None, given_up: false };
        self.live.insert(host, live);
    }

    /// The last demote hook succeeded, or the power is gone.
    pub(crate) fn effect_ends(&mut self, host: HostId) {
        self.live.remove(&host);
    }

    pub(crate) fn give_up_on(&mut self, host: HostId) {
        if let Some(live) = self.live.get_mut(&host) {
            live.given_up = true;
        }
    }

    pub(crate) fn suspended(&mut self, host: HostId) {
        if let Some(live) = self.live.get_mut(&host) {
            live.asleep = true;
        }
    }

    pub(crate) fn resumed(&mut self, host: HostId, excused_until: Instant) {
        if let Some(live) = self.live.get_mut(&host) {
            live.asleep = false;
            live.excused_until = Some(excused_until);
        }
    }

    /// 9.1, at every instant.
    pub(crate) fn watch(&mut self, now: Instant, hosts: &[Host]) {
        let counts = |live: &Live| {
            !live.asleep && !live.given_up && live.excused_until.is_none_or(|until| now >= until)
        };
        let live: Vec<_> = self.live.iter().filter(|(_, live)| counts(live)).collect();
        if live.len() > 1 {
            let names = live.iter().map(|(h, l)| format!("{} epoch {}", hosts[**h].name, l.epoch));
            let names: Vec<_> = names.collect();
            let at = now / 1_000_000;
            self.violate(format!("9.1: two bosses at {at} ms: {}", names.join(", ")));
        }
    }

    /// 9.2.
    pub(crate) fn leads(&mut self, host: HostId, term: Term) {
        if *self.leaders.entry(term).or_insert(host) != host {
            self.violate(format!("9.2: a second leader in term {term}"));
        }
    }

    /// 9.5: each commit builds on the one before.
    pub(crate) fn committed(&mut self, version: Version) {
        let grows = version > self.committed && version.index > self.committed.index;
        if grows {
            self.committed = version;
        } else {
            let last = self.committed;
            self.violate(format!("9.5: version {version} is committed after {last}"));
        }
    }

    /// Which hosts have a live effect.
    pub(crate) fn effects(&self) -> Vec<(HostId, Epoch)> {
        self.live.iter().map(|(host, live)| (*host, live.epoch)).collect()
    }

    fn violate(&mut self, text: String) {
        if self.violations.last() != Some(&text) && self.violations.len() < 8 {
            self.violations.push(text);
        }
    }
}
