//! How a node's messages, acts and notes reach the outbox: each with the write that it must wait
//! for, and under the term that it is of.

use crate::id::NodeId;
use crate::members::Member;
use crate::message::{Envelope, Message};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::ready::{Act, Effect};

impl Node {
    /// Sends what depends on everything so far.
    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        if self.sabotage.is(Mutant::SendsBeforeDurable) {
            return self.outbox.push(0, Effect::Send { to, envelope });
        }
        self.outbox.push(self.outbox.generation(), Effect::Send { to, envelope });
    }

    /// Only for mutants: waits for nothing.
    pub(crate) fn send_at_once(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        self.outbox.push(0, Effect::Send { to, envelope });
    }

    /// Sends what depends on the term alone: heartbeats and their replies go on beside a write.
    pub(crate) fn send_beside(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(message);
        self.outbox.push(self.term_generation, Effect::Send { to, envelope });
    }

    pub(crate) fn send_to_all(&mut self, message: &Message) {
        for to in self.others(|_| true) {
            self.send(to, message.clone());
        }
    }

    pub(crate) fn send_to_voters(&mut self, message: &Message) {
        for to in self.others(|member| member.kind.votes()) {
            self.send(to, message.clone());
        }
    }

    pub(crate) fn send_beside_to_all(&mut self, message: &Message) {
        for to in self.others(|_| true) {
            self.send_beside(to, message.clone());
        }
    }

    fn others(&self, which: impl Fn(&Member) -> bool) -> Vec<NodeId> {
        let members = &self.hard.state.members;
        let chosen = members.iter().filter(|(name, m)| **name != self.me && which(m));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    fn envelope(&self, message: Message) -> Envelope {
        // During a refresh the hard state's term is ahead of the one that is led.
        let term = match (&self.standing, &message) {
            (Standing::Leader(leader), Message::Heartbeat { .. } | Message::Publish { .. }) => {
                leader.term
            }
            _ => self.hard.term,
        };
        let (cluster, incarnation) = (self.cluster, self.incarnation);
        Envelope { cluster, from: self.me.clone(), incarnation, term, message }
    }

    pub(crate) fn act(&mut self, act: Act) {
        self.outbox.push(0, Effect::Act(act));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.outbox.push(0, Effect::Note(note));
    }
}
