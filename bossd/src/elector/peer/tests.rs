//! The peer layer over loopback: who is let in, what stays, what arrives.

pub(super) mod bench;

use std::net::{SocketAddr, UdpSocket};

use election::{Moment, Span};
use rustls_pki_types::CertificateDer;

use self::bench::{
    Authority, Cluster, HOUR, Node, Process, Raw, free_address, incarnation, until, within,
};
use super::frame::{Frame, FrameError, MAX_DATAGRAM, MAX_FRAME};
use super::{ClusterKind, PeerEvent, PeerSettings, TlsMaterial, cluster_id, cluster_ids};
use crate::clock::{now, pause};

fn frame(text: &str) -> Frame {
    Frame::new(40, text.as_bytes().to_vec())
}

async fn pair(cluster: &Cluster) -> (Node, Node) {
    let mut alpha = Node::start(cluster.settings("alpha"));
    let mut beta = Node::start(cluster.settings("beta"));
    alpha.connected("beta").await;
    beta.connected("alpha").await;
    (alpha, beta)
}

#[tokio::test]
async fn two_nodes_connect_and_exchange_streams_and_datagrams() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let mut beta = Node::start(cluster.settings("beta"));
    assert_eq!(alpha.connected("beta").await, incarnation("beta"));
    assert_eq!(beta.connected("alpha").await, incarnation("alpha"));

    alpha.peers.send("beta", &frame("vote")).expect("short");
    beta.peers.send_datagram("alpha", &frame("heartbeat")).expect("short");
    assert_eq!(beta.received("alpha").await, b"vote");
    assert_eq!(alpha.received("beta").await, b"heartbeat");

    let longest = Frame::new(41, vec![3; MAX_FRAME - 4]);
    alpha.peers.send("beta", &longest).expect("the longest");
    assert_eq!(beta.received("alpha").await, longest.body);
    let full = Frame::new(42, vec![4; MAX_DATAGRAM - 4]);
    alpha.peers.send_datagram("beta", &full).expect("fits");
    assert_eq!(beta.received("alpha").await, full.body);

    let link = &alpha.peers.links()[0];
    assert!(link.connected && link.rtt_us.is_some() && link.last_error.is_none(), "{link:?}");
    assert_eq!((link.incarnation, link.dropped), (Some(incarnation("beta")), 0));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_to_the_sender() {
    let cluster = Cluster::of(&["alpha"]);
    let alpha = Node::start(cluster.settings("alpha"));
    let long = |size| Frame::new(1, vec![0; size]);
    let too_long = |outcome| matches!(outcome, Err(FrameError::TooLong { .. }));
    assert!(too_long(alpha.peers.send_datagram("beta", &long(MAX_DATAGRAM))));
    assert!(too_long(alpha.peers.send("beta", &long(MAX_FRAME))));
}

#[tokio::test]
async fn another_authority_is_refused_on_both_sides() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let tls = Authority::new().issue("web", "beta");
    let mut beta = Node::start(PeerSettings { tls, ..cluster.settings("beta") });
    let event = alpha.refused("refused beta: its certificate is not from this cluster").await;
    assert!(matches!(event, PeerEvent::Refused { peer: Some(peer), .. } if peer == "beta"));
    beta.refused("not from this cluster's authority").await;
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let end = Raw::dial_without_certificate(&cluster.authority, cluster.address("alpha")).await;
    assert!(end.contains("certificate"), "{end}");
    alpha.refused("its certificate was not shown").await;
}

#[tokio::test]
async fn a_node_that_is_no_member_is_refused_by_name() {
    let cluster = Cluster::of(&["alpha", "beta", "gamma"]);
    let mut settings = cluster.settings("alpha");
    settings.members.retain(|member| member.name != "gamma");
    let mut alpha = Node::start(settings);
    let mut gamma = Node::start(cluster.settings("gamma"));
    alpha.refused("gamma is not a member of cluster web as alpha knows it").await;
    gamma.refused("alpha refuses this node: gamma is not a member").await;
}

#[tokio::test]
async fn a_stranger_from_elsewhere_proves_its_address_and_is_refused_all_the_same() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
    let material = cluster.authority.issue("web", "delta");
    let raw = Raw::dial(elsewhere, &material, cluster.address("alpha"), "alpha.web.boss").await;
    // Without having said a word.
    let event = alpha.refused("delta is not a member").await;
    assert!(matches!(event, PeerEvent::Refused { peer: Some(_), .. }));
    let end = within(raw.connection.closed()).await.to_string();
    assert!(end.contains("delta is not a member"), "{end}");
}

#[tokio::test]
async fn a_certificate_for_another_name_than_the_node_gives_is_refused() {
    let cluster = Cluster::of(&["alpha", "beta", "gamma"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let tls = cluster.authority.issue("web", "beta");
    let mut gamma = Node::start(PeerSettings { tls, ..cluster.settings("gamma") });
    alpha.refused("certificate is for node beta, but the node calls itself \"gamma\"").await;
    gamma.refused("certificate is for node beta, but the node calls itself \"gamma\"").await;
}

#[tokio::test]
async fn a_peer_that_answers_with_anothers_certificate_is_refused() {
    let cluster = Cluster::of(&["alpha", "beta", "gamma"]);
    let tls = cluster.authority.issue("web", "beta");
    let mut gamma = Node::start(PeerSettings { tls, members: vec![], ..cluster.settings("gamma") });
    let mut alpha = Node::start(cluster.settings("alpha"));
    alpha.refused("refused gamma: its certificate is for another name").await;
    gamma.refused("the certificate of this node is for another name").await;
}

#[tokio::test]
async fn another_cluster_under_the_same_authority_is_refused() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let settings = cluster.settings("alpha");
    let mut alpha = Node::start(settings.clone());
    let material = cluster.authority.issue("shop", "beta");
    let raw = Raw::dial(free_address(), &material, settings.listen, "alpha.web.boss").await;
    let words = "beta has a certificate for cluster shop, and alpha belongs to cluster web";
    alpha.refused(words).await;
    let end = within(raw.connection.closed()).await.to_string();
    assert!(end.contains(words), "{end}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_with_what_to_do() {
    for (from, to, words) in [
        (-2 * HOUR, -HOUR, "has expired: issue a new one"),
        (HOUR, 2 * HOUR, "is not valid yet: check the clock of both servers"),
    ] {
        let cluster = Cluster::of(&["alpha", "beta"]);
        let mut alpha = Node::start(cluster.settings("alpha"));
        let tls = cluster.authority.issue_between("web", "beta", from, to);
        let mut beta = Node::start(PeerSettings { tls, ..cluster.settings("beta") });
        alpha.refused(&format!("refused beta: its certificate {words}")).await;
        beta.refused(&format!("alpha refuses this node: the certificate of this node {words}"))
            .await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_counts_without_a_restart() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let tls = cluster.authority.issue_between("web", "beta", -2 * HOUR, -HOUR);
    let settings = PeerSettings { tls, ..cluster.settings("beta") };
    let beta = Node::start(settings.clone());
    alpha.refused("has expired").await;
    let mixed = TlsMaterial {
        key: cluster.authority.issue("web", "beta").key,
        ..cluster.authority.issue("web", "beta")
    };
    assert!(beta.peers.renew(&mixed, &settings.cluster_ids).is_err(), "the key of another");
    let sound = cluster.authority.issue("web", "beta");
    beta.peers.renew(&sound, &settings.cluster_ids).expect("sound material");
    while !matches!(alpha.event().await, PeerEvent::Connected { .. }) {}
}

/// The certificate that alpha was shown by beta at the start of the connection in use.
fn shown(alpha: &Node) -> Vec<u8> {
    let seen = std::cell::RefCell::new(Vec::new());
    let peer = &alpha.peers.shared.peers["beta"].state;
    peer.end_unless(
        |connection| {
            let chain = connection.peer_identity().expect("a certificate");
            let chain = chain.downcast::<Vec<CertificateDer<'static>>>().expect("a chain");
            seen.replace(chain[0].to_vec());
            true
        },
        "never",
    );
    seen.into_inner()
}

#[tokio::test]
async fn the_authority_changes_under_running_connections_which_end_only_when_it_is_gone() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let (mut alpha, mut beta) = pair(&cluster).await;
    let ids = cluster.settings("alpha").cluster_ids;
    let (old, new) = (&cluster.authority, Authority::new());
    let both = [old.pem(), new.pem()].concat();
    let before = shown(&alpha);
    let with_ca = |authority: &Authority, node: &str, pem: &[u8]| {
        let mut material = authority.issue("web", node);
        material.ca.pem = pem.to_vec();
        material
    };
    // Both authorities first, then certificates of the new one: no connection ends.
    for authority in [old, &new] {
        for (node, name) in [(&alpha, "alpha"), (&beta, "beta")] {
            node.peers.renew(&with_ca(authority, name, &both), &ids).expect("sound");
        }
    }
    alpha.peers.send("beta", &frame("still")).expect("short");
    assert_eq!(beta.received("alpha").await, b"still");
    assert_eq!(shown(&alpha), before, "the same connection");
    // The old one goes: what it vouched for is ended, and both find each other anew.
    for (node, name) in [(&alpha, "alpha"), (&beta, "beta")] {
        node.peers.renew(&with_ca(&new, name, &new.pem()), &ids).expect("sound");
    }
    alpha.lost("beta").await;
    alpha.connected("beta").await;
    until(|| shown_if_connected(&alpha).is_some_and(|now| now != before)).await;
    drop(beta);
}

fn shown_if_connected(alpha: &Node) -> Option<Vec<u8>> {
    alpha.peers.links()[0].connected.then(|| shown(alpha)).filter(|shown| !shown.is_empty())
}

#[tokio::test]
async fn a_shadow_is_not_let_in_by_a_node_that_acts() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let cluster_ids =
        vec![cluster_id(&cluster.authority.pem(), "web", ClusterKind::Shadow).expect("an id")];
    let mut beta =
        Node::start(PeerSettings { cluster_ids, shadow: true, ..cluster.settings("beta") });
    alpha.refused("beta is a shadow").await;
    beta.refused("beta is a shadow").await;
}

#[tokio::test]
async fn unborn_nodes_with_different_files_refuse_each_other_and_name_the_keys() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let other = PeerSettings {
        canonical: "[timing]\nprofile = fast\n".to_owned(),
        unborn: true,
        ..cluster.settings("beta")
    };
    let mut alpha = Node::start(cluster.settings("alpha"));
    let mut beta = Node::start(other);
    // Whoever accepts first says it, from its own point of view.
    alpha.refused("cluster-wide part of cluster.toml differs between").await;
    let PeerEvent::Refused { reason, .. } = beta.refused("timing.profile").await else {
        unreachable!()
    };
    assert!(reason.contains("alpha: lan") && reason.contains("beta: fast"), "{reason}");
    beta.peers.born();
    while !matches!(alpha.event().await, PeerEvent::Connected { .. }) {}
}

#[tokio::test]
async fn a_refusal_is_said_once_and_not_at_every_attempt() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut settings = cluster.settings("alpha");
    settings.members.retain(|member| member.name == "alpha");
    let mut alpha = Node::start(settings);
    let beta = Node::start(cluster.settings("beta"));
    alpha.refused("not a member").await;
    // Beta goes on trying; alpha has nothing new to say until a peer is really lost or refused.
    let attempts = || beta.peers.shared.endpoint.stats().outgoing_handshakes;
    let before = attempts();
    until(|| attempts() >= before + 3).await;
    assert!(alpha.events.try_recv().is_err(), "said again");
}

#[tokio::test]
async fn when_both_dial_one_connection_stays_and_nothing_is_lost() {
    for _ in 0..10 {
        let cluster = Cluster::of(&["alpha", "beta"]);
        let (mut alpha, mut beta) = pair(&cluster).await;
        for n in 0..100 {
            alpha.peers.send("beta", &frame(&n.to_string())).expect("short");
            beta.peers.send("alpha", &frame(&n.to_string())).expect("short");
        }
        for (node, from) in [(&mut alpha, "beta"), (&mut beta, "alpha")] {
            let mut numbers = Vec::new();
            for _ in 0..100 {
                let body = String::from_utf8(node.received(from).await).expect("text");
                numbers.push(body.parse::<u32>().expect("a number"));
            }
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..100), "lost or doubled");
        }
        let one = |node: &Node| node.peers.shared.endpoint.open_connections() == 1;
        until(|| one(&alpha) && one(&beta)).await;
        // The same one on both sides, and nobody was told of the other.
        alpha.peers.send("beta", &frame("after")).expect("short");
        assert_eq!(beta.received("alpha").await, b"after");
        assert!(alpha.events.try_recv().is_err() && beta.events.try_recv().is_err());
    }
}

#[tokio::test]
async fn three_nodes_connect_each_to_each() {
    let cluster = Cluster::of(&["alpha", "beta", "gamma"]);
    let nodes = ["alpha", "beta", "gamma"].map(|name| Node::start(cluster.settings(name)));
    let all = |node: &Node| node.peers.links().iter().filter(|link| link.connected).count() == 2;
    until(|| nodes.iter().all(all)).await;
}

#[tokio::test]
async fn a_restarted_peer_replaces_its_old_connection_at_once() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut alpha = Node::start(cluster.settings("alpha"));
    let beta = Process::start(cluster.settings("beta"));
    alpha.connected("beta").await;
    drop(beta);
    let restarted = now();
    let _beta = Process::start(cluster.settings("beta"));
    println!("lost: {}", alpha.lost("beta").await);
    alpha.connected("beta").await;
    report("restart, both dial", restarted);
}

#[tokio::test]
async fn a_restarted_peer_that_cannot_dial_is_noticed_by_its_resets() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut unable = cluster.settings("beta");
    unable.members[0].address = free_address().to_string();
    let mut alpha = Node::start(cluster.settings("alpha"));
    let beta = Process::start(unable.clone());
    alpha.connected("beta").await;
    drop(beta);
    let restarted = now();
    let _beta = Process::start(unable);
    let heartbeat = frame("heartbeat");
    let reason = within(async {
        loop {
            alpha.peers.send_datagram("beta", &heartbeat).expect("short");
            match alpha.events.try_recv() {
                Ok(PeerEvent::Lost { reason, .. }) => break reason,
                _ => pause(Span::from_millis(5)).await.expect("a timer"),
            }
        }
    })
    .await;
    println!("lost: {reason}");
    report("restart, noticed", restarted);
    alpha.connected("beta").await;
    report("restart, only the survivor dials", restarted);
}

fn report(what: &str, since: Moment) {
    println!("{what}: {} us", since.elapsed(now()).as_nanos() / 1_000);
}

#[tokio::test]
async fn a_peer_that_went_is_dialled_again() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let mut unable = cluster.settings("beta");
    unable.members[0].address = free_address().to_string();
    let mut alpha = Node::start(cluster.settings("alpha"));
    let mut beta = Node::start(unable.clone());
    alpha.connected("beta").await;
    beta.connected("alpha").await;
    for n in 0..20 {
        beta.peers.send("alpha", &frame(&n.to_string())).expect("short");
    }
    beta.peers.close("beta stops").await;
    for n in 0..20 {
        assert_eq!(alpha.received("beta").await, n.to_string().as_bytes(), "sent before the close");
    }
    let reason = alpha.lost("beta").await;
    assert!(reason.contains("beta stops"), "{reason}");
    assert!(!alpha.peers.links()[0].connected);
    alpha.peers.send("beta", &frame("stale")).expect("short");
    assert_eq!(alpha.peers.links()[0].dropped, 1);
    until(|| UdpSocket::bind(unable.listen).is_ok()).await;
    let mut beta = Node::start(unable);
    alpha.connected("beta").await;
    beta.connected("alpha").await;
    alpha.peers.send("beta", &frame("fresh")).expect("short");
    assert_eq!(beta.received("alpha").await, b"fresh");
}

#[tokio::test]
async fn a_frame_over_the_limit_cuts_the_connection_and_names_the_peer() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let settings = cluster.settings("alpha");
    for bytes in [&[0xff; 8][..], &[0, 0, 0, 1][..], &[0, 0, 0, 9, 0, 40, 2, 0][..]] {
        let mut alpha = Node::start(settings.clone());
        let material = cluster.authority.issue("web", "beta");
        let raw = Raw::dial(free_address(), &material, settings.listen, "alpha.web.boss").await;
        assert_eq!(raw.introduce(&settings, "beta").await.node, "alpha");
        alpha.connected("beta").await;
        let mut stream = raw.connection.open_uni().await.expect("a stream");
        stream.write_all(bytes).await.expect("sent");
        let reason = alpha.lost("beta").await;
        assert!(
            reason.contains("beta sent a frame") || reason.contains("beta sent protocol"),
            "{reason}"
        );
        let end = within(raw.connection.closed()).await.to_string();
        assert!(end.contains("beta sent"), "{end}");
        alpha.peers.close("the test is over").await;
        until(|| UdpSocket::bind(settings.listen).is_ok()).await;
    }
}

#[tokio::test]
async fn a_peer_whose_message_is_none_is_cut_off_kept_out_for_a_while_and_shown() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let (mut alpha, mut beta) = pair(&cluster).await;
    // The second of two, when both dialled, would be refused before the first is lost.
    let one = |node: &Node| node.peers.shared.endpoint.open_connections() == 1;
    until(|| one(&alpha) && one(&beta)).await;
    alpha.peers.cut_off("beta", "a message of kind 5 that is none");
    let reason = alpha.lost("beta").await;
    assert_eq!(reason, "beta sent a message of kind 5 that is none");
    // Beta is told, and that it may come back.
    let reason = beta.lost("alpha").await;
    assert!(reason.contains("beta sent a message of kind 5 that is none"), "{reason}");
    beta.refused("is let in again after a pause").await;
    let cut_off = alpha.peers.links()[0].cut_off.clone();
    assert_eq!(cut_off.as_deref(), Some("a message of kind 5 that is none"));
    while !matches!(alpha.event().await, PeerEvent::Connected { .. }) {}
}

#[tokio::test]
async fn another_incarnation_does_not_take_the_place_of_the_one_that_the_cluster_knows() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let settings = cluster.settings("alpha");
    let (mut alpha, beta) = pair(&cluster).await;
    alpha.peers.set_known("beta", Some(incarnation("beta")));
    let twin = PeerSettings { listen: free_address(), ..cluster.settings("beta") };
    let twin = PeerSettings { incarnation: 666, ..twin };
    let mut other = Node::start(twin.clone());
    other.refused("another state directory").await;
    let PeerEvent::Refused { reason, .. } = alpha.event().await else { panic!("not refused") };
    assert!(reason.contains("refused beta: it came with another state directory"), "{reason}");
    assert_eq!(alpha.peers.links()[0].incarnation, Some(incarnation("beta")));
    drop(other);
    // With nobody there it is let in, for a wiped disk returns like this (protocol.md 6) ...
    beta.peers.close("beta stops").await;
    alpha.lost("beta").await;
    let material = cluster.authority.issue("web", "beta");
    let raw = Raw::dial(free_address(), &material, settings.listen, "alpha.web.boss").await;
    raw.introduce_with(&settings, "beta", 666).await;
    assert_eq!(alpha.connected("beta").await, 666);
    // ... and makes room for the one that is known.
    let _beta = Node::start(cluster.settings("beta"));
    assert_eq!(alpha.connected("beta").await, incarnation("beta"));
}

#[tokio::test]
async fn another_major_version_is_refused_before_its_hello_is_read() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let settings = cluster.settings("alpha");
    let mut alpha = Node::start(settings.clone());
    let material = cluster.authority.issue("web", "beta");
    let raw = Raw::dial(free_address(), &material, settings.listen, "alpha.web.boss").await;
    let (mut send, _receive) = raw.connection.open_bi().await.expect("a stream");
    send.write_all(&[0, 0, 0, 5, 0, 1, 2, 3, 0]).await.expect("sent");
    alpha.refused("protocol version 2.3, and this bossd speaks 1.0").await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_the_oldest_frames_and_no_memory() {
    let cluster = Cluster::of(&["alpha", "beta"]);
    let (alpha, mut beta) = pair(&cluster).await;
    let body = vec![0; 8 * 1024];
    for _ in 0..1_000 {
        alpha.peers.send("beta", &Frame::new(40, body.clone())).expect("short");
    }
    alpha.peers.send("beta", &frame("newest")).expect("short");
    let dropped = alpha.peers.links()[0].dropped;
    assert!(dropped > 0, "8 MB were queued");
    while beta.received("alpha").await != b"newest" {}
}

#[test]
fn the_cluster_id_is_of_the_authority_the_name_and_whether_it_acts() {
    let (ours, other) = (Authority::new().pem(), Authority::new().pem());
    let id_of = |pem: &[u8], name| cluster_id(pem, name, ClusterKind::Real);
    let id = id_of(&ours, "web").expect("an authority");
    assert_eq!(id_of(&ours, "web"), Ok(id));
    assert_ne!(id_of(&ours, "shop"), Ok(id));
    assert_ne!(id_of(&other, "web"), Ok(id));
    assert_ne!(cluster_id(&ours, "web", ClusterKind::Shadow), Ok(id));
    assert_eq!(uuid::Uuid::from_u128(id).get_version_num(), 8);
    assert!(id_of(b"garbage", "web").is_err());
    let both = cluster_ids(&[ours, other.clone()].concat(), "web", ClusterKind::Real);
    assert_eq!(both, Ok(vec![id, id_of(&other, "web").expect("an authority")]));
}
