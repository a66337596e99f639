//! Who is let in: certificates, the cluster's name, and files that must be the same.

use std::fs;
use std::io;
use std::path::Path;

use bossctl::ca;
use control::model::Status;
use harness::{Acting, Bed, acting};

use crate::three;

const GAMMA: usize = 2;

#[test]
fn a_node_of_another_authority_is_not_let_in() {
    let mut bed = Bed::prepare(&three());
    issue_from_another_authority(&bed, "test");
    bed.start_all().expect("started");
    let boss = elected_without_gamma(&mut bed);
    bed.logged(boss.index, "gamma");
    bed.judge(Some(&boss));
}

#[test]
fn a_node_of_another_cluster_name_is_not_let_in() {
    let mut bed = Bed::prepare(&three());
    edit(&bed.node(GAMMA).config(), "name = \"test\"", "name = \"other\"");
    bed.start_all().expect("started");
    // Its certificate is for this cluster's name, and it says which name it has itself.
    assert_eq!(bed.gone(GAMMA).expect("ended").code(), Some(78));
    let line = bed.logged(GAMMA, "other");
    assert!(line.contains("test"), "{line}");
    let boss = bed.boss();
    // With a certificate for that name it is still another cluster.
    issue_from_another_authority(&bed, "other");
    bed.start_node(GAMMA).expect("started");
    bed.until("a gamma that answers", |seen| seen[GAMMA].status().map(|_| ()));
    let boss_now = elected_without_gamma(&mut bed);
    assert_eq!(boss, boss_now);
    bed.judge(Some(&boss));
}

#[test]
fn a_certificate_of_another_node_is_refused_at_the_start() {
    let mut bed = Bed::prepare(&three());
    for file in ["node.crt", "node.key"] {
        let (from, to) = (bed.node(0).dir.join("tls"), bed.node(GAMMA).dir.join("tls"));
        fs::copy(from.join(file), to.join(file)).expect("copied");
    }
    bed.start_all().expect("started");
    assert_eq!(bed.gone(GAMMA).expect("ended").code(), Some(78));
    let line = bed.logged(GAMMA, "node.crt");
    assert!(line.contains("alpha") && line.contains("gamma"), "{line}");
    let boss = bed.boss();
    bed.judge(Some(&boss));
}

#[test]
fn files_that_differ_before_the_first_start_are_told_by_the_key() {
    let mut bed = Bed::prepare(&three());
    edit(&bed.node(GAMMA).config(), "profile = \"lan\"", "profile = \"lan\"\nlease = \"500ms\"");
    bed.start_all().expect("started");
    let line = bed.logged(GAMMA, "timing.lease");
    assert!(line.contains("alpha") || line.contains("beta"), "{line}");
    let boss = elected_without_gamma(&mut bed);
    // Mended, it joins.
    bed.node(GAMMA).stop();
    assert!(bed.gone(GAMMA).expect("ended").success());
    edit(&bed.node(GAMMA).config(), "\nlease = \"500ms\"", "");
    bed.start_node(GAMMA).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

/// Waits for the boss of alpha and beta; gamma is nobody's peer.
fn elected_without_gamma(bed: &mut Bed) -> Acting {
    let lonely = |status: &Status| status.boss.is_none() && status.quorum.connected == 1;
    bed.until("a boss of two without gamma", |seen| {
        let boss = acting(seen).filter(|acting| acting.index != GAMMA)?;
        let two = seen[..GAMMA].iter().all(|seen| {
            seen.status().is_some_and(|it| it.boss.as_ref().is_some_and(|it| it.node == boss.name))
        });
        (two && seen[GAMMA].status().is_none_or(lonely)).then_some(boss)
    })
}

fn issue_from_another_authority(bed: &Bed, cluster: &str) {
    let authority = bed.dir().join("another-ca");
    let to = bed.node(GAMMA).dir.join("tls");
    fs::remove_dir_all(&to).expect("it was issued");
    ca::init(&authority, cluster, &mut io::sink()).expect("made");
    let request = ca::Issue { node: "gamma", dir: &authority, to: Some(&to), addresses: &[] };
    ca::issue(&request, &mut io::sink()).expect("issued");
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("read");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).expect("written");
}
