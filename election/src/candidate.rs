//! Candidates: the pre-vote's tally (C2) and the vote's (E1).

use std::collections::BTreeMap;

use crate::id::{NodeId, Term};
use crate::leader::Ground;
use crate::message::{Envelope, Message, Refusal, VoteKind};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::note::Note;
use crate::quorum::{VoteResult, VoteTally};

/// How often the time for a vote doubles: with the profile `lan` a voter's disk may take 7.6 s.
const MOST_DOUBLINGS: u32 = 6;

/// Asking whether an election would succeed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PreCandidate {
    pub proposed: Term,
    pub tally: VoteTally,
    /// The attempt ends when EITHER clock says so.
    pub deadline: Moment,
    pub refusals: BTreeMap<NodeId, Refusal>,
    /// What is left of the refusing voters' promises.
    pub promises_left: BTreeMap<NodeId, Span>,
}

/// Asking for votes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Candidate {
    pub kind: VoteKind,
    pub tally: VoteTally,
    /// When the own vote went to the disk.
    pub begun: Moment,
    /// The attempt ends when EITHER clock says so; None until the own vote is durable, for nobody
    /// is asked before.
    pub deadline: Option<Moment>,
    pub refusals: BTreeMap<NodeId, Refusal>,
    /// The own vote counts once this generation is durable.
    pub vote_generation: u64,
    /// W2: when the predecessor's window is closed, by the word of whoever hands over.
    pub window: Option<Moment>,
}

impl PreCandidate {
    pub(crate) fn new(node: &Node, now: Moment, proposed: Term) -> Self {
        let mut tally = VoteTally::default();
        // The own pre-vote changes nothing on disk, so it counts at once.
        tally.count(&node.me, true);
        Self {
            proposed,
            tally,
            deadline: now.plus(node.hard.state.timing.attempt()),
            refusals: BTreeMap::new(),
            promises_left: BTreeMap::new(),
        }
    }
}

impl Node {
    /// T0: above every term seen.
    pub(crate) fn proposed_term(&self) -> Term {
        let seen =
            if self.sabotage.is(Mutant::T0IgnoresTermsSeen) { Term(0) } else { self.highest_term };
        let highest = self.hard.term.max(seen).next();
        if self.hard.state.is_unborn() { highest.max(self.first_term) } else { highest }
    }

    /// C2: only answers to THIS attempt count.
    pub(crate) fn handle_pre_vote_reply(
        &mut self,
        now: Moment,
        from: &NodeId,
        attempt: u64,
        refusal: Option<&Refusal>,
        better: Option<&NodeId>,
        promise_left: Span,
    ) {
        let stale =
            attempt != self.campaign.attempt && !self.sabotage.is(Mutant::C2CountsStaleReplies);
        if !stale {
            self.count_answer(now, from);
        }
        let Standing::PreCandidate(candidate) = &mut self.standing else { return };
        if stale {
            let (node, why) = (from.clone(), "it answers an earlier attempt");
            self.note(Note::Ignored { node, what: "pre-vote-reply", rule: "C2", why });
            return;
        }
        candidate.tally.count(from, refusal.is_none());
        if let Some(refusal) = refusal {
            candidate.refusals.insert(from.clone(), refusal.clone());
            candidate.promises_left.insert(from.clone(), promise_left);
        }
        if let Some(better) = better
            && !self.campaign.yielded
        {
            let to = better.clone();
            self.campaign.yielded = true;
            self.standing = Standing::Follower;
            self.campaign.not_before = now.plus(self.hard.state.timing.slot);
            self.note(Note::Yielded { to });
        }
    }

    /// A vote counts only in the term that it was asked for.
    pub(crate) fn handle_vote_reply(
        &mut self,
        env: &Envelope,
        vote: Term,
        refusal: Option<&Refusal>,
    ) {
        if vote != self.hard.term {
            return;
        }
        match &mut self.standing {
            Standing::Candidate(candidate) => {
                candidate.tally.count(&env.from, refusal.is_none());
                if let Some(refusal) = refusal {
                    candidate.refusals.insert(env.from.clone(), refusal.clone());
                }
            }
            Standing::Leader(leader) => {
                if let Some(refresh) = &mut leader.refresh {
                    refresh.tally.count(&env.from, refusal.is_none());
                }
            }
            Standing::Follower | Standing::PreCandidate(_) => {}
        }
    }

    /// C2, V4: the own vote, durable, then everybody else's.
    pub(crate) fn start_vote(&mut self, now: Moment, term: Term, kind: VoteKind) {
        self.hard.term = term;
        self.hard.voted_for = Some(self.me.clone());
        self.term_generation = self.outbox.changed();
        self.campaign.count_vote(&kind);
        let version = self.hard.state.version;
        self.standing = Standing::Candidate(Candidate {
            kind: kind.clone(),
            tally: VoteTally::default(),
            begun: now,
            deadline: None,
            refusals: BTreeMap::new(),
            vote_generation: self.term_generation,
            window: None,
        });
        self.send_to_voters(&Message::Vote { version, kind });
    }

    /// The tally of the pre-votes so far.
    pub(crate) fn advance_pre_candidate(&mut self, now: Moment) {
        let Standing::PreCandidate(candidate) = &self.standing else { return };
        let over = candidate.deadline.over_when_either(now);
        match candidate.tally.result(&self.hard.state.members) {
            VoteResult::Won => {
                let term = candidate.proposed;
                self.start_vote(now, term, VoteKind::Normal);
            }
            VoteResult::Pending if !over => {}
            VoteResult::Pending | VoteResult::Lost => {
                let refusals: Vec<_> = candidate.refusals.clone().into_iter().collect();
                let (term, free) = (candidate.proposed, self.promises_over(candidate, now));
                self.note(Note::AttemptFailed { term, pre_vote: true, refusals });
                if !self.has_quorum_answered() {
                    self.note_cut_off(now);
                }
                self.attempt_failed(now, free);
            }
        }
    }

    /// When enough of those who refused would no longer withhold.
    fn promises_over(&self, candidate: &PreCandidate, now: Moment) -> Moment {
        let mut left: Vec<Span> = candidate.promises_left.values().copied().collect();
        left.sort_unstable();
        let granted = self.voters().saturating_sub(left.len());
        let wanting = self.hard.state.members.quorum().saturating_sub(granted);
        let index = wanting.max(1) - 1;
        now.plus(left.get(index).copied().unwrap_or_default())
    }

    /// The tally of the votes so far.
    pub(crate) fn advance_candidate(&mut self, now: Moment) {
        let Standing::Candidate(candidate) = &mut self.standing else { return };
        let early = self.sabotage.is(Mutant::C2CountsOwnVoteEarly);
        let durable = self.outbox.is_durable(candidate.vote_generation);
        if early || durable {
            candidate.tally.count(&self.me, true);
        }
        if durable && candidate.deadline.is_none() {
            let attempt = self.hard.state.timing.attempt_on(candidate.begun.elapsed(now));
            // The voters' disks may be slower still.
            let alike = self.sabotage.is(Mutant::C2VotesAlike);
            let before = self.campaign.votes.saturating_sub(1);
            let doubled = if alike { 0 } else { before.min(MOST_DOUBLINGS) };
            let patience = match candidate.kind {
                // As long as the one that hands over waits; nobody else asks meanwhile.
                VoteKind::Handover { .. } => self.hard.state.timing.lease.times(2),
                VoteKind::Normal | VoteKind::Refresh => Span::ZERO,
            };
            let attempt = attempt.times(1 << doubled).max(patience);
            candidate.deadline = Some(now.plus(attempt));
        }
        let over = candidate.deadline.is_some_and(|deadline| deadline.over_when_either(now));
        match candidate.tally.result(&self.hard.state.members) {
            VoteResult::Won => {
                let votes = candidate.tally.voters();
                let ground = match candidate.kind {
                    VoteKind::Handover { .. } => Ground::Handover,
                    VoteKind::Normal | VoteKind::Refresh => Ground::Elected,
                };
                let window = candidate.window;
                self.become_leader(now, ground, votes);
                if let Standing::Leader(leader) = &mut self.standing {
                    leader.window_by = window;
                }
                self.say_window(now);
            }
            VoteResult::Pending if !over => {}
            VoteResult::Pending | VoteResult::Lost => {
                let refusals: Vec<_> = candidate.refusals.clone().into_iter().collect();
                let term = self.hard.term;
                self.note(Note::AttemptFailed { term, pre_vote: false, refusals });
                self.attempt_failed(now, now);
            }
        }
    }
}
