//! The voter in every node, whatever its standing: whom it refuses (V1 to V3, P1), the grounds
//! that end or pass by a promise (V4 to V7), and what a grant changes.

use crate::cluster_state::Claim;
use crate::follower::MOST_DOUBLINGS;
use crate::hard_state::HardState;
use crate::id::{Epoch, Incarnation, NodeId, Term, Version};
use crate::message::{Envelope, Message, Refusal, VoteKind};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, ReleasedWord, Standing};
use crate::note::Note;
use crate::ready::Reason;

/// What is asked of a voter.
struct Ask<'a> {
    candidate: &'a NodeId,
    incarnation: Incarnation,
    term: Term,
    version: Version,
    kind: &'a VoteKind,
}

impl Node {
    /// P1: answered by the same rules as a vote, but it changes nothing and promises nothing.
    pub(crate) fn handle_pre_vote(
        &mut self,
        now: Moment,
        env: &Envelope,
        (proposed, version): (Term, Version),
        attempt: u64,
        rank: u32,
    ) {
        let ask = Ask {
            candidate: &env.from,
            incarnation: env.incarnation,
            term: proposed,
            version,
            kind: &VoteKind::Normal,
        };
        let refusal = self.refuses(now, &ask);
        if let Some(refusal) = refusal.clone() {
            let candidate = env.from.clone();
            self.note(Note::RefusedVote { candidate, term: proposed, pre_vote: true, refusal });
        }
        let better = self.better_candidate(now, version, rank);
        let promise_left = if self.promise.runs(now) { self.promise.left(now) } else { Span::ZERO };
        let version = self.hard.state.version;
        let reply = Message::PreVoteReply { attempt, refusal, version, better, promise_left };
        self.send(env.from.clone(), reply);
    }

    /// A voter knows itself to be there and up to date; it names itself when it is the better
    /// candidate.
    fn better_candidate(&self, now: Moment, version: Version, rank: u32) -> Option<NodeId> {
        let mine = self.rank(now)?;
        let up_to_date = self.hard.state.version >= version;
        (mine < rank && up_to_date && !self.promise.runs(now) && self.could_take_over(now))
            .then(|| self.me.clone())
    }

    /// V1 to V4, V6: a vote in the envelope's term.
    pub(crate) fn handle_vote(
        &mut self,
        now: Moment,
        env: &Envelope,
        version: Version,
        kind: &VoteKind,
    ) {
        let ask = Ask {
            candidate: &env.from,
            incarnation: env.incarnation,
            term: env.term,
            version,
            kind,
        };
        let refusal = self.refuses(now, &ask);
        match &refusal {
            Some(refusal) => {
                // T0: refused for the version alone, the term still counts. Not adopted within a
                // promise or a lease (V1, V2): that would make the boss refresh for nothing.
                if matches!(refusal, Refusal::OldVersion(_)) && env.term > self.hard.term {
                    self.leave_leadership(Reason::HigherTerm);
                    self.adopt_term(env.term);
                }
                let refusal = refusal.clone();
                let candidate = env.from.clone();
                self.note(Note::RefusedVote {
                    candidate,
                    term: env.term,
                    pre_vote: false,
                    refusal,
                });
            }
            None => self.grant(now, env, kind),
        }
        self.send(env.from.clone(), Message::VoteReply { vote: env.term, refusal });
    }

    fn grant(&mut self, now: Moment, env: &Envelope, kind: &VoteKind) {
        self.leave_leadership(Reason::HigherTerm);
        self.judge_interrupted_campaign(now);
        self.standing = Standing::Follower;
        if self.hard.term != env.term || self.hard.voted_for.as_ref() != Some(&env.from) {
            self.hard.term = env.term;
            self.hard.voted_for = Some(env.from.clone());
            self.term_generation = self.outbox.changed();
            self.campaign.count_vote(kind);
        }
        if self.sabotage.is(Mutant::V6ClearsPromise) && *kind == VoteKind::Refresh {
            self.promise.until = now;
        }
        let ground = match kind {
            VoteKind::Normal => "",
            VoteKind::Handover { .. } => " by handover, V4",
            VoteKind::Refresh => " by refresh, V6",
        };
        self.note(Note::Voted { candidate: env.from.clone(), term: env.term, ground });
    }

    /// A vote has just left: the winner has one attempt's time for its first heartbeat, and twice as
    /// much after each vote that made no boss: the others, whose votes it needs, may be slower.
    pub(crate) fn leave_winner_time(&mut self, now: Moment, before: &HardState) {
        let HardState { term, voted_for, .. } = &self.durable;
        let voted = (*term, voted_for) != (before.term, &before.voted_for)
            && voted_for.as_ref().is_some_and(|candidate| *candidate != self.me);
        if voted {
            let doubled = self.campaign.votes.saturating_sub(1).min(MOST_DOUBLINGS);
            let doubled = if self.sabotage.is(Mutant::C2VotesAlike) { 0 } else { doubled };
            let patience = now.plus(self.hard.state.timing.attempt().times(1 << doubled));
            self.campaign.not_before = self.campaign.not_before.latest(patience);
        }
    }

    /// Why not; None grants.
    fn refuses(&self, now: Moment, ask: &Ask<'_>) -> Option<Refusal> {
        if !self.counts() || !self.hard.state.members.has_vote(&self.me) {
            return Some(Refusal::NoVote);
        }
        if !self.facts.disk_ok {
            return Some(Refusal::Disk);
        }
        self.withholds(now, ask).or_else(|| self.refuses_term_or_version(ask))
    }

    /// V1, V2.
    fn withholds(&self, now: Moment, ask: &Ask<'_>) -> Option<Refusal> {
        let own_lease = self.own_lease.filter(|_| !self.sabotage.is(Mutant::V2VotesWithinOwnLease));
        // The end of an own lease is a wait here, not a leave to act: BOTH clocks.
        if let Some(lease) = own_lease.filter(|lease| !lease.until.over_when_both(now)) {
            return Some(Refusal::OwnLease { left: lease.until.left_until_both(now) });
        }
        let exempt = self.is_valid_handover(ask) || self.is_valid_refresh(ask);
        if self.sabotage.is(Mutant::PromiseNeedsOneClock)
            && self.promise.until.over_when_either(now)
        {
            return None;
        }
        if !self.promise.runs(now) || exempt {
            return None;
        }
        if self.sabotage.is(Mutant::V1VotesWithinPromise) {
            return None;
        }
        let to = self.promise.to.as_ref().map(|(node, _)| node.clone());
        Some(Refusal::Promise { to, left: self.promise.left(now) })
    }

    /// V3.
    fn refuses_term_or_version(&self, ask: &Ask<'_>) -> Option<Refusal> {
        if ask.term < self.hard.term {
            return Some(Refusal::OldTerm(self.hard.term));
        }
        let voted_matters = !self.sabotage.is(Mutant::V3VotesTwice);
        if ask.term == self.hard.term
            && voted_matters
            && let Some(voted) = &self.hard.voted_for
            && voted != ask.candidate
        {
            return Some(Refusal::Voted(voted.clone()));
        }
        if self.sabotage.is(Mutant::V3IgnoresVersion) {
            return None;
        }
        if self.sabotage.is(Mutant::V3IgnoresIndex) {
            let older = ask.version.term < self.hard.state.version.term;
            return older.then_some(Refusal::OldVersion(self.hard.state.version));
        }
        (ask.version < self.hard.state.version)
            .then_some(Refusal::OldVersion(self.hard.state.version))
    }

    /// V4: my term is t, T is t + 1, and my promise is to B in t, or I am B and released.
    fn is_valid_handover(&self, ask: &Ask<'_>) -> bool {
        let VoteKind::Handover { from, incarnation, term } = ask.kind else { return false };
        if self.sabotage.is(Mutant::V4RefusesHandover) {
            return false;
        }
        if self.hard.term != *term || ask.term != term.next() {
            return false;
        }
        let promised = self.promise.is_to(from, *incarnation) && self.promise.term == *term;
        let released_self = *from == self.me
            && *incarnation == self.incarnation
            && matches!(&self.standing, Standing::Leader(l) if l.released && l.term == *term);
        promised || released_self
    }

    /// V6: a refresh from the node that my promise is to.
    fn is_valid_refresh(&self, ask: &Ask<'_>) -> bool {
        if self.sabotage.is(Mutant::V6WithholdsRefresh) {
            return false;
        }
        if self.sabotage.is(Mutant::V6FromAnybody) {
            return *ask.kind == VoteKind::Refresh;
        }
        *ask.kind == VoteKind::Refresh && self.promise.is_to(ask.candidate, ask.incarnation)
    }

    /// V5, W2: a node's word that nothing of it is active, or (V7) somebody's who surely knows.
    pub(crate) fn take_released(
        &mut self,
        now: Moment,
        node: &NodeId,
        incarnation: Incarnation,
        word: ReleasedWord,
        rule: &'static str,
    ) {
        // Only of lives that can be asked about: a bound.
        let claimed = matches!(&self.hard.state.claim,
            Claim::Held(held) if held.node == *node && held.incarnation == incarnation);
        if !claimed && !self.hard.state.knows(node, incarnation) {
            return;
        }
        self.released.retain(|(other, life), _| other != node || *life == incarnation || claimed);
        let highest = self.released.entry((node.clone(), incarnation)).or_insert(word);
        if (highest.epoch, !highest.vouched) < (word.epoch, !word.vouched) {
            // Its own word is worth more than somebody else's of the same.
            (highest.epoch, highest.vouched) = (word.epoch, word.vouched);
        }
        highest.term = highest.term.max(word.term);
        let ignored = if self.promise.runs(now) {
            self.why_released_is_ignored(node, incarnation, word.term)
        } else {
            Some("no promise runs")
        };
        match ignored {
            None => {
                let term = self.promise.term;
                self.promise.until = self.promise.until.earliest(now);
                self.note(Note::PromiseEnded { node: node.clone(), term, rule });
            }
            Some(why) => {
                self.note(Note::Ignored { node: node.clone(), what: "released", rule, why });
            }
        }
    }

    fn why_released_is_ignored(
        &self,
        node: &NodeId,
        incarnation: Incarnation,
        term: Term,
    ) -> Option<&'static str> {
        if self.sabotage.is(Mutant::V5IgnoresReleased) {
            return Some("mutant");
        }
        let (any, without_term) =
            (self.sabotage.is(Mutant::V5FromAnybody), self.sabotage.is(Mutant::V5WithoutTerm));
        if !any && !self.promise.is_to(node, incarnation) {
            return Some("the promise is not to it");
        }
        if !without_term && self.promise.term > term {
            return Some("the promise is of a later term");
        }
        None
    }

    /// V7: a life that acts in a higher term, with an epoch that a word covers, never released it:
    /// whoever vouched for its death was wrong, and its fence window is to be waited for after all.
    pub(crate) fn disbelieve(&mut self, env: &Envelope, epoch: Epoch) {
        let life = (env.from.clone(), env.incarnation);
        let contradicts = |word: &ReleasedWord| word.epoch >= epoch && word.term < env.term;
        let believes = self.sabotage.is(Mutant::V7BelievesForEver);
        if self.released.get(&life).is_some_and(contradicts) && !believes {
            self.released.remove(&life);
            self.note(Note::Disbelieved { node: life.0, epoch });
        }
    }

    /// V5: whether `term` of that life is released, so that its heartbeats promise nothing.
    pub(crate) fn is_released(&self, node: &NodeId, incarnation: Incarnation, term: Term) -> bool {
        self.released.get(&(node.clone(), incarnation)).is_some_and(|word| word.term >= term)
    }
}
