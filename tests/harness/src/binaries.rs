//! The programs under test, freshly built into the directory that the test itself came from, so
//! that a test never runs an older bossd than the one in front of you.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The daemon: the one that `BOSSD` names, or this workspace's.
pub fn bossd() -> PathBuf {
    let given = std::env::var_os("BOSSD").filter(|given| !given.is_empty());
    given.map_or_else(|| built().join("bossd"), PathBuf::from)
}

/// The command line.
pub fn bossctl() -> PathBuf {
    built().join("bossctl")
}

/// The hook that writes down its calls.
pub fn witness() -> PathBuf {
    built().join("witness-hook")
}

/// The directory of the programs, once they are there.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST, or TARGET/PROFILE/PROGRAM
    let own = std::env::current_exe().expect("a test knows its own path");
    let beside = own.parent().expect("a program lies in a directory");
    let is_test = beside.file_name().is_some_and(|name| name == "deps");
    let directory = beside.ancestors().nth(usize::from(is_test)).expect("below the profile's");
    let target = directory.parent().expect("the profile lies in the target directory");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (variable, _) in std::env::vars_os() {
        // What cargo tells a test about its package makes build scripts run again.
        let name = variable.to_string_lossy();
        let own = name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if own || name == "OUT_DIR" {
            cargo.env_remove(&variable);
        }
    }
    let status = cargo
        .args(["build", "--quiet", "--profile", profile, "--target-dir"])
        .arg(target)
        .args(["-p", "bossd", "-p", "bossctl", "-p", "harness", "--bins"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo cannot build bossd and the witness");
    directory.to_owned()
}
