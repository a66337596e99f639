//! The network: delays, cuts in one direction or both, and messages that are held, doubled or
//! lost by their kind.

use std::collections::{BTreeMap, BTreeSet};

use election::{Envelope, NodeId, Span};

use super::{CLUSTER, ElectorInput, Event, HostId, World};

/// One way, where a script says nothing else.
const DELAY: Span = Span::from_micros(500);
/// A connection and its Hellos.
const HELLO: u64 = 2_000_000;
/// How much later a doubled message comes again.
const AGAIN: u64 = 3_000_000;

/// What happens to messages of a kind on a way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Kept until `deliver held`.
    Hold,
    /// Comes twice.
    Duplicate,
    /// Never comes.
    Lose,
}

/// A message on its way.
pub(crate) struct Parcel {
    from: HostId,
    to: HostId,
    /// The receiver's life when it was sent: a connection does not outlive its ends.
    life: Option<u64>,
    envelope: Envelope,
}

#[derive(Default)]
pub(crate) struct Network {
    cut: BTreeSet<(HostId, HostId)>,
    connected: BTreeSet<(HostId, HostId)>,
    delays: BTreeMap<(HostId, HostId), Span>,
    pub(crate) rules: Vec<(String, HostId, HostId, Rule)>,
    pub(crate) held: Vec<Parcel>,
}

impl Network {
    fn delay(&self, from: HostId, to: HostId) -> Span {
        self.delays.get(&(from, to)).copied().unwrap_or(DELAY)
    }

    pub(crate) fn set_delay(&mut self, from: HostId, to: HostId, span: Span) {
        self.delays.insert((from, to), span);
    }

    fn is_open(&self, a: HostId, b: HostId) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }
}

fn pair(a: HostId, b: HostId) -> (HostId, HostId) {
    (a.min(b), a.max(b))
}

impl World {
    pub(super) fn send(&mut self, from: HostId, to: &NodeId, envelope: Envelope) {
        let Some(to) = self.find(to.as_str()) else { return };
        let way = (from, to);
        if !self.network.connected.contains(&pair(from, to)) || self.network.cut.contains(&way) {
            return;
        }
        let kind = envelope.message.name();
        let rule = self.network.rules.iter().find(|r| r.0 == kind && (r.1, r.2) == way);
        let rule = rule.map(|(.., rule)| *rule);
        let delay = self.network.delay(from, to).as_nanos();
        let life = self.hosts[to].elector.as_ref().map(|elector| elector.life);
        match rule {
            Some(Rule::Lose) => return,
            Some(Rule::Hold) => {
                self.network.held.push(Parcel { from, to, life: None, envelope });
                return;
            }
            Some(Rule::Duplicate) => {
                let envelope = envelope.clone();
                let parcel = Parcel { from, to, life, envelope };
                self.after(delay + AGAIN, Event::Deliver(parcel));
            }
            None => {}
        }
        self.after(delay, Event::Deliver(Parcel { from, to, life, envelope }));
    }

    pub(super) fn deliver(&mut self, parcel: Parcel) {
        let Some(elector) = &self.hosts[parcel.to].elector else { return };
        let same = parcel.life.is_none_or(|life| life == elector.life);
        if same && !self.network.cut.contains(&(parcel.from, parcel.to)) {
            self.elector_input(parcel.to, ElectorInput::Message(parcel.envelope));
        }
    }

    /// What was held comes now, in its order, whatever has happened since.
    pub(crate) fn deliver_held(&mut self) {
        self.network.rules.retain(|(.., rule)| *rule != Rule::Hold);
        for parcel in std::mem::take(&mut self.network.held) {
            self.after(0, Event::Deliver(parcel));
        }
    }

    /// A message that a script made up, from a real sender.
    pub(crate) fn inject(
        &mut self,
        from: HostId,
        to: HostId,
        term: u64,
        message: election::Message,
    ) {
        let sender = &self.hosts[from];
        let envelope = Envelope {
            cluster: CLUSTER,
            from: sender.name.clone(),
            incarnation: sender.incarnation,
            term: election::Term(term),
            message,
        };
        self.elector_input(to, ElectorInput::Message(envelope));
    }

    pub(crate) fn cut(&mut self, from: HostId, to: HostId) {
        self.network.cut.insert((from, to));
        if self.network.cut.contains(&(to, from)) {
            self.disconnect(from, to);
        }
    }

    /// After any cut the two meet on a new connection.
    pub(crate) fn heal(&mut self, from: HostId, to: HostId) {
        if self.network.cut.remove(&(from, to)) && self.network.is_open(from, to) {
            self.disconnect(from, to);
            self.after(HELLO, Event::Connect(from, to));
        }
    }

    pub(super) fn connect_all(&mut self, host: HostId) {
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.after(HELLO, Event::Connect(host, other));
        }
    }

    pub(super) fn connect(&mut self, a: HostId, b: HostId) {
        let both = self.hosts[a].elector.is_some() && self.hosts[b].elector.is_some();
        if !both || !self.network.is_open(a, b) || !self.network.connected.insert(pair(a, b)) {
            return;
        }
        for (here, there) in [(a, b), (b, a)] {
            let (name, life) = (self.hosts[there].name.clone(), self.hosts[there].incarnation);
            self.elector_input(here, ElectorInput::Connected(name, life));
        }
    }

    fn disconnect(&mut self, a: HostId, b: HostId) {
        if !self.network.connected.remove(&pair(a, b)) {
            return;
        }
        for (here, there) in [(a, b), (b, a)] {
            let name = self.hosts[there].name.clone();
            if self.hosts[here].elector.is_some() {
                self.elector_input(here, ElectorInput::Lost(name));
            }
        }
    }

    pub(super) fn disconnect_all(&mut self, host: HostId) {
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.disconnect(host, other);
        }
    }
}
