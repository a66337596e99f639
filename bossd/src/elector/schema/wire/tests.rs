//! What comes over the wire: the same as went, or refused.

use election::{ClusterState, Kind, Member, Members, Policy, Profile, Timing, Version};

use super::*;

fn sender() -> Sender {
    let node = NodeId::new("alpha");
    Sender { cluster: ClusterId(7), node, incarnation: Incarnation(u128::MAX - 3) }
}

fn every_message() -> Vec<Message> {
    let version = Version { term: Term(9), index: 4 };
    let member = Member {
        address: election::Address::Host("alpha.example".into(), 26770),
        kind: Kind::Voter,
        priority: 100,
        incarnation: Some(Incarnation(5)),
        joined: 0,
        drained: None,
    };
    let members = Members::new([(NodeId::new("alpha"), member)]).expect("valid");
    let state = ClusterState::unborn(members, Timing::of(Profile::Lan), Policy::default());
    let refusal = Refusal::Promise { to: Some(NodeId::new("beta")), left: Span::from_millis(3) };
    let handover = VoteKind::Handover {
        from: NodeId::new("beta"),
        incarnation: Incarnation(8),
        term: Term(8),
    };
    vec![
        Message::PreVote { proposed: Term(10), version, attempt: 3, rank: 1 },
        Message::PreVoteReply {
            attempt: 3,
            refusal: Some(refusal),
            version,
            better: Some(NodeId::new("beta")),
            promise_left: Span::from_millis(3),
        },
        Message::Vote { version, kind: handover },
        Message::VoteReply { vote: Term(10), refusal: Some(Refusal::OldVersion(version)) },
        Message::Heartbeat {
            seq: 1,
            version,
            promise: Span::from_millis(410),
            phase: Phase::Boss,
            epoch: Some(Epoch(9)),
        },
        Message::HeartbeatReply { seq: Some(1), version, facts: Facts::default() },
        Message::Publish { state: Arc::new(state) },
        Message::PublishReply { version },
        Message::TakeOver { version, window: Span::from_millis(813) },
        Message::Released { epoch: Epoch(9), term: Term(9) },
        Message::Confirmed {
            node: NodeId::new("beta"),
            incarnation: Incarnation(2),
            term: Term(9),
        },
    ]
}

#[test]
fn every_message_comes_back_as_it_went() {
    for message in every_message() {
        let Sender { cluster, node, incarnation } = sender();
        let envelope = Envelope { cluster, from: node, incarnation, term: Term(10), message };
        let frame = encode(&envelope);
        assert_eq!(decode(&frame, sender()), Ok(envelope));
    }
}

#[test]
fn a_heartbeat_fits_a_datagram_many_times_over() {
    for message in every_message().into_iter().filter(Message::is_datagram) {
        let Sender { cluster, node, incarnation } = sender();
        let term = Term(u64::MAX);
        let frame = encode(&Envelope { cluster, from: node, incarnation, term, message });
        assert!(frame.body.len() < 100, "{} bytes", frame.body.len());
    }
}

#[test]
fn garbage_and_truncated_bodies_are_refused() {
    for message in every_message() {
        let Sender { cluster, node, incarnation } = sender();
        let envelope = Envelope { cluster, from: node, incarnation, term: Term(10), message };
        let mut frame = encode(&envelope);
        frame.body.pop();
        assert!(decode(&frame, sender()).is_err(), "kind {}", frame.kind);
    }
    let unknown = Frame::new(999, vec![1, 2, 3]);
    assert_eq!(decode(&unknown, sender()), Err(SchemaError::UnknownKind(999)));
}

fn decoded(message: Message, term: u64) -> Result<Envelope, SchemaError> {
    let Sender { cluster, node, incarnation } = sender();
    let term = Term(term);
    let frame = encode(&Envelope { cluster, from: node, incarnation, term, message });
    decode(&frame, sender())
}

fn published(change: impl FnOnce(&mut ClusterState)) -> Result<Envelope, SchemaError> {
    let state = every_message().into_iter().find_map(|message| match message {
        Message::Publish { state } => Some(state),
        _ => None,
    });
    let mut state = state.expect("one is a Publish").as_ref().clone();
    state.version = Version { term: Term(9), index: 4 };
    change(&mut state);
    decoded(Message::Publish { state: Arc::new(state) }, 10)
}

#[test]
fn a_member_cannot_take_a_vote_out_of_the_cluster_by_a_promise_without_end() {
    let heartbeat = |promise| Message::Heartbeat {
        seq: 1,
        version: Version::default(),
        promise,
        phase: Phase::Idle,
        epoch: None,
    };
    assert!(decoded(heartbeat(LONGEST_PROMISE), 10).is_ok());
    let longer = LONGEST_PROMISE.plus(Span::from_nanos(1));
    assert!(decoded(heartbeat(longer), 10).is_err());
}

#[test]
fn a_state_that_would_stop_the_cluster_for_good_is_refused() {
    use election::{Claim, Drained, Held, HoldOff, HoldOffCause};
    let (alpha, long) = (NodeId::new("alpha"), Span::from_secs(3_600));
    let held = |epoch, fence| {
        let (node, incarnation) = (NodeId::new("alpha"), Incarnation(5));
        Claim::Held(Held { node, incarnation, epoch: Epoch(epoch), fence, rho_ppm: 5_000 })
    };
    assert!(published(|_| {}).is_ok());
    assert!(published(|state| state.claim = held(9, Span::from_millis(800))).is_ok());
    assert!(published(|state| state.claim = held(9, long)).is_err(), "a fence window of an hour");
    assert!(published(|state| state.claim = held(9, Span::ZERO)).is_err(), "no fence window");
    assert!(published(|state| state.claim = held(10, long)).is_err(), "an epoch to come");
    assert!(published(|state| state.version.term = Term(11)).is_err(), "a term to come");
    assert!(published(|state| state.version.index = u64::MAX).is_err(), "no index after it");
    assert!(published(|state| state.timing.slot = long).is_err(), "a slot of an hour");
    let hold_off =
        HoldOff { failures: 1, span: long, cause: HoldOffCause::Resigned, begun: 1, ended: false };
    let insert = |state: &mut ClusterState| {
        state.hold_offs.insert(alpha.clone(), hold_off);
    };
    assert!(published(insert).is_err(), "a hold-off of an hour");
    for reason in ["a".repeat(100_000), "a\u{0}".to_owned()] {
        let drained = published(|state| {
            let mut members: Vec<_> =
                state.members.iter().map(|(name, m)| (name.clone(), m.clone())).collect();
            members[0].1.drained = Some(Drained { until: None, reason });
            state.members = Members::new(members).expect("valid");
        });
        assert!(drained.is_err(), "a reason that the state file has no room for");
    }
}

#[test]
fn an_address_means_the_same_to_every_node_that_passes_it_on() {
    let at = |text: &str| {
        published(|state| {
            let mut members: Vec<_> =
                state.members.iter().map(|(name, m)| (name.clone(), m.clone())).collect();
            members[0].1.address = election::Address::Host(text.to_owned(), 26770);
            state.members = Members::new(members).expect("valid");
        })
    };
    assert!(at("alpha.example").is_ok());
    assert!(at("10.0.0.1").is_ok_and(|envelope| matches!(envelope.message,
        Message::Publish { state } if state.members.iter().all(|(_, member)|
            matches!(member.address, election::Address::Ip(_))))));
    assert!(at("10.0.0.1:+1").is_err() && at("").is_err(), "not as this release writes it");
    // The port as text: what no Address renders to is nothing that it could pass on.
    let mut frame = encode(&at("alpha.example").expect("valid"));
    let port = frame.body.windows(6).position(|w| w == b":26770").expect("the port");
    frame.body[port + 1] = b'+';
    assert!(decode(&frame, sender()).is_err(), "a port with a sign");
}
