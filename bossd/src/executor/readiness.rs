//! Whether the hooks of this server are in order: looked at before each elector starts and every
//! few seconds after, so that a hook that was repaired needs no restart. A member that never
//! becomes boss needs no hooks.

use std::path::Path;
use std::rc::Rc;

use control::hooks::HookFile;
use election::{Kind, Moment, Span};
use tracing::{error, info};

use super::hooks::directory::HookDirectory;
use super::keepalived;
use super::target::Target;
use crate::config::Config;
use crate::journal;

/// Hooks are fewer; a directory full of other things must not fill an answer.
const MOST_LISTED: usize = 512;
/// How often the directory is looked at.
const EVERY: Span = Span::from_secs(5);

/// The state of the hooks, said to the log once per change.
pub(super) struct Readiness {
    config: Rc<Config>,
    target: Option<Rc<Target>>,
    known: Option<Result<(), String>>,
    /// As found last.
    files: Vec<HookFile>,
    /// They changed since they were told.
    news: bool,
    next: Moment,
}

impl Readiness {
    pub(super) fn new(config: Rc<Config>, target: Option<Rc<Target>>) -> Self {
        let (known, files, news) = (None, Vec::new(), false);
        Self { config, target, known, files, news, next: Moment::default() }
    }

    /// Other hooks count from now on; looked at soon.
    pub(super) fn set_config(&mut self, config: Rc<Config>) {
        self.config = config;
        self.next = Moment::default();
    }

    /// As it is now.
    pub(super) fn look(&mut self, now: Moment) -> Result<(), String> {
        self.next = now.plus(EVERY);
        let directory = read_hooks(&self.config);
        let mut files =
            directory.as_ref().map(|found| list(found, &self.config)).unwrap_or_default();
        let following = self.target.as_ref().and_then(|target| target.hook(true));
        files.extend(following.map(|hook| HookFile {
            hook: hook.name,
            path: hook.path.display().to_string(),
            runs: true,
            why_not: None,
        }));
        if files != self.files {
            (self.files, self.news) = (files, true);
        }
        let found = judge(directory);
        if self.known.as_ref() != Some(&found) {
            match &found {
                Ok(()) if self.known.is_some() => {
                    info!(message_id = journal::HOOKS_IN_ORDER, "the hooks are in order again");
                }
                Ok(()) => {}
                Err(why) => error!(
                    message_id = journal::HOOKS_REFUSED,
                    "{why}. Until then this node is not eligible"
                ),
            }
            self.known = Some(found.clone());
        }
        found
    }

    /// Which hooks there are, for an elector that starts.
    pub(super) fn files(&mut self) -> Vec<HookFile> {
        self.news = false;
        self.files.clone()
    }

    /// The same if it has changed since it was told.
    pub(super) fn new_files(&mut self) -> Option<Vec<HookFile>> {
        self.news.then(|| self.files())
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

fn judge(directory: Result<HookDirectory, String>) -> Result<(), String> {
    match directory?.refused.first() {
        None => Ok(()),
        Some(refused) => Err(refused.reason.to_string()),
    }
}

/// Each file with the reason if it does not run, in the order of the names; then the scripts for
/// keepalived.
fn list(directory: &HookDirectory, config: &Config) -> Vec<HookFile> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = |path: &Path, why_not: Option<String>| HookFile {
        hook: name(path),
        path: path.display().to_string(),
        runs: why_not.is_none(),
        why_not,
    };
    let hooks = directory.hooks.iter().map(|hook| file(&hook.path, None));
    let skipped = directory.skipped.iter();
    let skipped = skipped.map(|skipped| file(&skipped.path, Some(skipped.reason.to_owned())));
    let scripts: Vec<_> = keepalived::named(&config.keepalived).collect();
    let is_script = |path: &Path| scripts.iter().any(|(script, _)| script.path == path);
    let refused = directory.refused.iter().filter(|refused| !is_script(&refused.path));
    let refused = refused.map(|refused| file(&refused.path, Some(refused.reason.to_string())));
    let mut files: Vec<_> = hooks.chain(skipped).chain(refused).collect();
    files.sort_by(|a, b| a.hook.cmp(&b.hook));
    files.truncate(MOST_LISTED);
    files.extend(scripts.into_iter().map(|(script, why_not)| HookFile {
        hook: script.key.to_owned(),
        ..file(&script.path, why_not)
    }));
    files
}

/// The hooks as they are now. Without a directory there are none, for whoever needs none.
pub(super) fn read_hooks(config: &Config) -> Result<HookDirectory, String> {
    let mut directory = read_directory(config)?;
    directory.refused.extend(keepalived::refused(&config.keepalived));
    Ok(directory)
}

fn read_directory(config: &Config) -> Result<HookDirectory, String> {
    let path = &config.hooks.directory;
    let me = config.cluster.state.members.find(&config.node.name);
    let needs_none = me.is_some_and(|member| member.kind != Kind::Voter);
    if needs_none && !path.exists() {
        let (hooks, skipped, refused) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(HookDirectory { hooks, skipped, refused });
    }
    HookDirectory::read(path).map_err(|error| error.to_string())
}
