//! Files that are sound and files that are not.

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

#[test]
fn two_authorities_may_be_there_and_one_of_them_must_have_issued_the_certificate() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut both = new.issue("web", "alpha");
    both.ca.pem = [old.pem(), new.pem()].concat();
    let facts = check(&both).expect("the second one issued it");
    assert_eq!(facts.authorities.len(), 2);
    // The authority was made a moment earlier.
    let longer = facts.authority_not_after - facts.not_after;
    assert!((23 * HOUR - 60..=23 * HOUR).contains(&longer), "{longer}");
    both.ca.pem = [old.pem(), Authority::new().pem()].concat();
    let error = check(&both).expect_err("neither").to_string();
    assert!(error.contains("another authority issued it"), "{error}");
    both.ca.pem = vec![old.pem(); MOST_AUTHORITIES + 1].concat();
    let error = check(&both).expect_err("too many").to_string();
    assert!(error.starts_with("ca.crt: holds 5 certificates"), "{error}");
}
