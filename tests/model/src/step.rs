//! The state after an action.

use std::sync::Arc;

use election::{Command, Marker, Message, VoteKind};

use crate::action::{Action, Which};
use crate::coverage::Mark;
use crate::setup::{Setup, life_of, name_of};
use crate::state::{Host, Parcel, Run, State};

/// A state being changed.
pub(crate) struct Step<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) state: State,
    touched: Vec<bool>,
    /// The kind of the vote that is being answered.
    pub(crate) asked: Option<VoteKind>,
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
        step.finish()
    }

    /// The state after `action`; None if it cannot happen.
    pub(crate) fn after(&self, state: &State, action: Action) -> Option<State> {
        let mut step = Step::new(self, state.clone());
        step.act(action);
        if step.void { None } else { Some(step.finish()) }
    }
}

impl<'a> Step<'a> {
    fn new(setup: &'a Setup, state: State) -> Self {
        let touched = vec![false; state.hosts.len()];
        Self { setup, state, touched, asked: None, void: false }
    }

    fn finish(mut self) -> State {
        if self.setup.swift {
            self.hurry();
        }
        self.judge_disks();
        self.state.canonical(self.setup, &self.touched);
        self.state
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Deliver(which) => {
                let parcel = self.take(which);
                self.deliver(&parcel);
            }
            Action::DeliverTwice(which) => {
                self.state.left.doubles -= 1;
                let parcel = self.take(which);
                self.state.bag.push((0, parcel.clone()));
                self.deliver(&parcel);
            }
            Action::Lose(which) => {
                self.state.left.losses -= 1;
                self.take(which);
            }
            Action::ExecutorReads(host) => self.executor_reads(host),
            Action::ElectorReads(host) => self.elector_reads(host),
            Action::HooksEnd(host, success) => self.hooks_end(host, success),
            Action::DiskAnswers(host, durable) => {
                self.state.left.refusals -= u8::from(!durable);
                self.disk_answers(host, durable);
            }
            Action::Marked(host) => self.marked(host),
            Action::ElectorDies(host, landed) => {
                self.state.left.elector_crashes -= 1;
                self.elector_dies(host, landed);
                self.setup.seen.add(Mark::X2Closed);
                let now = self.setup.now();
                self.with_executor(host, |executor| executor.handle_channel_closed(now));
            }
            Action::UnitDies(host, landed) => {
                self.state.left.unit_crashes -= 1;
                self.unit_dies(host, landed);
            }
            Action::PowerFails(host, landed) => {
                self.state.left.power_cuts -= 1;
                self.unit_dies(host, landed);
                let here = self.host(host);
                here.effect = None;
                here.excused = false;
                here.cleaning = None;
                here.marker = Marker::Missing;
                here.off = true;
            }
            Action::Wiped(host) => {
                self.state.left.wipes -= 1;
                let disk = self.setup.wiped();
                let here = self.host(host);
                here.disk = disk;
                here.wiped += 1;
            }
            Action::CleanedUp(host) => {
                let here = self.host(host);
                here.cleaning = None;
                here.effect = None;
                here.excused = false;
                if let Marker::Acting { epoch, .. } = here.marker {
                    here.marker = Marker::Idle { epoch };
                }
            }
            Action::ElectorStarts(host) => self.start_elector(host),
            Action::ExecutorStarts(host) => {
                self.host(host).off = false;
                self.start_executor(host);
            }
            Action::Freezes(host) => {
                self.state.left.freezes -= 1;
                self.host(host).frozen = true;
            }
            Action::Thaws(host, timer_first) => {
                self.host(host).frozen = false;
                if timer_first {
                    self.time_passes(host);
                }
            }
            Action::FallsAsleep(host) => {
                self.state.left.suspends -= 1;
                self.host(host).asleep = true;
            }
            Action::Wakes(host) => self.wakes(host),
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
            let extends = |here: &Host| {
                !here.asleep && matches!(here.acts.front(), Some(election::Act::Extend { .. }))
            };
            if let Some(host) = self.state.hosts.iter().position(|(_, here)| extends(here)) {
                self.executor_reads(host);
            } else if let Some(which) = self.next_swift() {
                let parcel = self.take(which);
                self.deliver(&parcel);
            } else {
                return;
            }
        }
    }

    fn next_swift(&self) -> Option<Which> {
        let swift = |parcel: &Parcel| {
            let message = &parcel.envelope.message;
            let here = &self.state.hosts[parcel.to].1;
            let soon = message.is_datagram()
                || matches!(
                    message,
                    Message::PreVote { .. }
                        | Message::PreVoteReply { .. }
                        | Message::PublishReply { .. }
                );
            soon && (here.listens() || here.elector.is_none())
        };
        if let Some(at) = self.state.bag.iter().position(|(_, parcel)| swift(parcel)) {
            return Some(Which::Bag(at));
        }
        let first =
            |stream: &Vec<(u64, Arc<Parcel>)>| stream.first().is_some_and(|(_, p)| swift(p));
        let pair = self.state.streams.iter().position(first)?;
        let count = self.state.hosts.len();
        Some(Which::Stream(pair / count, pair % count))
    }

    pub(crate) fn host(&mut self, host: usize) -> &mut Host {
        self.touched[host] = true;
        Arc::make_mut(&mut self.state.hosts[host].1)
    }

    fn take(&mut self, which: Which) -> Arc<Parcel> {
        match which {
            Which::Stream(from, to) => self.state.stream(from, to).remove(0).1,
            Which::Bag(at) => self.state.bag.remove(at).1,
        }
    }

    fn tick(&mut self) {
        let late = u8::try_from(self.state.late()).unwrap_or(u8::MAX);
        self.state.left.delays -= late;
        for host in 0..self.state.hosts.len() {
            let passed = self.setup.tick_of(host, self.state.hosts[host].1.asleep);
            let here = self.host(host);
            if let Some(node) = &mut here.elector {
                node.shift(passed);
            }
            if let Some(executor) = &mut here.executor {
                executor.shift(passed);
            }
            here.acts.iter_mut().for_each(|act| act.shift(passed));
            here.orders.iter_mut().for_each(|order| order.shift(passed));
            here.cleaning = here.cleaning.map(|limit| limit.before(passed));
        }
        for host in 0..self.state.hosts.len() {
            if !self.state.hosts[host].1.asleep {
                self.executor_times(host);
                self.time_passes(host);
            }
        }
    }

    fn executor_times(&mut self, host: usize) {
        let now = self.setup.now();
        let acts = |here: &Host| here.executor.as_ref().is_some_and(|e| e.fence_limit().is_some());
        let before = acts(&self.state.hosts[host].1);
        self.with_executor(host, |executor| executor.handle_timeout(now));
        if !before && acts(&self.state.hosts[host].1) {
            self.setup.seen.add(Mark::X2Expired);
        }
    }

    fn time_passes(&mut self, host: usize) {
        let now = self.setup.now();
        if self.state.hosts[host].1.listens() {
            self.with_elector(host, |node| node.handle_timeout(now));
        }
    }

    /// What stood when it fell asleep stands again: protocol.md 7 gives it D to let go where its
    /// time is over by one of its clocks.
    fn wakes(&mut self, host: usize) {
        self.host(host).asleep = false;
        // Excused until the executor has looked at its clocks, and then as long as it lets go.
        self.host(host).excused = self.state.hosts[host].1.effect.is_some();
        self.executor_times(host);
        let fencing =
            |here: &Host| here.executor.as_ref().is_some_and(|e| e.fence_limit().is_some());
        let excused =
            fencing(&self.state.hosts[host].1) || self.state.hosts[host].1.cleaning.is_some();
        self.host(host).excused &= excused;
        self.judge_effects();
        self.time_passes(host);
    }

    fn deliver(&mut self, parcel: &Parcel) {
        let (now, envelope) = (self.setup.now(), &parcel.envelope);
        self.asked = match &envelope.message {
            Message::Vote { kind, .. } => Some(kind.clone()),
            Message::HeartbeatReply { seq: None, .. } => {
                self.setup.seen.add(Mark::L1Nothing);
                None
            }
            Message::PublishReply { version } => {
                let current = self.state.hosts[parcel.to].1.disk.state.version;
                if *version != current {
                    self.setup.seen.add(Mark::K1OtherVersion);
                }
                None
            }
            Message::Publish { state } => {
                let there = &self.state.hosts[parcel.to].1.disk;
                let old = envelope.term < there.term || state.version < there.state.version;
                self.setup.seen.add(if old { Mark::A2Refuses } else { Mark::A2Adopts });
                None
            }
            _ => None,
        };
        self.with_elector(parcel.to, |node| node.handle_message(now, envelope));
        self.asked = None;
    }

    fn order(&mut self, host: usize, order: usize) {
        self.state.left.orders -= 1;
        let command = self.setup.orders[order].clone();
        if let Command::Confirm { node } = &command {
            // Whoever vouches for it has looked.
            let stands = |(other, (_, there)): (usize, &(u64, Arc<Host>))| {
                name_of(other) == *node && !there.off
            };
            self.void = self.state.hosts.iter().enumerate().any(stands);
            if self.void {
                return;
            }
        }
        let now = self.setup.now();
        let mut refused = false;
        self.with_elector(host, |node| {
            refused = node.handle_command(now, 1, command).is_err();
        });
        self.void = refused;
    }

    fn hooks_end(&mut self, host: usize, success: bool) {
        if !success {
            self.state.left.hook_failures -= 1;
        }
        let now = self.setup.now();
        let here = self.host(host);
        let Some(run) = here.run.take() else { return };
        if run != Run::Promote && success {
            here.effect = None;
            here.excused = false;
        }
        self.with_executor(host, |executor| match run {
            Run::Promote => executor.handle_promoted(now, success),
            Run::Demote => executor.handle_demoted(now, success),
            Run::Escalate => executor.handle_escalated(success),
        });
    }

    /// The channel is closed unread; connections end.
    pub(crate) fn elector_dies(&mut self, host: usize, landed: bool) {
        let here = self.host(host);
        if let Some(write) = here.writing.take()
            && landed
        {
            here.disk = write.hard;
        }
        here.elector = None;
        here.frozen = false;
        here.acts.clear();
        here.words.clear();
        let count = self.state.hosts.len();
        for from in 0..count {
            self.state.stream(from, host).clear();
        }
        self.state.bag.retain(|(_, parcel)| parcel.to != host);
    }

    fn unit_dies(&mut self, host: usize, landed: bool) {
        self.elector_dies(host, landed);
        let now = self.setup.now();
        let here = self.host(host);
        let permit = here.executor.as_ref().and_then(election::Executor::permit);
        let limit = here.executor.as_ref().and_then(election::Executor::fence_limit);
        here.executor = None;
        here.marking = None;
        here.orders.clear();
        here.run = None;
        here.restart = false;
        // X2 for the clean-up: over by min(until, now) + D.
        here.cleaning = permit
            .filter(|_| here.effect.is_some())
            .map(|permit| limit.unwrap_or(permit.until.earliest(now).plus(permit.fence)));
    }

    fn start_executor(&mut self, host: usize) {
        let executor = self.setup.new_executor(host, &self.state.hosts[host].1);
        let idle = executor.is_idle();
        self.setup.seen.add(if idle { Mark::X5Idle } else { Mark::X5Acting });
        self.host(host).executor = Some(executor);
        self.with_executor(host, |_| {});
    }

    fn start_elector(&mut self, host: usize) {
        let (setup, now) = (self.setup, self.setup.now());
        let here = self.host(host);
        here.restart = false;
        let Some(executor) = &mut here.executor else { return };
        executor.handle_channel_opened();
        let last = executor.last_epoch();
        here.elector = Some(setup.new_elector(host, here, last));
        // Of an old connection nothing is read any more.
        self.state.lose_all(host);
        self.with_elector(host, |_| {});
        for other in (0..self.state.hosts.len()).filter(|other| *other != host) {
            let there = &self.state.hosts[other].1;
            if !there.listens() {
                continue;
            }
            let theirs = life_of(other, there.wiped);
            let mine = life_of(host, self.state.hosts[host].1.wiped);
            self.with_elector(host, |node| node.handle_connected(now, &name_of(other), theirs));
            self.with_elector(other, |node| node.handle_connected(now, &name_of(host), mine));
        }
    }
}
