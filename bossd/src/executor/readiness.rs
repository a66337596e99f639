//! Whether the hooks of this server are in order: looked at before each elector starts and every
//! few seconds after, so that a hook that was repaired needs no restart. A member that never
//! becomes boss needs no hooks.

use std::rc::Rc;

use election::{Kind, Moment, Span};
use tracing::{error, info};

use super::hooks::directory::HookDirectory;
use crate::config::Config;

/// How often the directory is looked at.
const EVERY: Span = Span::from_secs(5);

/// The state of the hooks, said to the log once per change.
pub(super) struct Readiness {
    config: Rc<Config>,
    known: Option<Result<(), String>>,
    next: Moment,
}

impl Readiness {
    pub(super) fn new(config: Rc<Config>) -> Self {
        Self { config, known: None, next: Moment::default() }
    }

    /// As it is now.
    pub(super) fn look(&mut self, now: Moment) -> Result<(), String> {
        self.next = now.plus(EVERY);
        let found = judge(&self.config);
        if self.known.as_ref() != Some(&found) {
            match &found {
                Ok(()) if self.known.is_some() => info!("the hooks are in order again"),
                Ok(()) => {}
                Err(why) => error!("{why}. Until then this node is not eligible"),
            }
            self.known = Some(found.clone());
        }
        found
    }

    /// What has changed, if it is time to look and something has.
    pub(super) fn look_again(&mut self, now: Moment) -> Option<Result<(), String>> {
        if !self.next.over_when_either(now) {
            return None;
        }
        let before = self.known.clone();
        let found = self.look(now);
        (before.as_ref() != Some(&found)).then_some(found)
    }
}

fn judge(config: &Config) -> Result<(), String> {
    let directory = read_hooks(config)?;
    match directory.refused.first() {
        None => Ok(()),
        Some(refused) => Err(refused.reason.to_string()),
    }
}

/// The hooks as they are now. Without a directory there are none, for whoever needs none.
pub(super) fn read_hooks(config: &Config) -> Result<HookDirectory, String> {
    let path = &config.hooks.directory;
    let me = config.cluster.state.members.find(&config.node.name);
    let needs_none = me.is_some_and(|member| member.kind != Kind::Voter);
    if needs_none && !path.exists() {
        let (hooks, skipped, refused) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(HookDirectory { hooks, skipped, refused });
    }
    HookDirectory::read(path).map_err(|error| error.to_string())
}
