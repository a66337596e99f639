//! Keys and certificates of this node: what the files hold, and whether this node may use them.
//! What is wrong with them is told by `tls_error`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use control::identity::Identity;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage};

use super::identity;
use super::tls::provider;
pub use super::tls_error::TlsError;

/// How many authorities `ca.crt` may hold: two while one takes the place of the other, and some for
/// those that were forgotten there.
pub const MOST_AUTHORITIES: usize = 4;

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
    /// `ca.crt`: the cluster's authority, and while it is changed both; nothing else.
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
        let in_time = self.authorities_in_time(&parsed, now)?;
        check_dates(&self.certificate, parsed.leaf(), now)?;
        let facts = self.facts_of(&parsed, now);
        if !in_time.iter().any(|ca| issued(&parsed.chain, ca, now).is_ok()) {
            // The authority that did issue it may be there, and over.
            for ca in &parsed.ca {
                if issued(&parsed.chain, ca, now).is_ok() {
                    check_dates(&self.ca, ca, now)?;
                }
            }
            return Err(self.chain_error(&parsed, in_time[0], now));
        }
        self.check_key(&parsed)?;
        let facts = facts?;
        let identity = &facts.identity;
        if identity.node() != node || identity.cluster() != cluster {
            return Err(TlsError::OtherName {
                path: self.certificate.path.clone(),
                found: identity.to_string(),
                expected: format!("node {node} of cluster {cluster}"),
                node: node.to_owned(),
            });
        }
        Ok(facts)
    }

    /// What the certificate says, be its time over or not.
    pub fn facts(&self, now: UnixTime) -> Result<CertFacts, TlsError> {
        self.facts_of(&self.parse()?, now)
    }

    fn facts_of(&self, parsed: &Parsed, now: UnixTime) -> Result<CertFacts, TlsError> {
        let leaf = parsed.leaf();
        let of_certificate =
            |source| TlsError::Name { path: self.certificate.path.clone(), source };
        let of_ca = |source| TlsError::Name { path: self.ca.path.clone(), source };
        let dates = dates(leaf).map_err(of_certificate)?;
        let of_issuer = parsed.ca.iter().find(|ca| issued(&parsed.chain, ca, now).is_ok());
        let of_issuer = of_issuer.unwrap_or(&parsed.ca[0]);
        let authority = self::dates(of_issuer).map_err(of_ca)?;
        Ok(CertFacts {
            identity: identity::of_certificate(leaf).map_err(of_certificate)?,
            not_before: dates.not_before,
            not_after: dates.not_after,
            authority_not_after: authority.not_after,
            fingerprint: identity::fingerprint(leaf),
            authorities: parsed.ca.iter().map(identity::fingerprint).collect(),
        })
    }

    pub(super) fn parse(&self) -> Result<Parsed, TlsError> {
        let ca = certificates(&self.ca)?;
        if ca.len() > MOST_AUTHORITIES {
            let (path, count) = (self.ca.path.clone(), ca.len());
            return Err(TlsError::TooManyAuthorities { path, count });
        }
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.pem)
            .map_err(|_| TlsError::NoKey { path: self.key.path.clone() })?;
        Ok(Parsed { ca, chain, key })
    }

    /// Never empty: of those that are not in time the first is told.
    fn authorities_in_time<'p>(
        &self,
        parsed: &'p Parsed,
        now: UnixTime,
    ) -> Result<Vec<&'p CertificateDer<'static>>, TlsError> {
        let mut found = Vec::new();
        let mut first = None;
        for ca in &parsed.ca {
            match check_dates(&self.ca, ca, now) {
                Ok(()) => found.push(ca),
                Err(error) => first = first.or(Some(error)),
            }
        }
        match first {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    fn chain_error(
        &self,
        parsed: &Parsed,
        ca: &CertificateDer<'static>,
        now: UnixTime,
    ) -> TlsError {
        let why = match issued(&parsed.chain, ca, now) {
            Err(error) => chain_trouble(&error),
            Ok(()) => "no authority there is in time".to_owned(),
        };
        let (path, ca) = (self.certificate.path.clone(), self.ca.path.clone());
        TlsError::Chain { path, ca, why }
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
}

/// Whether `ca` stands behind `chain`, for both directions, at that time.
pub(super) fn issued(
    chain: &[CertificateDer<'_>],
    ca: &CertificateDer<'_>,
    at: UnixTime,
) -> Result<(), webpki::Error> {
    let (leaf, intermediates) = chain.split_first().ok_or(webpki::Error::UnknownIssuer)?;
    let anchor = webpki::anchor_from_trusted_cert(ca)?;
    let leaf = EndEntityCert::try_from(leaf)?;
    let (algorithms, anchors) =
        (provider().signature_verification_algorithms.all, std::slice::from_ref(&anchor));
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        leaf.verify_for_usage(algorithms, anchors, intermediates, at, usage, None, None)?;
    }
    Ok(())
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
    /// The same of the authority that issued it.
    pub authority_not_after: i64,
    /// SHA-256 of it, as `bossctl ca show` prints it.
    pub fingerprint: String,
    /// Those of the authorities in ca.crt.
    pub authorities: Vec<String>,
}

impl CertFacts {
    /// Whole days until it expires, negative afterwards.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        days(self.not_after, seconds(now))
    }
}

/// Whole days from `now` to `end`, both in seconds since 1970; negative afterwards.
pub fn days(end: i64, now: i64) -> i64 {
    end.saturating_sub(now).div_euclid(86_400)
}

/// The files' contents, not judged yet.
pub(super) struct Parsed {
    /// Never empty.
    pub(super) ca: Vec<CertificateDer<'static>>,
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
) -> Result<(), TlsError> {
    let path = || file.path.clone();
    let Dates { not_before, not_after } =
        dates(certificate).map_err(|source| TlsError::Name { path: path(), source })?;
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
    Ok(())
}

pub(super) struct Dates {
    pub(super) not_before: i64,
    not_after: i64,
}

pub(super) fn dates(certificate: &CertificateDer<'_>) -> Result<Dates, identity::IdentityError> {
    let parsed = identity::parse(certificate)?;
    let validity = parsed.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok(Dates { not_before, not_after })
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// A date for people, from seconds since 1970.
pub fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests;
