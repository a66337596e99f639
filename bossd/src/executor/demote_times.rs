//! How long each hook took to let go: measured at every demote, kept in the run directory so that it
//! outlives this process, and shown by the elector, which says when it is too long for an
//! emergency. It decides nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use control::model::DemoteTime;
use tracing::warn;

use super::hooks::directory::HookDirectory;
use super::hooks::outcome::Step;
use super::target::is_target;
use crate::config::Config;

/// The file in the run directory: a JSON list.
const FILE: &str = "demotes";

/// What was measured, by the hooks' names.
#[derive(Debug)]
pub(super) struct DemoteTimes {
    path: PathBuf,
    hooks: PathBuf,
    times: BTreeMap<String, DemoteTime>,
    changed: bool,
}

impl DemoteTimes {
    /// What the run before left. A file that is not there or makes no sense is an empty one: all of
    /// it is measured again.
    pub(super) fn load(config: &Config) -> Self {
        let path = config.node.record_directory().join(FILE);
        let read = fs::read(&path).ok();
        let known: Vec<DemoteTime> =
            read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let times = known.into_iter().map(|time| (time.hook.clone(), time)).collect();
        Self { path, hooks: config.hooks.directory.clone(), times, changed: false }
    }

    /// Other hooks count from now on.
    pub(super) fn set_hooks(&mut self, config: &Config) {
        self.hooks.clone_from(&config.hooks.directory);
    }

    /// Takes the steps of a demote in. One that never ran says nothing about the hook. No IO: the
    /// word "idle" waits for this.
    pub(super) fn record(&mut self, steps: &[Step]) {
        for step in steps.iter().filter(|step| step.outcome.has_run()) {
            let (last_ms, ok) = (step.took.as_millis(), step.outcome.is_done());
            let before = self.times.get(&step.hook);
            let worst_ms = before.map_or(0, |before| before.worst_ms).max(last_ms);
            let count = before.map_or(0, |before| before.count).saturating_add(1);
            let known = before.and_then(|before| before.urgent_ms);
            let urgent_ms = if step.urgent && ok { Some(last_ms) } else { known };
            let (hook, urgent) = (step.hook.clone(), step.urgent);
            let time = DemoteTime { hook, last_ms, urgent, ok, urgent_ms, worst_ms, count };
            self.times.insert(step.hook.clone(), time);
            self.changed = true;
        }
    }

    /// A hook that was removed is not measured again, and its last word must not stay for ever.
    fn forget_the_gone(&mut self) {
        let Ok(present) = HookDirectory::read(&self.hooks) else { return };
        let is_there = |name: &str| present.hooks.iter().any(|hook| hook.name == name);
        self.times.retain(|name, _| is_there(name) || is_target(name));
    }

    /// All of them, in the order of their names.
    pub(super) fn all(&self) -> Vec<DemoteTime> {
        self.times.values().cloned().collect()
    }

    /// All of them, written down, if something was measured since the last call.
    pub(super) fn take_changed(&mut self) -> Option<Vec<DemoteTime>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.forget_the_gone();
        let all = self.all();
        if let Err(error) = self.save(&all) {
            warn!("{}: {error}: the demote times are lost with this process", self.path.display());
        }
        Some(all)
    }

    /// No fsync: a reboot empties the run directory anyway.
    fn save(&self, all: &[DemoteTime]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        fs::write(&temporary, serde_json::to_vec(all)?)?;
        fs::rename(&temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use election::Span;

    use super::super::bench::Bench;
    use super::super::hooks::outcome::{Cut, Outcome};
    use super::super::hooks::plan::HookEvent;
    use super::*;

    fn step(hook: &str, ms: u64, urgent: bool, outcome: Outcome) -> Step {
        let (hook, took) = (hook.to_owned(), Span::from_millis(ms));
        Step { hook, event: HookEvent::Demote, urgent, outcome, took, left: Vec::new() }
    }

    #[test]
    fn the_last_and_the_worst_demote_are_kept_over_a_restart() {
        let bench = Bench::new();
        bench.hook("10-a", ":");
        let environment = bench.environment();
        let mut times = DemoteTimes::load(&environment.config);
        assert!(times.take_changed().is_none());
        times.record(&[step("10-a", 900, false, Outcome::Done)]);
        times.record(&[step("10-a", 70, true, Outcome::Done)]);
        times.record(&[step("10-a", 375, true, Outcome::Killed(Cut::Urgent))]);
        times.record(&[step("10-a", 0, true, Outcome::NotRun)]);
        let kept = times.take_changed().expect("measured");
        assert_eq!(DemoteTimes::load(&environment.config).all(), kept);
        let hook = "10-a".to_owned();
        let (urgent, ok, urgent_ms) = (true, false, Some(70));
        let wanted =
            DemoteTime { hook, last_ms: 375, urgent, ok, urgent_ms, worst_ms: 900, count: 3 };
        assert_eq!(kept, [wanted]);
    }

    #[test]
    fn a_hook_that_was_removed_is_forgotten_after_the_next_demote() {
        let bench = Bench::new();
        bench.hook("10-a", ":");
        let environment = bench.environment();
        let mut times = DemoteTimes::load(&environment.config);
        let demoted = ["10-a", "20-gone"].map(|hook| step(hook, 5, false, Outcome::Done));
        times.record(&demoted);
        assert_eq!(times.all().len(), 2, "both were measured");
        let names =
            |all: Vec<DemoteTime>| all.into_iter().map(|time| time.hook).collect::<Vec<_>>();
        assert_eq!(times.take_changed().map(names), Some(vec!["10-a".to_owned()]));
        assert_eq!(names(DemoteTimes::load(&environment.config).all()), ["10-a"]);
    }
}
