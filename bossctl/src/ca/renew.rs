//! `bossctl ca renew`: another certificate in the place of a node's old one, with its key or with
//! another. What is there stays until the new file is whole on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use control::identity::Identity;
use rcgen::KeyPair;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::{
    Authority, CA_CERTIFICATE, CaError, INSTALLED, Issue, NODE_FILES, NODE_YEARS, PUBLIC, SECRET,
    address, date, parse, read, read_certificates, say,
};

/// Which key the certificate is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenewKey {
    /// The one that is there.
    Keep,
    /// Another one, in its place.
    Another,
}

/// Renews the certificate of a node in the directory where it was issued to. Without further
/// addresses it has those of the old one.
pub fn renew(request: &Issue<'_>, key: RenewKey, out: &mut dyn Write) -> Result<(), CaError> {
    let Issue { node, dir, .. } = *request;
    let authority = Authority::open(dir)?;
    let identity = Identity::new(&authority.cluster, node)?;
    let to = request.to.map_or_else(|| dir.join(node), Path::to_path_buf);
    let [ca, certificate, key_file] = NODE_FILES.map(|file| to.join(file));
    must_trust(&ca, &dir.join(CA_CERTIFICATE))?;
    let old = read_certificates(&certificate)?.swap_remove(0);
    let old = parse(&certificate, &old)?;
    must_be_of(&certificate, &old, &identity)?;
    let addresses = match request.addresses {
        [] => further_addresses(&old, &identity),
        given => given.to_vec(),
    };
    let was_valid_until = old.validity().not_after.timestamp();
    let (pair, what) = match key {
        RenewKey::Keep => (key_at(&key_file)?, "for the key that it has"),
        RenewKey::Another => (KeyPair::generate()?, "with another key"),
    };
    let made = authority.certify(&identity, &addresses, &pair)?;
    let certificate = Replacement::write(&certificate, made.pem().as_bytes(), PUBLIC)?;
    let key_replaced = key == RenewKey::Another;
    if key_replaced {
        let pem = pair.serialize_pem();
        // A crash after this one and before the next leaves a key without its certificate; to renew
        // again mends it.
        Replacement::write(&key_file, pem.as_bytes(), SECRET)?.put_in_place()?;
    }
    certificate.put_in_place()?;
    let files = if key_replaced { "node.crt and node.key" } else { "node.crt" };
    say(
        out,
        &format!(
            "Renewed the certificate of {identity}, {what}: valid for {NODE_YEARS} years from now \
             (the old one until {}), in {}.\n\
             Next: copy {files} to {INSTALLED}/ of {node}, node.key with mode 0600, and there, as \
             root,\n  bossctl reload --wait\n",
            date(was_valid_until),
            to.display(),
        ),
    )
}

/// A node that does not trust the authority must not show a certificate of it: the others do not
/// either.
fn must_trust(nodes: &Path, authority: &Path) -> Result<(), CaError> {
    let known = read_certificates(nodes)?;
    let ours = read_certificates(authority)?.swap_remove(0);
    if known.contains(&ours) {
        return Ok(());
    }
    Err(CaError::NotRenewed {
        path: nodes.to_path_buf(),
        why: format!(
            "does not hold the authority of {}: to change the authority, first put the old and the \
             new one into ca.crt of every node and reload them all",
            authority.display()
        ),
    })
}

fn must_be_of(
    path: &Path,
    certificate: &X509Certificate<'_>,
    identity: &Identity,
) -> Result<(), CaError> {
    let names = names(certificate);
    let is_ours =
        |name: &GeneralName<'_>| matches!(name, GeneralName::URI(uri) if *uri == identity.uri());
    if names.iter().any(is_ours) {
        return Ok(());
    }
    let why = format!("is not a certificate of {identity}; issue one with `bossctl ca issue`");
    Err(CaError::NotRenewed { path: path.to_path_buf(), why })
}

/// What was asked for beside the names that every certificate has.
fn further_addresses(certificate: &X509Certificate<'_>, identity: &Identity) -> Vec<String> {
    let own = identity.dns_name();
    let further = names(certificate).into_iter().filter_map(|name| match name {
        GeneralName::DNSName(dns) if *dns != own => Some(dns.to_owned()),
        GeneralName::IPAddress(bytes) => Some(address(bytes)),
        _ => None,
    });
    further.collect()
}

fn names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<GeneralName<'a>> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map(|names| names.value.general_names.clone()).unwrap_or_default()
}

fn key_at(path: &Path) -> Result<KeyPair, CaError> {
    KeyPair::from_pem(&read(path)?).map_err(|_| CaError::NotRenewed {
        path: path.to_path_buf(),
        why: "holds no readable key; make another one with --new-key".to_owned(),
    })
}

/// A file that is whole and durable beside the one whose place it is to take.
struct Replacement {
    temporary: PathBuf,
    target: PathBuf,
}

impl Replacement {
    fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, CaError> {
        // Through a link to where the file is: the link stays.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = target.with_file_name(name);
        let failed = |source: io::Error| CaError::Write { path: temporary.clone(), source };
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
        let mut file: File = open.map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self { temporary: temporary.clone(), target })
    }

    fn put_in_place(self) -> Result<(), CaError> {
        let Self { temporary, target } = self;
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new(".")).to_path_buf();
        fs::rename(&temporary, &target)
            .and_then(|()| File::open(&directory)?.sync_all())
            .map_err(|source| CaError::Write { path: target, source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::{init, issue, now};
    use super::*;

    struct Bench {
        home: tempfile::TempDir,
    }

    impl Bench {
        /// An authority with beta, who has two further addresses.
        fn new() -> Self {
            let bench = Self { home: tempfile::tempdir().expect("a directory") };
            init(&bench.ca(), "web", &mut io::sink()).expect("made");
            let addresses = ["10.0.0.2".to_owned(), "beta.example.org".to_owned()];
            let request = Issue { node: "beta", dir: &bench.ca(), to: None, addresses: &addresses };
            issue(&request, &mut io::sink()).expect("issued");
            bench
        }

        fn ca(&self) -> PathBuf {
            self.home.path().join("boss-ca")
        }

        fn file(&self, name: &str) -> PathBuf {
            self.ca().join("beta").join(name)
        }

        fn renew(&self, key: RenewKey) -> Result<String, CaError> {
            self.renew_from(&self.ca(), "beta", key)
        }

        fn renew_from(&self, dir: &Path, node: &str, key: RenewKey) -> Result<String, CaError> {
            let mut out = Vec::new();
            let to = self.ca().join("beta");
            let request = Issue { node, dir, to: Some(&to), addresses: &[] };
            renew(&request, key, &mut out)?;
            Ok(String::from_utf8(out).expect("text"))
        }

        /// Serial, names and the key that it is for.
        fn certificate(&self) -> (Vec<u8>, String, Vec<u8>) {
            let path = self.file("node.crt");
            let der = read_certificates(&path).expect("there").swap_remove(0);
            let parsed = parse(&path, &der).expect("sound");
            assert!(parsed.validity().not_after.timestamp() > now());
            let key = parsed.public_key().subject_public_key.data.to_vec();
            (parsed.raw_serial().to_vec(), super::super::names_of(&parsed), key)
        }

        fn mode(&self, name: &str) -> u32 {
            fs::metadata(self.file(name)).expect("there").permissions().mode() & 0o777
        }
    }

    #[test]
    fn a_renewed_certificate_has_the_key_and_the_names_of_the_old_one() {
        let bench = Bench::new();
        let (before, key) = (bench.certificate(), fs::read(bench.file("node.key")).expect("there"));
        let said = bench.renew(RenewKey::Keep).expect("renewed");
        assert!(
            said.contains("for the key that it has") && said.contains("bossctl reload"),
            "{said}"
        );
        let after = bench.certificate();
        assert_ne!(before.0, after.0, "another certificate");
        assert_eq!((&before.1, &before.2), (&after.1, &after.2));
        assert!(after.1.contains("10.0.0.2") && after.1.contains("beta.example.org"), "{after:?}");
        assert_eq!(fs::read(bench.file("node.key")).expect("there"), key);
        assert!(!bench.file("node.crt.new").exists());
        assert_eq!((bench.mode("node.crt"), bench.mode("node.key")), (0o644, 0o600));
    }

    #[test]
    fn with_another_key_both_files_change_and_belong_together() {
        let bench = Bench::new();
        let before = bench.certificate();
        bench.renew(RenewKey::Another).expect("renewed");
        let after = bench.certificate();
        assert_ne!(before.2, after.2);
        let key = key_at(&bench.file("node.key")).expect("a key");
        assert_eq!(key.public_key_raw(), after.2);
        assert_eq!(bench.mode("node.key"), 0o600);
    }

    #[test]
    fn what_a_crash_left_is_in_nobodys_way_and_a_link_stays_one() {
        let bench = Bench::new();
        fs::write(bench.file("node.crt.new"), "half").expect("ours");
        let elsewhere = bench.home.path().join("elsewhere.crt");
        fs::rename(bench.file("node.crt"), &elsewhere).expect("ours");
        symlink(&elsewhere, bench.file("node.crt")).expect("ours");
        let before = bench.certificate();
        bench.renew(RenewKey::Keep).expect("renewed");
        assert!(bench.file("node.crt").is_symlink());
        assert_ne!(bench.certificate().0, before.0);
    }

    #[test]
    fn nothing_is_overwritten_where_the_files_are_not_the_ones_to_be_renewed() {
        let bench = Bench::new();
        let before = fs::read(bench.file("node.crt")).expect("there");
        let refused = |outcome: Result<String, CaError>, words: &str| {
            let text = outcome.expect_err(words).to_string();
            assert!(text.contains(words), "{text}");
            assert_eq!(fs::read(bench.file("node.crt")).expect("there"), before, "{words}");
        };
        refused(
            bench.renew_from(&bench.ca(), "gamma", RenewKey::Keep),
            "not a certificate of node gamma",
        );
        let other = bench.home.path().join("other-ca");
        init(&other, "web", &mut io::sink()).expect("made");
        refused(bench.renew_from(&other, "beta", RenewKey::Keep), "does not hold the authority");
        fs::write(bench.file("node.key"), "no key").expect("ours");
        refused(bench.renew(RenewKey::Keep), "--new-key");
        fs::remove_file(bench.file("node.crt")).expect("ours");
        let text = bench.renew(RenewKey::Keep).expect_err("none there").to_string();
        assert!(text.contains("cannot read"), "{text}");
    }

    #[test]
    fn the_authority_changes_by_way_of_both() {
        let bench = Bench::new();
        let other = bench.home.path().join("other-ca");
        init(&other, "web", &mut io::sink()).expect("made");
        let both = [bench.ca(), other.clone()].map(|dir| read(&dir.join("ca.crt")).expect("there"));
        fs::write(bench.file("ca.crt"), both.concat()).expect("ours");
        bench.renew_from(&other, "beta", RenewKey::Keep).expect("renewed by the new one");
        let new = read_certificates(&other.join("ca.crt")).expect("there").swap_remove(0);
        let leaf = read_certificates(&bench.file("node.crt")).expect("there").swap_remove(0);
        let (new, leaf) =
            (parse(&other, &new).expect("sound"), parse(&other, &leaf).expect("sound"));
        let signed = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_ASN1,
            &*new.public_key().subject_public_key.data,
        );
        signed.verify(leaf.tbs_certificate.as_ref(), &leaf.signature_value.data).expect("signed");
    }
}
