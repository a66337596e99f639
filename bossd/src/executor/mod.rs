//! The executor: the process that acts on the machine, under a permit. It is the main process; it
//! reads what needs privileges, starts the elector, runs the hooks, and has no IP socket.

#[cfg(test)]
mod bench;
pub mod clean_up;
mod demote_times;
pub mod enforce;
mod escalate;
mod fence;
pub mod hooks;
pub mod keepalived;
mod leftovers;
pub mod marker;
mod outside;
mod readiness;
mod reload;
mod remembered;
mod sleep;
mod state_json;
pub mod supervise;
pub mod target;
mod tls_files;
mod transition;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use control::hooks::RunnerInUse;
use control::model::DemoteTime;
use election::{Epoch, Executor, Marker, Profile, Span};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Gid, Group, Uid, User};
use rustls_pki_types::UnixTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::clock;
use crate::config::{self, Config, Sources};
use crate::elector::peer::{TlsError, TlsMaterial};
use crate::elector::state_dir;
use crate::ipc::{StartUp, ToElector};
use crate::{journal, logging, sys, sysexits};
use enforce::{Daemon, Signal};
use hooks::runner::choice::{self, Circumstances};
use hooks::runner::systemd::Systemd;
use hooks::runner::{Runner, direct::Direct};
use hooks::tree::{Spared, become_subreaper};
use leftovers::Which;
use marker::MarkerFile;
use supervise::{Elector, elector_user};
use target::Target;

/// At the start nothing waits for it yet.
const BUS_PATIENCE: Span = Span::from_secs(2);
/// The group that may read the control socket.
const READERS: &str = "boss";

/// What the executor works with.
pub struct Environment {
    config: Rc<Config>,
    /// As read at the start.
    sources: Sources,
    /// As read by the last reload that was taken.
    reloaded: Option<Sources>,
    host_name: String,
    runner: Rc<Runner>,
    runner_in_use: RunnerInUse,
    spared: Spared,
    /// What has services follow the boss; None where bossd is none itself.
    target: Option<Rc<Target>>,
    /// None in a clean-up, which starts no elector.
    serving: Option<Serving>,
    is_clean_up: bool,
    // One lock for executor and clean-up (X5).
    lock: Flock<fs::File>,
}

/// What an elector is given.
struct Serving {
    control: UnixListener,
    tls: TlsMaterial,
    user: Option<User>,
}

/// What an elector's life begins with.
struct Began {
    last_epoch: Epoch,
    ready: Result<(), String>,
    /// Another elector of this daemon has served before.
    served: bool,
    demotes: Vec<DemoteTime>,
}

/// Why bossd does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] config::ConfigError),
    /// A certificate or key.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// Certificates or the key cannot be read.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    TlsFiles(Vec<TlsError>),
    /// A file that must be readable is not.
    #[error("{path}: {error}. {help}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// Another one runs.
    #[error(
        "{0}: another bossd of this instance is running (or cleaning up). Look at `systemctl status \
         bossd`; a second instance needs a directory of its own ([node] run-directory)"
    )]
    Running(PathBuf),
    /// Hooks cannot be started in this way.
    #[error("[hooks] runner = \"systemd\": {0}")]
    Runner(String),
    /// The system refuses.
    #[error(
        "{what}: {error}. The system refuses it: look at the limits of bossd (open files, \
         processes, memory) and at the kernel's log (dmesg)"
    )]
    System {
        /// What.
        what: &'static str,
        /// The system's word.
        error: io::Error,
    },
}

impl StartError {
    fn status(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Tls(_)
            | Self::TlsFiles(_)
            | Self::File { .. }
            | Self::Runner(_) => sysexits::CONFIG,
            Self::Running(_) => sysexits::BUSY,
            Self::System { .. } => sysexits::SYSTEM,
        }
    }
}

/// Whether what is agreed on is acted on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effects {
    /// It is.
    Real,
    /// `bossd --shadow`: nothing is run.
    None,
}

/// Runs the daemon until it is told to stop. The exit status.
pub fn run(config: &Path, effects: Effects) -> u8 {
    let started = prepare(config, false, effects).and_then(|environment| {
        block_on(async {
            let signals = signals().map_err(system("catching signals"))?;
            if environment.config.node.realtime {
                sys::stay_in_memory("executor");
            }
            let daemon = daemon(environment).await?;
            Ok(daemon.run(signals).await)
        })
    });
    finish(started.map_err(|error| let_go_before(error, config, effects)))
}

/// X5: who cannot start, its certificate expired, say, still lets go of what a run before it left.
fn let_go_before(error: StartError, config: &Path, effects: Effects) -> StartError {
    if !matches!(error, StartError::Config(_) | StartError::Running(_)) {
        let status = clean_up(config, effects);
        if status != sysexits::OK {
            eprintln!("bossd: letting go of what was left ended with status {status}");
        }
    }
    error
}

/// Lets go of what an executor that ended may have left standing. The exit status.
pub(crate) fn clean_up(config: &Path, effects: Effects) -> u8 {
    match prepare(config, true, effects) {
        // The start has said what is wrong; nothing has to be said twice.
        Err(StartError::Config(_)) if remembered::none_has_run() => sysexits::OK,
        prepared => finish(prepared.and_then(|environment| {
            block_on(async { Ok(daemon(environment).await?.clean_up().await) })
        })),
    }
}

fn finish(result: Result<u8, StartError>) -> u8 {
    result.unwrap_or_else(|error| {
        logging::init(tracing::Level::INFO);
        // Several lines with carets are for a person: not one log line each.
        eprintln!("bossd: {error}");
        error.status()
    })
}

/// Everything that may fail before anything is touched.
fn prepare(path: &Path, is_clean_up: bool, effects: Effects) -> Result<Environment, StartError> {
    let host_name = config::host_name().map_err(system("reading the host's name"))?;
    let sources =
        if is_clean_up { remembered::sources(path, &host_name) } else { config::read(path) }?;
    // A clean-up lets go with what it has, and escalates as far as its rights go.
    let may_reboot = is_clean_up || effects == Effects::None || sys::may_reboot();
    let config = config::parse_to_act(&sources, &host_name, may_reboot)?;
    let config = if effects == Effects::None { config.in_shadow() } else { config };
    logging::init(config.log.level);
    if config.node.shadow && !is_clean_up {
        warn!("SHADOW: this bossd elects, logs and shows, and runs no hook: nobody does the job");
    }
    become_subreaper().map_err(system("becoming the reaper of what hooks start"))?;
    let lock = lock(&config.node.run_directory)?;
    let record = config.node.record_directory();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&record)
        .map_err(file(&record, "bossd must be able to create its run directory"))?;
    let serving = if is_clean_up { None } else { Some(serving(&config)?) };
    if !is_clean_up {
        remembered::keep(&config.node.run_directory, &sources);
    }
    let spared = Spared::default();
    let (runner, runner_in_use) = runner(&config, &spared)?;
    let target = Target::of_instance(&config).map(Rc::new);
    Ok(Environment {
        runner: Rc::new(runner),
        runner_in_use,
        config: Rc::new(config),
        sources,
        reloaded: None,
        host_name,
        spared,
        target,
        serving,
        is_clean_up,
        lock,
    })
}

/// How hooks are started from now on.
fn runner(config: &Config, spared: &Spared) -> Result<(Runner, RunnerInUse), StartError> {
    let fast = config.cluster.state.timing.profile == Profile::Fast;
    let chosen = choice::choose(config.hooks.runner, Circumstances::now(fast));
    let in_use = chosen.map_err(StartError::Runner)?;
    info!("runner {}: {}", in_use.runner, in_use.why);
    let runner = if in_use.runner == choice::SYSTEMD {
        let systemd = Systemd::new(&config.node.run_directory, spared.clone());
        Runner::Systemd(Box::new(systemd.map_err(system("finding the program of bossd"))?))
    } else {
        Runner::Direct(Direct::new(spared.clone()))
    };
    Ok((runner, in_use))
}

fn lock(run_directory: &Path) -> Result<Flock<fs::File>, StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(run_directory);
    made.map_err(file(run_directory, "bossd must be able to create its run directory"))?;
    let path = run_directory.join("lock");
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let open = open.map_err(file(&path, "bossd must be able to write its run directory"))?;
    Flock::lock(open, FlockArg::LockExclusiveNonblock).map_err(|_| StartError::Running(path))
}

fn serving(config: &Config) -> Result<Serving, StartError> {
    let tls = tls_files::read(&config.tls).map_err(StartError::TlsFiles)?;
    let facts = tls.check(&config.cluster.name, config.node.name.as_str(), UnixTime::now())?;
    let days = facts.days_left(UnixTime::now());
    info!("certificate of {} is valid for {days} more days", config.node.name);
    let user = match elector_user(&config.node.user) {
        Ok(user) => Some(user),
        Err(why) => {
            info!("{why}");
            None
        }
    };
    if config.node.shadow
        && let Some(real) = config.node.state_directory.parent()
    {
        // A shadow's is below that of a bossd that acts, into which its user must get.
        give_state_directory(real, user.as_ref())?;
    }
    give_state_directory(&config.node.state_directory, user.as_ref())?;
    let control = bind_control(&config.control.socket)?;
    Ok(Serving { control, tls, user })
}

/// The elector owns its state; only the executor may be able to create the directory.
fn give_state_directory(path: &Path, user: Option<&User>) -> Result<(), StartError> {
    let help = "bossd must be able to create its state directory and give it to its user";
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file(path, help))?;
    // Root without a user to drop to serves its own elector.
    let own = || Uid::effective().is_root().then_some((0, 0));
    let owner = user.map(|user| (user.uid.as_raw(), user.gid.as_raw())).or_else(own);
    if let Some((uid, gid)) = owner {
        // What is right already is left alone: a disk that has become read-only stays readable.
        let wrong = |meta: &fs::Metadata| (meta.uid(), meta.gid()) != (uid, gid);
        let (uid, gid) = (Some(uid), Some(gid));
        if fs::metadata(path).is_ok_and(|meta| wrong(&meta)) {
            chown(path, uid, gid).map_err(file(path, help))?;
        }
        for entry in fs::read_dir(path).map_err(file(path, help))?.flatten() {
            // The elector writes there: a link that it made must not lead root to another file.
            if entry.metadata().is_ok_and(|meta| wrong(&meta)) {
                lchown(entry.path(), uid, gid).map_err(file(path, help))?;
            }
        }
    }
    Ok(())
}

/// Bound here, where the privileges are; served by the elector. The lock makes sure that a socket
/// that is there already is a left-over.
fn bind_control(path: &Path) -> Result<UnixListener, StartError> {
    let help = "bossd must be able to create its control socket ([control] socket)";
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file(path, help)(error));
        }
        _ => {}
    }
    // Nobody else may connect before the group is set.
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    let listener = listener.map_err(file(path, help))?;
    if Uid::effective().is_root() {
        let group = Group::from_name(READERS).ok().flatten();
        if let Some(group) = group {
            chown(path, None, Some(Gid::as_raw(group.gid))).map_err(file(path, help))?;
        }
    }
    let mode = fs::Permissions::from_mode(0o660);
    fs::set_permissions(path, mode).map_err(file(path, help))?;
    Ok(listener)
}

/// X5: starts from the marker and the own claim.
async fn daemon(environment: Environment) -> Result<Daemon, StartError> {
    let config = environment.config.clone();
    let marker = MarkerFile::new(&config.node.record_directory());
    let claim = own_claim(&config);
    let escalation = config.hooks.escalation_budget();
    let fence = config.cluster.state.timing.fence;
    let found = marker.read();
    let start =
        || Executor::start(clock::now(), found, claim, fence, escalation, config.hooks.timeout);
    let mut machine = start();
    if machine.is_idle() {
        // What is told of others, a follow say, must not go on beside what comes next.
        leftovers::end(&config.node.record_directory(), Which::Units).await;
    } else {
        let was = match found {
            Marker::Acting { epoch, .. } => format!("it was boss, epoch {epoch}"),
            Marker::Unreadable => format!("{} cannot be read", marker.path().display()),
            Marker::Idle { .. } | Marker::Missing => "it had claimed to be boss".to_owned(),
        };
        let what = "the last run may have left something standing";
        warn!(message_id = journal::CLEANS_UP, "{what} ({was}): demoting first");
        leftovers::end(&config.node.record_directory(), Which::All).await;
        machine = start();
    }
    // Only where nothing has to be let go: that would wait for it.
    if let Runner::Systemd(systemd) = environment.runner.as_ref()
        && machine.is_idle()
        && !environment.is_clean_up
        && let Err(why) = systemd.connect(BUS_PATIENCE).await
    {
        warn!("{why}: until it does, hooks are started by systemd-run");
    }
    Daemon::new(environment, machine, marker).map_err(system("setting up a timer"))
}

fn own_claim(config: &Config) -> Option<Epoch> {
    state_dir::own_claim(&config.node.state_directory).unwrap_or_else(|error| {
        // The elector will refuse to start with it, in full words. Without a marker either, what
        // the last run left is not known: as if there were a claim, of an epoch unknown.
        warn!("{error}");
        Some(Epoch::default())
    })
}

impl Environment {
    /// Hooks run as units of systemd.
    fn runs_units(&self) -> bool {
        self.runner_in_use.runner == choice::SYSTEMD
    }

    fn spawn_elector(&self, began: Began) -> io::Result<Elector> {
        let Began { last_epoch, ready, served, demotes } = began;
        let serving = self.serving.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let elector = Elector::spawn(serving.user.as_ref(), &serving.control, &self.spared)?;
        let under_systemd = std::env::var_os("INVOCATION_ID").is_some();
        elector.to.send(ToElector::Start(Box::new(StartUp {
            sources: self.sources.clone(),
            reloaded: self.reloaded.clone(),
            shadow: self.config.node.shadow,
            host_name: self.host_name.clone(),
            tls: serving.tls.clone(),
            last_epoch: last_epoch.0,
            ready,
            served,
            demotes,
            runner: self.runner_in_use.clone(),
            executor_pid: std::process::id(),
            cleans_up: serving.user.is_none() && !under_systemd,
        })));
        Ok(elector)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // Named, so that nobody takes the lock for unused: it is released here.
        let _ = &self.lock;
    }
}

fn block_on(future: impl Future<Output = Result<u8, StartError>>) -> Result<u8, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("starting the runtime"))?;
    // Tasks that are still there are dropped with the set, and one that listens on the bus needs the
    // runtime for that.
    let _entered = runtime.enter();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

fn signals() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let kinds = [
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::interrupt(), Signal::Terminate),
        (SignalKind::child(), Signal::Child),
        (SignalKind::hangup(), Signal::Hangup),
    ];
    for (kind, meaning) in kinds {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::task::spawn_local(async move {
            while stream.recv().await.is_some() && sender.send(meaning).is_ok() {}
        });
    }
    Ok(receiver)
}

fn file(path: &Path, help: &'static str) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    move |error| StartError::File { path, error, help }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}
