//! Looks every few seconds which units follow the target, whether anything else starts them, and
//! whether one of them runs where nobody is boss: on a thread, for systemd may take its time. Where
//! nothing follows the target, no process is started for that.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use election::{Moment, Span};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::Target;
use super::systemctl::{Properties, Systemctl};
use crate::executor::hooks::tree::Spared;

/// What is wrong with the units; None when nothing is any more.
pub(in crate::executor) struct Found(pub(in crate::executor) Option<String>);

/// The looks of one daemon.
pub(in crate::executor) struct TargetWatch {
    target: Option<Rc<Target>>,
    spared: Spared,
    looking: Option<oneshot::Receiver<Look>>,
    /// When nothing of this node acted at the beginning of the look: up to which epoch.
    idle: Option<u64>,
    next: Moment,
    known: Option<String>,
}

/// What one look saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    members: Vec<String>,
    /// Started by somebody else as well, with what to do.
    elsewhere: Option<String>,
    /// Active at that time.
    active: Vec<String>,
}

impl TargetWatch {
    pub(in crate::executor) fn new(target: Option<Rc<Target>>, spared: Spared) -> Self {
        Self { target, spared, looking: None, idle: None, next: Moment::default(), known: None }
    }

    /// What has changed since it was told, if anything has. `idle` is the last epoch if nothing of
    /// this node acts.
    pub(in crate::executor) fn look(&mut self, now: Moment, idle: Option<u64>) -> Option<Found> {
        let target = self.target.clone()?;
        let Some(looking) = &mut self.looking else {
            if self.next.over_when_either(now) {
                self.start(now, &target.name, idle);
            }
            return None;
        };
        match looking.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => None,
            // systemd did not answer; the next look may be luckier.
            Err(oneshot::error::TryRecvError::Closed) => {
                self.looking = None;
                None
            }
            Ok(look) => {
                self.looking = None;
                let was_idle = self.idle.is_some() && self.idle == idle;
                let found = trouble(&look, &target.name, was_idle);
                target.members.replace(Some(look.members));
                self.tell(found)
            }
        }
    }

    /// What is known, for an elector that starts.
    pub(in crate::executor) fn known(&self) -> Option<String> {
        self.known.clone()
    }

    fn start(&mut self, now: Moment, target: &str, idle: Option<u64>) {
        self.next = now.plus(EVERY);
        self.idle = idle;
        let (found, looking) = oneshot::channel();
        let (target, spared) = (target.to_owned(), self.spared.clone());
        let thread = std::thread::Builder::new().name("units".to_owned());
        let started = thread.spawn(move || {
            if let Ok(look) = look(&Systemctl::new(spared), &target) {
                let _ = found.send(look);
            }
        });
        // One that cannot be started is tried again.
        self.looking = started.is_ok().then_some(looking);
    }

    fn tell(&mut self, found: Option<String>) -> Option<Found> {
        if found == self.known {
            return None;
        }
        if let Some(why) = &found {
            warn!("{why}");
        } else {
            info!("the units that follow the boss are in order again");
        }
        self.known.clone_from(&found);
        Some(Found(found))
    }
}

fn look(systemd: &Systemctl, target: &str) -> Result<Look, String> {
    if !may_have_members(target) {
        return Ok(Look::default());
    }
    let members = systemd.members(target)?;
    if members.is_empty() {
        return Ok(Look::default());
    }
    let names: Vec<_> = members.iter().map(String::as_str).collect();
    let units = systemd.show(&names, &["Id", "ActiveState", "WantedBy", "RequiredBy"])?;
    Ok(judge(members, &units, target))
}

/// Whether anything is to be started with the target: by links of those who were enabled, or by
/// what somebody has added to it.
fn may_have_members(target: &str) -> bool {
    let kinds = ["wants", "requires", "d"];
    PLACES.iter().any(|place| {
        let directory = |kind: &&str| Path::new(place).join(format!("{target}.{kind}"));
        let has_any = |path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        kinds.iter().map(directory).any(has_any)
    })
}

fn judge(members: Vec<String>, units: &[Properties], target: &str) -> Look {
    let value = |unit: &Properties, name| unit.get(name).cloned().unwrap_or_default();
    let mut told = Vec::new();
    let mut active = Vec::new();
    for unit in units {
        let name = value(unit, "Id");
        let by = format!("{} {}", value(unit, "WantedBy"), value(unit, "RequiredBy"));
        let others: Vec<_> = by
            .split_whitespace()
            .filter(|other| *other != target && !members.iter().any(|member| member == other))
            .collect();
        if !others.is_empty() {
            told.push(format!(
                "{name} follows the boss by {target}, and {} starts it as well, wherever the boss \
                 is: systemctl disable {name}; systemctl add-wants {target} {name}",
                others.join(", ")
            ));
        }
        if value(unit, "ActiveState") == "active" {
            active.push(name);
        }
    }
    let elsewhere = (!told.is_empty()).then(|| told.join("; "));
    Look { members, elsewhere, active }
}

fn trouble(look: &Look, target: &str, was_idle: bool) -> Option<String> {
    if was_idle && !look.active.is_empty() {
        let names = look.active.join(" ");
        let runs = format!(
            "{names} follows the boss by {target}, and is active although this node is not the \
             boss: systemctl stop {names}"
        );
        return Some(look.elsewhere.as_ref().map_or(runs.clone(), |why| format!("{runs}; {why}")));
    }
    look.elsewhere.clone()
}

/// A unit is seldom enabled or disabled.
const EVERY: Span = Span::from_secs(10);
/// Where links and additions lie.
const PLACES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, state: &str, wanted_by: &str) -> Properties {
        [("Id", name), ("ActiveState", state), ("WantedBy", wanted_by), ("RequiredBy", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn judged(units: &[Properties]) -> Look {
        judge(vec!["a.service".into(), "b.service".into()], units, "boss.target")
    }

    #[test]
    fn a_unit_that_a_boot_starts_as_well_is_named_with_what_to_do() {
        let look = judged(&[
            unit("a.service", "inactive", "boss.target multi-user.target"),
            unit("b.service", "inactive", "boss.target a.service"),
        ]);
        let told = trouble(&look, "boss.target", true).expect("one is enabled elsewhere");
        assert!(
            told.starts_with("a.service follows the boss by boss.target, and multi-user.target")
        );
        assert!(told.contains("systemctl disable a.service"), "{told}");
        assert!(!told.contains("b.service"), "what follows may need one another: {told}");
    }

    #[test]
    fn a_unit_that_runs_is_none_of_anybodys_business_but_where_nobody_is_boss() {
        let look = judged(&[unit("a.service", "active", "boss.target")]);
        assert_eq!(trouble(&look, "boss.target", false), None);
        let told = trouble(&look, "boss.target", true).expect("it runs");
        assert!(told.contains("systemctl stop a.service"), "{told}");
    }
}
