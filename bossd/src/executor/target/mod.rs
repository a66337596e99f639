//! `boss.target`: units of systemd that follow the boss without a script. It is the last hook of a
//! promote and the first of a demote, carried out by bossd itself as a program of its own
//! ([`follow`]), so that deadlines, kills, the clean-up and the log are those of all hooks. Only a
//! bossd that is a service does so: `bossd.service` has `boss.target`, and `bossd@NAME.service` has
//! `boss@NAME.target`. [`look`] finds what else would start such a unit.

pub mod follow;
mod look;
mod systemctl;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use tracing::warn;

use super::hooks::directory::Hook;
use crate::config::Config;
pub(super) use look::{Found, TargetWatch};

/// The target of this instance, and what is known of its units.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    /// bossd itself.
    program: PathBuf,
    /// Those that follow it; None before the first look.
    members: RefCell<Option<Vec<String>>>,
}

impl Target {
    /// That of this instance, if it has one. It is remembered in the run directory, so that a clean-up
    /// by hand lets go of the same units.
    pub(super) fn of_instance(config: &Config) -> Option<Self> {
        let is_possible = Uid::effective().is_root() && Path::new(BOOTED).is_dir();
        if config.node.shadow || !is_possible {
            return None;
        }
        let record = config.node.record_directory().join(FILE);
        let name = if let Some(name) = of_unit() {
            if let Err(error) = keep(&record, &name) {
                let path = record.display();
                warn!("{path}: {error}: a clean-up by hand would not let go of {name}");
            }
            name
        } else {
            fs::read_to_string(&record).ok().filter(|name| is_target(name))?
        };
        let program = std::env::current_exe().ok()?;
        Some(Self { name, program, members: RefCell::new(None) })
    }

    /// The hook that starts and stops it; None as long as nothing follows it. `is_known` is whether
    /// what stands is known: if not, there may have been units that followed it.
    pub(super) fn hook(&self, is_known: bool) -> Option<Hook> {
        let nothing_follows = self.members.borrow().as_ref().is_some_and(Vec::is_empty);
        if nothing_follows && is_known {
            return None;
        }
        Some(hook(&self.name, &self.program))
    }
}

/// The hook that starts and stops what follows a target; `program` is bossd.
pub(crate) fn hook(name: &str, program: impl Into<PathBuf>) -> Hook {
    let before_event = vec![OPTION.to_owned(), name.to_owned()];
    Hook { before_event, ..Hook::new(name, program) }
}

/// Whether this is the name of a target, as a hook's name never ends.
pub(crate) fn is_target(name: &str) -> bool {
    name.ends_with(SUFFIX) && !name.contains('/')
}

/// By the control group that the service manager has put this process into.
fn of_unit() -> Option<String> {
    target_of(&fs::read_to_string("/proc/self/cgroup").ok()?)
}

fn target_of(groups: &str) -> Option<String> {
    groups.lines().flat_map(|line| line.split('/')).find_map(|part| {
        let instance = part.strip_prefix("bossd")?.strip_suffix(".service")?;
        (instance.is_empty() || instance.starts_with('@'))
            .then(|| format!("boss{instance}{SUFFIX}"))
    })
}

/// No fsync: a reboot empties the run directory, and ends the units.
fn keep(path: &Path, name: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, name)?;
    fs::rename(&temporary, path)
}

/// bossd's option that does the work.
const OPTION: &str = "--boss-target";
/// The file in the run directory.
const FILE: &str = "target";
const SUFFIX: &str = ".target";
/// There where systemd is the system's manager.
const BOOTED: &str = "/run/systemd/system";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_ours_has_a_target_of_its_own_and_nobody_else_has_one() {
        let of = |groups: &str| target_of(groups);
        assert_eq!(of("0::/system.slice/bossd.service\n").as_deref(), Some("boss.target"));
        let legacy = "9:name=systemd:/machine/system.slice/bossd.service/.control\n0::/\n";
        assert_eq!(of(legacy).as_deref(), Some("boss.target"));
        let instance = "0::/system.slice/system-bossd.slice/bossd@web.service\n";
        assert_eq!(of(instance).as_deref(), Some("boss@web.target"));
        for other in ["0::/user.slice/session-1.scope\n", "0::/system.slice/bossd-x.service\n", ""]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_target_that_nothing_follows_is_left_alone_but_where_it_is_not_known_what_stands() {
        let members = RefCell::new(None);
        let target =
            Target { name: "boss.target".into(), program: "/usr/sbin/bossd".into(), members };
        assert!(target.hook(true).is_some(), "nobody has looked yet");
        target.members.replace(Some(Vec::new()));
        assert!(target.hook(true).is_none());
        assert!(target.hook(false).is_some());
        target.members.replace(Some(vec!["nginx.service".into()]));
        let hook = target.hook(true).expect("something follows");
        assert_eq!(hook.before_event, ["--boss-target", "boss.target"]);
        assert!(is_target(&hook.name));
    }
}
