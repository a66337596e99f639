//! What can happen next in a state.

use election::Message;

use crate::setup::{Setup, Swift};
use crate::state::{Host, Parcel, Run, State};

/// Which message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// The oldest on the stream from one host to another.
    Stream(usize, usize),
    /// By its place.
    Bag(usize),
}

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Deliver(Which),
    /// Delivered, and once more later.
    DeliverTwice(Which),
    Lose(Which),
    ExecutorReads(usize),
    ElectorReads(usize),
    HooksEnd(usize, bool),
    /// A write is durable, or refused.
    DiskAnswers(usize, bool),
    /// The executor's marker is written.
    Marked(usize),
    /// Whether the write that was under way has landed.
    ElectorDies(usize, bool),
    UnitDies(usize, bool),
    PowerFails(usize, bool),
    Wiped(usize),
    CleanedUp(usize),
    ElectorStarts(usize),
    ExecutorStarts(usize),
    Freezes(usize),
    /// Whether its timer comes before what had arrived.
    Thaws(usize, bool),
    FallsAsleep(usize),
    Wakes(usize),
    /// A host alone is cut off, or joined again.
    Isolated(usize, bool),
    /// The link of a pair is cut, or joined again.
    Link(usize, usize, bool),
    /// One direction of it.
    Way(usize, usize, bool),
    Order(usize, usize),
    Tick,
}

impl Action {
    /// Of a message: which.
    pub(crate) fn which(self) -> Option<Which> {
        match self {
            Self::Deliver(which) | Self::DeliverTwice(which) | Self::Lose(which) => Some(which),
            _ => None,
        }
    }
}

impl Setup {
    pub(crate) fn possible(&self, state: &State, all: &mut Vec<Action>) {
        let count = state.hosts.len();
        for (pair, stream) in state.streams.iter().enumerate() {
            let (from, to) = (pair / count, pair % count);
            if !stream.is_empty() && state.hosts[to].1.listens() {
                self.of_message(Which::Stream(from, to), &stream[0].1, state, all);
            }
        }
        for (at, (print, parcel)) in state.bag.iter().enumerate() {
            let same = at > 0 && state.bag[at - 1].0 == *print;
            if !same && state.hosts[parcel.to].1.listens() {
                self.of_message(Which::Bag(at), parcel, state, all);
            }
        }
        for (host, (_, here)) in state.hosts.iter().enumerate() {
            if here.asleep {
                all.push(Action::Wakes(host));
            } else {
                self.of_host(host, here, state, all);
            }
        }
        if state.left.cuts > 0 && (self.swift != Swift::All || state.late() == 0) {
            self.of_network(state, all);
        }
        if self.may_tick(state) {
            all.push(Action::Tick);
        }
    }

    /// A host alone; and with more than two hosts the links of pairs, which leave a bridge.
    fn of_network(&self, state: &State, all: &mut Vec<Action>) {
        let count = state.hosts.len();
        for host in 0..count {
            let others = || (0..count).filter(move |other| *other != host);
            let cut = |other: usize| state.is_cut(host, other) && state.is_cut(other, host);
            let open = |other: usize| !state.is_cut(host, other) && !state.is_cut(other, host);
            if !others().all(cut) {
                all.push(Action::Isolated(host, true));
            }
            if !others().all(open) {
                all.push(Action::Isolated(host, false));
            }
            for other in others() {
                if count > 2 && host < other {
                    all.push(Action::Link(host, other, open(other)));
                }
                if self.one_way {
                    all.push(Action::Way(host, other, !state.is_cut(host, other)));
                }
            }
        }
    }

    fn of_message(&self, which: Which, parcel: &Parcel, state: &State, all: &mut Vec<Action>) {
        all.push(Action::Deliver(which));
        let message = &parcel.envelope.message;
        let again = matches!(message, Message::Released { .. } | Message::TakeOver { .. });
        if state.left.doubles > 0 && (again || self.swift == Swift::Nothing) {
            all.push(Action::DeliverTwice(which));
        }
        if state.left.losses > 0 {
            all.push(Action::Lose(which));
        }
    }

    fn of_host(&self, host: usize, here: &Host, state: &State, all: &mut Vec<Action>) {
        let left = state.left;
        if !here.acts.is_empty() {
            all.push(Action::ExecutorReads(host));
        }
        if !here.words.is_empty() && here.listens() {
            all.push(Action::ElectorReads(host));
        }
        if let Some(run) = here.run {
            all.push(Action::HooksEnd(host, true));
            if left.hook_failures > 0 && run != Run::Escalate {
                all.push(Action::HooksEnd(host, false));
            }
        }
        if here.marking.is_some() {
            all.push(Action::Marked(host));
        }
        let writes = here.writing.is_some();
        if writes && here.listens() {
            all.push(Action::DiskAnswers(host, true));
            if left.refusals > 0 {
                all.push(Action::DiskAnswers(host, false));
            }
        }
        // A write that was under way is on disk, or it is not.
        for landed in [false, true].into_iter().filter(|landed| writes || !landed) {
            if left.elector_crashes > 0 && here.elector.is_some() {
                all.push(Action::ElectorDies(host, landed));
            }
            if left.unit_crashes > 0 && here.executor.is_some() {
                all.push(Action::UnitDies(host, landed));
            }
            if left.power_cuts > 0 && here.executor.is_some() {
                all.push(Action::PowerFails(host, landed));
            }
        }
        if left.wipes > 0 && here.off {
            all.push(Action::Wiped(host));
        }
        if here.cleaning.is_some() {
            all.push(Action::CleanedUp(host));
        } else if here.executor.is_none() {
            all.push(Action::ExecutorStarts(host));
        }
        if here.restart {
            all.push(Action::ElectorStarts(host));
        }
        if here.frozen {
            all.extend([Action::Thaws(host, false), Action::Thaws(host, true)]);
        } else if left.freezes > 0 && here.elector.is_some() {
            all.push(Action::Freezes(host));
        }
        if left.suspends > 0 && here.executor.is_some() {
            all.push(Action::FallsAsleep(host));
        }
        if left.orders > 0 && here.listens() {
            all.extend((0..self.orders.len()).map(|order| Action::Order(host, order)));
        }
    }

    /// Time waits for what is urgent: an effect that must be gone by the next tick, and whatever
    /// is on its way beyond the budget of delays.
    fn may_tick(&self, state: &State) -> bool {
        let now = self.now();
        state.late() <= usize::from(state.left.delays)
            && state.hosts.iter().enumerate().all(|(host, (_, here))| {
                let limit = here.executor.as_ref().and_then(election::Executor::fence_limit);
                let passed = self.tick_of(host, here.asleep);
                let next = election::Moment {
                    boot: now.boot + passed.boot.as_nanos(),
                    raw: now.raw + passed.raw.as_nanos(),
                };
                let urgent = |limit: election::Moment| limit.over_when_either(next);
                here.asleep || (!limit.is_some_and(urgent) && !here.cleaning.is_some_and(urgent))
            })
    }
}
