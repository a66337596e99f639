//! The search itself: stateright's breadth-first checker over [`Setup`].
//!
//! A state is known by a fingerprint of 64 bits: among ten million, two fall together with a chance
//! of about one in four hundred thousand. Hosts that a step does not touch are shared between
//! states together with their fingerprints.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::Action;
use crate::coverage::Mark;
use crate::setup::Setup;
use crate::state::State;

/// The property that fails when a promise of protocol.md 9 is broken.
const SAFE: &str = "never a second boss";

impl Model for Setup {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.started()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violation.is_none() && !self.stop.load(Ordering::Relaxed) {
            self.possible(state, actions);
        }
    }

    /// A panic is a broken invariant, and a violation like any other.
    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        catch_unwind(AssertUnwindSafe(|| self.after(state, action))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let text = format!("panic: {}", text.unwrap_or_default());
            Some(State { violation: Some(text.into()), ..state.clone() })
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let safe = Property::always(SAFE, |_, state: &State| state.violation.is_none());
        let sometimes = self.sometimes.iter().map(|mark| mark.property());
        std::iter::once(safe).chain(sometimes).collect()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.violation.is_some() || state.term().0 <= self.highest_term
    }
}

/// What came of a search.
pub(crate) struct Found {
    pub(crate) states: usize,
    /// The longest way from the start that was looked at.
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    pub(crate) verdict: Verdict,
    /// What should have been seen sometimes and never was.
    pub(crate) never: Vec<&'static str>,
}

pub(crate) enum Verdict {
    /// Every state within the world's budgets.
    Exhaustive,
    /// Time ran out.
    Cut,
    /// With the steps that lead there.
    Violation(String, Vec<Action>),
}

/// Searches until everything was seen, something is wrong, or the time is over.
pub(crate) fn search(setup: &Setup, threads: usize, limit: Duration) -> Found {
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let setup = Setup { stop: stop.clone(), ..setup.clone() };
    let began = SystemTime::now();
    let clock = {
        let (stop, over) = (stop.clone(), over.clone());
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if began.elapsed().unwrap_or_default() >= limit {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
                thread::park_timeout(Duration::from_millis(200));
            }
        })
    };
    let checker = setup.clone().checker().threads(threads);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let took = began.elapsed().unwrap_or_default();
    over.store(true, Ordering::Relaxed);
    clock.thread().unpark();
    let cut = stop.swap(false, Ordering::Relaxed);
    let verdict = match checker.discovery(SAFE) {
        Some(path) => {
            let text = path.last_state().violation.as_deref().unwrap_or_default().to_owned();
            Verdict::Violation(text, path.into_actions())
        }
        None if cut => Verdict::Cut,
        None => Verdict::Exhaustive,
    };
    let never = setup.sometimes.iter().filter(|mark| !setup.seen.has(**mark));
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        verdict,
        never: never.map(|mark: &Mark| mark.text()).collect(),
    }
}
