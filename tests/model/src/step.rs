//! What can happen next in a state, and the state after it, with the judgement of what was seen on
//! the way (protocol.md 9).

use std::collections::BTreeSet;
use std::sync::Arc;

use election::{
    Act, Effect, Epoch, ExecutorAlarm, Marker, Message, Note, Order, Reason, Refusal, Version,
};

use crate::world::{Host, NOW, Parcel, Run, Setup, State, durable, life_of, name_of, print_of};

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Deliver(usize),
    DeliverAndKeep(usize),
    Lose(usize),
    ExecutorReads(usize),
    ElectorReads(usize),
    HooksEnd(usize, bool),
    ElectorDies(usize),
    UnitDies(usize),
    CleanedUp(usize),
    ElectorStarts(usize),
    ExecutorStarts(usize),
    /// Whether it is mute and whether it is deaf from now on.
    Connection(usize, bool, bool),
    Order(usize, usize),
    Tick,
}

/// A state being changed.
pub(crate) struct Step<'a> {
    setup: &'a Setup,
    pub(crate) state: State,
    touched: Vec<bool>,
    pub(crate) taken: BTreeSet<&'static str>,
    pub(crate) violation: Option<String>,
    /// The action was refused: nothing happened.
    void: bool,
}

impl Setup {
    /// All hosts run and are connected.
    pub(crate) fn started(&self) -> State {
        let mut step = Step::new(self, self.first());
        for host in 0..self.members.len() {
            step.start_executor(host);
            step.start_elector(host);
        }
        step.finish().state
    }

    pub(crate) fn actions(&self, state: &State) -> Vec<Action> {
        let mut all = Vec::new();
        let left = state.left;
        for (index, (print, _)) in state.parcels.iter().enumerate() {
            if index > 0 && state.parcels[index - 1].0 == *print {
                continue;
            }
            all.push(Action::Deliver(index));
            if left.doubles > 0 {
                all.push(Action::DeliverAndKeep(index));
            }
            if left.losses > 0 {
                all.push(Action::Lose(index));
            }
        }
        for (host, (_, here)) in state.hosts.iter().enumerate() {
            self.actions_of(host, here, state, &mut all);
        }
        if self.may_tick(state) {
            all.push(Action::Tick);
        }
        all
    }

    fn actions_of(&self, host: usize, here: &Host, state: &State, all: &mut Vec<Action>) {
        let left = state.left;
        if !here.acts.is_empty() {
            all.push(Action::ExecutorReads(host));
        }
        if !here.words.is_empty() {
            all.push(Action::ElectorReads(host));
        }
        if let Some(run) = here.run {
            all.push(Action::HooksEnd(host, true));
            if left.hook_failures > 0 && run != Run::Escalate {
                all.push(Action::HooksEnd(host, false));
            }
        }
        if left.elector_crashes > 0 && here.elector.is_some() {
            all.push(Action::ElectorDies(host));
        }
        if left.unit_crashes > 0 && here.executor.is_some() {
            all.push(Action::UnitDies(host));
        }
        if here.cleaning.is_some() {
            all.push(Action::CleanedUp(host));
        } else if here.executor.is_none() {
            all.push(Action::ExecutorStarts(host));
        }
        if here.restart {
            all.push(Action::ElectorStarts(host));
        }
        if left.cuts > 0 && (!self.swift || late(state) == 0) {
            for (mute, deaf) in [(false, false), (true, true), (true, false), (false, true)] {
                let now = (here.mute, here.deaf);
                if (mute, deaf) != now && (self.one_way || mute == deaf) {
                    all.push(Action::Connection(host, mute, deaf));
                }
            }
        }
        if left.orders > 0 && here.elector.is_some() {
            all.extend((0..self.orders.len()).map(|order| Action::Order(host, order)));
        }
    }

    /// Time waits for what is urgent: an effect that must be gone by the next tick, and whatever
    /// is on its way beyond the budget of delays.
    fn may_tick(&self, state: &State) -> bool {
        let late = late(state);
        late <= usize::from(state.left.delays)
            && state.hosts.iter().enumerate().all(|(host, (_, here))| {
                let limit = here.executor.as_ref().and_then(election::Executor::fence_limit);
                let next = NOW.plus(self.tick_of(host));
                let urgent = |limit: election::Moment| limit.over_when_either(next);
                !limit.is_some_and(urgent) && !here.cleaning.is_some_and(urgent)
            })
    }

    /// The state after `action`; None if it cannot happen.
    pub(crate) fn after(&self, state: &State, action: Action) -> Option<Step<'_>> {
        let mut step = Step::new(self, state.clone());
        step.act(action);
        if step.void { None } else { Some(step.finish()) }
    }
}

fn late(state: &State) -> usize {
    let channels = state.hosts.iter().map(|(_, here)| here.acts.len() + here.words.len());
    state.parcels.len() + channels.sum::<usize>()
}

impl<'a> Step<'a> {
    fn new(setup: &'a Setup, state: State) -> Self {
        let touched = vec![false; state.hosts.len()];
        Self { setup, state, touched, taken: BTreeSet::new(), violation: None, void: false }
    }

    fn finish(mut self) -> Self {
        if self.setup.swift {
            self.hurry();
        }
        self.judge_disks();
        self.state.canonical(&self.touched);
        self
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Deliver(index) => {
                let parcel = self.state.parcels.remove(index).1;
                self.deliver(&parcel);
            }
            Action::DeliverAndKeep(index) => {
                self.state.left.doubles -= 1;
                let parcel = self.state.parcels[index].1.clone();
                self.deliver(&parcel);
            }
            Action::Lose(index) => {
                self.state.left.losses -= 1;
                self.state.parcels.remove(index);
            }
            Action::ExecutorReads(host) => self.executor_reads(host),
            Action::ElectorReads(host) => {
                let word = self.host(host).words.pop_front();
                self.with_elector(host, |node| {
                    if let Some(word) = word {
                        node.handle_hook_outcome(NOW, word);
                    }
                });
            }
            Action::HooksEnd(host, success) => self.hooks_end(host, success),
            Action::ElectorDies(host) => {
                self.state.left.elector_crashes -= 1;
                self.elector_dies(host);
                self.with_executor(host, |executor| executor.handle_channel_closed(NOW));
            }
            Action::UnitDies(host) => self.unit_dies(host),
            Action::CleanedUp(host) => {
                let here = self.host(host);
                here.cleaning = None;
                here.effect = None;
                if let Marker::Acting { epoch, .. } = here.marker {
                    here.marker = Marker::Idle { epoch };
                }
            }
            Action::ElectorStarts(host) => self.start_elector(host),
            Action::ExecutorStarts(host) => self.start_executor(host),
            Action::Connection(host, mute, deaf) => {
                self.state.left.cuts -= 1;
                let here = self.host(host);
                (here.mute, here.deaf) = (mute, deaf);
            }
            Action::Order(host, order) => self.order(host, order),
            Action::Tick => self.tick(),
        }
    }

    /// What is swift arrives, in one order.
    fn hurry(&mut self) {
        loop {
            let extends = |here: &Host| matches!(here.acts.front(), Some(Act::Extend { .. }));
            let swift = |parcel: &Parcel| {
                let message = &parcel.envelope.message;
                message.is_datagram()
                    || matches!(
                        message,
                        Message::PreVote { .. }
                            | Message::PreVoteReply { .. }
                            | Message::PublishReply { .. }
                    )
            };
            if let Some(host) = self.state.hosts.iter().position(|(_, here)| extends(here)) {
                self.executor_reads(host);
            } else if let Some(at) = self.state.parcels.iter().position(|(_, p)| swift(p)) {
                let parcel = self.state.parcels.remove(at).1;
                self.deliver(&parcel);
            } else {
                return;
            }
        }
    }

    fn host(&mut self, host: usize) -> &mut Host {
        self.touched[host] = true;
        Arc::make_mut(&mut self.state.hosts[host].1)
    }

    fn tick(&mut self) {
        let late = u8::try_from(late(&self.state)).unwrap_or(u8::MAX);
        self.state.left.delays -= late;
        for host in 0..self.state.hosts.len() {
            let span = self.setup.tick_of(host);
            let here = self.host(host);
            if let Some(node) = &mut here.elector {
                node.shift(span);
            }
            if let Some(executor) = &mut here.executor {
                executor.shift(span);
            }
            here.acts.iter_mut().for_each(|act| act.shift(span));
            here.cleaning = here.cleaning.map(|limit| limit.minus(span));
        }
        for host in 0..self.state.hosts.len() {
            self.with_executor(host, |executor| executor.handle_timeout(NOW));
            self.with_elector(host, |node| node.handle_timeout(NOW));
        }
    }

    fn deliver(&mut self, parcel: &Parcel) {
        let envelope = &parcel.envelope;
        self.with_elector(parcel.to, |node| node.handle_message(NOW, envelope));
    }

    fn order(&mut self, host: usize, order: usize) {
        self.state.left.orders -= 1;
        let command = self.setup.orders[order].clone();
        let mut refused = false;
        self.with_elector(host, |node| {
            refused = node.handle_command(NOW, 1, command).is_err();
        });
        self.void = refused;
    }

    fn with_elector(&mut self, host: usize, input: impl FnOnce(&mut election::Node)) {
        let Some(node) = &mut self.host(host).elector else { return };
        input(node);
        loop {
            let Some(node) = &mut self.host(host).elector else { return };
            let ready = node.ready();
            for effect in ready.effects {
                self.effect(host, effect);
            }
            let Some(write) = ready.write else { return };
            let here = self.host(host);
            let written = durable(&write);
            here.disk = write.hard;
            if let Some(node) = &mut here.elector {
                node.handle_written(NOW, written);
            }
        }
    }

    fn effect(&mut self, host: usize, effect: Effect) {
        match effect {
            Effect::Send { to, envelope } => {
                let to = (0..self.state.hosts.len()).find(|h| name_of(*h) == to);
                let Some(to) = to else { return };
                if self.state.hosts[host].1.mute || self.state.hosts[to].1.deaf {
                    return;
                }
                let parcel = Parcel { from: host, to, envelope };
                self.state.parcels.push((print_of(&parcel), Arc::new(parcel)));
            }
            Effect::Act(Act::Follow { .. }) | Effect::Answer { .. } => {}
            Effect::Act(act) => {
                let here = self.host(host);
                if here.executor.is_some() {
                    here.acts.push_back(act);
                }
            }
            Effect::Note(note) => self.judge_note(host, &note),
            Effect::Left => self.elector_dies(host),
        }
    }

    fn with_executor(&mut self, host: usize, input: impl FnOnce(&mut election::Executor)) {
        let Some(executor) = &mut self.host(host).executor else { return };
        input(executor);
        while let Some(order) =
            self.host(host).executor.as_mut().and_then(election::Executor::next_order)
        {
            self.obey(host, &order);
        }
    }

    fn executor_reads(&mut self, host: usize) {
        let Some(act) = self.host(host).acts.pop_front() else { return };
        self.with_executor(host, |executor| match act {
            Act::Promote { permit, .. } => executor.handle_permit(NOW, permit),
            Act::Extend { epoch, until } => executor.handle_extend(NOW, epoch, until),
            Act::Demote { epoch, .. } => executor.handle_demote(NOW, epoch),
            Act::Revoke { epoch, .. } => executor.handle_revoke(NOW, epoch),
            Act::Follow { .. } => {}
        });
    }

    fn obey(&mut self, host: usize, order: &Order) {
        let here = self.host(host);
        match *order {
            Order::MarkActing(permit) => {
                here.marker = Marker::Acting { epoch: permit.epoch, fence: permit.fence };
            }
            Order::MarkIdle { epoch } => here.marker = Marker::Idle { epoch },
            Order::Promote { epoch } => {
                if here.executor.as_ref().is_some_and(|executor| executor.may_act(NOW, epoch)) {
                    here.run = Some(Run::Promote);
                    self.effect_begins(host, epoch);
                }
            }
            Order::Demote { .. } => here.run = Some(Run::Demote),
            Order::Escalate { .. } => here.run = Some(Run::Escalate),
            Order::Say(word) => {
                if here.elector.is_some() {
                    here.words.push_back(word);
                }
            }
            Order::Alarm(ExecutorAlarm::DemoteFailed(_)) => {
                self.taken.insert("a demote failed");
            }
            Order::Alarm(alarm) => self.violate(format!("the model let D pass: {alarm}")),
            Order::Idle { .. } => here.restart = here.elector.is_none(),
        }
    }

    fn hooks_end(&mut self, host: usize, success: bool) {
        if !success {
            self.state.left.hook_failures -= 1;
        }
        let here = self.host(host);
        let Some(run) = here.run.take() else { return };
        if run != Run::Promote && success {
            here.effect = None;
        }
        self.with_executor(host, |executor| match run {
            Run::Promote => executor.handle_promoted(NOW, success),
            Run::Demote => executor.handle_demoted(NOW, success),
            Run::Escalate => executor.handle_escalated(success),
        });
    }

    /// The channel is closed unread.
    fn elector_dies(&mut self, host: usize) {
        let here = self.host(host);
        here.elector = None;
        here.acts.clear();
        here.words.clear();
    }

    fn unit_dies(&mut self, host: usize) {
        self.state.left.unit_crashes -= 1;
        self.elector_dies(host);
        let here = self.host(host);
        let permit = here.executor.as_ref().and_then(election::Executor::permit);
        let limit = here.executor.as_ref().and_then(election::Executor::fence_limit);
        here.executor = None;
        here.run = None;
        here.restart = false;
        // X2 for the clean-up: over by min(until, now) + D.
        here.cleaning = permit
            .filter(|_| here.effect.is_some())
            .map(|permit| limit.unwrap_or(permit.until.earliest(NOW).plus(permit.fence)));
    }

    fn start_executor(&mut self, host: usize) {
        let executor = self.setup.new_executor(host, &self.state.hosts[host].1);
        self.host(host).executor = Some(executor);
        self.with_executor(host, |_| {});
    }

    fn start_elector(&mut self, host: usize) {
        let setup = self.setup;
        let here = self.host(host);
        here.restart = false;
        let Some(executor) = &mut here.executor else { return };
        executor.handle_channel_opened();
        let last = executor.last_epoch();
        here.elector = Some(setup.new_elector(host, here.disk.clone(), last));
        self.with_elector(host, |_| {});
        for other in (0..self.state.hosts.len()).filter(|other| *other != host) {
            let there = &self.state.hosts[other].1;
            if there.elector.is_none() {
                continue;
            }
            self.with_elector(host, |node| {
                node.handle_connected(NOW, &name_of(other), life_of(other));
            });
            self.with_elector(other, |node| {
                node.handle_connected(NOW, &name_of(host), life_of(host));
            });
        }
    }

    fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    /// 9.1, 9.6, 9.13, 9.18.
    fn effect_begins(&mut self, host: usize, epoch: Epoch) {
        for (other, (_, there)) in self.state.hosts.iter().enumerate() {
            if let Some(standing) = there.effect {
                let (new, old) = (name_of(host), name_of(other));
                let text = format!("9.1: {new} acts in epoch {epoch}, {old} in {standing} still");
                self.violation.get_or_insert(text);
            }
        }
        if epoch <= self.state.seen.last_epoch {
            self.violate(format!("9.13: epoch {epoch} is not above the last"));
        }
        let members = &self.state.hosts[host].1.disk.state.members;
        let holds = self.state.hosts.iter().filter(|(_, h)| {
            let claim = h.disk.state.claim.held_by(&name_of(host), life_of(host));
            claim.is_some_and(|held| held.epoch == epoch)
        });
        if holds.count() < members.quorum() {
            self.violate(format!("9.6: epoch {epoch} acts, its claim not on a quorum of disks"));
        }
        self.state.seen.last_epoch = self.state.seen.last_epoch.max(epoch);
        self.host(host).effect = Some(epoch);
    }

    /// 9.5: a committed version is on a quorum of disks for ever, or a later one is; the same
    /// version is the same everywhere.
    fn judge_disks(&mut self) {
        let committed = self.state.seen.committed;
        let disks = || self.state.hosts.iter().map(|(_, here)| &here.disk.state);
        let have = disks().filter(|state| state.version >= committed).count();
        if have < self.setup.members.len() / 2 + 1 {
            self.violate(format!("9.5: version {committed} was committed and is lost"));
            return;
        }
        let differs = |(index, state): (usize, &Arc<election::ClusterState>)| {
            disks().take(index).any(|other| {
                other.version == state.version && !Arc::ptr_eq(other, state) && other != state
            })
        };
        if disks().enumerate().any(differs) {
            self.violate("9.5: one version, two contents".to_owned());
        }
    }

    fn leads(&mut self, host: usize, term: election::Term) {
        if *self.state.seen.leaders.entry(term).or_insert(host) != host {
            self.violate(format!("9.2: two leaders in term {term}"));
        }
    }

    fn commits(&mut self, version: Version) {
        let before = self.state.seen.committed;
        if version > before && version.index > before.index {
            self.state.seen.committed = version;
        } else {
            self.violate(format!("9.5: {version} is committed after {before}"));
        }
    }

    fn judge_note(&mut self, host: usize, note: &Note) {
        match note {
            Note::BecameLeader { term, .. } | Note::Refreshed { term, .. } => {
                self.leads(host, *term);
            }
            Note::Committed { version } => self.commits(*version),
            Note::LeaseViolated { .. } => self.violate("9.8: another leads in a lease".to_owned()),
            _ => {}
        }
        self.taken.extend(rule_in(note));
    }
}

/// What a note shows of the rules, for the `sometimes` properties.
fn rule_in(note: &Note) -> Option<&'static str> {
    Some(match note {
        Note::RefusedVote { refusal, .. } => match refusal {
            Refusal::Promise { .. } => "V1 refuses",
            Refusal::OwnLease { .. } => "V2 refuses",
            Refusal::OldTerm(_) => "V3 refuses an old term",
            Refusal::Voted(_) => "V3 refuses a second vote",
            Refusal::OldVersion(_) => "V3 refuses an old version",
            Refusal::Disk | Refusal::NoVote => "no vote",
        },
        Note::Voted { ground: "", .. } => "V3 grants",
        Note::Voted { ground: " by handover, V4", .. } => "V4 grants",
        Note::Voted { .. } => "V6 grants",
        Note::PromiseEnded { .. } => "V5 ends a promise",
        Note::Ignored { rule: "V4", .. } => "V4 ignores a take-over",
        Note::Ignored { rule: "V5", .. } => "V5 ignores",
        Note::Ignored { rule: "X4", .. } => "X4 ignores an old idle",
        Note::Ignored { rule: "C2", .. } => "C2 ignores a stale reply",
        Note::Refreshed { rule: "R1", .. } => "R1 refreshes",
        Note::Refreshed { .. } => "R2 renews",
        Note::WindowClosed { how: "predecessor released" } => "W2 by Released",
        Note::WindowClosed { how: "the claim is its own" } => "W2 own claim",
        Note::WindowClosed { how: "nobody had effects" } => "W2 nobody",
        Note::WindowClosed { .. } => "W2 waits",
        Note::SteppedDown { reason: Reason::LeaseOver, .. } => "L2 lease over",
        Note::SteppedDown { reason: Reason::NoLease, .. } => "L2 no lease",
        Note::BecameBoss { .. } => "a boss",
        Note::PromoteFailed { .. } => "a promote failed",
        Note::HandingOver { .. } => "a handover",
        Note::HandoverFailed { .. } => "a handover failed",
        Note::Yielded { .. } => "a candidate yields",
        _ => return None,
    })
}
