//! `bossctl ca issue --bundle`: the files of a node in one, and what can be said of such a file before
//! it is installed.

use std::io::{self, Write};
use std::path::Path;

use control::identity::Identity;
use rcgen::KeyPair;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Authority, CaError, Issue, NODE_YEARS, now, read, refuse_to_overwrite, say};
use crate::bundle::Bundle;

/// Issues a node's certificate into one file, with the configuration if it is named.
pub fn issue_bundle(
    request: &Issue<'_>,
    file: &Path,
    config: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), CaError> {
    let Issue { node, dir, addresses, .. } = *request;
    let config = config.map(read).transpose()?;
    let authority = Authority::open(dir)?;
    let identity = Identity::new(&authority.cluster, node)?;
    refuse_to_overwrite(&[file])?;
    let (made, key) = authority.issue(&identity, addresses)?;
    let bundle =
        Bundle { ca: authority.pem, certificate: made.pem(), key: key.serialize_pem(), config };
    bundle.write(file).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CaError::Exists { path: file.to_path_buf() },
        _ => CaError::Write { path: file.to_path_buf(), source },
    })?;
    let file = file.display();
    say(
        out,
        &format!(
            "Issued a certificate for {identity}, valid for {NODE_YEARS} years, into {file}.\n\
             Next: copy it to {node} and there, as root,\n  \
               bossctl install-bundle {node}.bundle\n\
             Then remove all copies: the key of {node} is in them.\n"
        ),
    )
}

/// Whose bundle it is. What is wrong with it, in words, if it cannot be used.
pub fn check_bundle(bundle: &Bundle) -> Result<Identity, String> {
    let authority = certificate_in(&bundle.ca).ok_or("its ca.crt holds no certificate")?;
    let node = certificate_in(&bundle.certificate).ok_or("its node.crt holds no certificate")?;
    let parse = |der| X509Certificate::from_der(der).map(|(_, parsed)| parsed);
    let unreadable = |_| "a certificate in it cannot be read".to_owned();
    let authority = parse(&authority.contents).map_err(unreadable)?;
    let node = parse(&node.contents).map_err(unreadable)?;
    let key = KeyPair::from_pem(&bundle.key).map_err(|_| "its node.key holds no readable key")?;
    if *node.public_key().subject_public_key.data != *key.public_key_raw() {
        return Err("its node.key is not the key of its node.crt".to_owned());
    }
    if node.issuer() != authority.subject() {
        return Err("its node.crt was issued by another authority than its ca.crt".to_owned());
    }
    if node.validity().not_after.timestamp() < now() {
        return Err("its certificate has expired".to_owned());
    }
    let names = node.subject_alternative_name().ok().flatten();
    let identity = names.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Identity::parse_uri(uri).ok(),
            _ => None,
        })
    });
    identity.ok_or_else(|| "its node.crt names no node".to_owned())
}

fn certificate_in(text: &str) -> Option<Pem> {
    let mut found = Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok);
    found.find(|pem| pem.label == "CERTIFICATE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::init;

    #[test]
    fn a_bundle_is_for_its_node_and_a_mixed_one_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let mut out = Vec::new();
        let issued = |authority: &str, node: &str, out: &mut Vec<u8>| {
            let dir = home.path().join(authority);
            drop(init(&dir, authority, out));
            let file = home.path().join(format!("{authority}-{node}.bundle"));
            let request = Issue { node, dir: &dir, to: None, addresses: &[] };
            issue_bundle(&request, &file, None, out).expect("issued");
            assert!(matches!(
                issue_bundle(&request, &file, None, out),
                Err(CaError::Exists { .. })
            ));
            Bundle::read(&file).expect("a bundle")
        };
        let alpha = issued("web", "alpha", &mut out);
        let beta = issued("web", "beta", &mut out);
        let other = issued("db", "alpha", &mut out);
        let told = String::from_utf8(out).expect("text");
        assert!(told.contains("bossctl install-bundle alpha.bundle"), "{told}");
        let identity = check_bundle(&alpha).expect("sound");
        assert_eq!((identity.cluster(), identity.node()), ("web", "alpha"));
        let mixed = Bundle { key: beta.key, ..alpha.clone() };
        assert!(check_bundle(&mixed).expect_err("mixed").contains("is not the key"));
        let mixed = Bundle { ca: other.ca, ..alpha.clone() };
        assert!(check_bundle(&mixed).expect_err("mixed").contains("another authority"));
        let empty = Bundle { certificate: String::new(), ..alpha };
        assert!(check_bundle(&empty).expect_err("empty").contains("no certificate"));
    }
}
