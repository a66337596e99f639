//! One real bossd: its directory, its main process, and the ways to end it. Its elector is found
//! through its own status.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use control::client::{Client, ClientError};
use control::model::Status;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cluster::Place;
use super::{PlaygroundError, files, processes};

/// A node of a cluster, running or not.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    listen: SocketAddr,
    // Keeps the port until bossd takes it for the first time.
    reserved: Option<UdpSocket>,
    // What stands before bossd's own command.
    launcher: Vec<OsString>,
    child: Option<Child>,
    ended: Option<ExitStatus>,
    frozen: bool,
}

impl Node {
    pub(super) fn new(name: &str, dir: PathBuf, reserved: UdpSocket, listen: SocketAddr) -> Self {
        let place = Place { address: listen, launcher: Vec::new() };
        Self { reserved: Some(reserved), ..Self::at(name, dir, &place) }
    }

    /// A node with a place of its own.
    pub(super) fn at(name: &str, dir: PathBuf, place: &Place) -> Self {
        Self {
            name: name.to_owned(),
            dir,
            listen: place.address,
            reserved: None,
            launcher: place.launcher.clone(),
            child: None,
            ended: None,
            frozen: false,
        }
    }

    /// Where it really listens; on loopback the other members know the relay's address.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(files::SOCKET)
    }

    /// What it says, of all its lives.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Its cluster.toml.
    pub fn config(&self) -> PathBuf {
        self.dir.join("cluster.toml")
    }

    /// Starts bossd, unless it runs.
    pub fn start(&mut self, bossd: &Path) -> Result<(), PlaygroundError> {
        if self.is_running() {
            return Ok(());
        }
        drop(self.reserved.take());
        let failed = |source| PlaygroundError::Start {
            bossd: bossd.to_owned(),
            node: self.name.clone(),
            source,
        };
        let open = || OpenOptions::new().create(true).append(true).open(self.log());
        let mut command = self.command(bossd);
        for variable in OF_A_SERVICE_MANAGER {
            command.env_remove(variable);
        }
        let child = command
            .arg("--config")
            .arg(self.config())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(open().map_err(failed)?)
            .stderr(open().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        self.child = Some(child);
        self.ended = None;
        self.frozen = false;
        Ok(())
    }

    /// A command that runs a program where this node runs, and as one of its processes.
    pub fn command(&self, program: &Path) -> Command {
        let mut words = self.launcher.iter().map(OsString::as_os_str).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
        command.args(words).env(processes::MARK, &self.dir).current_dir(&self.dir);
        command
    }

    /// Whether its main process lives. Stopped counts as living.
    pub fn is_running(&mut self) -> bool {
        if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
            self.ended = Some(status);
            self.child = None;
        }
        self.child.is_some()
    }

    /// How its last life ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.is_running();
        self.ended
    }

    /// The main process, which is the executor.
    pub fn executor(&self) -> Option<Pid> {
        self.child.as_ref().map(|child| Pid::from_raw(child.id().cast_signed()))
    }

    /// The elector, as the node itself says.
    pub fn elector(&self) -> Option<Pid> {
        Some(Pid::from_raw(self.status().ok()?.pids.elector.cast_signed()))
    }

    /// Everything that runs from its directory: both processes, hooks, and what these started.
    pub fn processes(&self) -> BTreeSet<Pid> {
        processes::of(&self.dir)
    }

    /// All at once, as if the power had gone.
    pub fn kill_host(&mut self) {
        processes::kill(&self.dir);
        self.frozen = false;
        if let Some(mut child) = self.child.take() {
            // Killed, so this is at once; if the system refuses, there is nothing to add.
            self.ended = child.wait().ok();
        }
    }

    /// Stops all of it, as a virtual machine that its host pauses, or has it go on.
    pub fn set_frozen(&mut self, frozen: bool) {
        if frozen {
            processes::freeze(&self.dir);
        } else {
            processes::thaw(&self.dir);
        }
        self.frozen = frozen;
    }

    /// Whether all of it was stopped by `set_frozen`.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Asks it to end in order. `is_running` tells when it has.
    pub fn stop(&self) {
        if let Some(pid) = self.executor() {
            // One that has ended needs no signal.
            let _ = kill(pid, Signal::SIGTERM);
        }
    }

    /// A connection to its control socket.
    pub fn client(&self, patience: Duration) -> Result<Client, ClientError> {
        Client::connect(&self.socket(), patience)
    }

    /// What it knows, if it answers soon.
    pub fn status(&self) -> Result<Status, ClientError> {
        let document = self.client(STATUS_PATIENCE)?.status()?;
        serde_json::from_value(document)
            .map_err(|error| ClientError::NotUnderstood { why: error.to_string() })
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<_> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Where the playground itself runs as a service, its nodes must not think that they are one.
const OF_A_SERVICE_MANAGER: [&str; 7] = [
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
];
/// A node on the same host that lives answers within a few milliseconds.
const STATUS_PATIENCE: Duration = Duration::from_millis(300);
