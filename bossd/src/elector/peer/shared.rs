//! What all tasks of the layer share: what this node says of itself and holds others against, who
//! the peers are, and what was said about whom, so that nothing is said twice.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use control::identity::Identity;
use quinn::{Connection, Endpoint};
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::hello::{self, Hello, Local};
use super::lines::{Lines, left_out};
use super::link::Candidate;
use super::setback::Setback;
use super::state::{Direction, PeerState};
use super::tls::Tls;
use super::{PeerEvent, PeerSettings};
use crate::clock::now;

/// What all tasks of the layer share.
pub(super) struct Shared {
    pub(super) settings: PeerSettings,
    pub(super) unborn: AtomicBool,
    pub(super) listens_on_v6: bool,
    /// This process, as told in Hello.
    pub(super) session: u64,
    pub(super) endpoint: Endpoint,
    pub(super) tls: Tls,
    /// By which ids the cluster is known; the first is that of the state directory.
    pub(super) cluster_ids: RwLock<Arc<[u128]>>,
    pub(super) peers: BTreeMap<String, Peer>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    /// What the log is told of those without a link.
    pub(super) lines: Lines,
}

pub(super) struct Peer {
    pub(super) state: Arc<PeerState>,
    pub(super) candidates: mpsc::Sender<Candidate>,
}

impl Shared {
    pub(super) fn hello(&self, connection: u64, lost: u64) -> Hello {
        let ids = self.cluster_ids();
        Hello {
            cluster_id: ids[0],
            node: self.settings.me.clone(),
            incarnation: self.settings.incarnation,
            session: self.session,
            connection,
            lost,
            features: if self.settings.shadow { hello::SHADOW } else { 0 },
            unborn: self.unborn.load(Ordering::Relaxed),
            canonical: self.settings.canonical.clone(),
            extensions: hello::other_ids(&ids[1..]).into_iter().collect(),
        }
    }

    pub(super) fn check(&self, hello: &Hello, certificate: &Identity) -> Result<(), String> {
        hello::check(hello, certificate, &self.local(certificate, &self.cluster_ids()))
    }

    /// Before it has said anything.
    pub(super) fn check_guest(&self, certificate: &Identity) -> Result<(), String> {
        hello::check_certificate(certificate, &self.local(certificate, &self.cluster_ids()))
    }

    /// Whether a peer that is who it says is let in now.
    pub(super) fn check_welcome(&self, peer: &str, incarnation: u128) -> Result<(), String> {
        let unwelcome = |peer: &Peer| peer.state.unwelcome(incarnation, now());
        self.peers.get(peer).and_then(unwelcome).map_or(Ok(()), Err)
    }

    fn local<'a>(&'a self, certificate: &Identity, cluster_ids: &'a [u128]) -> Local<'a> {
        Local {
            cluster: &self.settings.cluster,
            cluster_ids,
            me: &self.settings.me,
            shadow: self.settings.shadow,
            unborn: self.unborn.load(Ordering::Relaxed),
            canonical: &self.settings.canonical,
            is_member: self.peers.contains_key(certificate.node()),
        }
    }

    fn cluster_ids(&self) -> Arc<[u128]> {
        Arc::clone(&self.cluster_ids.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_cluster_ids(&self, ids: &[u128]) {
        *self.cluster_ids.write().unwrap_or_else(PoisonError::into_inner) = ids.into();
    }

    /// Whether an authority of the present ca.crt stands behind the certificate that the other side
    /// showed at the connection's start.
    pub(super) fn trusts(&self, connection: &Connection) -> bool {
        let chain = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        chain.is_some_and(|chain| self.tls.live().trusts(&chain))
    }

    pub(super) fn server_name(&self, peer: &str) -> String {
        Identity::new(&self.settings.cluster, peer).expect("names were checked").dns_name()
    }

    pub(super) fn is_members_ip(&self, ip: IpAddr) -> bool {
        self.peers.values().any(|peer| peer.state.has_ip(ip))
    }

    pub(super) fn lost(&self, peer: &str) -> u64 {
        self.peers.get(peer).map_or(0, |peer| peer.state.lost())
    }

    /// Gives an introduced connection to its link.
    pub(super) async fn offer(&self, name: &str, candidate: Candidate) {
        if let Some(peer) = self.peers.get(name) {
            // Fails only while the layer is being closed.
            let _ = peer.candidates.send(candidate).await;
        }
    }

    /// A setback with somebody who dialled this node.
    pub(super) async fn report_guest(
        &self,
        name: Option<&str>,
        address: SocketAddr,
        setback: &Setback,
    ) {
        // Nodes dial from the address they listen on, so even one without a good certificate
        // can be told by that.
        let peer = match name {
            Some(name) => self.peers.get(name),
            None => self.peers.values().find(|peer| peer.state.has_address(address)),
        };
        match peer {
            Some(peer) => {
                if name.is_some() && matches!(setback, Setback::Failed(_)) {
                    // It proved who it is, so it is alive: worth dialling now.
                    peer.state.nudged.notify_waiters();
                }
                let address = address.to_string();
                self.report(&peer.state, Direction::Accepted, address, setback).await;
            }
            None => {
                if let Some(reason) = self.lines.refused(name, address, setback) {
                    let (peer, address) = (name.map(str::to_owned), address.to_string());
                    self.emit(PeerEvent::Refused { peer, address, reason }).await;
                }
            }
        }
    }

    /// A setback with a peer: said once per change, and of many changes a few.
    pub(super) async fn report(
        &self,
        peer: &PeerState,
        direction: Direction,
        address: String,
        setback: &Setback,
    ) {
        let reason = setback.text(&peer.name);
        let Some(missed) = peer.note(direction, setback) else {
            debug!("again: {reason}");
            return;
        };
        let left_out = left_out(missed);
        match setback {
            Setback::Failed(_) => info!("{} not connected: {reason}{left_out}", peer.name),
            Setback::Refused(_) | Setback::RefusedByPeer(_) => {
                warn!("{reason} ({address}){left_out}");
                self.emit(PeerEvent::Refused { peer: Some(peer.name.clone()), address, reason })
                    .await;
            }
        }
    }

    pub(super) async fn emit(&self, event: PeerEvent) {
        // Fails when the driver is gone; then the process is about to end.
        let _ = self.events.send(event).await;
    }
}
