//! Values of the election drawn from bytes: messages of every kind, and cluster states. They lie
//! around what a node knows ([`Near`]), since only from there do they lead anywhere.

use std::sync::Arc;

use bossd::elector::peer::Frame;
use bossd::elector::schema::wire::{self, Sender};
use election::{
    Address, Cause, Claim, ClusterId, ClusterState, Criterion, Drained, Envelope, Epoch, Facts,
    Failback, HISTORY, HardState, Held, HistoryEntry, HoldOff, HoldOffCause, Incarnation, Kind,
    Member, Members, Message, NodeId, Paused, Phase, Policy, Profile, Refusal, Settings, Span,
    Term, Timing, Version, VoteKind,
};

use crate::draw::Draw;

/// The cluster that everybody belongs to.
pub const CLUSTER: ClusterId = ClusterId(7);
/// The members' names, and one that is nobody's.
pub const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "nobody"];
/// The most members that a drawn cluster has.
pub const MOST: usize = 5;

/// The life of a member that counts.
pub fn life_of(member: usize) -> Incarnation {
    Incarnation((member as u128 + 1) << 96)
}

/// Its name.
pub fn name_of(member: usize) -> NodeId {
    NodeId::new(NAMES[member])
}

/// What drawn values lie around.
#[derive(Clone, Debug)]
pub struct Near {
    /// The term.
    pub term: Term,
    /// The state, with its version and claim.
    pub state: Arc<ClusterState>,
    /// The epoch of the last permit.
    pub epoch: Epoch,
    /// The last heartbeat and the last pre-vote that were sent.
    pub seq: u64,
    /// See `seq`.
    pub attempt: u64,
}

impl Near {
    fn term(&self, draw: &mut Draw<'_>) -> Term {
        Term(draw.near(self.term.0))
    }

    fn version(&self, draw: &mut Draw<'_>) -> Version {
        let known = self.state.version;
        if draw.flag() {
            return Version { term: self.term(draw), index: draw.near(known.index) };
        }
        Version { term: Term(draw.near(known.term.0)), index: draw.near(known.index) }
    }

    /// A message of any kind.
    pub fn message(&self, draw: &mut Draw<'_>, term: Term) -> Message {
        match draw.below(11) {
            0 => {
                let heartbeat = self.state.timing.promise();
                let epoch = draw.flag().then(|| Epoch(draw.near(self.epoch.0)));
                let (seq, version) = (draw.near(self.seq), self.version(draw));
                let promise = span(draw, heartbeat);
                Message::Heartbeat { seq, version, promise, phase: phase(draw), epoch }
            }
            1 => {
                let seq = (!draw.rarely(4)).then(|| draw.near(self.seq));
                let version = self.version(draw);
                let facts = Facts {
                    ready: !draw.rarely(4),
                    disk_ok: !draw.rarely(8),
                    cut_off: draw.rarely(8),
                    epoch: draw.rarely(8).then(|| Epoch(draw.near(term.0))),
                    released: seq.is_none() && draw.flag(),
                };
                Message::HeartbeatReply { seq, version, facts }
            }
            2 => Message::PreVote {
                proposed: Term(draw.near(term.0)),
                version: self.version(draw),
                attempt: draw.near(self.attempt),
                rank: u32::from(draw.byte()),
            },
            3 => self.pre_vote_reply(draw),
            4 => Message::Vote { version: self.version(draw), kind: self.ground(draw) },
            5 => Message::VoteReply { vote: Term(draw.near(term.0)), refusal: self.refusal(draw) },
            6 => {
                let mut next = (*self.state).clone();
                next.version = Version { term, index: draw.near(next.version.index + 1) };
                change(draw, &mut next, self);
                Message::Publish { state: Arc::new(next) }
            }
            7 => Message::PublishReply { version: self.version(draw) },
            8 => {
                let window = span(draw, self.state.timing.fence_wait());
                Message::TakeOver { version: self.version(draw), window }
            }
            9 => {
                let (epoch, of) = (Epoch(draw.near(self.epoch.0)), Term(draw.near(term.0)));
                Message::Released { epoch, term: of }
            }
            _ => {
                let member = draw.below(NAMES.len());
                let incarnation = life(draw, member);
                Message::Confirmed { node: name_of(member), incarnation, term: self.term(draw) }
            }
        }
    }

    /// The answer to one's own pre-vote of that attempt.
    fn pre_vote_reply(&self, draw: &mut Draw<'_>) -> Message {
        Message::PreVoteReply {
            attempt: draw.near(self.attempt),
            refusal: self.refusal(draw),
            version: self.version(draw),
            better: draw.rarely(4).then(|| name_of(draw.below(NAMES.len()))),
            promise_left: span(draw, self.state.timing.promise()),
        }
    }

    fn ground(&self, draw: &mut Draw<'_>) -> VoteKind {
        match draw.below(4) {
            0 | 1 => VoteKind::Normal,
            2 => {
                let member = draw.below(NAMES.len());
                let (from, incarnation) = (name_of(member), life(draw, member));
                VoteKind::Handover { from, incarnation, term: self.term(draw) }
            }
            _ => VoteKind::Refresh,
        }
    }

    fn refusal(&self, draw: &mut Draw<'_>) -> Option<Refusal> {
        let left = self.state.timing.promise();
        Some(match draw.below(16) {
            8 => Refusal::Promise { to: None, left },
            9 => Refusal::Promise { to: Some(name_of(draw.below(NAMES.len()))), left },
            10 => Refusal::OwnLease { left },
            11 => Refusal::OldTerm(self.term(draw)),
            12 => Refusal::Voted(name_of(draw.below(NAMES.len()))),
            13 => Refusal::OldVersion(self.version(draw)),
            14 => Refusal::Disk,
            15 => Refusal::NoVote,
            _ => return None,
        })
    }
}

/// The envelope as another node receives it: None when its frame would be refused. What is left of
/// it is all that a member with a valid certificate can make a node see.
pub fn over_the_wire(envelope: &Envelope) -> Option<Envelope> {
    let Envelope { cluster, from, incarnation, .. } = envelope.clone();
    let frame: Frame = wire::encode(envelope);
    wire::decode(&frame, Sender { cluster, node: from, incarnation }).ok()
}

/// A life of `member`: mostly the one that counts.
pub fn life(draw: &mut Draw<'_>, member: usize) -> Incarnation {
    if draw.rarely(8) { Incarnation(u128::from(draw.byte())) } else { life_of(member) }
}

/// A time around `usual`.
pub fn span(draw: &mut Draw<'_>, usual: Span) -> Span {
    match draw.byte() {
        0..=159 => usual,
        part @ 160..=239 => usual.times(u64::from(part - 159)).part(16),
        240..=251 => Span::from_millis(draw.number() % 100_000),
        _ => Span::from_nanos(draw.number()),
    }
}

fn phase(draw: &mut Draw<'_>) -> Phase {
    draw.pick(&[
        Phase::Boss,
        Phase::Idle,
        Phase::Waiting,
        Phase::Promoting,
        Phase::Demoting,
        Phase::Fencing,
    ])
}

/// A timing that its checks take: a profile, or one with other times.
pub fn timing(draw: &mut Draw<'_>) -> Timing {
    let mut timing =
        Timing::of(draw.pick(&[Profile::Lan, Profile::Fast, Profile::Vm, Profile::Wan]));
    if draw.rarely(8) {
        timing.lease = span(draw, timing.lease);
        timing.fence = span(draw, timing.fence);
        timing.rho_ppm = u32::from(draw.byte()) * 100;
    }
    if timing.check().is_ok() { timing } else { Timing::of(Profile::Lan) }
}

/// What an operator may apply: mostly sound.
pub fn settings(draw: &mut Draw<'_>, state: &ClusterState, node: NodeId) -> Settings {
    let mut settings = Settings::of(state);
    settings.timing = timing(draw);
    settings.priorities.insert(node, draw.byte());
    settings
}

/// An unborn state of `count` members; the first is a voter.
pub fn unborn(draw: &mut Draw<'_>, count: usize) -> ClusterState {
    let kinds = [Kind::Voter, Kind::Voter, Kind::Voter, Kind::Witness, Kind::Observer];
    let member = |draw: &mut Draw<'_>, index: usize| {
        let kind = if index == 0 { Kind::Voter } else { draw.pick(&kinds) };
        let octet = u8::try_from(index).unwrap_or(0);
        let priority = draw.pick(&[100, 100, 100, 150, 50]);
        let address = Address::Ip(([10, 0, 0, octet], 26770).into());
        let joined = u32::from(octet);
        Member { address, kind, priority, incarnation: None, joined, drained: None }
    };
    let list: Vec<_> = (0..count).map(|i| (name_of(i), member(draw, i))).collect();
    let members = Members::new(list).expect("one voter, few members");
    let prefer = draw.pick(&[Criterion::Priority, Criterion::Oldest, Criterion::Name]);
    let failback = draw.pick(&[Failback::Never, Failback::After(Span::from_secs(1))]);
    let hold_off = draw.pick(&[60, 1, 0, 700].map(Span::from_secs));
    let policy = Policy { prefer: vec![prefer, Criterion::LowestAddress], failback, hold_off };
    ClusterState::unborn(members, timing(draw), policy)
}

/// What another leader may have written since.
pub fn change(draw: &mut Draw<'_>, state: &mut ClusterState, near: &Near) {
    for _ in 0..draw.below(4) {
        let member = draw.below(NAMES.len());
        match draw.below(10) {
            0 => state.claim = Claim::None,
            1 | 2 => state.claim = claim(draw, near),
            3 => {
                let paused = Paused { until: None, reason: "upgrade".to_owned() };
                state.paused = draw.flag().then_some(paused);
            }
            4 => {
                let drained = Drained { until: None, reason: String::new() };
                let drained = draw.flag().then_some(drained);
                replace(state, member, |member| member.drained = drained);
            }
            5 => {
                let hold_off = HoldOff {
                    failures: u32::from(draw.byte()),
                    span: span(draw, Span::from_secs(1)),
                    cause: draw.pick(&[HoldOffCause::Resigned, HoldOffCause::PromoteFailed]),
                    begun: draw.near(state.version.index),
                    ended: draw.flag(),
                };
                state.hold_offs.insert(name_of(member), hold_off);
            }
            6 => state.stay = draw.flag(),
            7 => state.timing = timing(draw),
            8 => {
                let cause =
                    draw.pick(&[Cause::Elected, Cause::Handover, Cause::Renewed, Cause::Confirmed]);
                let epoch = Epoch(draw.near(near.epoch.0));
                if state.history.len() < HISTORY {
                    state.history.push(HistoryEntry { epoch, node: name_of(member), cause });
                }
            }
            _ => {
                let (life, kind) = (life(draw, member), draw.byte());
                let kind = [Kind::Voter, Kind::Witness, Kind::Observer][usize::from(kind % 3)];
                let bound = !draw.rarely(8);
                replace(state, member, |member| {
                    member.incarnation = bound.then_some(life);
                    member.kind = kind;
                });
            }
        }
    }
}

fn claim(draw: &mut Draw<'_>, near: &Near) -> Claim {
    let member = draw.below(NAMES.len());
    Claim::Held(Held {
        node: name_of(member),
        incarnation: life(draw, member),
        epoch: Epoch(draw.near(near.epoch.0)),
        fence: span(draw, near.state.timing.fence),
        rho_ppm: near.state.timing.rho_ppm,
    })
}

/// Changes one member, or brings it in; nothing if the list would not be one.
fn replace(state: &mut ClusterState, index: usize, how: impl FnOnce(&mut Member)) {
    let name = name_of(index);
    let mut list: Vec<_> =
        state.members.iter().map(|(name, member)| (name.clone(), member.clone())).collect();
    if let Some((_, member)) = list.iter_mut().find(|(known, _)| *known == name) {
        how(member);
    } else {
        let mut member = list[0].1.clone();
        how(&mut member);
        list.push((name, member));
    }
    if let Ok(members) = Members::new(list) {
        state.members = members;
    }
}

/// Every member is bound to the life that counts.
pub fn bind_all(state: &mut ClusterState) {
    for index in 0..MOST {
        if state.members.find(&name_of(index)).is_some() {
            replace(state, index, |member| member.incarnation = Some(life_of(index)));
        }
    }
}

/// What a state directory may hold: unborn, or of a cluster that has lived.
pub fn hard(draw: &mut Draw<'_>, count: usize) -> HardState {
    let state = unborn(draw, count);
    if draw.flag() {
        return HardState::unborn(state);
    }
    let mut state = state;
    let term = Term(1 + u64::from(draw.byte()));
    state.version =
        Version { term: Term(draw.near(term.0).min(term.0)), index: 1 + u64::from(draw.byte()) };
    bind_all(&mut state);
    let epoch = Epoch(state.version.term.0);
    let near = Near { term, state: Arc::new(state.clone()), epoch, seq: 0, attempt: 0 };
    change(draw, &mut state, &near);
    if let Claim::Held(held) = &mut state.claim {
        held.epoch = held.epoch.min(Epoch(state.version.term.0));
    }
    let voted_for = draw.flag().then(|| name_of(draw.below(count)));
    let promise_hiwater = span(draw, state.timing.promise());
    HardState { term, voted_for, state: Arc::new(state), promise_hiwater }
}
