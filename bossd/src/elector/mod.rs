//! The elector: the process that talks to the network and runs the election. It has no
//! privileges; what it cannot read by itself the executor hands over at the start.

mod allowance;
pub mod chronicle;
pub mod control;
pub mod driver;
pub mod forward;
mod loop_gap;
mod one_line;
pub mod peer;
pub mod picture;
mod reload;
pub mod schema;
pub mod state_dir;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use election::{ClusterId, Epoch, Node, Start, Term};
use nix::sys::prctl::set_no_new_privs;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::error;

use crate::config::{Config, ConfigError};
use crate::ipc::{self, StartUp, ToElector, ToExecutor};
use crate::{clock, logging, sys, sysexits};
use control::{Access, COMMANDS_WAITING, Doors, Limits};
use driver::{Driver, Inputs};
use peer::{PeerAddress, PeerError, PeerSettings, Peers};
use picture::Background;
use state_dir::{Expect, Owner, StateDir, StateDirError, Storage};

/// How many events of peers may wait for the election thread. QUIC's own windows hold the rest.
const PEER_EVENTS: usize = 256;
/// The group that may read the control socket.
const READERS: &str = "boss";

/// Why an elector does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    StateDir(#[from] StateDirError),
    #[error("{0}")]
    Peers(#[from] PeerError),
    #[error("{0}")]
    Identity(#[from] peer::identity::IdentityError),
    #[error("[node] listen = \"{listen}\": {error}. It must be an address of this host")]
    Listen { listen: String, error: io::Error },
    #[error(
        "{what}: {error}. The system refuses it: look at the limits of bossd (open files, \
         processes, memory) and at the kernel's log (dmesg)"
    )]
    System { what: &'static str, error: io::Error },
    #[error(
        "the executor ended before it said how to start. Its own last words in the log say why; by \
         hand, start bossd without --elector"
    )]
    NoStart,
}

impl StartError {
    fn status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Identity(_) | Self::Listen { .. } => sysexits::CONFIG,
            Self::StateDir(StateDirError::InUse { .. }) => sysexits::BUSY,
            Self::StateDir(StateDirError::Io { .. }) => sysexits::IO,
            Self::StateDir(_) => sysexits::DATA,
            // Another program has the port, or the address is of another host.
            Self::Peers(PeerError::Listen { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                ) =>
            {
                sysexits::CONFIG
            }
            Self::Peers(_) | Self::System { .. } | Self::NoStart => sysexits::SYSTEM,
        }
    }
}

/// Runs an elector on the channel that is standard input, serving the control socket that is
/// standard output. The exit status.
pub fn run() -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .map_err(system("starting the runtime"))
        .and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, start_and_run()));
    result.unwrap_or_else(|error| {
        logging::init(tracing::Level::INFO);
        error!("{error}");
        error.status()
    })
}

async fn start_and_run() -> Result<u8, StartError> {
    // For the executor alone: who sends it to every bossd must not end this one with it.
    let _hang_up = signal(SignalKind::hangup()).map_err(system("catching signals"))?;
    let channel = inherited(&io::stdin()).map_err(system("taking the executor's channel"))?;
    let control = inherited(&io::stdout()).map_err(system("taking the control socket"))?;
    let (to_executor, mut from_executor) =
        ipc::channel::<ToExecutor, ToElector>(UnixStream::from(channel))
            .map_err(system("opening the executor's channel"))?;
    let Some(ToElector::Start(start)) = from_executor.first().await else {
        return Err(StartError::NoStart);
    };
    if !start.cleans_up {
        // It runs no hook: whoever gets into this process finds no way back to root by a program.
        set_no_new_privs()
            .map_err(|error| system("giving up privileges for good")(error.into()))?;
    }
    let config = reload::config(&start)?;
    logging::init(config.log.level);
    let realtime = config.node.realtime;
    let driver = assemble(&start, config, to_executor, UnixListener::from(control))?;
    if realtime {
        // This thread alone: it is the election's.
        sys::run_in_realtime();
        sys::stay_in_memory("elector");
    }
    Ok(driver.run(from_executor.into_queue()).await)
}

/// A descriptor that came as a standard stream, as our own.
fn inherited(stream: &impl AsFd) -> io::Result<std::os::fd::OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

/// State, peers, node, storage, control socket: the elector's parts, put together.
fn assemble(
    start: &StartUp,
    config: Config,
    to_executor: ipc::Sender<ToExecutor>,
    control: UnixListener,
) -> Result<Driver, StartError> {
    let kind = reload::kind(&config);
    let found = peer::cluster_ids(&start.tls.ca.pem, &config.cluster.name, kind)?;
    let found: Vec<_> = found.into_iter().map(ClusterId).collect();
    let owner = Owner { clusters: found.clone(), node: config.node.name.clone() };
    let expect = if start.served { Expect::TheSameLife } else { Expect::AnyLife };
    let path = &config.node.state_directory;
    let dir = StateDir::open(path, &owner, &config.cluster.state, expect)?;
    let stored = dir.stored().clone();
    let cluster = stored.cluster;
    let known = reload::known_ids(path, cluster, &found);
    let (peer_sender, peers_said) = mpsc::channel(PEER_EVENTS);
    let settings = peer_settings(start, &config, &dir, &known)?;
    let peers = Peers::start(settings, peer_sender)?;
    let node = Node::start(
        clock::now(),
        Start {
            me: stored.node.clone(),
            incarnation: stored.incarnation,
            cluster,
            hard: stored.hard,
            first_term: wall_clock_term(),
            last_epoch: Epoch(start.last_epoch),
            ready: start.ready.is_ok(),
            seed: seed(),
        },
    );
    let (storage_sender, storage_said) = mpsc::unbounded_channel();
    let storage = Storage::spawn(dir, storage_sender).map_err(system("starting the storage"))?;
    let background = Background::new(start, config, cluster);
    let (paint, pictures) = watch::channel(Arc::new(background.first_picture(&node)));
    let (commands, operators_said) = mpsc::channel(COMMANDS_WAITING);
    let (reloads, reloads_asked) = mpsc::channel(COMMANDS_WAITING);
    let access = Access::look_up(READERS, background.config().control.operators.as_deref());
    let (give_access, access) = watch::channel(access);
    control::spawn(control, access, Limits::default(), pictures, Doors { commands, reloads })
        .map_err(system("serving the control socket"))?;
    let inputs = Inputs {
        peers: peers_said,
        storage: storage_said,
        operators: operators_said,
        reloads: reloads_asked,
        access: give_access,
        host_name: start.host_name.clone(),
    };
    Driver::new(node, peers, storage, to_executor, background, paint, inputs)
        .map_err(system("setting up a timer"))
}

fn peer_settings(
    start: &StartUp,
    config: &Config,
    dir: &StateDir,
    known: &[ClusterId],
) -> Result<PeerSettings, StartError> {
    let stored = dir.stored();
    let members = stored.hard.state.members.iter().map(|(name, member)| PeerAddress {
        name: name.to_string(),
        address: member.address.to_string(),
    });
    Ok(PeerSettings {
        cluster: config.cluster.name.clone(),
        cluster_ids: known.iter().map(|id| id.0).collect(),
        shadow: config.node.shadow,
        me: stored.node.to_string(),
        incarnation: stored.incarnation.0,
        listen: resolve(&config.node.listen)?,
        members: members.collect(),
        tls: start.tls.clone(),
        reset_secret: dir.reset_secret(),
        canonical: config.cluster.canonical.clone(),
        unborn: stored.hard.state.is_unborn(),
    })
}

/// The one address to bind, once, before anything runs.
fn resolve(listen: &str) -> Result<SocketAddr, StartError> {
    let failed = |error| StartError::Listen { listen: listen.to_owned(), error };
    let mut addresses = listen.to_socket_addrs().map_err(failed)?;
    addresses.next().ok_or_else(|| failed(io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

/// The first term of a cluster is the wall clock's seconds (protocol.md 6).
fn wall_clock_term() -> Term {
    Term(clock::wall_s().max(1))
}

/// Jitter must differ between nodes that start together.
fn seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}
