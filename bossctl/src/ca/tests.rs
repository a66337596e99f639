//! The authority in a temporary directory: what it makes is what the daemon accepts.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn issue_beta(dir: &Path, out: &mut Vec<u8>) -> Result<(), CaError> {
    let addresses = ["10.0.0.2".to_owned(), "fd00::2".to_owned(), "beta.example.org".to_owned()];
    issue(&Issue { node: "beta", dir, to: None, addresses: &addresses }, out)
}

fn text(out: &[u8]) -> &str {
    std::str::from_utf8(out).expect("text")
}

#[test]
fn an_authority_issues_what_show_reads_back() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("boss-ca");
    let mut out = Vec::new();
    init(&dir, "web", &mut out).expect("made");
    assert!(text(&out).contains("bossctl ca issue NODE"), "{}", text(&out));
    out.clear();
    issue_beta(&dir, &mut out).expect("issued");
    assert!(text(&out).contains("/etc/boss/tls"), "{}", text(&out));
    out.clear();
    show(&dir, &mut out).expect("shown");
    let shown = text(&out);
    for words in [
        "authority of cluster web",
        "CN=beta",
        "beta.web.boss, boss://web/node/beta, 10.0.0.2, fd00::2, beta.example.org",
        "3649 days left",
        "729 days left",
    ] {
        // A second may pass between making and showing, so the last day is never whole.
        let whole = words.replace("3649", "3650").replace("729", "730");
        assert!(shown.contains(words) || shown.contains(&whole), "{words} in {shown}");
    }
}

#[test]
fn nothing_is_ever_overwritten() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path();
    let mut out = Vec::new();
    init(dir, "web", &mut out).expect("made");
    let key = fs::read(dir.join("ca.key")).expect("there");
    assert!(matches!(init(dir, "web", &mut out), Err(CaError::Exists { .. })));
    issue_beta(dir, &mut out).expect("issued");
    assert!(matches!(issue_beta(dir, &mut out), Err(CaError::Exists { .. })));
    assert_eq!(fs::read(dir.join("ca.key")).expect("there"), key);
    fs::remove_file(dir.join("ca.crt")).expect("there");
    assert!(matches!(init(dir, "web", &mut out), Err(CaError::Exists { .. })), "the key is left");
}

#[test]
fn keys_are_for_their_owner_alone() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("boss-ca");
    let mut out = Vec::new();
    init(&dir, "web", &mut out).expect("made");
    issue_beta(&dir, &mut out).expect("issued");
    let mode =
        |path: &str| fs::metadata(dir.join(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("beta/node.key")), (0o600, 0o600));
    assert_eq!((mode(""), mode("beta")), (0o700, 0o700));
}

#[test]
fn a_certificate_holds_what_the_daemon_asks_for() {
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path();
    let mut out = Vec::new();
    init(dir, "web", &mut out).expect("made");
    issue_beta(dir, &mut out).expect("issued");
    let ca = read_certificates(&dir.join("beta/ca.crt")).expect("there").swap_remove(0);
    let leaf = read_certificates(&dir.join("beta/node.crt")).expect("there").swap_remove(0);
    let (ca, leaf) = (parse(dir, &ca).expect("sound"), parse(dir, &leaf).expect("sound"));

    // Signed by the authority, by the bytes of the signature.
    let signed = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_ASN1,
        &*ca.public_key().subject_public_key.data,
    );
    signed.verify(leaf.tbs_certificate.as_ref(), &leaf.signature_value.data).expect("signed");
    assert_eq!(leaf.issuer().as_raw(), ca.subject().as_raw());

    // The key is the certificate's.
    let key = KeyPair::from_pem(&read(&dir.join("beta/node.key")).expect("there")).expect("a key");
    assert_eq!(&*leaf.public_key().subject_public_key.data, key.public_key_raw());

    // Both directions, no authority itself, dates with room for a slow clock.
    let usage = leaf.extended_key_usage().expect("sound").expect("there").value;
    assert!(usage.server_auth && usage.client_auth && !leaf.is_ca() && ca.is_ca());
    assert!(leaf.validity().not_before.timestamp() <= now() - CLOCK_SKEW + 60);
    let names = names_of(&leaf);
    let mut names = names.split(", ");
    let dns = Identity::parse_dns_name(names.next().expect("a name")).expect("ours");
    let uri = Identity::parse_uri(names.next().expect("a name")).expect("ours");
    assert_eq!((dns.node(), dns.cluster()), ("beta", "web"));
    assert_eq!(dns, uri);
}

#[test]
fn what_cannot_be_used_is_named_with_its_reason() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (one, two) = (temporary.path().join("one"), temporary.path().join("two"));
    let mut out = Vec::new();
    assert!(matches!(init(&one, "We b", &mut out), Err(CaError::Name(_))));
    init(&one, "web", &mut out).expect("made");
    init(&two, "web", &mut out).expect("made");
    let request = |node, addresses| Issue { node, dir: &one, to: None, addresses };
    assert!(matches!(issue(&request("a.b", &[]), &mut out), Err(CaError::Name(_))));
    let odd = ["10.0.0.1:26770".to_owned()];
    assert!(matches!(issue(&request("a", &odd), &mut out), Err(CaError::Address { .. })));
    fs::copy(two.join("ca.key"), one.join("ca.key")).expect("copied");
    let error = issue(&request("a", &[]), &mut out).expect_err("mixed up").to_string();
    assert!(error.contains("not the key of the ca.crt"), "{error}");
    let error = show(&temporary.path().join("none"), &mut out).expect_err("not there").to_string();
    assert!(error.contains("cannot read"), "{error}");
    assert!(matches!(show(temporary.path(), &mut out), Err(CaError::NothingThere { .. })));
}
