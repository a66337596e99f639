//! What must hold (protocol.md 9), judged outside the nodes: every effect, every disk, every leader.

use std::sync::Arc;

use election::{ClusterState, Epoch, Kind, Note, Term, Version};

use crate::setup::{life_of, name_of};
use crate::step::Step;

impl Step<'_> {
    pub(crate) fn violate(&mut self, text: String) {
        self.state.violation.get_or_insert_with(|| text.into());
    }

    /// 9.1, 9.6, 9.13, 9.18: the first promote hook starts.
    pub(crate) fn effect_begins(&mut self, host: usize, epoch: Epoch) {
        if self.state.hosts[host].1.effect.is_some() {
            self.violate(format!("9.18: {} acts in {epoch} before a demote", name_of(host)));
        }
        if epoch <= self.state.remembered.last_epoch {
            self.violate(format!("9.13: epoch {epoch} is not above the last"));
        }
        let wiped = self.state.hosts[host].1.wiped;
        let holds = self.state.hosts.iter().filter(|(_, there)| {
            let claim = there.disk.state.claim.held_by(&name_of(host), life_of(host, wiped));
            claim.is_some_and(|held| held.epoch == epoch)
        });
        if holds.count() + self.wiped() < self.setup.quorum() {
            self.violate(format!("9.6: epoch {epoch} acts, its claim not on a quorum of disks"));
        }
        let last = &mut self.state.remembered.last_epoch;
        *last = (*last).max(epoch);
        self.host(host).effect = Some(epoch);
        self.judge_effects();
    }

    /// 9.1: at every beginning, and when one wakes. Who sleeps does nothing, and who has just woken
    /// has D (protocol.md 7).
    pub(crate) fn judge_effects(&mut self) {
        let counts =
            |host: &&crate::state::Host| host.effect.is_some() && !host.asleep && !host.excused;
        let hosts = self.state.hosts.iter().map(|(_, host)| &**host);
        let live: Vec<Epoch> = hosts.filter(counts).filter_map(|host| host.effect).collect();
        if live.len() > 1 {
            self.violate(format!("9.1: two bosses, in epochs {live:?}"));
        }
    }

    /// 9.5: a committed version is on a quorum of disks for ever, or a later one is; the same
    /// version is the same everywhere. 9.10 and 9.11 follow from 9.1 and 9.6 here.
    pub(crate) fn judge_disks(&mut self) {
        let committed = self.state.remembered.committed;
        let voters = || {
            let hosts = self.state.hosts.iter().zip(&self.setup.members);
            hosts.filter(|(_, kind)| kind.votes()).map(|((_, here), _)| &here.disk.state)
        };
        let have = voters().filter(|state| state.version >= committed).count();
        if have + self.wiped() < self.setup.quorum() {
            self.violate(format!("9.5: version {committed} was committed and is lost"));
            return;
        }
        let differs = |(index, state): (usize, &Arc<ClusterState>)| {
            voters().take(index).any(|other| {
                other.version == state.version && !Arc::ptr_eq(other, state) && other != state
            })
        };
        if voters().enumerate().any(differs) {
            self.violate("9.5: one version, two contents".to_owned());
        }
    }

    /// Hosts that may have had what no disk of theirs shows any more.
    fn wiped(&self) -> usize {
        self.state.hosts.iter().filter(|(_, here)| here.wiped > 0).count()
    }

    /// 9.2.
    fn leads(&mut self, host: usize, term: Term) {
        if *self.state.remembered.leaders.entry(term).or_insert(host) != host {
            self.violate(format!("9.2: two leaders in term {term}"));
        }
    }

    fn commits(&mut self, version: Version) {
        let before = self.state.remembered.committed;
        if version > before && version.index > before.index {
            self.state.remembered.committed = version;
        } else {
            self.violate(format!("9.5: {version} is committed after {before}"));
        }
    }

    /// 9.17: at the decision; an order that is committed while the permit is under way ends it.
    fn chooses(&mut self, host: usize) {
        let state = self.state.hosts[host].1.disk.state.clone();
        let name = name_of(host);
        if self.setup.members[host] != Kind::Voter {
            self.violate(format!("9.17: {name} promotes, and is no voter"));
        } else if state.paused.is_some() {
            self.violate(format!("9.17: {name} promotes while paused"));
        } else if state.members.find(&name).is_some_and(|member| member.drained.is_some()) {
            self.violate(format!("9.17: {name} promotes, and is drained"));
        }
    }

    pub(crate) fn judge_note(&mut self, host: usize, note: &Note) {
        match note {
            Note::BecameLeader { term, .. } | Note::Refreshed { term, .. } => {
                self.leads(host, *term);
            }
            Note::Committed { version } => self.commits(*version),
            Note::Promoting { .. } => self.chooses(host),
            Note::LeaseViolated { .. } if !self.overslept(host) => {
                self.violate("9.8: another leads in a lease".to_owned());
            }
            _ => {}
        }
    }

    /// What a host that slept finds is outside the bound on clocks (protocol.md 7).
    pub(crate) fn overslept(&self, host: usize) -> bool {
        let here = &self.state.hosts[host].1;
        here.asleep || here.excused
    }
}
