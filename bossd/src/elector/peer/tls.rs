//! The TLS 1.3 configurations of the endpoint. The root store holds the cluster's authority alone,
//! which is the pin; nothing is ever resumed; the key can be renewed while connections live.

use std::sync::{Arc, PoisonError, RwLock};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};

use super::material::{TlsError, TlsMaterial};

/// The live TLS side of an endpoint: its configurations, and the cell that the key is taken from
/// at every handshake, so that a certificate can be renewed under running connections.
pub(super) struct Tls {
    pub(super) server: Arc<QuicServerConfig>,
    pub(super) client: Arc<QuicClientConfig>,
    cell: Arc<KeyCell>,
    ca: Vec<u8>,
}

impl Tls {
    pub(super) fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        let parsed = material.parse()?;
        let cell = Arc::new(KeyCell(RwLock::new(material.check_key(&parsed)?)));
        let mut roots = RootCertStore::empty();
        roots.add(parsed.ca.clone()).map_err(|error| TlsError::Authority {
            path: material.ca.path.clone(),
            why: error.to_string(),
        })?;
        let roots = Arc::new(roots);
        let server = server_config(Arc::clone(&roots), Arc::clone(&cell));
        let client = client_config(roots, Arc::clone(&cell));
        Ok(Self {
            server: Arc::new(server.try_into().expect("ring has QUIC's initial cipher suite")),
            client: Arc::new(client.try_into().expect("ring has QUIC's initial cipher suite")),
            cell,
            ca: parsed.ca.to_vec(),
        })
    }

    /// Takes a new certificate and key of the same authority, for all handshakes from now on.
    pub(super) fn renew(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        let parsed = material.parse()?;
        if parsed.ca.as_ref() != self.ca {
            return Err(TlsError::OtherAuthority { path: material.ca.path.clone() });
        }
        let key = material.check_key(&parsed)?;
        *self.cell.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

fn server_config(roots: Arc<RootCertStore>, cell: Arc<KeyCell>) -> ServerConfig {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .expect("the root store holds the authority");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(cell);
    // A resumed session would let a client in without its certificate being looked at again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

fn client_config(roots: Arc<RootCertStore>, cell: Arc<KeyCell>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_root_certificates(roots)
        .with_client_cert_resolver(cell);
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// The one crypto provider, given explicitly everywhere.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[derive(Debug)]
struct KeyCell(RwLock<Arc<CertifiedKey>>);

impl KeyCell {
    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for KeyCell {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for KeyCell {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// One name for the application, whatever its version: versions are compared in Hello, where a
/// difference can be told in words.
const ALPN: &[u8] = b"boss";

#[cfg(test)]
mod tests {
    use rustls::{ClientConnection, HandshakeKind, ServerConnection};

    use super::super::tests::bench::Authority;
    use super::*;

    #[test]
    fn a_second_connection_does_a_full_handshake() {
        let authority = Authority::new();
        let roots = || {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate()).expect("an authority");
            Arc::new(roots)
        };
        let cell = |node| {
            let material = authority.issue("web", node);
            let key = material.check_key(&material.parse().expect("readable")).expect("a pair");
            Arc::new(KeyCell(RwLock::new(key)))
        };
        let server = Arc::new(server_config(roots(), cell("alpha")));
        let client = Arc::new(client_config(roots(), cell("beta")));
        for _ in 0..2 {
            let (ours, theirs) = handshake(&client, &server);
            assert_eq!((ours, theirs), (Some(HandshakeKind::Full), Some(HandshakeKind::Full)));
        }
    }

    /// A whole handshake in memory, with whatever the server sends after it.
    fn handshake(
        client: &Arc<ClientConfig>,
        server: &Arc<ServerConfig>,
    ) -> (Option<HandshakeKind>, Option<HandshakeKind>) {
        let name = "alpha.web.boss".try_into().expect("a name");
        let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
        let mut server = ServerConnection::new(Arc::clone(server)).expect("a server");
        for _ in 0..4 {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).expect("to memory");
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("from memory");
                server.process_new_packets().expect("a good client");
            }
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).expect("to memory");
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).expect("from memory");
                client.process_new_packets().expect("a good server");
            }
        }
        (client.handshake_kind(), server.handshake_kind())
    }
}
