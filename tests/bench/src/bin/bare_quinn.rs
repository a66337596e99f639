//! What QUIC costs by itself: the endpoint, the connections and the heartbeats of a bossd, and
//! nothing else. The first member is the leader, and sends a datagram to each other one at each
//! heartbeat; those answer. All are connected with each other, as electors are.
//!
//! `bench-bare-quinn TLS-DIRECTORY INDEX HEARTBEAT-MS BYTES REPLY-BYTES NAME=ADDRESS...`

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bossd::elector::peer::{IDLE_TIMEOUT, KEEP_ALIVE};
use control::identity::Identity;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [tls, index, heartbeat_ms, bytes, reply, members @ ..] = words.as_slice() else {
        bail!("bench-bare-quinn TLS INDEX HEARTBEAT-MS BYTES REPLY-BYTES NAME=ADDRESS...");
    };
    let members: Option<Vec<_>> = members.iter().map(|member| member.split_once('=')).collect();
    let bare = Bare {
        index: index.parse()?,
        heartbeat: Duration::from_millis(heartbeat_ms.parse()?),
        bytes: bytes.parse()?,
        reply_bytes: reply.parse()?,
        members: members.context("a member is NAME=ADDRESS")?,
    };
    // One thread and one socket, as an elector has for its peers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bare.run(Path::new(tls)))
}

struct Bare<'a> {
    index: usize,
    heartbeat: Duration,
    bytes: usize,
    reply_bytes: usize,
    members: Vec<(&'a str, &'a str)>,
}

impl Bare<'_> {
    async fn run(&self, tls: &Path) -> anyhow::Result<()> {
        let endpoint = self.endpoint(tls)?;
        // Each dials those after it.
        for (name, address) in &self.members[self.index + 1..] {
            let connection = dial(&endpoint, name, address.parse()?).await;
            if self.index == 0 {
                tokio::spawn(beat(connection.clone(), self.heartbeat, self.bytes));
            }
            tokio::spawn(answer(connection, self.reply()));
        }
        while let Some(incoming) = endpoint.accept().await {
            // One that fails is dialled again.
            if let Ok(connection) = incoming.await {
                tokio::spawn(answer(connection, self.reply()));
            }
        }
        Ok(())
    }

    /// What a follower answers; the leader takes the answers.
    fn reply(&self) -> Option<Vec<u8>> {
        (self.index > 0).then(|| vec![0; self.reply_bytes])
    }

    fn endpoint(&self, tls: &Path) -> anyhow::Result<Endpoint> {
        let socket = UdpSocket::bind(self.members[self.index].1.parse::<SocketAddr>()?)?;
        let (server, client) = configurations(tls)?;
        let runtime = Arc::new(TokioRuntime);
        let mut endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, runtime)?;
        endpoint.set_default_client_config(client);
        Ok(endpoint)
    }
}

/// Until it is there: all start at about the same time.
async fn dial(endpoint: &Endpoint, name: &str, address: SocketAddr) -> Connection {
    let name = Identity::new("test", name).expect("a name of the bench").dns_name();
    loop {
        if let Ok(connecting) = endpoint.connect(address, &name)
            && let Ok(connection) = connecting.await
        {
            return connection;
        }
    }
}

/// The leader's side.
async fn beat(connection: Connection, every: Duration, bytes: usize) {
    let mut ticks = tokio::time::interval(every);
    let datagram = vec![0_u8; bytes];
    loop {
        ticks.tick().await;
        if connection.send_datagram(datagram.clone().into()).is_err() {
            return;
        }
    }
}

/// Reads what comes, and answers each heartbeat if there is something to say.
async fn answer(connection: Connection, reply: Option<Vec<u8>>) {
    while connection.read_datagram().await.is_ok() {
        if let Some(reply) = &reply
            && connection.send_datagram(reply.clone().into()).is_err()
        {
            return;
        }
    }
}

/// As bossd's, with the authority as the only root.
fn configurations(tls: &Path) -> anyhow::Result<(ServerConfig, ClientConfig)> {
    let certificate = |name: &str| {
        let path = tls.join(name);
        CertificateDer::from_pem_file(&path).map_err(|error| anyhow!("{}: {error}", path.display()))
    };
    let key = || PrivateKeyDer::from_pem_file(tls.join("node.key"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt")?)?;
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = &[&rustls::version::TLS13];
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()?;
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("node.crt")?], key()?)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate("node.crt")?], key()?)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    client.resumption = rustls::client::Resumption::disabled();
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server.transport_config(transport()?).migration(false);
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client.transport_config(transport()?);
    Ok((server, client))
}

/// What matters of bossd's for traffic and memory.
fn transport() -> anyhow::Result<Arc<TransportConfig>> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into()?))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(Duration::from_millis(50))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .datagram_receive_buffer_size(Some(16 * 1024))
        .datagram_send_buffer_size(16 * 1024)
        .mtu_discovery_config(None)
        .enable_segmentation_offload(false);
    Ok(Arc::new(transport))
}

const ALPN: &[u8] = b"bare";
