//! The attacker's certificates: those that `bossctl ca` would issue, and those it never would.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bossctl::ca;
use harness::Bed;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use serde_json::{Value, json};

pub(crate) const HOUR: i64 = 3_600;

/// A certificate with its key.
pub(crate) struct Pair {
    directory: PathBuf,
}

impl Pair {
    /// From this authority, as `bossctl ca issue` does it.
    pub(crate) fn issued(authority: &Path, node: &str) -> Self {
        let directory = authority.join(format!("attacker-{node}"));
        let request = ca::Issue { node, dir: authority, to: Some(&directory), addresses: &[] };
        ca::issue(&request, &mut io::sink()).expect("issued");
        Self { directory }
    }

    /// From the cluster's own authority.
    pub(crate) fn of_cluster(bed: &Bed, node: &str) -> Self {
        Self::issued(&bed.dir().join("ca"), node)
    }

    /// From another authority for a cluster of the same name.
    pub(crate) fn of_another_authority(bed: &Bed, node: &str) -> Self {
        let authority = bed.dir().join("another-ca");
        ca::init(&authority, "test", &mut io::sink()).expect("made");
        Self::issued(&authority, node)
    }

    /// From the cluster's own authority, for a time that is over or has not begun, in seconds from
    /// now.
    pub(crate) fn out_of_time(bed: &Bed, node: &str, from: i64, to: i64) -> Self {
        let read = |name: &str| fs::read_to_string(bed.dir().join("ca").join(name)).expect("made");
        let key = KeyPair::from_pem(&read("ca.key")).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), key).expect("an authority");
        let mut params = CertificateParams::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let at = |offset: i64| {
            let seconds = now.as_secs().checked_add_signed(offset).expect("a date");
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(from), at(to));
        params.distinguished_name.push(DnType::CommonName, node);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![
            SanType::DnsName(format!("{node}.test.boss").try_into().expect("ASCII")),
            SanType::URI(format!("boss://test/node/{node}").try_into().expect("ASCII")),
        ];
        let own = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&own, &issuer).expect("a certificate");
        let directory = bed.dir().join(format!("out-of-time-{}", from < 0));
        fs::create_dir(&directory).expect("our own directory");
        fs::write(directory.join("node.crt"), certificate.pem()).expect("written");
        fs::write(directory.join("node.key"), own.serialize_pem()).expect("written");
        Self { directory }
    }

    /// A member's own, as somebody has it who broke into that host.
    pub(crate) fn stolen(bed: &Bed, index: usize) -> Self {
        Self { directory: bed.node(index).dir.join("tls") }
    }

    /// Puts it into the attacker's hands.
    pub(crate) fn give(&self, job: &mut Value) {
        job["certificate"] = json!(self.directory.join("node.crt"));
        job["key"] = json!(self.directory.join("node.key"));
    }
}
