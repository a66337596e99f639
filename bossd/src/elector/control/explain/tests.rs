//! The grounds of each standing of a node, and what would happen without the boss.

use std::sync::Arc;

use control::model::Taken;
use election::{
    Address, Cause, Claim, ClusterState, Drained, Epoch, Facts, Held, HistoryEntry, Incarnation,
    Kind, Members, Paused, PeerView, Policy, Profile, Term, Timing, Version, Wait,
};

use super::*;
use crate::config::{self, Config, Source, Sources};
use crate::elector::chronicle::Chronicle;
use crate::elector::picture::HookList;

const EPOCH: u64 = 1_790_000_007;

/// The golden status with what lies behind it: beta answers, and is held off; alpha is the boss;
/// gamma is a witness, drained and lost.
pub(in crate::elector) fn beta_follows_alpha() -> Picture {
    let golden = include_str!("../../../../../control/tests/status.json");
    let mut status: Status = serde_json::from_str(golden).expect("the golden document");
    // Painted at the moment zero of both clocks, at which the tests also look.
    (status.age_ms, status.taken) = (0, Taken::default());
    let hooks = include_str!("../../../../../control/tests/hooks.json");
    let hooks: control::hooks::Hooks = serde_json::from_str(hooks).expect("the golden document");
    Picture {
        status,
        snapshot: snapshot(),
        chronicle: Chronicle::new(1_790_000_000),
        hooks: HookList { ready: Err(hooks.why_not.expect("refused")), files: hooks.files },
        config: Arc::new(config()),
    }
}

fn config() -> Config {
    let text = "[cluster]\nname = \"web\"\n[[member]]\nname = \"beta\"\n\
                address = \"10.0.0.2:26770\"\n[node]\nname = \"beta\"\n";
    let cluster = Source { path: "cluster.toml".into(), text: text.to_owned() };
    let sources = Sources { cluster, node: None, directory: "/etc/boss".into() };
    config::parse(&sources, "beta").expect("valid")
}

fn state() -> ClusterState {
    let member = |address: Address, kind, priority, joined| election::Member {
        address,
        kind,
        priority,
        incarnation: None,
        joined,
        drained: None,
    };
    let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
    let name = Address::Host("gamma.example.org".to_owned(), 26_770);
    let mut gamma = member(name, Kind::Witness, 100, 2);
    gamma.drained = Some(Drained { until: None, reason: "new disk".to_owned() });
    let list = [
        ("alpha", member(ip("10.0.0.1:26770"), Kind::Voter, 200, 0)),
        ("beta", member(ip("10.0.0.2:26770"), Kind::Voter, 100, 1)),
        ("gamma", gamma),
    ];
    let members = Members::new(list.map(|(name, m)| (NodeId::new(name), m))).expect("valid");
    let timing = Timing::of(Profile::Lan);
    let mut state = ClusterState::unborn(members, timing, Policy::default());
    state.version = Version { term: Term(EPOCH), index: 12 };
    state.claim = Claim::Held(Held {
        node: NodeId::new("alpha"),
        incarnation: Incarnation(1),
        epoch: Epoch(EPOCH),
        fence: timing.fence,
        rho_ppm: timing.rho_ppm,
    });
    state.history = vec![HistoryEntry {
        epoch: Epoch(EPOCH),
        node: NodeId::new("alpha"),
        cause: Cause::Elected,
    }];
    state
}

fn snapshot() -> Snapshot {
    let alpha = NodeId::new("alpha");
    Snapshot {
        me: NodeId::new("beta"),
        incarnation: Incarnation(2),
        standing: "follower",
        leader: Some(alpha.clone()),
        boss: Some((alpha.clone(), Epoch(EPOCH))),
        phase: election::Phase::Idle,
        term: Term(EPOCH),
        state: Arc::new(state()),
        committed: None,
        lease_left: None,
        promise_left: Span::from_millis(381),
        promise_to: Some(alpha.clone()),
        facts: Facts::default(),
        ineligible: Some(Ineligible::HeldOff(Span::from_secs(34))),
        waits_for: None,
        stuck: false,
        hold_offs: Vec::new(),
        peers: vec![PeerView {
            node: alpha,
            incarnation: None,
            connected: true,
            heard: None,
            facts: None,
        }],
    }
}

/// The same, in service and with every voter connected.
fn all_well() -> Picture {
    let mut picture = beta_follows_alpha();
    for member in &mut picture.status.members {
        (member.connected, member.drained, member.held_off) = (true, None, None);
    }
    picture.status.quorum.connected = 3;
    (picture.status.this.eligible, picture.status.this.why_not) = (true, None);
    picture.snapshot.ineligible = None;
    picture
}

/// Beta leads and has not begun to act.
fn beta_leads(waits_for: Option<Wait>) -> Picture {
    let mut picture = all_well();
    let beta = NodeId::new("beta");
    picture.status.boss = None;
    picture.status.this.lease_left_ms = Some(310);
    picture.status.this.phase = Phase::Waiting;
    for member in &mut picture.status.members {
        (member.leader, member.boss) = (member.name == "beta", false);
    }
    let snapshot = &mut picture.snapshot;
    (snapshot.standing, snapshot.leader, snapshot.boss) = ("leader", Some(beta), None);
    (snapshot.phase, snapshot.waits_for) = (election::Phase::Waiting, waits_for);
    picture
}

fn of(picture: &Picture, name: &str) -> Explanation {
    explain(picture, Moment::default(), name).expect("a member")
}

#[track_caller]
fn expect(found: &Explanation, about: About, rule: &str, holds: Option<bool>, text: &str) {
    let matching = found.grounds.iter().find(|ground| {
        ground.about == about
            && ground.rule.as_deref().unwrap_or_default() == rule
            && ground.holds == holds
            && ground.text.contains(text)
    });
    assert!(matching.is_some(), "no {about:?} {rule} {holds:?} {text:?} in {found:#?}");
}

#[test]
fn a_follower_is_explained_as_in_the_golden_document() {
    let golden = include_str!("../../../../../control/tests/explanation.json");
    let golden: Explanation = serde_json::from_str(golden).expect("the golden document");
    assert_eq!(of(&beta_follows_alpha(), "beta"), golden);
}

#[test]
fn nobody_is_explained_who_is_no_member() {
    assert_eq!(explain(&all_well(), Moment::default(), "delta"), None);
}

#[test]
fn a_boss_has_nothing_against_it() {
    let mut picture = beta_leads(None);
    picture.status.this.phase = Phase::Boss;
    picture.snapshot.phase = election::Phase::Boss;
    let boss = control::model::Boss {
        node: "beta".to_owned(),
        epoch: 8,
        address: String::new(),
        since_ms: None,
        phase: Phase::Boss,
    };
    picture.status.boss = Some(boss);
    let found = of(&picture, "beta");
    assert!(found.boss);
    assert_eq!(found.verdict, "beta is the boss, epoch 8");
    assert!(found.grounds.iter().all(|ground| ground.holds == Some(true)), "{found:#?}");
    expect(&found, About::Lease, "L1", Some(true), "310 ms");
    expect(&found, About::Phase, "W1 to W5", Some(true), "epoch 8");
    expect(&found, About::Preference, "C1", Some(true), "failback = never");
    assert!(found.if_lost.starts_with("if beta died now, alpha would follow"), "{}", found.if_lost);
}

#[test]
fn a_leader_that_waits_is_told_for_which_rule() {
    type Case = (Wait, About, &'static str, &'static str);
    let window = Wait::FenceWindow(Span::from_millis(640));
    let cases: [Case; 6] = [
        (Wait::Commit, About::Commit, "W1", "no version of its own term"),
        (window, About::Window, "W2", "alpha has the claim, epoch 1790000007"),
        (Wait::Runner, About::Window, "W2", "its own executor"),
        (Wait::Claim, About::Claim, "W3", "not committed yet"),
        (Wait::Margin, About::Margin, "W4", "less than 80 ms"),
        (Wait::Spent, About::Phase, "R2", "its epoch is spent"),
    ];
    for (wait, about, rule, text) in cases {
        let found = of(&beta_leads(Some(wait)), "beta");
        assert_eq!(found.verdict, "beta leads and is not the boss: there is none");
        expect(&found, about, rule, Some(false), text);
    }
    let found = of(&beta_leads(Some(window)), "beta");
    expect(&found, About::Window, "W2", Some(false), "640 ms left");
    expect(&found, About::Commit, "W1", Some(true), "committed");
    expect(&found, About::Margin, "W4", None, "looked at when");
}

#[test]
fn a_pause_and_hooks_that_are_not_in_order_stand_against_a_leader() {
    let mut picture = beta_leads(Some(Wait::Paused));
    let paused = Paused { until: None, reason: "upgrade".to_owned() };
    Arc::make_mut(&mut picture.snapshot.state).paused = Some(paused);
    picture.snapshot.ineligible = Some(Ineligible::NotReady);
    picture.status.this.why_not = Some("10-address is writable by others".to_owned());
    let found = of(&picture, "beta");
    expect(&found, About::Pause, "W5", Some(false), "paused (upgrade)");
    expect(&found, About::Eligibility, "W5", Some(false), "10-address is writable");
    assert!(found.if_lost.contains("the cluster is paused"), "{}", found.if_lost);
}

#[test]
fn of_another_node_only_what_is_known_here_is_told() {
    let picture = all_well();
    let found = of(&picture, "alpha");
    assert!(found.boss);
    assert_eq!((found.node.as_str(), found.asked.as_str()), ("alpha", "beta"));
    expect(&found, About::Eligibility, "W5", Some(true), "as far as beta knows");
    assert!(found.grounds.iter().all(|ground| ground.about != About::Lease), "{found:#?}");

    let found = of(&picture, "gamma");
    expect(&found, About::Eligibility, "W5", Some(false), "it is a witness");
    assert!(found.grounds.iter().all(|ground| ground.about != About::Preference));

    let mut picture = beta_leads(None);
    picture.snapshot.peers[0].facts = Some(Facts { ready: false, ..Facts::default() });
    let found = of(&picture, "alpha");
    expect(&found, About::Eligibility, "W5", Some(false), "its hooks are not in order");
}

#[test]
fn a_node_without_a_quorum_and_one_that_restarted_are_told_so() {
    let mut picture = all_well();
    picture.status.quorum.connected = 1;
    picture.status.boss = None;
    picture.status.this.promise_to = None;
    (picture.snapshot.leader, picture.snapshot.boss) = (None, None);
    for member in &mut picture.status.members {
        member.connected = member.name == "beta";
        (member.leader, member.boss) = (false, false);
    }
    let found = of(&picture, "beta");
    expect(&found, About::Quorum, "L1", Some(false), "1 of 3 voters");
    expect(&found, About::Promise, "S1", Some(false), "before it restarted");
    expect(&found, About::Leader, "C1", Some(false), "no leader is known");
    assert!(found.if_lost.contains("nobody could become boss: 1 of 3"), "{}", found.if_lost);
    // What stands against it comes first.
    let first = found.grounds.iter().position(|ground| ground.holds == Some(true));
    assert!(found.grounds[..first.expect("it is eligible")].iter().all(|g| g.holds != Some(true)));
}

#[test]
fn the_first_criterion_that_differs_decides() {
    let mut picture = all_well();
    let state = Arc::make_mut(&mut picture.snapshot.state);
    let level = state
        .members
        .iter()
        .map(|(name, member)| (name.clone(), election::Member { priority: 100, ..member.clone() }));
    state.members = Members::new(level.collect::<Vec<_>>()).expect("valid");
    let found = of(&picture, "beta");
    expect(&found, About::Preference, "C1", Some(false), "by joining as number 1 against 2");
    state_prefers(&mut picture, &[Criterion::HighestAddress]);
    expect(&of(&picture, "beta"), About::Preference, "C1", Some(true), "(highest-address)");
    expect(
        &of(&picture, "alpha"),
        About::Preference,
        "C1",
        Some(true),
        "10.0.0.2 against 10.0.0.1",
    );
}

fn state_prefers(picture: &mut Picture, criteria: &[Criterion]) {
    Arc::make_mut(&mut picture.snapshot.state).policy.prefer = criteria.to_vec();
}

#[test]
fn an_old_picture_says_that_all_of_it_may_be_over() {
    let later = Moment::default().plus(Span::from_secs(6));
    let found = explain(&all_well(), later, "beta").expect("a member");
    assert_eq!(found.grounds[0].about, About::Picture);
    assert_eq!(found.age_ms, 6_000);
}
