//! Who is listened to (T0, section 6): members of this cluster, in the life that it knows.

use crate::message::{Envelope, Message};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;

/// T0: a term this far ahead was not reached by counting.
pub(crate) const CORRUPT_TERM_DISTANCE: u64 = 1 << 32;

impl Node {
    /// Whose messages count: this cluster's, a member's, the life that the cluster knows.
    pub(crate) fn listens_to(&mut self, env: &Envelope) -> bool {
        if env.cluster != self.cluster || env.from == self.me {
            return false;
        }
        let state = &self.hard.state;
        let Some(member) = state.members.find(&env.from) else { return false };
        let (known, votes) = (member.incarnation, member.kind.votes());
        let unbound = known.is_none() && self.sabotage.is(Mutant::CountsUnbound);
        let met = self.sabotage.is(Mutant::HearsUnknownLives)
            && self.peers.get(&env.from).is_some_and(|peer| peer.incarnation == env.incarnation);
        let strange = !unbound && !met && !state.knows(&env.from, env.incarnation);
        if strange && !self.introduces_itself(env) {
            let (node, incarnation) = (env.from.clone(), env.incarnation);
            // One that is not bound yet is bound as soon as the leader has its Hello.
            if known.is_some() && self.complains_first(env, false) {
                self.note(Note::UnknownIncarnation { node, incarnation, known });
            }
            return false;
        }
        let highest = self.hard.term.max(self.first_term).0;
        if env.term.0 > highest.saturating_add(CORRUPT_TERM_DISTANCE) {
            if self.complains_first(env, true) {
                self.note(Note::CorruptTerm { node: env.from.clone(), term: env.term });
            }
            return false;
        }
        if votes {
            self.highest_term = self.highest_term.max(env.term);
            if let Standing::Leader(leader) = &mut self.standing
                && env.term > leader.term
            {
                leader.higher_term = leader.higher_term.max(Some(env.term));
            }
        }
        true
    }

    /// Section 6: a member that this node's state has not bound comes with a newer state that has.
    /// Else whoever wrote the first version and lost it with its leadership, or missed the one that
    /// bound a late member, would be deaf to it for ever. A life that was wiped has no newer state
    /// that counts it: it neither leads nor campaigns; and none that says another life of a member
    /// that is bound here is believed.
    fn introduces_itself(&self, env: &Envelope) -> bool {
        let mine = &self.hard.state;
        if self.sabotage.is(Mutant::DeafToUnbound) {
            return false;
        }
        if mine.members.find(&env.from).is_none_or(|member| member.incarnation.is_some()) {
            return false;
        }
        match &env.message {
            Message::Publish { state } => {
                state.version > mine.version
                    && state.knows(&env.from, env.incarnation)
                    && mine.members.iter().all(|(name, member)| {
                        let theirs = state.members.find(name).and_then(|m| m.incarnation);
                        member.incarnation.is_none() || member.incarnation == theirs
                    })
            }
            Message::PreVote { version, .. } | Message::Vote { version, .. } => {
                *version > mine.version
            }
            _ => false,
        }
    }

    /// A peer that is not listened to goes on sending: it is worth one line, not one per message.
    fn complains_first(&mut self, env: &Envelope, corrupt: bool) -> bool {
        let complaint = (env.incarnation, corrupt);
        self.complaints.insert(env.from.clone(), complaint) != Some(complaint)
    }
}
