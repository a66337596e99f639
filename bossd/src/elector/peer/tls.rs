//! The TLS 1.3 configurations of the endpoint. The root store holds the cluster's authority alone, or
//! two while one takes the place of the other, which is the pin; nothing is ever resumed; keys and
//! authorities can be renewed while connections live.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::material::{TlsError, TlsMaterial, dates, issued};

/// The live TLS side of an endpoint: what the next handshake uses. All of it changes at once.
pub(super) struct Tls(RwLock<Arc<Live>>);

/// One set of files, at work.
pub(super) struct Live {
    pub(super) server: Arc<QuicServerConfig>,
    pub(super) client: Arc<QuicClientConfig>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Tls {
    pub(super) fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(Live::of(material)?))))
    }

    /// What counts now.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For all handshakes from now on.
    pub(super) fn renew(&self, live: Live) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }
}

impl Live {
    pub(super) fn of(material: &TlsMaterial) -> Result<Self, TlsError> {
        let parsed = material.parse()?;
        let key = Arc::new(OneKey(material.check_key(&parsed)?));
        let mut roots = RootCertStore::empty();
        for authority in &parsed.ca {
            roots.add(authority.clone()).map_err(|error| TlsError::Authority {
                path: material.ca.path.clone(),
                why: error.to_string(),
            })?;
        }
        let roots = Arc::new(roots);
        let server = server_config(Arc::clone(&roots), Arc::clone(&key));
        let client = client_config(roots, key);
        Ok(Self {
            server: Arc::new(server.try_into().expect("ring has QUIC's initial cipher suite")),
            client: Arc::new(client.try_into().expect("ring has QUIC's initial cipher suite")),
            authorities: parsed.ca,
        })
    }

    /// Whether one of the authorities stands behind a chain that was shown in a handshake, be its
    /// time over by now or not: a connection is not ended for that.
    pub(super) fn trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some(Ok(dates)) = chain.first().map(dates) else { return false };
        let issued_at = Duration::from_secs(u64::try_from(dates.not_before).unwrap_or(0));
        let at = UnixTime::since_unix_epoch(issued_at);
        self.authorities.iter().any(|authority| issued(chain, authority, at).is_ok())
    }
}

fn server_config(roots: Arc<RootCertStore>, key: Arc<OneKey>) -> ServerConfig {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .expect("the root store holds the authority");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(key);
    // A resumed session would let a client in without its certificate being looked at again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

fn client_config(roots: Arc<RootCertStore>, key: Arc<OneKey>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_root_certificates(roots)
        .with_client_cert_resolver(key);
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// The one crypto provider, given explicitly everywhere.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificate that is shown to whoever asks, and its key.
#[derive(Debug)]
struct OneKey(Arc<CertifiedKey>);

impl ResolvesServerCert for OneKey {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for OneKey {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
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
        let key_of = |node| {
            let material = authority.issue("web", node);
            let key = material.check_key(&material.parse().expect("readable")).expect("a pair");
            Arc::new(OneKey(key))
        };
        let server = Arc::new(server_config(roots(), key_of("alpha")));
        let client = Arc::new(client_config(roots(), key_of("beta")));
        for _ in 0..2 {
            let (ours, theirs) = handshake(&client, &server);
            assert_eq!((ours, theirs), (Some(HandshakeKind::Full), Some(HandshakeKind::Full)));
        }
    }

    #[test]
    fn a_chain_is_trusted_by_its_authority_alone_also_after_its_time() {
        let (ours, other) = (Authority::new(), Authority::new());
        let live = Live::of(&ours.issue("web", "alpha")).expect("sound material");
        let chain = |material: &TlsMaterial| {
            use rustls_pki_types::pem::PemObject;
            CertificateDer::pem_slice_iter(&material.certificate.pem)
                .collect::<Result<Vec<_>, _>>()
                .expect("certificates")
        };
        assert!(live.trusts(&chain(&ours.issue("web", "beta"))));
        assert!(live.trusts(&chain(&ours.issue_between("web", "beta", -1_200, -600))));
        assert!(!live.trusts(&chain(&other.issue("web", "beta"))));
        assert!(!live.trusts(&[]));
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
