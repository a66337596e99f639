//! A read-only view of a node for status and explanations, and the time of its next wake-up.

use std::sync::Arc;

use crate::boss::{Phase, Wait};
use crate::cluster_state::ClusterState;
use crate::eligibility::Ineligible;
use crate::id::{Epoch, Incarnation, NodeId, Term};
use crate::message::Facts;
use crate::moment::{Moment, Span};
use crate::node::{Node, Standing};
use crate::window::Window;

/// What a node knows now. Moments are given as spans from now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// This member.
    pub me: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
    /// follower, pre-candidate, candidate or leader.
    pub standing: &'static str,
    /// The leader that it follows, or itself.
    pub leader: Option<NodeId>,
    /// The boss that this node knows of, and under which epoch.
    pub boss: Option<(NodeId, Epoch)>,
    /// Where it is in the boss's life.
    pub phase: Phase,
    /// The term.
    pub term: Term,
    /// The cluster state as this node has it.
    pub state: Arc<ClusterState>,
    /// Whether the leader's current version is committed; None when this node does not lead.
    pub committed: Option<bool>,
    /// What is left of the lease, when it leads.
    pub lease_left: Option<Span>,
    /// What is left of its promise.
    pub promise_left: Span,
    /// To whom it is.
    pub promise_to: Option<NodeId>,
    /// Its own facts.
    pub facts: Facts,
    /// Why it cannot be boss.
    pub ineligible: Option<Ineligible>,
    /// Why it does not promote, when it leads and waits.
    pub waits_for: Option<Wait>,
    /// Letting go failed for good.
    pub stuck: bool,
    /// What is left of each hold-off.
    pub hold_offs: Vec<(NodeId, Span)>,
    /// The other members, as far as this node knows.
    pub peers: Vec<PeerView>,
}

/// Another member, seen from here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerView {
    /// Which.
    pub node: NodeId,
    /// Its life, as its Hello said.
    pub incarnation: Option<Incarnation>,
    /// Whether it is connected.
    pub connected: bool,
    /// When the leader last heard an answer; only on the leader.
    pub heard: Option<Span>,
    /// What it said of itself; only on the leader.
    pub facts: Option<Facts>,
}

impl Node {
    /// What this node knows now.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        let (standing, lease, waits_for, committed) = match &self.standing {
            Standing::Follower => ("follower", None, None, None),
            Standing::PreCandidate(_) => ("pre-candidate", None, None, None),
            Standing::Candidate(_) => ("candidate", None, None, None),
            Standing::Leader(leader) => {
                let waits = if self.phase == Phase::Waiting || self.phase == Phase::Idle {
                    self.promote_waits_for(now)
                } else {
                    None
                };
                ("leader", leader.lease, waits, Some(self.is_committed()))
            }
        };
        let hold_offs = self.hold_off_ends.keys();
        Snapshot {
            me: self.me.clone(),
            incarnation: self.incarnation,
            standing,
            leader: self.leader.clone(),
            boss: self.known_boss(now),
            phase: self.phase,
            term: self.hard.term,
            state: self.hard.state.clone(),
            committed,
            lease_left: lease.map(|lease| lease.left(now)),
            promise_left: self.promise.left(now),
            promise_to: self.promise.to.as_ref().map(|(node, _)| node.clone()),
            facts: self.facts,
            ineligible: self.ineligible(&self.me, now),
            waits_for,
            stuck: self.runner.stuck,
            hold_offs: hold_offs
                .filter_map(|node| Some((node.clone(), self.held_off(node, now)?)))
                .collect(),
            peers: self.peer_views(now),
        }
    }

    /// Whether the node has left in order, after [`crate::Command::Leave`].
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// The term that it takes part in, on disk or not yet.
    pub fn term(&self) -> Term {
        self.hard.term
    }

    /// Whom it voted for in that term, on disk or not yet.
    pub fn voted_for(&self) -> Option<&NodeId> {
        self.hard.voted_for.as_ref()
    }

    /// The cluster state as this node has it, on disk or not yet.
    pub fn state(&self) -> &Arc<ClusterState> {
        &self.hard.state
    }

    /// The end of its own lease while that is not released, in any standing (V2).
    pub fn unreleased_lease(&self) -> Option<Moment> {
        self.own_lease.map(|lease| lease.until)
    }

    /// The highest epoch that the executor was given a permit or a revoke for.
    pub fn last_permit(&self) -> Epoch {
        self.runner.sent
    }

    /// A boss that this node has reason to believe in: itself, or its leader while it keeps its
    /// promise to it.
    fn known_boss(&self, now: Moment) -> Option<(NodeId, Epoch)> {
        if self.phase == Phase::Boss {
            return Some((self.me.clone(), self.runner.sent));
        }
        let followed = self.followed.clone()?;
        let follows = self.leader.as_ref() == Some(&followed.0) && self.promise.runs(now);
        follows.then_some(followed)
    }

    fn peer_views(&self, now: Moment) -> Vec<PeerView> {
        let others = self.hard.state.members.iter().filter(|(name, _)| **name != self.me);
        others
            .map(|(name, _)| {
                let peer = self.peers.get(name);
                let progress = match &self.standing {
                    Standing::Leader(leader) => leader.progress.get(name),
                    _ => None,
                };
                PeerView {
                    node: name.clone(),
                    incarnation: peer.map(|p| p.incarnation),
                    connected: peer.is_some_and(|p| p.connected),
                    heard: progress.and_then(|p| p.heard).map(|heard| heard.elapsed(now)),
                    facts: progress.map(|p| p.facts),
                }
            })
            .collect()
    }

    /// How long from `now` until [`Node::handle_timeout`] may have something to do. The shell
    /// arms its timer with it, reads both clocks again when it fires, and calls in any case.
    pub fn wake(&self, now: Moment) -> Span {
        let mut wake = Earliest(IDLE_WAKE);
        if let Some(at) = self.probe_at() {
            wake.either(at, now);
        }
        match &self.standing {
            Standing::Follower => {
                if let Some(at) = self.campaign_at(now) {
                    wake.both(at, now);
                }
            }
            Standing::PreCandidate(candidate) => wake.either(candidate.deadline, now),
            Standing::Candidate(candidate) => {
                if let Some(deadline) = candidate.deadline {
                    wake.either(deadline, now);
                }
            }
            Standing::Leader(_) => self.wake_leader(&mut wake, now),
        }
        wake.0
    }

    fn wake_leader(&self, wake: &mut Earliest, now: Moment) {
        let Standing::Leader(leader) = &self.standing else { return };
        match &leader.refresh {
            Some(refresh) => wake.either(refresh.deadline, now),
            None => wake.either(leader.next_heartbeat(), now),
        }
        if let Some(lease) = leader.lease {
            wake.either(lease.until, now);
        }
        if self.phase == Phase::Waiting
            && let Window::Open(left) = self.window(now)
        {
            wake.after(left);
        }
    }
}

/// Nothing waits longer than this: a bound for what is only looked at on wake-ups.
const IDLE_WAKE: Span = Span::from_millis(500);

/// The earliest of several times.
struct Earliest(Span);

impl Earliest {
    fn after(&mut self, span: Span) {
        self.0 = self.0.min(span);
    }

    fn either(&mut self, at: Moment, now: Moment) {
        self.after(at.left_until_either(now));
    }

    fn both(&mut self, at: Moment, now: Moment) {
        self.after(at.left_until_both(now));
    }
}
