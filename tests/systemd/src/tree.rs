//! The file system that all machines begin with: a small Debian with systemd, made by debootstrap
//! once and kept in the target directory. Nothing ever writes to it after that.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use network::command::run;

/// A finished tree.
#[derive(Debug, Clone)]
pub struct Tree {
    path: PathBuf,
}

impl Tree {
    /// The tree in this directory of trees, made if it is not there.
    pub fn ready(directory: &Path) -> Result<Self, String> {
        Self::of(directory, &suite(), &PACKAGES)
    }

    /// A smaller one of Debian 13, whose systemd has varlinkctl.
    pub fn of_debian_13(directory: &Path) -> Result<Self, String> {
        Self::of(directory, "trixie", &PACKAGES[..3])
    }

    fn of(directory: &Path, suite: &str, packages: &[&str]) -> Result<Self, String> {
        let io = |error: std::io::Error| format!("{}: {error}", directory.display());
        fs::create_dir_all(directory).map_err(io)?;
        // Tests run beside one another, and one of them makes it.
        let lock = File::create(directory.join("lock")).map_err(io)?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, error)| format!("{}: {error}", directory.display()))?;
        let path = directory.join(format!("{suite}-{VERSION}"));
        if !path.exists() {
            make(suite, packages, &path)?;
        }
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Complete or not there: it gets its name when it is finished.
fn make(suite: &str, packages: &[&str], path: &Path) -> Result<(), String> {
    let begun = path.with_extension("begun");
    let io = |error: std::io::Error| format!("{}: {error}", begun.display());
    if begun.exists() {
        fs::remove_dir_all(&begun).map_err(io)?;
    }
    let at = begun.display().to_string();
    let include = format!("--include={}", packages.join(","));
    run("debootstrap", &["--variant=minbase", &include, suite, &at])?;
    // Each machine has its own, as if it had been installed by itself.
    fs::write(begun.join("etc/machine-id"), "").map_err(io)?;
    fs::remove_file(begun.join("etc/hostname")).map_err(io)?;
    for unit in UNWANTED {
        let link = begun.join("etc/systemd/system").join(unit);
        std::os::unix::fs::symlink("/dev/null", link).map_err(io)?;
    }
    fs::rename(&begun, path).map_err(io)
}

/// Programs that were built here run there: the same Debian as this one, if it is one.
fn suite() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let codename = value("VERSION_CODENAME").filter(|_| value("ID").as_deref() == Some("debian"));
    codename.unwrap_or_else(|| "bookworm".to_owned())
}

/// Grows when what is below changes, and the tree has to be made anew.
const VERSION: u32 = 3;
/// systemd as the first process, the bus, `ip` for hooks; dpkg and passwd are there anyway. nginx is what
/// follows the boss.
const PACKAGES: [&str; 5] = ["systemd-sysv", "dbus", "iproute2", "procps", "nginx"];
/// Nothing that reaches out of the machine, or does something at some time of the day; and nginx only
/// where it is wanted.
const UNWANTED: [&str; 5] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "nginx.service",
];
