//! The configuration: cluster.toml and the node.toml beside it. [`read`] fetches the texts,
//! [`parse`] makes a [`Config`] of them or tells everything that is wrong; the rest of bossd sees
//! only what was checked.

mod canonical;
mod check;
mod credentials;
mod error;
mod fence;
mod file;
mod keepalived;
mod keys;
mod problems;
mod reload;
mod report;
mod server;
mod shadow;
mod values;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use election::{ClusterState, NodeId, Span};
use serde::{Deserialize, Serialize};

pub use canonical::{LONGEST_CANONICAL, canonical_of, differences, differing_keys};
pub use check::{parse, parse_to_act};
pub use error::{ConfigError, Place, Problem};
pub use keepalived::{KeepalivedConfig, Script};
pub use keys::{SECTIONS, Scope, Section};
pub use reload::{Difference, NEED_RESTART};
pub use report::report;

/// The texts of the configuration. The executor reads them and hands them to the elector.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sources {
    /// cluster.toml.
    pub cluster: Source,
    /// node.toml beside it, if it is there.
    pub node: Option<Source>,
    /// Their directory as an absolute path: what relative paths in them are relative to.
    pub directory: PathBuf,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// As the operator named it.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// A configuration that was checked; only [`parse`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The files that it came from.
    pub files: Vec<PathBuf>,
    /// What is the same on every server.
    pub cluster: ClusterConfig,
    /// Who this server is and where it keeps its things.
    pub node: NodeConfig,
    /// What is written to the log.
    pub log: LogConfig,
    /// Who may ask and change things.
    pub control: ControlConfig,
    /// Where the certificates are.
    pub tls: TlsConfig,
    /// What is run at a transition.
    pub hooks: HooksConfig,
    /// What makes sure that a lost peer is off.
    pub fence: Option<FenceConfig>,
    /// Scripts that were written for keepalived.
    pub keepalived: KeepalivedConfig,
    /// Keeps the rest of the program from making a Config by hand.
    checked: Checked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Checked;

/// The cluster-wide part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterConfig {
    /// The cluster's name: 1 to 63 of a-z, 0-9 and -.
    pub name: String,
    /// The state of a cluster that never started; `joined` is the order in the file.
    pub state: ClusterState,
    /// [`canonical_of`] both, at most [`LONGEST_CANONICAL`].
    pub canonical: String,
}

/// `[node]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeConfig {
    /// This server; it is among the members.
    pub name: NodeId,
    /// Where the elector listens, `host:port`, UDP.
    pub listen: String,
    /// As whom the elector runs. With root, or a user that does not exist, it stays who it is.
    pub user: String,
    /// The state file, the lock, the reset secret.
    pub state_directory: PathBuf,
    /// The marker and the control socket.
    pub run_directory: PathBuf,
    /// The election runs with a realtime priority, and both processes with locked memory, where the
    /// limits allow it.
    pub realtime: bool,
    /// This bossd elects and shows, and runs nothing: see [`Config::in_shadow`].
    pub shadow: bool,
}

/// `[log]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// The least important level that is written.
    pub level: tracing::Level,
}

/// `[control]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlConfig {
    /// The control socket; short enough for the address of a Unix socket.
    pub socket: PathBuf,
    /// The group that may change things, beside root.
    pub operators: Option<String>,
}

/// `[tls]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsConfig {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// This node's private key.
    pub key: PathBuf,
}

/// `[hooks]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HooksConfig {
    /// The executables that are run in order at every transition.
    pub directory: PathBuf,
    /// How long a promote or a graceful demote may take.
    pub timeout: Span,
    /// How hooks are started.
    pub runner: Runner,
    /// What follows when the urgent demote hooks fail D.
    pub on_fence_failure: OnFenceFailure,
}

/// How hooks are started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runner {
    /// By systemd where it has started bossd as root, else directly.
    Auto,
    /// Each as a unit of systemd.
    Systemd,
    /// As children of the executor.
    Direct,
}

/// What follows when letting go failed in an emergency (protocol.md 4, Fencing).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnFenceFailure {
    /// Only an alarm.
    Alarm,
    /// The units of boss.target are stopped, and killed if they do not end.
    StopUnits {
        /// How much of D is kept for it.
        timeout: Span,
    },
    /// This host reboots by force.
    Reboot {
        /// How much of D is kept for it.
        timeout: Span,
    },
    /// A command makes sure that nothing of this node acts any more.
    Command {
        /// The program, by its full path, and its arguments.
        argv: Vec<String>,
        /// How long it may take; part of D.
        timeout: Span,
    },
}

/// `[fence]`, where it has a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FenceConfig {
    /// The program, by its full path, and its arguments.
    pub argv: Vec<String>,
    /// How long it may take.
    pub timeout: Span,
}

/// The host's name as far as it can be a member's: its first label, in lower case.
pub fn host_name() -> io::Result<String> {
    let name = nix::unistd::gethostname()?;
    let name = name.to_string_lossy().to_lowercase();
    Ok(name.split('.').next().unwrap_or_default().to_owned())
}

/// Reads cluster.toml at `path` and node.toml beside it.
pub fn read(path: &Path) -> Result<Sources, ConfigError> {
    if path.file_name().is_some_and(|name| name == NODE_FILE) {
        let help = "name the cluster.toml beside it; node.toml is read along with it";
        return Err(ConfigError::of_file(path, "holds the sections of one server only", help));
    }
    let Some(cluster) = read_file(path)? else {
        let help =
            "cluster.toml(5) has an example to start from; another file is named with --config";
        return Err(ConfigError::of_file(path, "there is no such file", help));
    };
    let directory = std::path::absolute(path)
        .ok()
        .and_then(|absolute| absolute.parent().map(Path::to_owned))
        .filter(|directory| directory.to_str().is_some())
        .ok_or_else(|| {
            let help = "put the file in a directory that exists and whose name is UTF-8";
            ConfigError::of_file(path, "is not in a directory that can be named", help)
        })?;
    Ok(Sources { cluster, node: read_file(&path.with_file_name(NODE_FILE))?, directory })
}

/// One file, or None if it does not exist.
fn read_file(path: &Path) -> Result<Option<Source>, ConfigError> {
    let unreadable = |error: io::Error| {
        let help = "bossd must be able to read its configuration: see ls -l";
        ConfigError::of_file(path, format!("cannot be read: {error}"), help)
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(ConfigError::of_file(path, "is not a plain file", "name a file of TOML"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_FILE {
        let help = "a configuration is some kilobytes of TOML; is this the right file?";
        return Err(ConfigError::of_file(path, "is larger than 1 MiB", help));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|b| *b == b'\n').count();
        let help = "save the file as UTF-8; names and paths of this file are plain text";
        ConfigError::of_file(path, format!("line {line} is not UTF-8"), help)
    })?;
    Ok(Some(Source { path: path.to_owned(), text }))
}

/// The sections of one server, beside cluster.toml.
const NODE_FILE: &str = "node.toml";
/// A thousand times what a configuration needs; a mistaken path must not fill the memory.
const LONGEST_FILE: u64 = 1024 * 1024;
