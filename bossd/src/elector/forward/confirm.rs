//! The operator's word that a host is off (V7), and the one thing that stands against it: that this
//! node hears from that host. Whoever vouches wrongly makes a second boss, so that a word against
//! what is heard is refused where it is given, and ignored where it arrives. To ignore it is to lose
//! a message, which is always safe.

use control::interface::{Refusal, RefusalKind};
use election::{NodeId, Snapshot, Span};

/// Why this node does not take the other one for dead; None if nothing stands against it.
pub(in crate::elector) fn heard(snapshot: &Snapshot, node: &NodeId) -> Option<String> {
    let me = &snapshot.me;
    if node == me {
        return Some(format!("{node} is the node that is asked: it lives"));
    }
    let peer = snapshot.peers.iter().find(|peer| peer.node == *node)?;
    if peer.connected {
        return Some(format!("{me} is connected to {node}: it lives, or it died a moment ago"));
    }
    let since = silence(snapshot, node).filter(|since| *since < lately(snapshot))?;
    Some(format!("{me} heard {node} {since} ago: it lives, or it died just now"))
}

/// Whether the other one, which leads or answers this leader, has missed some heartbeats.
pub(in crate::elector) fn is_silent(snapshot: &Snapshot, node: &NodeId) -> bool {
    silence(snapshot, node).is_some_and(|since| since >= lately(snapshot))
}

fn lately(snapshot: &Snapshot) -> Span {
    snapshot.state.timing.heartbeat.times(HEARTBEATS)
}

/// How long ago the other one renewed a promise, or answered this leader, and at most all of P; None
/// where it does neither.
fn silence(snapshot: &Snapshot, node: &NodeId) -> Option<Span> {
    let peer = snapshot.peers.iter().find(|peer| peer.node == *node)?;
    // A promise is renewed with each heartbeat, and begins with all of P.
    let promised = (snapshot.promise_to.as_ref() == Some(node))
        .then(|| snapshot.state.timing.promise().minus(snapshot.promise_left));
    [promised, peer.heard].into_iter().flatten().min()
}

/// Whether anybody still waits for the node: its claim stands, or a promise to it runs.
pub(in crate::elector) fn is_waited_for(snapshot: &Snapshot, node: &NodeId) -> bool {
    let claims = matches!(&snapshot.state.claim, election::Claim::Held(held) if held.node == *node);
    let runs = snapshot.promise_left > Span::ZERO;
    claims || (runs && snapshot.promise_to.as_ref() == Some(node))
}

/// The refusal of a word against what is heard, or of one about a node of which nothing is known.
pub(in crate::elector) fn refusal(snapshot: &Snapshot, node: &NodeId) -> Option<Refusal> {
    let refused = |text| Some(Refusal::new(RefusalKind::Refused, text));
    if let Some(why) = heard(snapshot, node) {
        return refused(format!(
            "{why}. Two nodes could act as boss at once. Cut its power first, and ask again when it \
             is silent"
        ));
    }
    let member = snapshot.state.members.find(node)?;
    if member.incarnation.is_none() {
        return refused(format!("{node} was never heard of: nobody waits for it"));
    }
    None
}

/// A node that is silent for so many heartbeats is not heard.
const HEARTBEATS: u64 = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use election::{Incarnation, Member, Members, PeerView};

    use super::*;
    use crate::elector::control::explain::tests::beta_follows_alpha;

    /// Beta, which has lost alpha a promise ago.
    fn silent() -> Snapshot {
        let mut snapshot = beta_follows_alpha().snapshot;
        let peer = |node: &str| PeerView {
            node: NodeId::new(node),
            incarnation: Some(Incarnation(7)),
            connected: false,
            heard: None,
            facts: None,
        };
        snapshot.peers = vec![peer("alpha"), peer("gamma")];
        snapshot.promise_to = Some(NodeId::new("alpha"));
        snapshot.promise_left = Span::ZERO;
        let mut state = (*snapshot.state).clone();
        let members = state.members.iter().map(|(name, member)| {
            let incarnation = (name.as_str() == "alpha").then_some(Incarnation(7));
            (name.clone(), Member { incarnation, ..member.clone() })
        });
        state.members = Members::new(members.collect::<Vec<_>>()).expect("valid");
        snapshot.state = Arc::new(state);
        snapshot
    }

    fn why_not(snapshot: &Snapshot, node: &str) -> Option<String> {
        refusal(snapshot, &NodeId::new(node)).map(|refusal| refusal.text)
    }

    #[test]
    fn a_node_that_is_heard_is_not_taken_for_dead() {
        assert_eq!(why_not(&silent(), "alpha"), None);
        let mut connected = silent();
        connected.peers[0].connected = true;
        let why = why_not(&connected, "alpha").expect("it is connected");
        assert!(why.contains("connected") && why.contains("Two nodes could act"), "{why}");
        let mut promised = silent();
        promised.promise_left = promised.state.timing.promise();
        let why = why_not(&promised, "alpha").expect("it was heard");
        assert!(why.contains("heard alpha 0 ms ago"), "{why}");
        let lately = promised.state.timing.heartbeat.times(HEARTBEATS);
        promised.promise_left = promised.promise_left.minus(lately);
        assert_eq!(why_not(&promised, "alpha"), None, "its promise still runs, and it is silent");
        let mut led = silent();
        led.peers[0].heard = Some(Span::from_millis(1));
        assert!(why_not(&led, "alpha").is_some(), "a leader hears answers");
    }

    #[test]
    fn nobody_vouches_for_himself_or_for_one_who_never_came() {
        assert!(why_not(&silent(), "beta").expect("it is asked").contains("it lives"));
        assert!(why_not(&silent(), "gamma").expect("unknown").contains("never heard of"));
        assert_eq!(why_not(&silent(), "delta"), None, "the core knows its members");
    }

    #[test]
    fn a_node_is_waited_for_while_its_claim_stands_or_a_promise_runs() {
        let alpha = NodeId::new("alpha");
        let mut snapshot = silent();
        let mut state = (*snapshot.state).clone();
        state.claim = election::Claim::None;
        snapshot.state = Arc::new(state);
        assert!(!is_waited_for(&snapshot, &alpha));
        snapshot.promise_left = Span::from_millis(1);
        assert!(is_waited_for(&snapshot, &alpha));
        assert!(is_waited_for(&beta_follows_alpha().snapshot, &alpha), "its claim stands");
    }
}
