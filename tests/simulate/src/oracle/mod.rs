//! The judge outside the nodes. It sees real time, every effect, every message and every disk, and
//! holds them against protocol.md 9, one file per promise. 9.8 (leases are disjoint), 9.9 and 9.15
//! are seen only inside a node; 9.14 needs membership changes; 9.19 follows from 9.11 and 9.13.

mod choice;
mod claims;
mod committed;
mod durable;
mod effects;
mod never_falls;
mod one_leader;
mod one_vote;
mod released;

use std::collections::BTreeMap;

use election::{Envelope, Epoch, HardState, Message, Note};

use crate::host::Host;
use crate::world::{HostId, Instant};

pub(crate) struct Oracle {
    effects: effects::Effects,
    leaders: one_leader::OneLeader,
    votes: one_vote::OneVote,
    committed: committed::Committed,
    claims: claims::Claims,
    released: released::Released,
    /// The first one; it ends the world.
    pub(crate) violation: Option<String>,
    /// How often each rule decided something.
    pub(crate) rules: BTreeMap<&'static str, u64>,
}

/// What a promise says when it is broken.
pub(crate) type Verdict = Result<(), String>;

impl Oracle {
    pub(crate) fn new(hosts: usize, quorum: usize) -> Self {
        Self {
            effects: effects::Effects::new(hosts),
            leaders: one_leader::OneLeader::default(),
            votes: one_vote::OneVote::default(),
            committed: committed::Committed::new(quorum),
            claims: claims::Claims::default(),
            released: released::Released::new(hosts),
            violation: None,
            rules: BTreeMap::new(),
        }
    }

    /// The first promote hook starts.
    pub(crate) fn effect_begins(&mut self, now: Instant, host: HostId, epoch: Epoch, busy: bool) {
        let verdict = self.effects.begin(now, host, epoch, busy);
        self.take(verdict);
        let verdict = self.claims.effect_begins(host, epoch);
        self.take(verdict);
        let verdict = self.released.effect_begins(host, epoch);
        self.take(verdict);
    }

    /// The last demote hook succeeded, or the power is gone.
    pub(crate) fn effect_ends(&mut self, now: Instant, host: HostId) {
        self.effects.end(now, host);
    }

    /// Outside the promise from now on: letting go failed for good, and an alarm said so.
    pub(crate) fn excuse(&mut self, host: HostId) {
        self.effects.excuse(host);
    }

    pub(crate) fn is_excused(&self, host: HostId) -> bool {
        self.effects.is_excused(host)
    }

    pub(crate) fn suspended(&mut self, host: HostId) {
        self.effects.suspended(host);
    }

    pub(crate) fn resumed(&mut self, host: HostId, excused_until: Instant) {
        self.effects.resumed(host, excused_until);
    }

    /// An excuse may have run out.
    pub(crate) fn judge(&mut self, now: Instant) {
        let verdict = self.effects.at_most_one(now);
        self.take(verdict);
    }

    pub(crate) fn only_effect(&self) -> Option<(HostId, Epoch)> {
        self.effects.only()
    }

    pub(crate) fn promotions(&self) -> u64 {
        self.effects.promotions
    }

    pub(crate) fn excuses(&self) -> u64 {
        self.effects.excuses
    }

    pub(crate) fn longest_without(&self) -> Instant {
        self.effects.longest_without
    }

    pub(crate) fn end_of_safety(&mut self, now: Instant) {
        self.effects.end_of_safety(now);
    }

    pub(crate) fn last_leader(&self) -> Option<HostId> {
        self.leaders.last
    }

    /// Before the disk has it.
    pub(crate) fn written(&mut self, host: HostId, old: &HardState, new: &HardState) {
        self.take(never_falls::written(host, old, new));
        let verdict = self.committed.written(new);
        self.take(verdict);
        if let Some(candidate) = &new.voted_for {
            let verdict = self.votes.votes(host, new.term, candidate);
            self.take(verdict);
        }
    }

    pub(crate) fn sends(&mut self, from: HostId, _: HostId, env: &Envelope, hosts: &[Host]) {
        self.take(durable::sends(env, &hosts[from]));
        if let Message::Released { epoch, .. } = env.message {
            let active = self.effects.epoch_of(from);
            let verdict = self.released.says(from, epoch, active);
            self.take(verdict);
        }
    }

    pub(crate) fn note(&mut self, host: HostId, note: &Note, hosts: &[Host]) {
        self.count(note);
        match note {
            Note::BecameLeader { term, .. } | Note::Refreshed { term, .. } => {
                let verdict = self.leaders.leads(host, *term);
                self.take(verdict);
            }
            Note::Committed { version } => {
                let verdict = self.committed.commits(*version, hosts);
                self.take(verdict);
                if !self.committed.is_newest(*version) {
                    return;
                }
                let live = self.effects.unexcused();
                let verdict = self.claims.commits(host, live, hosts);
                self.take(verdict);
            }
            Note::Promoting { epoch } => self.take(choice::promotes(&hosts[host], *epoch)),
            Note::LeaseViolated { .. } if !self.effects.was_suspended(host) => {
                self.fail(format!("9.8: {note}"));
            }
            _ => {}
        }
    }

    fn count(&mut self, note: &Note) {
        let rule = match note {
            Note::Voted { ground, .. } | Note::BecameLeader { ground, .. } => {
                ["V4", "V6"].into_iter().find(|rule| ground.contains(rule))
            }
            Note::AttemptFailed { refusals, .. } => {
                for (_, refusal) in refusals {
                    *self.rules.entry(refusal.rule()).or_default() += 1;
                }
                None
            }
            note => note.rule(),
        };
        if let Some(rule) = rule {
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    fn take(&mut self, verdict: Verdict) {
        if let Err(text) = verdict {
            self.fail(text);
        }
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }
}
