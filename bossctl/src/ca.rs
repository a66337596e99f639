//! The cluster's own authority: makes it, issues and renews a node's certificate from it, and shows
//! what a certificate says. Works on files alone and never talks to the daemon.

mod pack;
mod renew;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use control::identity::{Identity, NameError, NameOf, check_name};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use ring::digest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

pub use pack::{check_bundle, issue_bundle};
pub use renew::{RenewKey, renew};

/// `bossctl ca init`: makes the authority of `cluster` in `dir`.
pub fn init(dir: &Path, cluster: &str, out: &mut dyn Write) -> Result<(), CaError> {
    check_name(NameOf::Cluster, cluster)?;
    let (certificate, key) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
    refuse_to_overwrite(&[&certificate, &key])?;
    let made = make_authority(cluster)?;
    make_directory(dir)?;
    write_new(&key, made.key().serialize_pem().as_bytes(), SECRET)?;
    write_new(&certificate, made.pem().as_bytes(), PUBLIC)?;
    say(
        out,
        &format!(
            "Made the authority of cluster {cluster}, valid for {CA_YEARS} years:\n  \
           {}   public: it goes to every node\n  \
           {}   secret: whoever has it can join the cluster; keep it here, off the nodes\n\
         Next: issue a certificate for each node,\n  \
           bossctl ca issue NODE --dir {}\n",
            certificate.display(),
            key.display(),
            dir.display(),
        ),
    )
}

/// What `bossctl ca issue` is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Where the authority lies.
    pub dir: &'a Path,
    /// Where to write to; `DIR/NODE` by default.
    pub to: Option<&'a Path>,
    /// Further addresses or host names to put into the certificate. The daemon asks for none.
    pub addresses: &'a [String],
}

/// `bossctl ca issue`: makes a node's key and certificate, and puts them together with the
/// authority's certificate.
pub fn issue(request: &Issue<'_>, out: &mut dyn Write) -> Result<(), CaError> {
    let Issue { node, dir, .. } = *request;
    let authority = Authority::open(dir)?;
    let identity = Identity::new(&authority.cluster, node)?;
    let to = request.to.map_or_else(|| dir.join(node), Path::to_path_buf);
    let files = NODE_FILES.map(|file| to.join(file));
    let [ca, certificate, key] = &files;
    refuse_to_overwrite(&[ca, certificate, key])?;
    let (made, made_key) = authority.issue(&identity, request.addresses)?;
    make_directory(&to)?;
    write_new(key, made_key.serialize_pem().as_bytes(), SECRET)?;
    write_new(certificate, made.pem().as_bytes(), PUBLIC)?;
    write_new(ca, authority.pem.as_bytes(), PUBLIC)?;
    say(
        out,
        &format!(
            "Issued a certificate for {identity}, valid for {NODE_YEARS} years, into {to}.\n\
         Next: on {node}, as root,\n  \
           install -d -m 0755 {INSTALLED}\n  \
           install -m 0644 ca.crt node.crt {INSTALLED}/\n  \
           install -m 0600 node.key {INSTALLED}/\n\
         with the three files of {to} copied there first; then remove the copies, of node.key above all.\n",
            to = to.display(),
        ),
    )
}

/// `bossctl ca show`: what a certificate says, or the authority's and all nodes' in a directory.
pub fn show(path: &Path, out: &mut dyn Write) -> Result<(), CaError> {
    let files = if path.is_dir() { certificates_in(path)? } else { vec![path.to_path_buf()] };
    if files.is_empty() {
        return Err(CaError::NothingThere { dir: path.to_path_buf() });
    }
    for file in &files {
        for der in read_certificates(file)? {
            say(out, &describe(file, &der, now())?)?;
        }
    }
    Ok(())
}

fn make_authority(cluster: &str) -> Result<CertifiedIssuer<'static, KeyPair>, CaError> {
    let mut params = dated(CA_YEARS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::OrganizationName, CA_ORGANISATION);
    params.distinguished_name.push(DnType::CommonName, cluster);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// The authority as it lies in its directory.
struct Authority {
    cluster: String,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn open(dir: &Path) -> Result<Self, CaError> {
        let (certificate, key) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
        let unusable = |path: &Path, why: &str| CaError::NotTheAuthority {
            path: path.to_path_buf(),
            why: why.to_owned(),
        };
        let pem = read(&certificate)?;
        let key_pair = KeyPair::from_pem(&read(&key)?)
            .map_err(|_| unusable(&key, "it holds no readable key"))?;
        let der = read_certificates(&certificate)?.swap_remove(0);
        let parsed = parse(&certificate, &der)?;
        if *parsed.public_key().subject_public_key.data != *key_pair.public_key_raw() {
            return Err(unusable(&key, "it is not the key of the ca.crt beside it"));
        }
        if parsed.validity().not_after.timestamp() < now() {
            return Err(unusable(
                &certificate,
                "it has expired: a new one has to be made, in another directory",
            ));
        }
        let cluster = cluster_of(&parsed)
            .ok_or_else(|| unusable(&certificate, "it was not made by `bossctl ca init`"))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key_pair)?;
        Ok(Self { cluster, pem, issuer })
    }

    fn issue(
        &self,
        identity: &Identity,
        addresses: &[String],
    ) -> Result<(rcgen::Certificate, KeyPair), CaError> {
        let key = KeyPair::generate()?;
        Ok((self.certify(identity, addresses, &key)?, key))
    }

    /// A certificate for that key.
    fn certify(
        &self,
        identity: &Identity,
        addresses: &[String],
        key: &KeyPair,
    ) -> Result<rcgen::Certificate, CaError> {
        let mut params = dated(NODE_YEARS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Each node both dials and is dialled.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(DnType::OrganizationName, NODE_ORGANISATION);
        params.distinguished_name.push(DnType::OrganizationalUnitName, identity.cluster());
        params.distinguished_name.push(DnType::CommonName, identity.node());
        params.subject_alt_names = vec![
            SanType::DnsName(identity.dns_name().try_into()?),
            SanType::URI(identity.uri().try_into()?),
        ];
        for address in addresses {
            params.subject_alt_names.push(further_name(address)?);
        }
        Ok(params.signed_by(key, &self.issuer)?)
    }
}

fn further_name(address: &str) -> Result<SanType, CaError> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(ip));
    }
    let is_host = !address.is_empty()
        && address.len() <= MAX_HOST
        && address.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if !is_host {
        return Err(CaError::Address { address: address.to_owned() });
    }
    Ok(SanType::DnsName(address.try_into()?))
}

/// Without these, rcgen would date a certificate from 1975 to 4096, and number it by its key, so that
/// a renewed one would have the number of the old.
fn dated(years: u64) -> CertificateParams {
    let at = |seconds: i64| {
        date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&uuid::Uuid::new_v4().into_bytes()));
    params.not_before = at(now() - CLOCK_SKEW);
    params.not_after = at(now()) + Duration::from_secs(years * YEAR);
    params
}

fn describe(file: &Path, der: &[u8], now: i64) -> Result<String, CaError> {
    let parsed = parse(file, der)?;
    let (from, to) =
        (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    let days = (to - now).div_euclid(DAY);
    let state = if now < from {
        "NOT VALID YET: check the clock of this host".to_owned()
    } else if now > to {
        format!("EXPIRED {} days ago", (now - to).div_euclid(DAY))
    } else {
        format!("{days} days left")
    };
    Ok(format!(
        "{}\n  subject      {}\n  issuer       {}\n  names        {}\n  \
           valid        {} to {} ({state})\n  fingerprint  {}\n",
        file.display(),
        parsed.subject(),
        parsed.issuer(),
        names_of(&parsed),
        date(from),
        date(to),
        fingerprint(der),
    ))
}

fn names_of(certificate: &X509Certificate<'_>) -> String {
    if certificate.is_ca() {
        return cluster_of(certificate).map_or_else(
            || "an authority".to_owned(),
            |name| format!("authority of cluster {name}"),
        );
    }
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return "none".to_owned();
    };
    let texts = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(dns) => (*dns).to_owned(),
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).map_or_else(|_| format!("{bytes:02x?}"), |ip| ip.to_string())
}

/// The cluster that an authority of ours was made for.
fn cluster_of(certificate: &X509Certificate<'_>) -> Option<String> {
    let subject = certificate.subject();
    let ours = subject.iter_organization().any(|it| it.as_str() == Ok(CA_ORGANISATION));
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    (ours && certificate.is_ca() && check_name(NameOf::Cluster, name).is_ok())
        .then(|| name.to_owned())
}

fn fingerprint(der: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, der);
    hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The authority's certificate, or this node's, and those of the nodes issued beside it.
fn certificates_in(dir: &Path) -> Result<Vec<PathBuf>, CaError> {
    let failed = |source| CaError::Read { path: dir.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        found.push(entry.map_err(failed)?.path().join(NODE_CERTIFICATE));
    }
    found.sort();
    let own = [dir.join(CA_CERTIFICATE), dir.join(NODE_CERTIFICATE)];
    Ok(own.into_iter().chain(found).filter(|path| path.is_file()).collect())
}

fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(|source| CaError::Read { path: path.to_path_buf(), source })
}

/// Never empty.
fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, CaError> {
    let none = || CaError::NoCertificate { path: path.to_path_buf() };
    let text = read(path)?;
    let found: Vec<_> = Pem::iter_from_buffer(text.as_bytes())
        .filter_map(Result::ok)
        .filter(|pem| pem.label == "CERTIFICATE")
        .map(|pem| pem.contents)
        .collect();
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

fn parse<'a>(path: &Path, der: &'a [u8]) -> Result<X509Certificate<'a>, CaError> {
    X509Certificate::from_der(der)
        .map(|(_, parsed)| parsed)
        .map_err(|_| CaError::NoCertificate { path: path.to_path_buf() })
}

fn refuse_to_overwrite(paths: &[&Path]) -> Result<(), CaError> {
    match paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(CaError::Exists { path: path.to_path_buf() }),
        None => Ok(()),
    }
}

/// Directories made here hold a key, so nobody else may look into them.
fn make_directory(dir: &Path) -> Result<(), CaError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| CaError::Write { path: dir.to_path_buf(), source })
}

/// Writes a file that is not there yet, durably: a key that was said to be made must exist.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CaError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CaError::Exists { path: path.to_path_buf() },
        _ => CaError::Write { path: path.to_path_buf(), source },
    };
    let open = |mode| OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file: File = open(mode).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

fn say(out: &mut dyn Write, text: &str) -> Result<(), CaError> {
    out.write_all(text.as_bytes()).map_err(|source| CaError::Output { source })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// Why a verb of `bossctl ca` failed.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A name that cannot stand in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Neither an IP address nor a host name.
    #[error(
        "--address {address:?} is neither an IP address nor a host name (give it without a port)"
    )]
    Address {
        /// As given.
        address: String,
    },
    /// Something is there already.
    #[error("{} is there already and is not overwritten; name another directory, or move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error(
        "cannot read {}: {source}; is this the right directory? An authority is where `bossctl ca \
         init` made it (--dir), a server's files are in /etc/boss/tls",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(
        "cannot write {}: {source}; name a directory that may be written with --dir or --out",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No certificate in a file.
    #[error(
        "{} holds no readable certificate in PEM form; copy it again from what `bossctl ca` made",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No certificate in a directory.
    #[error("{} holds neither ca.crt nor node.crt; name a certificate, or the directory of `bossctl ca init`", dir.display())]
    NothingThere {
        /// The directory.
        dir: PathBuf,
    },
    /// A node's files that are not the ones to be renewed.
    #[error("{} {why}", path.display())]
    NotRenewed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// Files that cannot issue.
    #[error(
        "{} cannot be used to issue certificates: {why}; --dir names the directory of `bossctl ca \
         init`",
        path.display()
    )]
    NotTheAuthority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A key or certificate could not be made.
    #[error("cannot make the certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The answer could not be written.
    #[error("cannot write the answer: {source}; a file that was to be made is made all the same")]
    Output {
        /// What the system says.
        source: io::Error,
    },
}

/// How long an authority lasts. Replacing it means new certificates everywhere at once.
pub const CA_YEARS: u64 = 10;
/// How long a node's certificate lasts: long enough not to be forgotten twice a year, short enough
/// that a lost key does not count for ever.
pub const NODE_YEARS: u64 = 2;
/// Certificates hold from so many seconds ago, for nodes whose clocks are behind.
const CLOCK_SKEW: i64 = 10 * 60;
const DAY: i64 = 86_400;
const YEAR: u64 = 365 * 86_400;
const MAX_HOST: usize = 253;
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const NODE_CERTIFICATE: &str = "node.crt";
const NODE_FILES: [&str; 3] = [CA_CERTIFICATE, NODE_CERTIFICATE, "node.key"];
const INSTALLED: &str = "/etc/boss/tls";
/// What tells our authorities apart; the cluster's name is the common name beside it.
const CA_ORGANISATION: &str = "boss authority";
const NODE_ORGANISATION: &str = "boss";
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;

#[cfg(test)]
mod tests;
