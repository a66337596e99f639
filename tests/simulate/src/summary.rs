//! The figures of a run: how many worlds, and how often each rule was exercised.

use std::fmt;

use crate::rules::Exercised;
use crate::world::{MILLI, World};

/// Figures that add up over worlds.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many.
    pub worlds: u64,
    /// Real time simulated, in milliseconds.
    pub simulated_ms: u64,
    /// Promote hooks that started.
    pub promotions: u64,
    /// Effects that the protocol itself excludes from its promise.
    pub excused: u64,
    /// Hosts that came back with a new state directory.
    pub wiped: u64,
    /// The longest time without a boss while faults happened, and the world.
    pub longest_without_ms: u64,
    rules: Exercised,
}

impl Summary {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            worlds: 1,
            simulated_ms: world.now / MILLI,
            promotions: world.oracle.promotions(),
            excused: world.oracle.excuses(),
            wiped: world.wiped,
            longest_without_ms: world.oracle.longest_without() / MILLI,
            rules: world.oracle.rules.clone(),
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.simulated_ms += other.simulated_ms;
        self.promotions += other.promotions;
        self.excused += other.excused;
        self.wiped += other.wiped;
        self.longest_without_ms = self.longest_without_ms.max(other.longest_without_ms);
        self.rules.add(&other.rules);
    }

    /// The rules that should have decided something and never did.
    pub fn missing(&self) -> Vec<String> {
        self.rules.missing()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "worlds           {}", self.worlds)?;
        writeln!(f, "simulated        {} h", self.simulated_ms / 3_600_000)?;
        writeln!(f, "promotions       {}", self.promotions)?;
        writeln!(f, "excused effects  {}", self.excused)?;
        writeln!(f, "wiped disks      {}", self.wiped)?;
        writeln!(f, "longest gap      {} ms", self.longest_without_ms)?;
        write!(f, "taken/refused   {}", self.rules)
    }
}
