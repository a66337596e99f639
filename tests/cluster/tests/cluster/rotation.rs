//! Certificates, keys and the authority change under a running cluster: no boss is lost for it, and
//! files that are wrong change nothing and are told.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bossctl::ca;
use control::model::{Certificate, Level, Member, Status};
use control::reload::Effect;
use harness::{Bed, until};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

use crate::reload::{effects, reload};
use crate::three;

const DAY: i64 = 86_400;

fn tls(bed: &Bed, index: usize, file: &str) -> PathBuf {
    bed.node(index).dir.join("tls").join(file)
}

fn renew(bed: &Bed, index: usize, authority: &Path, key: ca::RenewKey) {
    let node = bed.node(index);
    let to = node.dir.join("tls");
    let request = ca::Issue { node: &node.name, dir: authority, to: Some(&to), addresses: &[] };
    ca::renew(&request, key, &mut io::sink()).unwrap_or_else(|error| panic!("{error}"));
}

fn certificate(bed: &Bed, index: usize) -> Certificate {
    until("a status with a certificate", || bed.node(index).status().ok()?.certificate)
}

/// All three are connected with each other.
fn connected(bed: &mut Bed) {
    bed.until("all are connected", |seen| {
        let all = |status: &Status| status.quorum.connected == 3;
        seen.iter().all(|seen| seen.status().is_some_and(all)).then_some(())
    });
}

/// Whether a node has ended a connection for its certificate.
fn has_ended_one(bed: &Bed, index: usize) -> bool {
    let log = fs::read(bed.node(index).log()).unwrap_or_default();
    String::from_utf8_lossy(&log).contains(ENDED_ONE)
}

const ENDED_ONE: &str = "connecting anew, for its certificate is from an authority";

#[test]
fn certificates_keys_and_the_authority_change_node_by_node_without_a_failover() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    connected(&mut bed);
    let (old, new) = (bed.dir().join("ca"), bed.dir().join("new-ca"));

    for index in 0..3 {
        let before = certificate(&bed, index);
        renew(&bed, index, &old, ca::RenewKey::Another);
        let outcome = reload(&bed, index);
        let wanted = [("tls.certificate", Effect::Taken), ("tls.key", Effect::Taken)];
        assert_eq!(effects(&outcome), wanted, "{outcome:?}");
        let told = until("the new certificate", || {
            Some(certificate(&bed, index)).filter(|now| now.fingerprint != before.fingerprint)
        });
        assert!(told.days_left >= 729, "{told:?}");
        bed.agree_on(&boss);
    }

    ca::init(&new, "test", &mut io::sink()).expect("made");
    let pem = |dir: &Path| fs::read_to_string(dir.join("ca.crt")).expect("made");
    let both = pem(&old) + &pem(&new);
    for index in 0..3 {
        fs::write(tls(&bed, index, "ca.crt"), &both).expect("ours");
        let outcome = reload(&bed, index);
        assert_eq!(effects(&outcome), [("tls.ca", Effect::Taken)], "{outcome:?}");
    }
    for index in 0..3 {
        renew(&bed, index, &new, ca::RenewKey::Keep);
        assert!(reload(&bed, index).taken);
        bed.agree_on(&boss);
    }
    // All of that under the connections of the start.
    assert!((0..3).all(|index| !has_ended_one(&bed, index)));
    for index in 0..3 {
        fs::write(tls(&bed, index, "ca.crt"), pem(&new)).expect("ours");
        let outcome = reload(&bed, index);
        assert!(outcome.taken, "{outcome:?}");
        // What the old one vouched for ends, and comes back by the new one. The last node has none of
        // that left.
        if index < 2 {
            bed.logged(index, ENDED_ONE);
        }
        connected(&mut bed);
        bed.agree_on(&boss);
    }
    // A node that starts now knows the cluster by the new authority alone.
    let other = (boss.index + 1) % 3;
    bed.node(other).stop();
    assert!(bed.gone(other).expect("ended").success());
    bed.start_node(other).expect("started");
    connected(&mut bed);
    bed.agree_on(&boss);
    // Who has not seen both together does not; and a new life begins with the new one alone.
    bed.node(other).stop();
    assert!(bed.gone(other).expect("ended").success());
    fs::remove_file(bed.node(other).dir.join("state/authorities")).expect("it was written");
    bed.start_node(other).expect("started");
    assert_eq!(bed.gone(other).expect("ended").code(), Some(65), "the state is another cluster's");
    let state = bed.node(other).dir.join("state");
    fs::remove_dir_all(&state).expect("ours");
    bed.start_node(other).expect("started");
    bed.until("it is among the others", |seen| {
        let status = seen[other].status()?;
        let follows = status.boss.as_ref().is_some_and(|it| it.node == boss.name);
        (status.quorum.connected == 3 && follows).then_some(())
    });
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.len(), 1, "nothing was demoted: {effects:?}");
}

/// One that `bossctl ca` would not issue, valid for so many seconds from and to now.
fn issue_between(bed: &Bed, index: usize, from: i64, to: i64) {
    let authority = bed.dir().join("ca");
    let read = |name: &str| fs::read_to_string(authority.join(name)).expect("made");
    let key = KeyPair::from_pem(&read("ca.key")).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), key).expect("an authority");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let at = |offset: i64| {
        let seconds = now.as_secs().checked_add_signed(offset).expect("a date");
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let node = &bed.node(index).name;
    let mut params = CertificateParams::default();
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
    fs::write(tls(bed, index, "node.crt"), certificate.pem()).expect("ours");
    fs::write(tls(bed, index, "node.key"), own.serialize_pem()).expect("ours");
}

/// What the answer says, and what makes it so.
type Fault<'a> = (&'a str, &'a dyn Fn(&Bed));

#[test]
fn files_that_are_wrong_are_not_taken_and_the_answer_says_why() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let index = boss.index;
    let files = ["ca.crt", "node.crt", "node.key"];
    let sound: Vec<_> =
        files.iter().map(|file| fs::read(tls(&bed, index, file)).expect("there")).collect();
    let before = certificate(&bed, index);
    let foreign = bed.dir().join("another-ca");
    ca::init(&foreign, "test", &mut io::sink()).expect("made");
    let issued = bed.dir().join("issued");
    let name = bed.node(index).name.clone();
    let request = ca::Issue { node: &name, dir: &foreign, to: Some(&issued), addresses: &[] };
    ca::issue(&request, &mut io::sink()).expect("issued");

    let take = |bed: &Bed, names: &[&str]| {
        for name in names {
            fs::copy(issued.join(name), tls(bed, index, name)).expect("copied");
        }
    };
    let faults: [Fault<'_>; 7] = [
        ("node.key: is not the key of", &|bed| take(bed, &["node.key"])),
        ("another authority issued it", &|bed| take(bed, &["node.crt", "node.key"])),
        ("holds no authority that this cluster is known by", &|bed| take(bed, &files)),
        ("node.crt: expired on", &|bed| issue_between(bed, index, -2 * DAY, -DAY)),
        ("node.crt: is not valid before", &|bed| issue_between(bed, index, DAY, 2 * DAY)),
        ("node.key: cannot be read", &|bed| {
            fs::remove_file(tls(bed, index, "node.key")).expect("there");
        }),
        ("ca.crt: holds no readable certificate", &|bed| {
            fs::write(tls(bed, index, "ca.crt"), "nothing").expect("ours");
        }),
    ];
    for (why, fault) in faults {
        fault(&bed);
        let outcome = reload(&bed, index);
        assert!(!outcome.taken && outcome.changes.is_empty(), "{outcome:?}");
        assert!(outcome.problems.iter().any(|it| it.contains(why)), "{why}: {outcome:?}");
        assert_eq!(certificate(&bed, index).fingerprint, before.fingerprint, "{why}");
        for (file, bytes) in files.iter().zip(&sound) {
            let at = tls(&bed, index, file);
            fs::write(&at, bytes).expect("ours");
            fs::set_permissions(&at, fs::Permissions::from_mode(0o600)).expect("ours");
        }
        bed.agree_on(&boss);
    }
    let outcome = reload(&bed, index);
    assert!(outcome.taken && outcome.changes.is_empty(), "{outcome:?}");
    // No other node has noticed anything.
    connected(&mut bed);
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.len(), 1, "nothing was demoted: {effects:?}");
}

#[test]
fn a_certificate_that_ends_soon_or_cannot_be_read_is_told_before_it_matters() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let index = boss.index;
    let told = |bed: &mut Bed, asked: usize, words: &str| {
        bed.until(&format!("a posture with {words:?}"), |seen| {
            let status = seen[asked].status()?;
            let reasons = &status.posture.reasons;
            let degraded = status.posture.level == Level::Degraded;
            (degraded && reasons.iter().any(|it| it.contains(words))).then_some(())
        });
    };
    let name = bed.node(index).name.clone();
    issue_between(&bed, index, -DAY, 5 * DAY + 60);
    assert!(reload(&bed, index).taken);
    // Each node says it, whichever is asked, of connections that show the one from before.
    for asked in 0..3 {
        told(&mut bed, asked, &format!("the certificate of {name} expires in 5 days"));
        let status = bed.node(asked).status().expect("it answers");
        let days = |it: &Member| it.certificate.map(|it| it.days_left);
        assert!(status.members.iter().all(|it| days(it).is_some()), "{status:?}");
        assert_eq!(status.member(&name).and_then(days), Some(5));
    }
    assert_eq!(certificate(&bed, index).days_left, 5);

    renew(&bed, index, &bed.dir().join("ca"), ca::RenewKey::Keep);
    assert!(reload(&bed, index).taken);
    bed.until("postures that are SAFE again", |seen| {
        let safe = |status: &Status| status.posture.level == Level::Safe;
        seen.iter().all(|seen| seen.status().is_some_and(safe)).then_some(())
    });
    // Seen without anybody asking: the next start would fail.
    let key = tls(&bed, index, "node.key");
    let away = key.with_extension("away");
    fs::rename(&key, &away).expect("ours");
    told(&mut bed, index, "node.key: cannot be read");
    assert!(certificate(&bed, index).trouble.is_some_and(|why| why.contains("node.key")));
    fs::rename(&away, &key).expect("ours");
    bed.until("no trouble any more", |seen| {
        seen[index].status()?.certificate.as_ref()?.trouble.is_none().then_some(())
    });
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}
