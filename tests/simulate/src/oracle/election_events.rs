//! What the world tells the judge of electors and their disks, event by event.

use std::sync::Arc;

use election::{
    Claim, Envelope, HardState, Message, Moment, Node, Note, Reason, Term, Version, VoteKind, Wait,
};

use super::events::Heard;
use super::leases::Change;
use super::promises::{self, Voter};
use super::{Oracle, claim_none, durable, lives, never_falls, released};
use crate::elector::Elector;
use crate::host::Host;
use crate::rules::Rule;
use crate::world::{HostId, Instant};

/// The election.
impl Oracle {
    /// S1.
    pub(crate) fn elector_starts(&mut self, host: HostId, here: Moment, hard: &HardState) {
        self.promises.starts(host, here, hard);
        self.choice.starts(host);
        self.handovers.starts(host);
        self.cut_off.forgets(host);
        self.rules.taken(Rule::S1);
    }

    pub(crate) fn elector_ends(&mut self, host: HostId) {
        self.leases.dies(host);
        self.stopped.dies(host);
        self.waiting[host] = None;
        self.demotes[host] = false;
    }

    /// After every event of a node, before what it says is carried out.
    pub(crate) fn event(
        &mut self,
        now: Instant,
        host: HostId,
        heard: Option<&Heard<'_>>,
        h: &[Host],
    ) {
        let here = &h[host];
        let Some(elector) = &here.elector else { return };
        let node = &elector.node;
        let at = here.clock.read(now);
        let voter = Voter {
            host,
            name: &here.name,
            now: at,
            term: node.term(),
            voted_for: node.voted_for(),
            has_lease: self.leases.withholds(host, at),
        };
        let heard = heard.map(|heard| promises::Heard {
            from: heard.from,
            envelope: heard.envelope,
            before: heard.before,
            // Section 6: a leader that this node had not bound may bring the version that binds it.
            counts: heard.counts || has_adopted(node, heard.envelope),
            // That of the state that it has now; it may have promised more.
            promise: node.state().timing.promise(),
            about: heard.about,
        });
        match self.promises.votes(voter, heard) {
            Ok(Some(rule)) => self.rules.taken(rule),
            Ok(None) => {}
            Err(text) => self.fail(text),
        }
        if let Some(heard) = heard {
            self.promises.heard(voter, heard);
            self.count_grounds(host, &heard, node);
        }
        self.choice.sees(here, host, node.state(), at);
        let lease = node.unreleased_lease();
        self.stopped.holds(host, lease);
        self.had_lease = self.leases.is_live(host, at);
        match self.leases.holds(host, lease, (now, at), node.term()) {
            Change::None => {}
            Change::Longer => self.is_backed(now, host, h),
            Change::Begins => {
                self.rules.taken(Rule::L1);
                self.is_backed(now, host, h);
                self.judge_leases(now, h);
            }
        }
        if let Some(last) = self.waiting[host] {
            self.watch_waiting(host, last, node, at);
        }
    }

    /// The promises that a lease rests on, all turned into real time.
    fn is_backed(&mut self, now: Instant, leader: HostId, hosts: &[Host]) {
        let here = &hosts[leader];
        let lease = here.elector.as_ref().and_then(|elector| elector.node.unreleased_lease());
        let Some(until) = lease.filter(|_| !self.intervals.is_asleep_or_dazed(now, leader)) else {
            return;
        };
        let lasts = here.clock.soonest(now, until);
        let voters = hosts.iter().enumerate().filter(|(_, host)| host.kind.votes());
        let voters_count = self.voters;
        let ends = voters.map(|(voter, host)| {
            if voter == leader {
                return u64::MAX;
            }
            let to = self.promises.to(voter, leader);
            to.map_or(0, |until| host.clock.latest(now, until))
        });
        let verdict = self.leases.is_backed(leader, lasts, ends, voters_count / 2 + 1);
        self.take(verdict);
    }

    /// V4 and V6 where the ground did not do; A2; who answers.
    fn count_grounds(&mut self, host: HostId, heard: &promises::Heard<'_>, node: &Node) {
        let envelope = heard.envelope;
        match &envelope.message {
            Message::Vote { kind, .. } if node.voted_for() != Some(&envelope.from) => match kind {
                VoteKind::Handover { .. } => self.rules.refused(Rule::V4),
                VoteKind::Refresh => self.rules.refused(Rule::V6),
                VoteKind::Normal => {}
            },
            Message::PreVoteReply { .. } => self.cut_off.is_answered(host, heard.from),
            Message::Publish { state } => {
                self.count(Rule::A2, node.state().version == state.version);
            }
            _ => {}
        }
    }

    /// W1 to W5: counted whenever a leader begins to wait for another one of them.
    fn watch_waiting(&mut self, host: HostId, last: u8, node: &Node, at: Moment) {
        let Some(wait) = node.promote_waits_for(at) else { return };
        let which = match wait {
            Wait::Commit => 1,
            Wait::FenceWindow(_) => 2,
            Wait::Runner => 3,
            Wait::Claim => 4,
            Wait::Margin => 5,
            Wait::Paused => 6,
            Wait::Ineligible => 7,
            Wait::Spent => 8,
        };
        if which != last {
            self.waiting[host] = Some(which);
            self.rules.waits(wait);
        }
    }

    /// An operator's word at `host` that another host is surely off (V7).
    pub(crate) fn confirmed(&mut self, host: HostId, off: HostId, now: Instant, hosts: &[Host]) {
        let Some(elector) = &hosts[host].elector else { return };
        let at = hosts[host].clock.read(now);
        let state = elector.node.state();
        let bound = state.members.find(&hosts[off].name);
        if let Some(life) = bound.and_then(|member| member.incarnation) {
            let claimed = state.claim.held_by(&hosts[off].name, life);
            let led = claimed.map(|held| Term(held.epoch.0)).unwrap_or_default();
            self.promises.confirmed(host, (off, life), led, at);
        }
    }

    /// Before the disk has it.
    pub(crate) fn written(&mut self, host: HostId, here: &Host, new: &HardState) {
        self.take(never_falls::written(host, &here.disk, new));
        let verdict = self.committed.written(new);
        self.take(verdict);
        if let Some(candidate) = &new.voted_for {
            let verdict = self.votes.votes(host, here.incarnation, new.term, candidate);
            self.take(verdict);
        }
    }

    /// The disk is another, or its directory a new one.
    pub(crate) fn wiped(&mut self, host: &Host) {
        if host.kind.votes() {
            self.committed.wiped += 1;
        }
    }

    /// `waited`: a write may have held it back.
    pub(crate) fn sends(
        &mut self,
        (from, to): (HostId, HostId),
        env: &Envelope,
        hosts: &[Host],
        (now, waited): (Instant, bool),
    ) {
        self.take(durable::sends(env, &hosts[from]));
        match &env.message {
            Message::Heartbeat { .. } => {
                let (at, lease) = (hosts[from].clock.read(now), self.lease);
                self.take(self.stopped.extends(from, at, lease, waited));
            }
            Message::HeartbeatReply { seq, facts, .. } => {
                self.count(Rule::A1, seq.is_some());
                if !waited {
                    let at = hosts[from].clock.read(now);
                    self.take(self.cut_off.says(from, at, facts.cut_off));
                }
            }
            Message::PreVote { proposed, rank, .. } => {
                self.rules.taken(Rule::C1);
                if !waited && !self.clocks_jump {
                    let at = hosts[from].clock.read(now);
                    let slots = self.slot.times(u64::from(*rank));
                    let verdict = self.promises.campaigns(from, at, slots);
                    // A follower that was cut off looks whether a quorum answers again.
                    let looks = verdict.is_err() && hosts[from].follows(at);
                    self.take(if looks { Ok(()) } else { verdict });
                }
                if *proposed > env.term.next() {
                    self.rules.taken(Rule::T0);
                }
            }
            Message::PreVoteReply { refusal: None, .. } => self.rules.taken(Rule::P1),
            Message::VoteReply { vote, refusal: None } => {
                let verdict = self.votes.votes(from, env.incarnation, *vote, &hosts[to].name);
                self.take(verdict);
            }
            Message::Vote { kind: VoteKind::Normal, .. } => self.rules.taken(Rule::C2),
            Message::Confirmed { node, incarnation, term } => {
                self.take(released::confirms(node, *incarnation, *term, hosts));
            }
            Message::Released { epoch, .. } => {
                self.rules.taken(Rule::X6);
                let active = self.intervals.on(from).filter(|live| !live.given_up);
                let active = active.map(|live| live.epoch);
                let verdict = self.released.says(from, *epoch, active);
                self.take(verdict);
            }
            _ => {}
        }
    }

    fn count(&mut self, rule: Rule, taken: bool) {
        if taken {
            self.rules.taken(rule);
        } else {
            self.rules.refused(rule);
        }
    }

    pub(crate) fn note(&mut self, now: Instant, host: HostId, note: &Note, hosts: &[Host]) {
        self.rules.note(note);
        let here = &hosts[host];
        let at = here.clock.read(now);
        // What is being let go of already ends for another reason.
        let stays = self.intervals.on(host).filter(|live| !live.ends && !self.demotes[host]);
        let in_effect = stays.map(|live| live.epoch);
        let dazed = self.intervals.is_asleep_or_dazed(now, host);
        let has_lease = self.had_lease && !dazed;
        let verdict = self.refreshes.note(host, note, in_effect, has_lease);
        self.take(verdict);
        match note {
            Note::Following { leader, .. } => {
                if let Some(leader) = hosts.iter().position(|host| host.name == *leader) {
                    self.handovers.hears(host, leader);
                }
            }
            Note::HandingOver { to, reason } => {
                if let Some(to) = hosts.iter().position(|host| host.name == *to) {
                    let verdict = self.handovers.tells(now, host, to, *reason);
                    self.take(verdict);
                }
            }
            Note::BecameLeader { term, votes, .. } => {
                let verdict = lives::leads(votes, &self.votes, host, *term, hosts);
                self.take(verdict);
                self.promises.leads(host, here.incarnation, at);
                self.stopped.leads(host);
                self.cut_off.forgets(host);
                self.leads(host, *term);
            }
            Note::Refreshed { term, .. } => self.leads(host, *term),
            Note::SteppedDown { reason, .. } => {
                self.waiting[host] = None;
                if matches!(reason, Reason::LeaseOver | Reason::NoLease) {
                    self.cut_off.loses(host, at);
                }
            }
            Note::Committed { version } => self.commits(now, *version, hosts),
            Note::Demoting { reason: Reason::Failback, .. } => {
                let stays = |elector: &Elector| elector.node.state().stay;
                if here.elector.as_ref().is_some_and(stays) {
                    self.fail(format!("9.20: host {host} fails back, but `stay` is set"));
                }
                self.demotes[host] = true;
            }
            Note::Demoting { .. } => self.demotes[host] = true,
            Note::Fencing { .. } | Note::Idle { .. } => self.demotes[host] = false,
            Note::Promoting { epoch } => {
                self.waiting[host] = None;
                self.take(self.leases.promotes(host, at, self.margin));
                self.take(self.choice.promotes(here, host, *epoch, at));
            }
            Note::LeaseViolated { .. } if !dazed => {
                self.fail(format!("9.8: host {host}: {note}"));
            }
            _ => {}
        }
    }

    fn leads(&mut self, host: HostId, term: Term) {
        let verdict = self.leaders.leads(host, term);
        self.take(verdict);
        self.waiting[host] = Some(0);
    }

    fn commits(&mut self, now: Instant, version: Version, hosts: &[Host]) {
        let Some(state) = self.committed.content(version) else {
            return self.fail(format!("9.5: version {version} is committed on no disk"));
        };
        let verdict = self.committed.commits(&state, hosts);
        self.take(verdict);
        if !self.committed.is_newest(version) {
            return;
        }
        let verdict = self.adjacent.commits(&state);
        self.take(verdict);
        let verdict = self.lives.commits(&state);
        self.take(verdict);
        let claim = match &state.claim {
            Claim::Held(held) => {
                let host = hosts.iter().position(|host| host.name == held.node);
                host.map(|host| (host, held.epoch))
            }
            Claim::Unknown | Claim::None => None,
        };
        if let Some((host, epoch)) = claim {
            let verdict = self.claimed.commits(host, epoch);
            self.take(verdict);
        }
        let verdict = claim_none::commits(&self.intervals, now, version, claim);
        self.take(verdict);
    }
}

fn has_adopted(node: &Node, envelope: &Envelope) -> bool {
    let Message::Publish { state } = &envelope.message else { return false };
    Arc::ptr_eq(state, node.state())
}
