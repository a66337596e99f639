//! The test bench of the peer layer: authorities, free ports, and nodes that run in this process.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::identity::Identity;
use election::Span;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use super::super::hello::{self, HELLO, Hello, WELCOME};
use super::super::tls::{Tls, provider};
use super::super::{
    ClusterKind, PeerAddress, PeerEvent, PeerSettings, Peers, TlsFile, TlsMaterial, cluster_id,
    transport,
};
use crate::clock;

/// A cluster's authority.
pub(in super::super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(in super::super) fn new() -> Self {
        let mut params = params(-HOUR, 24 * HOUR);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(in super::super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(in super::super) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    pub(in super::super) fn issue(&self, cluster: &str, node: &str) -> TlsMaterial {
        self.issue_between(cluster, node, -HOUR, HOUR)
    }

    /// Valid from `from` to `to`, in seconds from now.
    pub(in super::super) fn issue_between(
        &self,
        cluster: &str,
        node: &str,
        from: i64,
        to: i64,
    ) -> TlsMaterial {
        let name = Identity::new(cluster, node).expect("valid names");
        let mut params = params(from, to);
        params.distinguished_name.push(DnType::CommonName, node);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![
            SanType::DnsName(name.dns_name().try_into().expect("ASCII")),
            SanType::URI(name.uri().try_into().expect("ASCII")),
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        TlsMaterial {
            ca: file("ca.crt", self.pem()),
            certificate: file("node.crt", certificate.pem().into_bytes()),
            key: file("node.key", key.serialize_pem().into_bytes()),
        }
    }
}

fn params(from: i64, to: i64) -> CertificateParams {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let at = |offset: i64| {
        let seconds = now.as_secs().checked_add_signed(offset).expect("a date");
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (at(from), at(to));
    params
}

fn file(name: &str, pem: Vec<u8>) -> TlsFile {
    TlsFile { path: name.into(), pem }
}

/// A port of 127.0.0.1 that nobody uses.
pub(in super::super) fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    socket.local_addr().expect("bound")
}

/// A cluster called web: names, addresses, one authority.
pub(in super::super) struct Cluster {
    pub(in super::super) authority: Authority,
    members: Vec<(&'static str, SocketAddr)>,
}

impl Cluster {
    pub(in super::super) fn of(names: &[&'static str]) -> Self {
        let members = names.iter().map(|name| (*name, free_address())).collect();
        Self { authority: Authority::new(), members }
    }

    pub(in super::super) fn address(&self, name: &str) -> SocketAddr {
        self.members.iter().find(|(member, _)| *member == name).expect("a member").1
    }

    /// What a sound node of this cluster starts with.
    pub(in super::super) fn settings(&self, me: &str) -> PeerSettings {
        let member = |(name, address): &(&str, SocketAddr)| PeerAddress {
            name: (*name).to_owned(),
            address: address.to_string(),
        };
        PeerSettings {
            cluster: "web".to_owned(),
            cluster_ids: vec![
                cluster_id(&self.authority.pem(), "web", ClusterKind::Real).expect("an authority"),
            ],
            shadow: false,
            me: me.to_owned(),
            incarnation: incarnation(me),
            listen: self.address(me),
            members: self.members.iter().map(member).collect(),
            tls: self.authority.issue("web", me),
            reset_secret: [7; 32],
            canonical: "[timing]\nprofile = lan\n".to_owned(),
            unborn: false,
        }
    }
}

pub(in super::super) fn incarnation(name: &str) -> u128 {
    name.bytes().fold(1, |sum, byte| sum << 8 | u128::from(byte))
}

/// A node on the test's own runtime.
pub(in super::super) struct Node {
    pub(in super::super) peers: Peers,
    pub(in super::super) events: mpsc::Receiver<PeerEvent>,
}

impl Node {
    pub(in super::super) fn start(settings: PeerSettings) -> Self {
        let (sender, events) = mpsc::channel(64);
        Self { peers: Peers::start(settings, sender).expect("a sound start"), events }
    }

    pub(in super::super) async fn event(&mut self) -> PeerEvent {
        within(self.events.recv()).await.expect("the layer runs")
    }

    /// Waits for the peer to be connected; returns its incarnation.
    pub(in super::super) async fn connected(&mut self, to: &str) -> u128 {
        loop {
            match self.event().await {
                PeerEvent::Connected { peer, incarnation } if peer == to => return incarnation,
                PeerEvent::Refused { reason, .. } => panic!("refused: {reason}"),
                _ => {}
            }
        }
    }

    pub(in super::super) async fn lost(&mut self, whom: &str) -> String {
        loop {
            if let PeerEvent::Lost { peer, reason } = self.event().await
                && peer == whom
            {
                return reason;
            }
        }
    }

    /// Waits for a refusal that says `words`; nobody may become connected meanwhile.
    pub(in super::super) async fn refused(&mut self, words: &str) -> PeerEvent {
        loop {
            match self.event().await {
                event @ PeerEvent::Refused { .. } => {
                    let PeerEvent::Refused { reason, .. } = &event else { unreachable!() };
                    if reason.contains(words) {
                        return event;
                    }
                    println!("also refused: {reason}");
                }
                PeerEvent::Connected { peer, .. } => panic!("{peer} was connected"),
                _ => {}
            }
        }
    }

    /// The body of the next frame from `from`.
    pub(in super::super) async fn received(&mut self, from: &str) -> Vec<u8> {
        loop {
            match self.event().await {
                PeerEvent::Received { peer, frame, .. } if peer == from => return frame.body,
                PeerEvent::Lost { peer, reason } => panic!("lost {peer}: {reason}"),
                _ => {}
            }
        }
    }
}

/// A node on a thread of its own, that can be killed without a word to anybody.
pub(in super::super) struct Process {
    kill: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    pub(in super::super) fn start(settings: PeerSettings) -> Self {
        let (kill, killed) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut node = Node::start(settings);
                let drain = async { while node.events.recv().await.is_some() {} };
                tokio::select! { _ = killed => {}, () = drain => {} }
            });
        });
        Self { kill: Some(kill), thread: Some(thread) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill.take().expect("once").send(());
        self.thread.take().expect("once").join().expect("the thread ends");
    }
}

/// Somebody who has a good certificate and may say what it likes.
pub(in super::super) struct Raw {
    _endpoint: Endpoint,
    pub(in super::super) connection: Connection,
}

impl Raw {
    pub(in super::super) async fn dial(
        from: SocketAddr,
        material: &TlsMaterial,
        to: SocketAddr,
        server_name: &str,
    ) -> Self {
        let tls = Tls::new(material).expect("sound material");
        let endpoint = transport::bind(from, &[1; 32], &tls).expect("a free port");
        let dialled = endpoint.connect_with(transport::client(&tls), to, server_name);
        let connection = within(dialled.expect("a good address")).await.expect("an answer");
        Self { _endpoint: endpoint, connection }
    }

    /// Dials with the right authority and no certificate; gives back what the other side says.
    pub(in super::super) async fn dial_without_certificate(
        authority: &Authority,
        to: SocketAddr,
    ) -> String {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate()).expect("an authority");
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"boss".to_vec()];
        let crypto = QuicClientConfig::try_from(config).expect("QUIC's cipher suite");
        let endpoint = Endpoint::client(free_address()).expect("a free port");
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let dialled = endpoint.connect_with(config, to, "alpha.web.boss").expect("an address");
        match within(dialled).await {
            Ok(connection) => within(connection.closed()).await.to_string(),
            Err(end) => end.to_string(),
        }
    }

    /// Says Hello as `name`; gives back the Welcome.
    pub(in super::super) async fn introduce(&self, settings: &PeerSettings, name: &str) -> Hello {
        self.introduce_with(settings, name, incarnation(name)).await
    }

    /// The same with a state directory of its own.
    pub(in super::super) async fn introduce_with(
        &self,
        settings: &PeerSettings,
        name: &str,
        incarnation: u128,
    ) -> Hello {
        let hello = Hello {
            cluster_id: settings.cluster_ids[0],
            node: name.to_owned(),
            incarnation,
            session: 5,
            connection: 6,
            lost: 0,
            features: 0,
            unborn: false,
            canonical: String::new(),
            extensions: Vec::new(),
        };
        let (mut send, mut receive) = self.connection.open_bi().await.expect("a stream");
        hello::send(&mut send, HELLO, &hello).await.expect("sent");
        within(hello::read(&mut receive, WELCOME)).await.expect("a Welcome")
    }
}

/// The outcome of `future`, which must come before the deadline.
pub(in super::super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = future => outcome,
        _ = clock::pause(DEADLINE) => panic!("nothing happened for {DEADLINE}"),
    }
}

/// Waits for `condition`, looking again and again.
pub(in super::super) async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            clock::pause(Span::from_millis(1)).await.expect("a timer");
        }
    })
    .await;
}

const DEADLINE: Span = Span::from_secs(20);
pub(in super::super) const HOUR: i64 = 3_600;
