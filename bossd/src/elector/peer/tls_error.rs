//! Why keys and certificates cannot be used: each error names the file and what to do about it.

use std::path::PathBuf;

use super::identity::IdentityError;
use super::material::MOST_AUTHORITIES;

/// Why the files under `/etc/boss/tls` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the file.
    #[error("{path}: holds no readable certificate in PEM form; copy it again from what `bossctl ca issue` made", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// More authorities than a change of them needs.
    #[error("{path}: holds {count} certificates, and at most {most} authorities may be there; leave those that issued a certificate that is still in use", path = path.display(), most = MOST_AUTHORITIES)]
    TooManyAuthorities {
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
    /// None of the authorities that this cluster is known by.
    #[error("{path}: holds no authority that this cluster is known by; to change the authority put the old and the new one into ca.crt of every node and reload them all, before the old one goes", path = path.display())]
    OtherAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read at all.
    #[error("{path}: cannot be read: {why}; make certificates with `bossctl ca init` and `bossctl ca issue`, and copy this node's three files there", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The key is open.
    #[error("{path}: every user of this host can read this key; chmod 600 it, and issue another one if somebody may have", path = path.display())]
    OpenKey {
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
    #[error("{path}: expired on {on}; issue a new one with `bossctl ca renew NODE` (or check the clock of this server)", path = path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it expired.
        on: String,
    },
}
