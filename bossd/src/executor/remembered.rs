//! The configuration that a daemon runs with, kept in the run directory: what it promoted is let go by
//! the same hooks, also if its files have been changed or broken before it died.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::config::{self, ConfigError, Sources};

/// The file in the run directory.
const FILE: &str = "configuration";
/// Where the run directory is, if the configuration cannot say it: systemd sets this.
const RUN_DIRECTORY: &str = "RUNTIME_DIRECTORY";
const USUAL_RUN_DIRECTORY: &str = "/run/boss";

/// Keeps what this daemon runs with. No fsync: a reboot empties the run directory anyway.
pub(super) fn keep(run_directory: &Path, sources: &Sources) {
    if let Err(error) = write(run_directory, sources) {
        let path = run_directory.join(FILE);
        warn!("{}: {error}: a clean-up goes by the files as they are then", path.display());
    }
}

fn write(run_directory: &Path, sources: &Sources) -> io::Result<()> {
    let temporary = run_directory.join(FILE).with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(sources)?)?;
    fs::rename(&temporary, run_directory.join(FILE))
}

/// What a clean-up for `path` goes by: what the daemon that died ran with, else the files as they are.
pub(super) fn sources(path: &Path, host_name: &str) -> Result<Sources, ConfigError> {
    let present = config::read(path)
        .and_then(|sources| config::parse(&sources, host_name).map(|config| (sources, config)));
    let run_directory = match &present {
        Ok((_, config)) => config.node.run_directory.clone(),
        Err(_) => given_run_directory().unwrap_or_else(|| USUAL_RUN_DIRECTORY.into()),
    };
    match load(&run_directory, path, host_name) {
        Some(kept) => Ok(kept),
        None => present.map(|(sources, _)| sources),
    }
}

/// Whether the service manager has a run directory for this instance and no daemon has run since it
/// was made: there is nothing to clean up, whatever is wrong with the configuration.
pub(super) fn none_has_run() -> bool {
    given_run_directory()
        .is_some_and(|directory| !["acting", FILE].iter().any(|file| directory.join(file).exists()))
}

fn given_run_directory() -> Option<PathBuf> {
    std::env::var_os(RUN_DIRECTORY).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// That of another file is none, nor one that another version wrote and this one does not take.
fn load(run_directory: &Path, path: &Path, host_name: &str) -> Option<Sources> {
    let bytes = fs::read(run_directory.join(FILE)).ok()?;
    let sources: Sources = serde_json::from_slice(&bytes).ok()?;
    let same_name = sources.cluster.path.file_name() == path.file_name();
    let same_place = std::path::absolute(path).ok()?.parent() == Some(&*sources.directory);
    let config = config::parse(&sources, host_name).ok()?;
    let is_its_own = config.node.run_directory == run_directory;
    (same_name && same_place && is_its_own).then_some(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str =
        "[cluster]\nname = \"web\"\n[[member]]\nname = \"alpha\"\naddress = \"127.0.0.1:26771\"\n";

    fn files(directory: &Path, hooks: &str) -> PathBuf {
        let node = format!("[node]\nrun-directory = \"run\"\n[hooks]\ndirectory = \"{hooks}\"\n");
        fs::create_dir_all(directory.join("run")).expect("a directory");
        fs::write(directory.join("node.toml"), node).expect("writable");
        fs::write(directory.join("cluster.toml"), CLUSTER).expect("writable");
        directory.join("cluster.toml")
    }

    #[test]
    fn a_clean_up_goes_by_what_the_daemon_ran_with() {
        let home = tempfile::tempdir().expect("a directory");
        let path = files(home.path(), "one");
        let kept = config::read(&path).expect("it is there");
        // None has run.
        assert_eq!(sources(&path, "alpha").as_ref(), Ok(&kept));
        keep(&home.path().join("run"), &kept);
        files(home.path(), "two");
        assert_eq!(sources(&path, "alpha").as_ref(), Ok(&kept));
        // What was kept of another cluster, or is no configuration any more, is not gone by.
        assert!(load(&home.path().join("run"), &home.path().join("other.toml"), "alpha").is_none());
        fs::write(home.path().join("run").join(FILE), "{}").expect("writable");
        assert_ne!(sources(&path, "alpha").as_ref(), Ok(&kept));
    }
}
