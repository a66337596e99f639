//! The figures of a run: how many worlds, and whether the rules were exercised at all.

use std::collections::BTreeMap;
use std::fmt;

use crate::world::{MILLI, World};

/// A run in which one of these never decided anything shows nothing about it.
pub const MUST_BE_EXERCISED: [&str; 13] =
    ["V1", "V2", "V3", "V4", "V5", "V6", "W2", "K1", "L2", "R1", "R2", "C2", "X4"];

/// Figures that add up over worlds.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many.
    pub worlds: u64,
    /// Promote hooks that started.
    pub promotions: u64,
    /// Effects that the protocol itself excludes from its promise.
    pub excused: u64,
    /// How often each rule decided something.
    pub rules: BTreeMap<&'static str, u64>,
    /// The longest time without a boss while faults happened, and the world.
    pub longest_without_ms: u64,
}

impl Summary {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            worlds: 1,
            promotions: world.oracle.promotions(),
            excused: world.oracle.excuses(),
            rules: world.oracle.rules.clone(),
            longest_without_ms: world.oracle.longest_without() / MILLI,
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.promotions += other.promotions;
        self.excused += other.excused;
        for (rule, count) in &other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
        self.longest_without_ms = self.longest_without_ms.max(other.longest_without_ms);
    }

    /// The rules of [`MUST_BE_EXERCISED`] that never decided anything.
    pub fn missing(&self) -> Vec<&'static str> {
        let used = |rule: &&str| self.rules.contains_key(*rule);
        MUST_BE_EXERCISED.into_iter().filter(|rule| !used(rule)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "worlds           {}", self.worlds)?;
        writeln!(f, "promotions       {}", self.promotions)?;
        writeln!(f, "excused effects  {}", self.excused)?;
        writeln!(f, "longest gap      {} ms", self.longest_without_ms)?;
        write!(f, "rules           ")?;
        for (rule, count) in &self.rules {
            write!(f, " {rule} {count}")?;
        }
        Ok(())
    }
}
