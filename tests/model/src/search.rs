//! Breadth first, level by level, so that the first violation is a shortest one.
//!
//! Our own and not a library's, for three things at once: hosts that a step does not touch are
//! shared between states with their fingerprints, a search ends by states or by time and says at
//! which depth it was complete, and nothing is added to the dependencies (stateright brings a web
//! server). A state is known by a fingerprint of 64 bits: among ten million, two fall together
//! with a chance of about one in four hundred thousand.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, SystemTime};

use crate::step::Action;
use crate::world::{Setup, State};

/// When a search gives up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) states: usize,
    pub(crate) time: Duration,
}

/// What came of a search.
pub(crate) struct Found {
    pub(crate) states: usize,
    /// Every state up to this many steps from the start was seen.
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    pub(crate) verdict: Verdict,
    pub(crate) taken: BTreeSet<&'static str>,
}

pub(crate) enum Verdict {
    /// Every state within the world's budgets.
    Exhaustive,
    /// States or time ran out.
    Cut,
    /// With the steps that lead there.
    Violation(String, Vec<Action>),
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print;
    }
}

/// Of each state the one before it, and which of its actions led on.
type Known = HashMap<u64, (u64, u16), BuildHasherDefault<AsItIs>>;

pub(crate) fn search(setup: &Setup, limit: Limit) -> Found {
    let began = SystemTime::now();
    let took = || began.elapsed().unwrap_or_default();
    let first = setup.started();
    let mut known = Known::default();
    known.insert(first.print(), (0, 0));
    let mut taken = BTreeSet::new();
    let mut level = vec![first];
    let mut depth = 0;
    let mut verdict = Verdict::Exhaustive;
    'search: while !level.is_empty() {
        let mut next = Vec::new();
        for (count, state) in level.iter().enumerate() {
            if known.len() > limit.states || (count % 1024 == 0 && took() > limit.time) {
                verdict = Verdict::Cut;
                break 'search;
            }
            let print = state.print();
            for (index, action) in setup.actions(state).into_iter().enumerate() {
                let Some(step) = setup.after(state, action) else { continue };
                taken.extend(step.taken);
                if let Some(text) = step.violation {
                    let mut path = path_to(setup, &known, print);
                    path.push(action);
                    verdict = Verdict::Violation(text, path);
                    break 'search;
                }
                if step.state.term().0 > setup.highest_term {
                    continue;
                }
                let index = u16::try_from(index).unwrap_or(u16::MAX);
                known.entry(step.state.print()).or_insert_with(|| {
                    next.push(step.state);
                    (print, index)
                });
            }
        }
        level = next;
        depth += 1;
    }
    Found { states: known.len(), depth, took: took(), verdict, taken }
}

fn path_to(setup: &Setup, known: &Known, print: u64) -> Vec<Action> {
    let mut indexes = Vec::new();
    let mut at = print;
    while let Some((before, index)) = known.get(&at).filter(|(before, _)| *before != 0) {
        indexes.push(usize::from(*index));
        at = *before;
    }
    let mut state: State = setup.started();
    let mut path = Vec::new();
    for index in indexes.into_iter().rev() {
        let action = setup.actions(&state)[index];
        path.push(action);
        let Some(step) = setup.after(&state, action) else { break };
        state = step.state;
    }
    path
}
