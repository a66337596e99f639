//! Who a certificate speaks for, and which cluster an authority and a name make. The names are
//! made in `control::identity`; this is where they meet X.509, for both directions alike.

use control::identity::Identity;
use ring::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The node that this certificate names: exactly one of our URIs, and the DNS name that belongs
/// to it beside it.
pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Identity, IdentityError> {
    let parsed = parse(certificate)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| IdentityError::Unreadable)?
        .ok_or(IdentityError::NoName)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Identity::parse_uri(uri).ok(),
        _ => None,
    });
    let identity = match (uris.next(), uris.next()) {
        (Some(identity), None) => identity,
        (None, _) => return Err(IdentityError::NoName),
        (Some(_), Some(_)) => return Err(IdentityError::SeveralNames),
    };
    let expected = identity.dns_name();
    let has_dns_name = names
        .value
        .general_names
        .iter()
        .any(|name| matches!(name, GeneralName::DNSName(dns) if *dns == expected));
    if has_dns_name { Ok(identity) } else { Err(IdentityError::NoDnsName { expected }) }
}

/// The cluster's id: `UUIDv8` of SHA-256(authority's public key, cluster name) (protocol.md 6). Two
/// clusters of the same name under two authorities differ, and so do two names under one. That of
/// the first authority in `ca_pem`.
pub fn cluster_id(ca_pem: &[u8], cluster: &str, kind: ClusterKind) -> Result<u128, IdentityError> {
    cluster_ids(ca_pem, cluster, kind)?.first().copied().ok_or(IdentityError::Unreadable)
}

/// The same for each authority in `ca_pem`: by any of them the cluster may be known while one takes
/// the place of another.
pub fn cluster_ids(
    ca_pem: &[u8],
    cluster: &str,
    kind: ClusterKind,
) -> Result<Vec<u128>, IdentityError> {
    let mut ids = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate.map_err(|_| IdentityError::Unreadable)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(parse(&certificate)?.public_key().raw);
        hash.update(cluster.as_bytes());
        if kind == ClusterKind::Shadow {
            // No name of a cluster has such a byte.
            hash.update(b"\0shadow");
        }
        let hash = hash.finish();
        let head = hash.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        ids.push(uuid::Uuid::new_v8(*head).as_u128());
    }
    Ok(ids)
}

/// Whether nodes act on what they agree on. A cluster of those that do not is another cluster: a
/// boss that runs nothing must not be taken for one that does the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterKind {
    /// They do.
    Real,
    /// `bossd --shadow`: they elect and show, and run nothing.
    Shadow,
}

/// SHA-256 of the certificate, as pairs of hexadecimal digits.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = digest::digest(&digest::SHA256, certificate);
    hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

pub(super) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, IdentityError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(IdentityError::Unreadable),
    }
}

/// Why a certificate names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate.
    #[error("it is not a readable X.509 certificate in PEM form")]
    Unreadable,
    /// None of our URIs.
    #[error(
        "it names no node (no URI like boss://CLUSTER/node/NODE); issue it with `bossctl ca issue NODE`"
    )]
    NoName,
    /// More than one node.
    #[error(
        "it names more than one node; issue one certificate per node with `bossctl ca issue NODE`"
    )]
    SeveralNames,
    /// A URI without its DNS name.
    #[error("it lacks the DNS name {expected}; issue it with `bossctl ca issue NODE`")]
    NoDnsName {
        /// The name that the URI calls for.
        expected: String,
    },
}
