//! Why a node is boss or is not: the grounds, found in the latest picture and never on the election
//! thread. Nothing is decided here; each ground names the rule of protocol.md that asks for it. Of
//! another node this one knows only what the cluster state and the links tell.

mod prospect;
mod waits;

use control::explanation::{About, Explanation, Ground};
use control::model::{Member, Phase, Status};
use election::{Criterion, Failback, Ineligible, Moment, NodeId, Snapshot, Span, ranking};

use super::posture::{STALE_AFTER, present};
use crate::elector::picture::Picture;

/// Why the member called `name` is boss or is not; None if there is no such member.
#[must_use]
pub fn explain(picture: &Picture, now: Moment, name: &str) -> Option<Explanation> {
    let status = present(&picture.status, now);
    let member = status.member(name)?;
    let about = Subject { status: &status, snapshot: &picture.snapshot, member };
    let boss = about.acts();
    let mut grounds = about.grounds();
    grounds.sort_by_key(|ground| match ground.holds {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    });
    Some(Explanation {
        node: name.to_owned(),
        asked: status.node.clone(),
        age_ms: status.age_ms,
        boss,
        verdict: about.verdict(),
        grounds,
        if_lost: prospect::if_lost(&about),
    })
}

/// The node that is explained, in the picture of the one that was asked.
struct Subject<'a> {
    status: &'a Status,
    snapshot: &'a Snapshot,
    member: &'a Member,
}

fn ground(about: About, rule: &str, holds: Option<bool>, text: impl Into<String>) -> Ground {
    let rule = Some(rule.to_owned()).filter(|rule| !rule.is_empty());
    Ground { about, rule, holds, text: text.into() }
}

impl Subject<'_> {
    fn name(&self) -> &str {
        &self.member.name
    }

    fn is_me(&self) -> bool {
        self.name() == self.status.node
    }

    /// It is the boss and acts, as far as is known here.
    fn acts(&self) -> bool {
        let boss = self.status.boss.as_ref();
        boss.is_some_and(|boss| boss.node == self.name() && boss.phase == Phase::Boss)
    }

    fn leads(&self) -> bool {
        self.member.leader
    }

    fn verdict(&self) -> String {
        let name = self.name();
        match &self.status.boss {
            Some(boss) if boss.node == name => match boss.phase {
                Phase::Boss => format!("{name} is the boss, epoch {}", boss.epoch),
                Phase::Promoting => format!("{name} is being promoted, epoch {}", boss.epoch),
                Phase::Demoting | Phase::Fencing => {
                    format!("{name} lets go of epoch {}", boss.epoch)
                }
                Phase::Idle | Phase::Waiting => {
                    format!("{name} is elected and does not act yet, epoch {}", boss.epoch)
                }
            },
            Some(boss) => {
                format!("{name} is not the boss: {} is, epoch {}", boss.node, boss.epoch)
            }
            None if self.leads() => format!("{name} leads and is not the boss: there is none"),
            None => format!("{name} is not the boss: no boss is known"),
        }
    }

    /// In the order of their weight.
    fn grounds(&self) -> Vec<Ground> {
        let mut grounds = Vec::new();
        grounds.extend(self.old_picture());
        grounds.push(self.eligibility());
        grounds.extend(self.pause());
        grounds.extend(self.link());
        grounds.push(self.quorum());
        grounds.push(self.leader());
        grounds.extend(self.promise());
        grounds.extend(waits::grounds(self));
        grounds.extend(self.preference());
        grounds
    }

    fn old_picture(&self) -> Option<Ground> {
        let age = Span::from_millis(self.status.age_ms);
        let text =
            format!("the election thread has said nothing for {age}: all of this may be over");
        (age > STALE_AFTER).then(|| ground(About::Picture, "", Some(false), text))
    }

    /// Whether it can be boss at all, as far as is known here.
    fn against(&self) -> Option<String> {
        if self.is_me() {
            // Hooks that are not in order do not end a boss: to let go it would need them.
            return match self.snapshot.ineligible {
                None => None,
                Some(Ineligible::NotReady) if self.acts() => None,
                Some(_) => self.status.this.why_not.clone(),
            };
        }
        let member = self.snapshot.state.members.find(&NodeId::new(self.name()))?;
        let peer = self.snapshot.peers.iter().find(|peer| peer.node.as_str() == self.name());
        let facts = peer.and_then(|peer| peer.facts);
        let left = self.member.held_off.as_ref().map(|held| Span::from_millis(held.left_ms));
        let why = match member.kind {
            election::Kind::Witness => Some(Ineligible::Witness),
            election::Kind::Observer => Some(Ineligible::Observer),
            election::Kind::Voter if member.drained.is_some() => Some(Ineligible::Drained),
            election::Kind::Voter => left.map(Ineligible::HeldOff),
        };
        let why = why
            .or_else(|| facts.filter(|f| !f.ready).map(|_| Ineligible::NotReady))
            .or_else(|| facts.filter(|f| !f.disk_ok).map(|_| Ineligible::Disk));
        why.map(|why| why.to_string())
    }

    fn eligibility(&self) -> Ground {
        let name = self.name();
        let remedy = match (&self.member.drained, &self.member.held_off) {
            (Some(_), _) => format!("; `bossctl undrain {name}` ends it"),
            (None, Some(_)) => format!("; `bossctl clear {name}` ends it"),
            (None, None) => String::new(),
        };
        let not_ready = self.is_me() && self.snapshot.ineligible == Some(Ineligible::NotReady);
        match self.against() {
            None if not_ready => {
                let why =
                    self.status.this.why_not.as_deref().unwrap_or("its hooks are not in order");
                let text = format!("{why}; it stays the boss, for to let go it would need them");
                ground(About::Eligibility, "W5", None, text)
            }
            Some(why) => {
                let text = format!("it cannot be boss: {why}{remedy}");
                ground(About::Eligibility, "W5", Some(false), text)
            }
            None if self.is_me() => {
                let text = "it can be boss: a voter, in service, its hooks and its disk in order";
                ground(About::Eligibility, "W5", Some(true), text)
            }
            None => {
                let text = format!(
                    "it can be boss as far as {} knows: a voter, in service, not held off",
                    self.status.node
                );
                ground(About::Eligibility, "W5", Some(true), text)
            }
        }
    }

    fn pause(&self) -> Option<Ground> {
        let paused = self.snapshot.state.paused.as_ref()?;
        let reason = Some(&paused.reason).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        // A boss stays one; it is the next that does not become one.
        let holds = if self.acts() { None } else { Some(false) };
        let text = format!("paused{reason}: nobody new becomes boss");
        Some(ground(About::Pause, "W5", holds, text))
    }

    fn link(&self) -> Option<Ground> {
        let text = format!("{} is not connected to it", self.status.node);
        (!self.member.connected).then(|| ground(About::Quorum, "", Some(false), text))
    }

    fn quorum(&self) -> Ground {
        let quorum = self.status.quorum;
        let who = if self.is_me() { "it" } else { &self.status.node };
        let text = format!(
            "{who} is connected to {} of {} voters, itself counted if it votes; {} are needed",
            quorum.connected, quorum.voters, quorum.needed
        );
        ground(About::Quorum, "L1", Some(quorum.connected >= quorum.needed), text)
    }

    fn leader(&self) -> Ground {
        let term = self.snapshot.term;
        match &self.snapshot.leader {
            Some(leader) if leader.as_str() == self.name() => {
                let text = format!("it leads: a quorum elected it in term {term}");
                ground(About::Leader, "E1", Some(true), text)
            }
            Some(leader) => {
                let text = format!("{leader} leads, in term {term}; only a leader becomes boss");
                ground(About::Leader, "E1", Some(false), text)
            }
            None if self.is_me() => {
                let standing = self.snapshot.standing;
                let text = format!("it is {standing} in term {term}, and no leader is known");
                ground(About::Leader, "C1", Some(false), text)
            }
            None => {
                let text = format!("{} knows of no leader, in term {term}", self.status.node);
                ground(About::Leader, "C1", Some(false), text)
            }
        }
    }

    /// A node that has promised its vote does not seek votes itself.
    fn promise(&self) -> Option<Ground> {
        if !self.is_me() || self.leads() {
            return None;
        }
        let left = Span::from_millis(self.status.this.promise_left_ms?);
        let Some(to) = &self.status.this.promise_to else {
            let text = format!("it may have promised somebody before it restarted, {left} left");
            return Some(ground(About::Promise, "S1", Some(false), text));
        };
        let text = format!(
            "it has promised {to} to elect nobody else, {left} left; each heartbeat renews it"
        );
        Some(ground(About::Promise, "V1", Some(false), text))
    }

    /// Who could be boss as far as is known here, the preferred first.
    fn order(&self) -> Vec<&NodeId> {
        let state = &self.snapshot.state;
        ranking(&state.members, &state.policy.prefer, |name, _| self.could_be_boss(name))
    }

    fn could_be_boss(&self, name: &NodeId) -> bool {
        let member = self.status.member(name.as_str());
        member.is_some_and(|member| Subject { member, ..*self }.against().is_none())
    }

    fn preference(&self) -> Option<Ground> {
        let order = self.order();
        let place = order.iter().position(|name| name.as_str() == self.name())?;
        let criteria: Vec<_> =
            self.snapshot.state.policy.prefer.iter().map(|criterion| criterion.name()).collect();
        let by = if criteria.is_empty() { "name".to_owned() } else { criteria.join(", ") };
        if place == 0 {
            let text = format!("it is the first in the order of preference ({by})");
            return Some(ground(About::Preference, "C1", Some(true), text));
        }
        let (first, why) = (order[0], self.why_first(order[0]));
        let text = format!(
            "it is number {} of {} in the order of preference ({by}): {first} is the first, {why}",
            place + 1,
            order.len()
        );
        Some(if self.acts() {
            let (holds, stays) = self.stays();
            ground(About::Preference, "C1", Some(holds), format!("{text}; {stays}"))
        } else {
            ground(About::Preference, "C1", Some(false), text)
        })
    }

    /// Whether a boss stays though another is preferred.
    fn stays(&self) -> (bool, String) {
        let state = &self.snapshot.state;
        match state.policy.failback {
            Failback::Never => (true, "a boss that acts stays (failback = never)".to_owned()),
            Failback::After(_) if state.paused.is_some() => {
                (true, "a boss that acts stays while the cluster is paused".to_owned())
            }
            Failback::After(_) if state.stay => {
                (true, "a boss stays after a switchover, until the next loss".to_owned())
            }
            Failback::After(delay) => {
                (false, format!("it takes over when it has been fit for {delay} (failback)"))
            }
        }
    }

    /// The first criterion in which the two differ.
    fn why_first(&self, first: &NodeId) -> String {
        let members = &self.snapshot.state.members;
        let me = NodeId::new(self.name());
        let (Some(theirs), Some(mine)) = (members.find(first), members.find(&me)) else {
            return String::new();
        };
        let prefer = self.snapshot.state.policy.prefer.iter().copied();
        prefer
            .chain([Criterion::Name])
            .find_map(|criterion| {
                let value = |name: &NodeId, member: &election::Member| match criterion {
                    Criterion::Priority => member.priority.to_string(),
                    Criterion::Oldest => (member.joined + 1).to_string(),
                    Criterion::LowestAddress | Criterion::HighestAddress => host(&member.address),
                    Criterion::LowestPort => member.address.port().to_string(),
                    Criterion::Name => name.to_string(),
                };
                let (theirs, mine) = (value(first, theirs), value(&me, mine));
                let named = match criterion {
                    Criterion::Oldest => "by joining as number",
                    other => other.name(),
                };
                (theirs != mine).then(|| format!("{named} {theirs} against {mine}"))
            })
            .unwrap_or_default()
    }
}

/// The address without its port.
fn host(address: &election::Address) -> String {
    match address {
        election::Address::Ip(address) => address.ip().to_string(),
        election::Address::Host(name, _) => name.clone(),
    }
}

#[cfg(test)]
pub(in crate::elector) mod tests;
