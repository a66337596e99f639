//! Keys and certificates of this node: what the files hold, and whether this node may use them.
//! Each error names the file and what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use control::identity::Identity;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage};

use super::identity::{self, IdentityError};
use super::tls::provider;

/// A PEM file as read, and where from, so that an error can name it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its bytes.
    pub pem: Vec<u8>,
}

impl fmt::Debug for TlsFile {
    /// Never the bytes: one of the files is the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsFile").field(&self.path).finish()
    }
}

/// The three files under `/etc/boss/tls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsMaterial {
    /// `ca.crt`: the cluster's authority, and nothing else.
    pub ca: TlsFile,
    /// `node.crt`: this node's certificate, intermediates after it.
    pub certificate: TlsFile,
    /// `node.key`: its key.
    pub key: TlsFile,
}

impl TlsMaterial {
    /// Whether this node may use the files now: they belong together, name this node and this
    /// cluster, and the time is within their validity.
    pub fn check(&self, cluster: &str, node: &str, now: UnixTime) -> Result<CertFacts, TlsError> {
        let parsed = self.parse()?;
        check_dates(&self.ca, &parsed.ca, now)?;
        let dates = check_dates(&self.certificate, parsed.leaf(), now)?;
        self.check_chain(&parsed, now)?;
        self.check_key(&parsed)?;
        let identity = self.name(parsed.leaf())?;
        if identity.node() != node || identity.cluster() != cluster {
            return Err(TlsError::OtherName {
                path: self.certificate.path.clone(),
                found: identity.to_string(),
                expected: format!("node {node} of cluster {cluster}"),
                node: node.to_owned(),
            });
        }
        Ok(CertFacts {
            identity,
            not_before: dates.not_before,
            not_after: dates.not_after,
            fingerprint: identity::fingerprint(parsed.leaf()),
        })
    }

    pub(super) fn parse(&self) -> Result<Parsed, TlsError> {
        let ca = match certificates(&self.ca)?.as_slice() {
            [only] => only.clone(),
            several => {
                return Err(TlsError::SeveralAuthorities {
                    path: self.ca.path.clone(),
                    count: several.len(),
                });
            }
        };
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.pem)
            .map_err(|_| TlsError::NoKey { path: self.key.path.clone() })?;
        Ok(Parsed { ca, chain, key })
    }

    fn check_chain(&self, parsed: &Parsed, now: UnixTime) -> Result<(), TlsError> {
        let broken = |error: webpki::Error| TlsError::Chain {
            path: self.certificate.path.clone(),
            ca: self.ca.path.clone(),
            why: chain_trouble(&error),
        };
        let anchor = webpki::anchor_from_trusted_cert(&parsed.ca).map_err(broken)?;
        let leaf = EndEntityCert::try_from(parsed.leaf()).map_err(broken)?;
        let (algorithms, anchors) =
            (provider().signature_verification_algorithms.all, std::slice::from_ref(&anchor));
        for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
            leaf.verify_for_usage(algorithms, anchors, &parsed.chain[1..], now, usage, None, None)
                .map_err(broken)?;
        }
        Ok(())
    }

    pub(super) fn check_key(&self, parsed: &Parsed) -> Result<Arc<CertifiedKey>, TlsError> {
        let key = parsed.key.clone_key();
        CertifiedKey::from_der(parsed.chain.clone(), key, &provider()).map(Arc::new).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::OtherKey {
                    path: self.key.path.clone(),
                    certificate: self.certificate.path.clone(),
                },
                _ => TlsError::NoKey { path: self.key.path.clone() },
            },
        )
    }

    fn name(&self, leaf: &CertificateDer<'_>) -> Result<Identity, TlsError> {
        identity::of_certificate(leaf)
            .map_err(|source| TlsError::Name { path: self.certificate.path.clone(), source })
    }
}

/// What the verifier means, for those who copied a wrong file.
fn chain_trouble(error: &webpki::Error) -> String {
    match error {
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
            "another authority issued it: copy ca.crt and node.crt from the same `bossctl ca issue`"
                .to_owned()
        }
        other => format!("{other}; issue it with `bossctl ca issue NODE`"),
    }
}

/// What a checked certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFacts {
    /// Whom it names.
    pub identity: Identity,
    /// From when it holds, in seconds since 1970.
    pub not_before: i64,
    /// Until when it holds, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of it, as `bossctl ca show` prints it.
    pub fingerprint: String,
}

impl CertFacts {
    /// Whole days until it expires, negative afterwards.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        (self.not_after - seconds(now)).div_euclid(86_400)
    }
}

/// The files' contents, not judged yet.
pub(super) struct Parsed {
    pub(super) ca: CertificateDer<'static>,
    /// Never empty.
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Parsed {
    fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }
}

fn certificates(file: &TlsFile) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoCertificate { path: file.path.clone() };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&file.pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

/// The dates by our own reading, because webpki looks at no date of an authority.
fn check_dates(
    file: &TlsFile,
    certificate: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<Dates, TlsError> {
    let path = || file.path.clone();
    let parsed =
        identity::parse(certificate).map_err(|source| TlsError::Name { path: path(), source })?;
    let validity = parsed.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if seconds(now) < not_before {
        return Err(TlsError::NotYetValid {
            path: path(),
            from: date(not_before),
            now: date(seconds(now)),
        });
    }
    if seconds(now) > not_after {
        return Err(TlsError::Expired { path: path(), on: date(not_after) });
    }
    Ok(Dates { not_before, not_after })
}

struct Dates {
    not_before: i64,
    not_after: i64,
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// Why the files under `/etc/boss/tls` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the file.
    #[error("{path}: holds no readable certificate in PEM form; copy it again from what `bossctl ca issue` made", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// More than one authority.
    #[error("{path}: holds {count} certificates, and must hold the cluster's authority alone", path = path.display())]
    SeveralAuthorities {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Not fit to be an authority.
    #[error("{path}: cannot serve as an authority ({why}); use the ca.crt that `bossctl ca init` made", path = path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What the verifier says.
        why: String,
    },
    /// Not the authority that the endpoint started with.
    #[error("{path}: is another authority than the one in use; restart bossd to change the authority", path = path.display())]
    OtherAuthority {
        /// The file.
        path: PathBuf,
    },
    /// No key in the file.
    #[error("{path}: holds no readable private key in PEM form; copy it again from what `bossctl ca issue` made", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate are of two pairs.
    #[error("{path}: is not the key of {certificate}; copy both from the same `bossctl ca issue`", path = path.display(), certificate = certificate.display())]
    OtherKey {
        /// The key's file.
        path: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// Not signed by the authority, or not for both directions.
    #[error("{path}: is not a node's certificate from the authority in {ca}: {why}", path = path.display(), ca = ca.display())]
    Chain {
        /// The certificate's file.
        path: PathBuf,
        /// The authority's file.
        ca: PathBuf,
        /// What the verifier says.
        why: String,
    },
    /// Names no node.
    #[error("{path}: {source}", path = path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong with its names.
        source: IdentityError,
    },
    /// Names another node or cluster.
    #[error("{path}: is for {found}, and this is {expected}; issue one with `bossctl ca issue {node}`", path = path.display())]
    OtherName {
        /// The file.
        path: PathBuf,
        /// Whom it names.
        found: String,
        /// Who this is.
        expected: String,
        /// This node.
        node: String,
    },
    /// Its time has not come.
    #[error("{path}: is not valid before {from}, and the clock says {now}; check the clock of this server (timedatectl)", path = path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// From when it holds.
        from: String,
        /// What the clock says.
        now: String,
    },
    /// Its time is over.
    #[error("{path}: expired on {on}; issue a new one with `bossctl ca issue NODE` (or check the clock of this server)", path = path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it expired.
        on: String,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::bench::{Authority, HOUR};
    use super::*;

    fn check(material: &TlsMaterial) -> Result<CertFacts, TlsError> {
        material.check("web", "alpha", UnixTime::now())
    }

    #[test]
    fn sound_files_are_accepted_and_their_facts_given() {
        let material = Authority::new().issue_between("web", "alpha", -HOUR, 49 * HOUR);
        let facts = check(&material).expect("sound files");
        assert_eq!((facts.identity.node(), facts.days_left(UnixTime::now())), ("alpha", 2));
        assert_eq!(facts.fingerprint.len(), 32 * 3 - 1);
    }

    #[test]
    fn each_fault_names_its_file_and_what_to_do() {
        let authority = Authority::new();
        let sound = authority.issue("web", "alpha");
        let refusal = |material: &TlsMaterial| check(material).expect_err("a fault").to_string();
        let expect = |material: &TlsMaterial, file: &str, words: &str| {
            let text = refusal(material);
            assert!(text.starts_with(file) && text.contains(words), "{text}");
        };
        let other = authority.issue("web", "alpha");
        let mixed = TlsMaterial { key: other.key, ..sound.clone() };
        expect(&mixed, "node.key", "is not the key of node.crt");
        let foreign = TlsMaterial { ca: Authority::new().issue("web", "x").ca, ..sound.clone() };
        expect(&foreign, "node.crt", "from the authority in ca.crt");
        expect(&authority.issue("web", "beta"), "node.crt", "bossctl ca issue alpha");
        expect(&authority.issue("shop", "alpha"), "node.crt", "for node alpha of cluster shop");
        let expired = authority.issue_between("web", "alpha", -2 * HOUR, -HOUR);
        expect(&expired, "node.crt", "expired on");
        let future = authority.issue_between("web", "alpha", HOUR, 2 * HOUR);
        expect(&future, "node.crt", "check the clock");
        let mut garbled = sound.clone();
        garbled.ca.pem = b"nothing".to_vec();
        expect(&garbled, "ca.crt", "no readable certificate");
        let mut garbled = sound;
        garbled.key.pem = garbled.certificate.pem.clone();
        expect(&garbled, "node.key", "no readable private key");
    }

    #[test]
    fn an_expired_authority_is_found_though_webpki_does_not_look() {
        let material = Authority::new().issue_between("web", "alpha", -HOUR, 100 * HOUR);
        let in_two_days = Duration::from_secs(UnixTime::now().as_secs() + 48 * 3_600);
        let later = UnixTime::since_unix_epoch(in_two_days);
        let error = material.check("web", "alpha", later).expect_err("the authority is over");
        assert!(error.to_string().starts_with("ca.crt: expired"), "{error}");
    }
}
