//! What the two processes do with what the core says: as bossd does, in order.

use std::sync::Arc;

use election::{Act, Effect, ExecutorAlarm, Marker, Order, Write, Written};

use crate::coverage::{Mark, of_message, of_note, of_wait};
use crate::setup::name_of;
use crate::state::{Parcel, Run};
use crate::step::Step;

impl Step<'_> {
    /// One input of an elector, and what follows from it.
    pub(crate) fn with_elector(&mut self, host: usize, input: impl FnOnce(&mut election::Node)) {
        let Some(node) = &mut self.host(host).elector else { return };
        input(node);
        loop {
            let Some(node) = &mut self.host(host).elector else { return };
            let ready = node.ready();
            for effect in ready.effects {
                self.effect(host, effect);
            }
            let Some(write) = ready.write else { break };
            self.host(host).writing = Some(write);
            if self.setup.slow_disk {
                break;
            }
            self.lands(host, true);
        }
        self.mark_wait(host);
    }

    /// A write is over; the node hears of it.
    pub(crate) fn disk_answers(&mut self, host: usize, durable: bool) {
        let written = self.lands(host, durable);
        if written {
            self.with_elector(host, |_| {});
        }
    }

    fn lands(&mut self, host: usize, durable: bool) -> bool {
        let now = self.setup.now();
        let here = self.host(host);
        let Some(Write { generation, hard }) = here.writing.take() else { return false };
        if durable {
            here.disk = hard;
        }
        if let Some(node) = &mut here.elector {
            node.handle_written(now, Written { generation, durable });
        }
        true
    }

    fn effect(&mut self, host: usize, effect: Effect) {
        match effect {
            Effect::Send { to, envelope } => self.send(host, &to, envelope),
            Effect::Act(Act::Follow { .. }) | Effect::Answer { .. } => {}
            Effect::Act(act) => {
                if matches!(act, Act::Extend { .. }) {
                    self.setup.seen.add(Mark::L1Extends);
                }
                let here = self.host(host);
                if here.executor.is_some() {
                    here.acts.push_back(act);
                }
            }
            Effect::Note(note) => {
                if let Some(mark) = of_note(&note, self.asked.as_ref()) {
                    self.setup.seen.add(mark);
                }
                if matches!(
                    &note,
                    election::Note::RefusedVote {
                        pre_vote: false,
                        refusal: election::Refusal::OldVersion(_),
                        ..
                    }
                ) {
                    self.setup.seen.add(Mark::T0Raises);
                }
                self.judge_note(host, &note);
            }
            Effect::Left => self.elector_dies(host, true),
        }
    }

    fn send(&mut self, from: usize, to: &election::NodeId, envelope: election::Envelope) {
        let count = self.state.hosts.len();
        let Some(to) = (0..count).find(|host| name_of(*host) == *to) else { return };
        if let Some(mark) = of_message(&envelope) {
            self.setup.seen.add(mark);
        }
        let there = &self.state.hosts[to].1;
        if self.state.hosts[from].1.mute || there.deaf || there.elector.is_none() {
            return;
        }
        // Of the datagrams to who does not read them a few wait in a buffer: here one of each.
        let waits = |(_, p): &(u64, Arc<Parcel>)| (p.from, p.to) == (from, to);
        if envelope.message.is_datagram()
            && !there.listens()
            && (there.asleep || self.state.bag.iter().any(waits))
        {
            return;
        }
        let ordered = self.setup.ordered && !envelope.message.is_datagram();
        let parcel = (0, Arc::new(Parcel { from, to, envelope }));
        if ordered {
            self.state.stream(from, to).push(parcel);
        } else {
            self.state.bag.push(parcel);
        }
    }

    fn mark_wait(&mut self, host: usize) {
        if !self.setup.seen.wants_waits() {
            return;
        }
        let now = self.setup.now();
        let node = self.state.hosts[host].1.elector.as_ref();
        if let Some(wait) = node.and_then(|node| node.snapshot(now).waits_for)
            && let Some(mark) = of_wait(wait)
        {
            self.setup.seen.add(mark);
        }
    }

    pub(crate) fn elector_reads(&mut self, host: usize) {
        let now = self.setup.now();
        let Some(word) = self.host(host).words.pop_front() else { return };
        self.with_elector(host, |node| node.handle_hook_outcome(now, word));
    }

    /// One input of an executor, and the orders that follow from it.
    pub(crate) fn with_executor(
        &mut self,
        host: usize,
        input: impl FnOnce(&mut election::Executor),
    ) {
        let Some(executor) = &mut self.host(host).executor else { return };
        input(executor);
        loop {
            let here = self.host(host);
            let Some(executor) = &mut here.executor else { return };
            while let Some(order) = executor.next_order() {
                here.orders.push_back(order);
            }
            if here.marking.is_some() {
                return;
            }
            let Some(order) = here.orders.pop_front() else { return };
            self.obey(host, &order);
        }
    }

    /// The marker is written; what waited for it goes on.
    pub(crate) fn marked(&mut self, host: usize) {
        let here = self.host(host);
        if let Some(marker) = here.marking.take() {
            here.marker = marker;
        }
        self.with_executor(host, |_| {});
    }

    fn mark(&mut self, host: usize, marker: Marker) {
        let slow = self.setup.slow_disk;
        let here = self.host(host);
        if slow {
            here.marking = Some(marker);
        } else {
            here.marker = marker;
        }
    }

    pub(crate) fn executor_reads(&mut self, host: usize) {
        let now = self.setup.now();
        let Some(act) = self.host(host).acts.pop_front() else { return };
        let late =
            matches!(&act, Act::Promote { permit, .. } if permit.until.over_when_either(now));
        match &act {
            Act::Promote { .. } if late => self.setup.seen.add(Mark::X1Refuses),
            Act::Revoke { .. } => self.setup.seen.add(Mark::X2Revoked),
            Act::Extend { .. } if self.state.hosts[host].1.run == Some(Run::Demote) => {
                self.setup.seen.add(Mark::X3Extends);
            }
            _ => {}
        }
        self.with_executor(host, |executor| match act {
            Act::Promote { permit, .. } => executor.handle_permit(now, permit),
            Act::Extend { epoch, until } => executor.handle_extend(now, epoch, until),
            Act::Demote { epoch, .. } => executor.handle_demote(now, epoch),
            Act::Revoke { epoch, .. } => executor.handle_revoke(now, epoch),
            Act::Follow { .. } => {}
        });
    }

    fn obey(&mut self, host: usize, order: &Order) {
        let (setup, now) = (self.setup, self.setup.now());
        let here = self.host(host);
        match *order {
            Order::MarkActing(permit) => {
                let marker = Marker::Acting { epoch: permit.epoch, fence: permit.fence };
                self.mark(host, marker);
            }
            Order::MarkIdle { epoch } => self.mark(host, Marker::Idle { epoch }),
            Order::Promote { epoch } => {
                if here.executor.as_ref().is_some_and(|executor| executor.may_act(now, epoch)) {
                    here.run = Some(Run::Promote);
                    setup.seen.add(Mark::X1Acts);
                    self.effect_begins(host, epoch);
                } else {
                    setup.seen.add(Mark::X1Refuses);
                }
            }
            Order::Demote { .. } => here.run = Some(Run::Demote),
            Order::Escalate { .. } => here.run = Some(Run::Escalate),
            Order::Say(word) => {
                if here.elector.is_some() {
                    here.words.push_back(word);
                }
            }
            Order::Alarm(ExecutorAlarm::DemoteFailed(_)) => setup.seen.add(Mark::DemoteFailed),
            Order::Alarm(_) if here.excused => {}
            Order::Alarm(alarm) => self.violate(format!("the model let D pass: {alarm}")),
            Order::Idle { .. } => here.restart = here.elector.is_none(),
        }
    }
}
