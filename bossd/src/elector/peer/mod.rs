//! The peer layer: QUIC with mutual TLS between the voters. It owns who is connected, and carries
//! frames whose bodies it does not know; what they mean is decided in the election core.
//!
//! ```text
//! Peers ----> link, one per peer ---> channel, one per connection ---> PeerEvent ---> driver
//!   |           dial, choose            frames, datagrams
//!   +-------> accept ---> link
//! ```
//!
//! Everything runs on the caller's runtime. Nothing that sends ever waits.

mod accept;
mod backoff;
mod channel;
mod cutoff;
mod dial;
pub mod frame;
mod gate;
pub mod hello;
pub mod identity;
mod lines;
mod link;
pub mod material;
mod setback;
mod shared;
mod state;
mod tls;
mod tls_error;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use control::identity::{Identity, NameError};
use election::{Moment, Span};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, info};

pub use self::frame::{Frame, FrameError, MAX_DATAGRAM, MAX_FRAME, PROTOCOL_MAJOR, PROTOCOL_MINOR};
pub use self::hello::MAX_CANONICAL;
pub use self::identity::{ClusterKind, cluster_id, cluster_ids, fingerprint};
pub use self::material::{CertFacts, MOST_AUTHORITIES, TlsError, TlsFile, TlsMaterial, date, days};
pub use self::state::{QUEUE_BYTES, QUEUE_FRAMES};
pub use self::transport::{IDLE_TIMEOUT, KEEP_ALIVE};

use self::lines::Lines;
use self::link::{DISTRUSTED, Link};
use self::setback::ENDED;
use self::shared::{Peer, Shared};
use self::state::PeerState;
use self::tls::{Live, Tls};
use crate::clock;

/// What the layer needs to know at its start.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// The cluster's name.
    pub cluster: String,
    /// From [`cluster_ids`]: by which the cluster is known, that of the state directory first. Never
    /// empty.
    pub cluster_ids: Vec<u128>,
    /// This node runs nothing, and has to do with its like alone.
    pub shadow: bool,
    /// This node's name.
    pub me: String,
    /// The life of this node's state directory.
    pub incarnation: u128,
    /// The node's own address, never a virtual one (UDP).
    pub listen: SocketAddr,
    /// The members; this node among them or not.
    pub members: Vec<PeerAddress>,
    /// Keys and certificates; see [`TlsMaterial::check`].
    pub tls: TlsMaterial,
    /// Kept in the state directory, so that a restarted node is noticed at once.
    pub reset_secret: [u8; 32],
    /// The cluster-wide part of the file in its canonical form, at most [`MAX_CANONICAL`] bytes.
    pub canonical: String,
    /// No cluster state has been committed here yet (protocol.md 6).
    pub unborn: bool,
}

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// Its name.
    pub name: String,
    /// `ADDRESS:PORT` or `HOST:PORT`.
    pub address: String,
}

/// What the driver learns. Every event of a peer names the incarnation it was connected with, or
/// follows a [`PeerEvent::Connected`] that did; whether that incarnation counts is the core's
/// business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// Hello and Welcome were exchanged and found good. Frames follow.
    Connected {
        /// Its name.
        peer: String,
        /// The life of its state directory.
        incarnation: u128,
    },
    /// No connection any more; no frames follow. It is being dialled again.
    Lost {
        /// Its name.
        peer: String,
        /// Why, for the log.
        reason: String,
    },
    /// A frame from a stream or a datagram.
    Received {
        /// Its name.
        peer: String,
        /// The life of its state directory.
        incarnation: u128,
        /// The frame.
        frame: Frame,
    },
    /// Somebody was refused, or refuses this node. Said once per change, not per attempt.
    Refused {
        /// Its name, if that is known.
        peer: Option<String>,
        /// Where it is.
        address: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// One link, for status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// The peer's name.
    pub peer: String,
    /// Its address as in the member list.
    pub address: String,
    /// Whether it is connected.
    pub connected: bool,
    /// The round trip in microseconds, while connected.
    pub rtt_us: Option<u32>,
    /// Connected, or not, since then.
    pub since: Moment,
    /// Why it is not connected.
    pub last_error: Option<String>,
    /// The incarnation it is connected with.
    pub incarnation: Option<u128>,
    /// What it was cut off for, lately: it sent something that cannot be read.
    pub cut_off: Option<String>,
    /// Frames to it that were not sent: not connected, or its queue overflowed.
    pub dropped: u64,
}

/// The connections to all peers.
pub struct Peers {
    shared: Arc<Shared>,
    /// The links and the accept loop; they end with this.
    tasks: JoinSet<()>,
}

impl Peers {
    /// Binds the endpoint and starts to dial. Needs a running tokio runtime with IO and time.
    pub fn start(
        settings: PeerSettings,
        events: mpsc::Sender<PeerEvent>,
    ) -> Result<Self, PeerError> {
        check_settings(&settings)?;
        let tls = Tls::new(&settings.tls)?;
        let listen = settings.listen;
        let endpoint = transport::bind(listen, &settings.reset_secret, &tls)
            .map_err(|source| PeerError::Listen { listen, source })?;
        let mut inboxes = Vec::new();
        let mut peers = BTreeMap::new();
        for member in settings.members.iter().filter(|member| member.name != settings.me) {
            let (sender, inbox) = mpsc::channel(CANDIDATES);
            let state = Arc::new(PeerState::new(&member.name, &member.address));
            inboxes.push((Arc::clone(&state), inbox));
            peers.insert(member.name.clone(), Peer { state, candidates: sender });
        }
        let shared = Arc::new(Shared {
            unborn: AtomicBool::new(settings.unborn),
            cluster_ids: RwLock::new(settings.cluster_ids.as_slice().into()),
            settings,
            listens_on_v6: listen.is_ipv6(),
            session: random(),
            endpoint,
            tls,
            peers,
            events,
            lines: Lines::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept::run(Arc::clone(&shared)));
        for (state, inbox) in inboxes {
            tasks.spawn(Link::new(Arc::clone(&shared), state, inbox).run());
        }
        Ok(Self { shared, tasks })
    }

    /// Queues a frame for a peer's stream; never waits. A full queue drops its oldest, and for a
    /// peer that is not connected the frame is dropped; both are counted in [`LinkStatus`].
    pub fn send(&self, to: &str, frame: &Frame) -> Result<(), FrameError> {
        let bytes = frame.to_stream()?;
        if let Some(peer) = self.shared.peers.get(to) {
            peer.state.push(bytes);
        }
        Ok(())
    }

    /// Sends a frame as a datagram, of at most [`MAX_DATAGRAM`] bytes; it may be lost.
    pub fn send_datagram(&self, to: &str, frame: &Frame) -> Result<(), FrameError> {
        let bytes = frame.to_datagram()?;
        if let Some(peer) = self.shared.peers.get(to) {
            peer.state.send_datagram(bytes);
        }
        Ok(())
    }

    /// The peer sent a frame whose body, `what`, cannot be read: its connection is closed, and for a
    /// while it is not let in again.
    pub fn cut_off(&self, peer: &str, what: &str) {
        if let Some(peer) = self.shared.peers.get(peer) {
            peer.state.cut_off(what);
        }
    }

    /// Which life of its state directory the cluster knows a peer by, None before its first Hello:
    /// while that one is connected, no other takes its place.
    pub fn set_known(&self, peer: &str, incarnation: Option<u128>) {
        if let Some(peer) = self.shared.peers.get(peer) {
            peer.state.set_known(incarnation);
        }
    }

    /// A cluster state was committed: from now on this side no longer asks for equal files.
    pub fn born(&self) {
        self.shared.unborn.store(false, Ordering::Relaxed);
    }

    /// Takes other files for all handshakes from now on. Connections that exist stay, but those whose
    /// certificate no authority in ca.crt stands behind any more: they are closed, and dialled anew
    /// at once. Check the material first; on an error nothing has changed.
    pub fn renew(&self, material: &TlsMaterial, cluster_ids: &[u128]) -> Result<(), TlsError> {
        self.shared.tls.renew(Live::of(material)?);
        self.shared.set_cluster_ids(cluster_ids);
        self.shared.endpoint.set_server_config(Some(transport::server(&self.shared.tls)));
        for peer in self.shared.peers.values() {
            if peer.state.end_unless(|connection| self.shared.trusts(connection), DISTRUSTED) {
                info!("{}: connecting anew, for {DISTRUSTED}", peer.state.name);
            }
            // Whoever was refused for the old files is tried now, not when its back-off ends.
            peer.state.nudged.notify_waiters();
        }
        Ok(())
    }

    /// How each link is.
    pub fn links(&self) -> Vec<LinkStatus> {
        self.shared.peers.values().map(|peer| peer.state.status()).collect()
    }

    /// Where the endpoint is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// Sends what is queued, tells the peers why this node goes, and ends; within
    /// two times 300 ms, whether they answer or not.
    pub async fn close(mut self, reason: &str) {
        let flushing: Vec<_> =
            self.shared.peers.values().filter(|peer| peer.state.flush()).collect();
        let flushed = async {
            for peer in flushing {
                peer.state.flushed.notified().await;
            }
        };
        tokio::select! {
            () = flushed => {}
            () = wait(CLOSE_LIMIT) => debug!("not all that was queued was acknowledged"),
        }
        // Before the tasks end, for a connection that is merely dropped takes no reason along.
        for peer in self.shared.peers.values() {
            peer.state.close(reason);
        }
        self.shared.endpoint.close(ENDED, reason.as_bytes());
        self.tasks.shutdown().await;
        tokio::select! {
            () = self.shared.endpoint.wait_idle() => {}
            () = wait(CLOSE_LIMIT) => {}
        }
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peers").field(&self.links()).finish()
    }
}

fn check_settings(settings: &PeerSettings) -> Result<(), PeerError> {
    Identity::new(&settings.cluster, &settings.me)?;
    for member in &settings.members {
        Identity::new(&settings.cluster, &member.name)?;
    }
    let size = settings.canonical.len();
    if size > MAX_CANONICAL {
        return Err(PeerError::CanonicalTooLong { size });
    }
    Ok(())
}

/// Why the layer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The address cannot be had.
    #[error(
        "cannot listen on {listen} (UDP): {source}; check [node] listen, and that no other bossd runs"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Keys or certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A name that cannot stand in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Too much for a Hello.
    #[error(
        "the cluster-wide part of cluster.toml has {size} bytes in its canonical form, and at most {MAX_CANONICAL} are allowed"
    )]
    CanonicalTooLong {
        /// Its size.
        size: usize,
    },
}

/// Waits for `span`; by tokio's own timer should there be no file descriptor left for ours.
async fn wait(span: Span) {
    if clock::pause(span).await.is_err() {
        tokio::time::sleep(Duration::from_nanos(span.as_nanos())).await;
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has randomness");
    u64::from_be_bytes(bytes)
}

/// From the first packet to Welcome. Longer than the idle timeout, so that silence is called so.
const INTRODUCTION_LIMIT: Span = Span::from_secs(2);
/// Connections that wait for their link: one peer has two or three at a time.
const CANDIDATES: usize = 8;
/// Each of the two waits when closing.
const CLOSE_LIMIT: Span = Span::from_millis(300);
