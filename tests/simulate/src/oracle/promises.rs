//! 9.9: no vote within a promise but by V4 to V7. Judged from outside: from what reached the node,
//! whether it accepted it (its term says so), its own clocks at that moment, and every vote that
//! appears in it. A promise that ended early or went to another is followed by the same rules.

use election::{Envelope, HardState, Incarnation, Message, Moment, NodeId, Span, Term, VoteKind};

use super::Verdict;
use crate::rules::Rule;
use crate::world::HostId;

/// As long as no voter ever promises.
const LONGEST: Span = election::LONGEST_PROMISE;

/// What a node has promised, as far as its peers may rely on it.
#[derive(Default)]
struct Promise {
    until: Moment,
    /// What `until` was when it was over.
    ended: Moment,
    to: Option<(HostId, Incarnation)>,
    term: Term,
    /// V5: of these lives, heartbeats of no higher term promise anything.
    released: Vec<(HostId, Incarnation, Term)>,
    /// The term, and whether its vote is given.
    voted: (Term, bool),
}

#[derive(Default)]
pub(super) struct Promises(Vec<Promise>);

/// A node that is judged, before or after an event.
#[derive(Clone, Copy)]
pub(super) struct Voter<'a> {
    pub(super) host: HostId,
    pub(super) name: &'a NodeId,
    /// Its own clocks.
    pub(super) now: Moment,
    pub(super) term: Term,
    pub(super) voted_for: Option<&'a NodeId>,
    /// V2: a lease of its own that is not over by both clocks.
    pub(super) has_lease: bool,
}

/// What a node heard.
#[derive(Clone, Copy)]
pub(super) struct Heard<'a> {
    pub(super) from: HostId,
    pub(super) envelope: &'a Envelope,
    /// The node's term before.
    pub(super) before: Term,
    /// Whether it listens to that life.
    pub(super) counts: bool,
    /// The cluster's P.
    pub(super) promise: Span,
    /// Of which host Confirmed speaks.
    pub(super) about: Option<HostId>,
}

impl Promises {
    pub(super) fn new(hosts: usize) -> Self {
        Self((0..hosts).map(|_| Promise::default()).collect())
    }

    /// S1.
    pub(super) fn starts(&mut self, host: HostId, now: Moment, hard: &HardState) {
        let silence = hard.promise_hiwater.max(hard.state.timing.promise());
        let voted = (hard.term, hard.voted_for.is_some());
        let until = now.plus(silence);
        self.0[host] = Promise { until, term: hard.term, voted, ..Promise::default() };
    }

    /// Whether a vote appeared, and whether it was allowed to: by which rule, where a promise ran.
    /// To be asked after every event.
    pub(super) fn votes(
        &mut self,
        voter: Voter<'_>,
        heard: Option<Heard<'_>>,
    ) -> Result<Option<Rule>, String> {
        let promise = &mut self.0[voter.host];
        if promise.until.over_when_both(voter.now) {
            // Once over it is over, also where a clock is set back afterwards.
            promise.ended = promise.ended.latest(promise.until);
            promise.until = Moment::default();
        }
        let (term, given) = promise.voted;
        let Some(candidate) = voter.voted_for else {
            promise.voted = (voter.term, false);
            return Ok(None);
        };
        promise.voted = (voter.term, true);
        if voter.term < term || (voter.term == term && given) {
            return Ok(None);
        }
        let for_itself = candidate == voter.name;
        let (name, term) = (voter.name, voter.term);
        if voter.has_lease && !for_itself {
            return Err(format!("9.9: {name} votes for {candidate} in {term} in its lease (V2)"));
        }
        if promise.until.over_when_both(voter.now) {
            return Ok(None);
        }
        let Some(heard) = heard else { return Err(promise.is_broken(&voter, candidate)) };
        let (allowed, rule) = match &heard.envelope.message {
            // From whom the promise is to.
            Message::TakeOver { .. } if for_itself => {
                (promise.is_handed_over(heard, heard.envelope.term, term), None)
            }
            Message::Vote { kind: VoteKind::Handover { term: led, .. }, .. } if !for_itself => {
                (promise.is_handed_over(heard, *led, term), Some(Rule::V4))
            }
            Message::Vote { kind: VoteKind::Refresh, .. } if !for_itself => {
                let to = Some((heard.from, heard.envelope.incarnation));
                (promise.to == to, Some(Rule::V6))
            }
            _ => (false, None),
        };
        if allowed { Ok(rule) } else { Err(promise.is_broken(&voter, candidate)) }
    }

    /// What the message that the node has just dealt with makes of its promise.
    pub(super) fn heard(&mut self, voter: Voter<'_>, heard: Heard<'_>) {
        let promise = &mut self.0[voter.host];
        let envelope = heard.envelope;
        let life = (heard.from, envelope.incarnation);
        let accepted = heard.counts && envelope.term >= heard.before && envelope.term == voter.term;
        match &envelope.message {
            Message::Heartbeat { promise: span, .. } if accepted => {
                promise.make(voter.now.plus((*span).min(LONGEST)), life, envelope.term);
            }
            Message::Publish { state } if accepted && state.version.term == envelope.term => {
                promise.make(voter.now.plus(heard.promise), life, envelope.term);
            }
            Message::Released { term, .. } if heard.counts && *term <= envelope.term => {
                promise.release(life, *term, voter.now);
            }
            Message::Confirmed { incarnation, term, .. }
                if heard.counts && *term <= envelope.term =>
            {
                if let Some(about) = heard.about.filter(|about| *about != voter.host) {
                    promise.release((about, *incarnation), *term, voter.now);
                }
            }
            _ => {}
        }
    }

    /// E1: a leader's promise is to itself and over at once; its lease guards (V2).
    pub(super) fn leads(&mut self, voter: HostId, incarnation: Incarnation, now: Moment) {
        let promise = &mut self.0[voter];
        promise.until = Moment::default();
        promise.ended = now;
        promise.to = Some((voter, incarnation));
        promise.term = promise.voted.0;
    }

    /// The end of what `voter` has promised, if that was to `leader` or to nobody.
    pub(super) fn to(&self, voter: HostId, leader: HostId) -> Option<Moment> {
        let promise = &self.0[voter];
        promise.to.is_none_or(|(to, _)| to == leader).then_some(promise.until)
    }

    /// C1: when the promise was over, and `slots` more.
    pub(super) fn campaigns(&self, voter: HostId, now: Moment, slots: Span) -> Verdict {
        let since = self.0[voter].ended.plus(slots);
        if since.over_when_both(now) {
            return Ok(());
        }
        let left = since.left_until_both(now);
        Err(format!("9.20: host {voter} campaigns {left} before its turn (C1, preference)"))
    }

    /// V7, by an operator's word at this node: of a term that the host has surely led, by its claim
    /// or by the promise to it.
    pub(super) fn confirmed(
        &mut self,
        voter: HostId,
        life: (HostId, Incarnation),
        claimed: Term,
        now: Moment,
    ) {
        let promise = &mut self.0[voter];
        let promised = if promise.to == Some(life) { promise.term } else { Term::default() };
        promise.release(life, promised.max(claimed), now);
    }
}

impl Promise {
    fn is_broken(&self, voter: &Voter<'_>, candidate: &NodeId) -> String {
        let left = self.until.left_until_both(voter.now);
        let to = self.to.map(|(host, _)| host);
        format!(
            "9.9: {} votes for {candidate} in term {}, {left} before the end of its promise to \
             host {to:?} of term {}",
            voter.name, voter.term, self.term
        )
    }

    /// A1.
    fn make(&mut self, until: Moment, to: (HostId, Incarnation), term: Term) {
        let is_released = |(host, life, released): &(HostId, Incarnation, Term)| {
            (*host, *life) == to && *released >= term
        };
        if !self.released.iter().any(is_released) {
            self.until = self.until.latest(until);
            self.to = Some(to);
            self.term = term;
        }
    }

    /// V5, V7.
    fn release(&mut self, life: (HostId, Incarnation), term: Term, now: Moment) {
        match self.released.iter_mut().find(|(host, of, _)| (*host, *of) == life) {
            Some((_, _, highest)) => *highest = (*highest).max(term),
            None => self.released.push((life.0, life.1, term)),
        }
        if self.to == Some(life) && self.term <= term && !self.until.over_when_both(now) {
            self.ended = self.until.earliest(now);
            self.until = Moment::default();
        }
    }

    /// V4: its term is t, T is t + 1, and its promise is to B in t.
    fn is_handed_over(&self, heard: Heard<'_>, led: Term, term: Term) -> bool {
        let to = match &heard.envelope.message {
            Message::Vote { kind: VoteKind::Handover { incarnation, .. }, .. } => *incarnation,
            _ => heard.envelope.incarnation,
        };
        let from_it = match &heard.envelope.message {
            Message::Vote { .. } => heard.about,
            _ => Some(heard.from),
        };
        heard.before == led
            && term == led.next()
            && self.term == led
            && self.to.is_some_and(|promised| Some(promised) == from_it.map(|host| (host, to)))
    }
}
