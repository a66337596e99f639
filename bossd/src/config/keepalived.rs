//! `[keepalived]`: scripts that were written for keepalived, with the words of its configuration.

use std::path::{Path, PathBuf};

use super::error::shown;
use super::file::Table;
use super::problems::Problems;
use super::values::Wrong;

/// `[keepalived]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeepalivedConfig {
    /// What the general script gets as the name of its instance.
    pub instance: String,
    /// Called at every change of state, after the one of that state.
    pub notify: Option<Script>,
    /// Called when this node is to act.
    pub master: Option<Script>,
    /// Called when it must stop acting, or follows.
    pub backup: Option<Script>,
    /// Called when its health keeps it from acting.
    pub fault: Option<Script>,
    /// Called when the daemon stops.
    pub stop: Option<Script>,
}

/// A script with the arguments that its line in the file gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The key that names it.
    pub key: &'static str,
    /// By its path.
    pub path: PathBuf,
    /// Its own.
    pub arguments: Vec<String>,
}

impl KeepalivedConfig {
    /// Every script that is named, those of a state first.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        [&self.master, &self.backup, &self.fault, &self.stop, &self.notify].into_iter().flatten()
    }
}

/// The section. Without an instance, that is the name of the cluster.
pub(super) fn check_keepalived(
    table: &Table<'_>,
    cluster: Option<&str>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> KeepalivedConfig {
    let instance = table.string("instance", parse_instance, problems);
    let instance = instance.map(|given| given.value.to_owned());
    let mut script = |key: &'static str| {
        let given = table.string(key, |text| parse(text, key, directory), problems);
        given.map(|given| given.value)
    };
    KeepalivedConfig {
        notify: script("notify"),
        master: script("notify-master"),
        backup: script("notify-backup"),
        fault: script("notify-fault"),
        stop: script("notify-stop"),
        instance: instance.or(cluster.map(str::to_owned)).unwrap_or_default(),
    }
}

fn parse_instance(text: &str) -> Result<&str, Wrong> {
    let fits = !text.is_empty() && text.len() <= 63 && !text.contains(char::is_control);
    let help = "write a name as in keepalived.conf, instance = \"VI_1\"";
    fits.then_some(text).ok_or_else(|| Wrong::new(format!("{} is no name", shown(text)), help))
}

/// A path and arguments, between spaces; what a shell would make of quotes is not guessed.
fn parse(text: &str, key: &'static str, directory: &Path) -> Result<Script, Wrong> {
    if text.contains(['"', '\'', '\\', '\0']) {
        let help = "words are split at spaces, and quotes mean nothing here: call a script of its \
                    own that has them";
        return Err(Wrong::new(format!("{} has quotes or backslashes", shown(text)), help));
    }
    let mut words = text.split_whitespace();
    let Some(program) = words.next().filter(|program| program.contains('/')) else {
        let help = "write the full path of the script, and its arguments after it";
        return Err(Wrong::new(format!("{} is not a path", shown(text)), help));
    };
    let arguments = words.map(str::to_owned).collect();
    Ok(Script { key, path: directory.join(program), arguments })
}
