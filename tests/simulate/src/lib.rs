//! Whole clusters of the real [`election::Node`] and [`election::Executor`] in simulated time. One
//! seed gives everything: members, timing, clocks, network, disks, hooks, operators and faults. A
//! minute of faults, judged outside the nodes, is followed by peace, in which a boss must appear.
//!
//! Reading order: `world` (events), `fault` and `inject` (what goes wrong), `elector`, `executor`,
//! `hooks`, `host`, `disk`, `sleep`, `network` (what reacts), `oracle` (what must hold), `heal` (what
//! must come back), `mutants` (what is broken on purpose).
#![forbid(unsafe_code)]

mod clock;
mod disk;
mod draw;
mod elector;
mod executor;
mod fault;
mod heal;
mod hooks;
mod host;
mod inject;
mod mutants;
mod network;
mod oracle;
mod queue;
mod random;
mod rules;
mod sleep;
mod summary;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use fault::{Fault, Faults};
pub use mutants::{Broken, ShellMutant};
pub use summary::Summary;

use random::Random;
use world::{Log, World};

const STREAM_FAULTS: u64 = 2_000;

/// How much of a world is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tell {
    /// Nothing.
    Nothing,
    /// Line by line, on stdout.
    Print,
    /// Kept, for [`Outcome::story`].
    Keep,
}

/// What came of a world.
#[derive(Debug)]
pub struct Outcome {
    /// Which one.
    pub seed: u64,
    /// What went wrong first, if anything did.
    pub violation: Option<String>,
    /// What happened, with [`Tell::Keep`].
    pub story: String,
    /// What it adds to the figures of a run.
    pub summary: Summary,
}

/// The faults that a seed draws.
pub fn faults_of(seed: u64) -> Faults {
    Faults::draw(&mut Random::new(seed, STREAM_FAULTS))
}

/// Runs one world to its end, or to its first violation. A panic of a node is one too.
pub fn run(seed: u64, faults: Faults, broken: Broken, tell: Tell) -> Outcome {
    let log = match tell {
        Tell::Nothing => Log::Silent,
        Tell::Print => Log::Print,
        Tell::Keep => Log::Keep(String::new()),
    };
    let mut world = World::new(seed, faults, broken, log);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        world.oracle.fail(format!("panic: {}", text.unwrap_or_default()));
    }
    if let Some(violation) = world.oracle.violation.clone() {
        world.say(None, || format!("VIOLATION {violation}"));
    }
    let summary = Summary::of(&world);
    let story = match world.log {
        Log::Keep(story) => story,
        Log::Silent | Log::Print => String::new(),
    };
    Outcome { seed, violation: world.oracle.violation, story, summary }
}

/// Leaves out each kind of fault that is not needed for `seed` to fail.
pub fn shrink(seed: u64, broken: Broken) -> Faults {
    let mut needed = faults_of(seed);
    loop {
        let before = needed;
        for fault in before.iter() {
            let fewer = needed.without(fault);
            if run(seed, fewer, broken, Tell::Nothing).violation.is_some() {
                needed = fewer;
            }
        }
        if needed == before {
            return needed;
        }
    }
}

/// The seeds of the regression list: one per line, `#` begins a comment.
pub fn regressions() -> Vec<u64> {
    let lines = include_str!("../seeds.txt").lines();
    let seeds = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    seeds.filter_map(|seed| seed.parse().ok()).collect()
}
