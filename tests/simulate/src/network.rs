//! The network: cuts in one direction or both, delays, loss, doubles and overtaking. Streams are
//! treated as badly as datagrams, except that what is lost there comes late instead.

use election::{Envelope, Message, NodeId};

use crate::fault::Fault;
use crate::world::{CLUSTER, Event, HostId, MILLI, World};

/// A connection and its Hellos.
const HELLO: u64 = 2 * MILLI;

pub(crate) struct Network {
    count: usize,
    cut: Vec<u8>,
    connected: Vec<bool>,
    /// Per cent.
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    /// What a message takes at most, on top.
    pub(crate) latency: u64,
    /// What pre-votes, votes and their answers take at most, on top.
    pub(crate) straggle: u64,
}

impl Network {
    pub(crate) fn new(count: usize) -> Self {
        let pairs = count * count;
        Self {
            count,
            cut: vec![0; pairs],
            connected: vec![false; pairs],
            loss: 0,
            duplicate: 0,
            reorder: 0,
            latency: 0,
            straggle: 0,
        }
    }

    fn at(&self, from: HostId, to: HostId) -> usize {
        from * self.count + to
    }

    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.cut[self.at(from, to)] > 0
    }

    fn is_connected(&self, a: HostId, b: HostId) -> bool {
        self.connected[self.at(a.min(b), a.max(b))]
    }

    fn set_connected(&mut self, a: HostId, b: HostId, yes: bool) {
        let at = self.at(a.min(b), a.max(b));
        self.connected[at] = yes;
    }
}

fn is_of_an_election(message: &Message) -> bool {
    matches!(
        message,
        Message::PreVote { .. }
            | Message::PreVoteReply { .. }
            | Message::Vote { .. }
            | Message::VoteReply { .. }
    )
}

impl World {
    pub(crate) fn send(&mut self, from: HostId, to: &NodeId, envelope: Envelope) {
        let Some(to) = self.find(to) else { return };
        let waited = self.freed || self.hosts[from].unsynced.is_some();
        self.oracle.sends((from, to), &envelope, &self.hosts, (self.now, waited));
        if !self.network.is_connected(from, to) || self.network.is_cut(from, to) {
            return;
        }
        let Some(life) = self.hosts[to].elector.as_ref().map(|elector| elector.life) else {
            return;
        };
        let mut delay = self.random.between(MILLI / 5, MILLI);
        if self.network.latency > 0 {
            delay += self.random.skewed(self.network.latency);
        }
        if self.network.straggle > 0 && is_of_an_election(&envelope.message) {
            delay += self.random.between(0, self.network.straggle);
        }
        if self.network.loss > 0 && self.random.chance(self.network.loss) {
            if envelope.message.is_datagram() {
                return;
            }
            delay += self.random.between(20 * MILLI, 400 * MILLI);
        }
        if self.network.reorder > 0 && self.random.chance(self.network.reorder) {
            delay += self.random.skewed(500 * MILLI);
        }
        if self.network.duplicate > 0 && self.random.chance(self.network.duplicate) {
            let again = delay + self.random.skewed(2_000 * MILLI);
            let envelope = envelope.clone();
            self.after(again, Event::Deliver { from, to, life, envelope });
        }
        self.after(delay, Event::Deliver { from, to, life, envelope });
    }

    /// A connection does not outlive the process that it leads to.
    pub(crate) fn deliver(&mut self, from: HostId, to: HostId, life: u64, envelope: Envelope) {
        if !self.hosts[to].elector_lives(life) || self.network.is_cut(from, to) {
            return;
        }
        debug_assert_eq!(envelope.cluster, CLUSTER);
        self.message(to, from, envelope);
    }

    /// Cuts add up, so that one fault does not heal another's.
    pub(crate) fn cut(&mut self, from: HostId, to: HostId) {
        let at = self.network.at(from, to);
        self.network.cut[at] += 1;
        if self.network.is_cut(to, from) {
            self.disconnect(from, to);
        }
    }

    pub(crate) fn heal_cut(&mut self, from: HostId, to: HostId) {
        let at = self.network.at(from, to);
        if self.network.cut[at] == 0 {
            return;
        }
        self.network.cut[at] -= 1;
        if !self.network.is_cut(from, to) && !self.network.is_cut(to, from) {
            self.disconnect(from, to);
            self.after(HELLO, Event::Connect { a: from, b: to });
        }
    }

    pub(crate) fn heal_network(&mut self) {
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                while self.network.is_cut(from, to) {
                    self.heal_cut(from, to);
                }
            }
        }
        let network = &mut self.network;
        (network.loss, network.duplicate, network.reorder) = (0, 0, 0);
        (network.latency, network.straggle) = (0, 0);
    }

    pub(crate) fn connect_all(&mut self, host: HostId) {
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.after(HELLO, Event::Connect { a: host, b: other });
        }
    }

    pub(crate) fn connect(&mut self, a: HostId, b: HostId) {
        let both = self.hosts[a].elector.is_some() && self.hosts[b].elector.is_some();
        let open = !self.network.is_cut(a, b) && !self.network.is_cut(b, a);
        if !both || !open || self.network.is_connected(a, b) {
            return;
        }
        self.network.set_connected(a, b, true);
        for (here, there) in [(a, b), (b, a)] {
            let (name, life) = (self.hosts[there].name.clone(), self.hosts[there].incarnation);
            self.connected(here, &name, life);
        }
    }

    fn disconnect(&mut self, a: HostId, b: HostId) {
        if !self.network.is_connected(a, b) {
            return;
        }
        self.network.set_connected(a, b, false);
        for (here, there) in [(a, b), (b, a)] {
            let name = self.hosts[there].name.clone();
            self.lost(here, &name);
        }
    }

    pub(crate) fn disconnect_all(&mut self, host: HostId) {
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.disconnect(host, other);
        }
    }

    /// Which ways a partition leaves: split in two, a bridge between the two, a ring, a star, or
    /// one host alone.
    pub(crate) fn partition(&mut self) {
        let count = self.hosts.len();
        let random = self.inject.random(Fault::Partition);
        let sides: Vec<bool> = (0..count).map(|_| random.chance(50)).collect();
        let middle = random.below(count);
        let shape = random.below(5);
        let open = |a: usize, b: usize| match shape {
            0 => sides[a] == sides[b],
            1 => sides[a] == sides[b] || a == middle || b == middle,
            2 => (a + 1) % count == b || (b + 1) % count == a,
            3 => a == middle || b == middle,
            _ => a != middle && b != middle,
        };
        let mut cuts = Vec::new();
        for a in 0..count {
            cuts.extend((0..count).filter(|b| a != *b && !open(a, *b)).map(|b| (a, b)));
        }
        let lasts = random.skewed(12_000 * MILLI);
        let shapes = ["split", "bridge", "ring", "star", "alone"];
        self.say(None, || {
            format!("network: {} for {} ms, {sides:?}, {middle}", shapes[shape], lasts / MILLI)
        });
        for (a, b) in cuts {
            self.cut(a, b);
            self.after(lasts, Event::Undo(Fault::OneWay, a, b));
        }
    }
}
