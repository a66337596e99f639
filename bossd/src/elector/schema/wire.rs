//! What electors say to each other, as bytes: one frame kind per message, append-only, the body
//! in postcard. The sender is not in the body: it is whom the connection's certificate names.

#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "each kind's body is consumed by one function of the same shape"
)]

use std::sync::Arc;

use election::{
    ClusterId, Envelope, Epoch, Facts, Incarnation, LONGEST_PROMISE, Message, NodeId, Phase,
    Refusal, Span, Term, VoteKind,
};
use serde::{Deserialize, Serialize};

use super::SchemaError;
use super::document::{Id, StateDoc, VersionDoc, node};
use crate::elector::peer::Frame;

/// Kinds of frames. A number is never used again for something else.
pub mod kind {
    #![allow(missing_docs, reason = "each is the message of its name")]
    pub const PRE_VOTE: u16 = 1;
    pub const PRE_VOTE_REPLY: u16 = 2;
    pub const VOTE: u16 = 3;
    pub const VOTE_REPLY: u16 = 4;
    pub const HEARTBEAT: u16 = 5;
    pub const HEARTBEAT_REPLY: u16 = 6;
    pub const PUBLISH: u16 = 7;
    pub const PUBLISH_REPLY: u16 = 8;
    pub const TAKE_OVER: u16 = 9;
    pub const RELEASED: u16 = 10;
    pub const CONFIRMED: u16 = 11;
    /// An operator's command on its way to the leader.
    pub const COMMAND: u16 = 32;
    /// The leader's answer.
    pub const ANSWER: u16 = 33;
    /// What would come of a command, asked of the leader; the body is a command's.
    pub const PREVIEW: u16 = 34;
    /// What the leader foresees.
    pub const PREVIEWED: u16 = 35;
    /// Until when the sender's certificate is valid.
    pub const CERTIFICATE: u16 = 36;
}

#[derive(Serialize, Deserialize)]
struct Body<T> {
    term: u64,
    message: T,
}

#[derive(Serialize, Deserialize)]
struct PreVote {
    proposed: u64,
    version: VersionDoc,
    attempt: u64,
    rank: u32,
}

#[derive(Serialize, Deserialize)]
struct PreVoteReply {
    attempt: u64,
    refusal: Option<RefusalDoc>,
    version: VersionDoc,
    better: Option<String>,
    promise_left_ns: u64,
}

#[derive(Serialize, Deserialize)]
struct Vote {
    version: VersionDoc,
    kind: VoteKindDoc,
}

#[derive(Serialize, Deserialize)]
struct VoteReply {
    vote: u64,
    refusal: Option<RefusalDoc>,
}

#[derive(Serialize, Deserialize)]
struct Heartbeat {
    seq: u64,
    version: VersionDoc,
    promise_ns: u64,
    phase: u8,
    epoch: Option<u64>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Serialize, Deserialize)]
struct HeartbeatReply {
    seq: Option<u64>,
    version: VersionDoc,
    ready: bool,
    disk_ok: bool,
    cut_off: bool,
    epoch: Option<u64>,
    released: bool,
}

#[derive(Serialize, Deserialize)]
struct TakeOver {
    version: VersionDoc,
    window_ns: u64,
}

#[derive(Serialize, Deserialize)]
struct Released {
    epoch: u64,
    term: u64,
}

#[derive(Serialize, Deserialize)]
struct Confirmed {
    node: String,
    incarnation: Id,
    term: u64,
}

#[derive(Serialize, Deserialize)]
enum VoteKindDoc {
    Normal,
    Handover { from: String, incarnation: Id, term: u64 },
    Refresh,
}

#[derive(Serialize, Deserialize)]
enum RefusalDoc {
    Promise { to: Option<String>, left_ns: u64 },
    OwnLease { left_ns: u64 },
    OldTerm(u64),
    Voted(String),
    OldVersion(VersionDoc),
    Disk,
    NoVote,
}

/// Who a frame came from, as the connection proves.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The cluster that this node belongs to; the connection was only made within it.
    pub cluster: ClusterId,
    /// The certificate's name.
    pub node: NodeId,
    /// As its Hello said.
    pub incarnation: Incarnation,
}

/// The message as a frame.
pub fn encode(envelope: &Envelope) -> Frame {
    let Envelope { cluster: _, from: _, incarnation: _, term, message } = envelope;
    let term = *term;
    match message {
        Message::PreVote { proposed, version, attempt, rank } => {
            let version = (*version).into();
            let message = PreVote { proposed: proposed.0, version, attempt: *attempt, rank: *rank };
            frame(kind::PRE_VOTE, term, message)
        }
        Message::PreVoteReply { attempt, refusal, version, better, promise_left } => {
            let message = PreVoteReply {
                attempt: *attempt,
                refusal: refusal.as_ref().map(RefusalDoc::from),
                version: (*version).into(),
                better: better.as_ref().map(ToString::to_string),
                promise_left_ns: promise_left.as_nanos(),
            };
            frame(kind::PRE_VOTE_REPLY, term, message)
        }
        Message::Vote { version, kind: ground } => {
            frame(kind::VOTE, term, Vote { version: (*version).into(), kind: ground.into() })
        }
        Message::VoteReply { vote, refusal } => {
            let refusal = refusal.as_ref().map(RefusalDoc::from);
            frame(kind::VOTE_REPLY, term, VoteReply { vote: vote.0, refusal })
        }
        Message::Heartbeat { seq, version, promise, phase, epoch } => {
            let message = Heartbeat {
                seq: *seq,
                version: (*version).into(),
                promise_ns: promise.as_nanos(),
                phase: phase_number(*phase),
                epoch: epoch.map(|e| e.0),
            };
            frame(kind::HEARTBEAT, term, message)
        }
        Message::HeartbeatReply {
            seq,
            version,
            facts: Facts { ready, disk_ok, cut_off, epoch, released },
        } => {
            let message = HeartbeatReply {
                seq: *seq,
                version: (*version).into(),
                ready: *ready,
                disk_ok: *disk_ok,
                cut_off: *cut_off,
                epoch: epoch.map(|epoch| epoch.0),
                released: *released,
            };
            frame(kind::HEARTBEAT_REPLY, term, message)
        }
        Message::Publish { state } => frame(kind::PUBLISH, term, StateDoc::from(state.as_ref())),
        Message::PublishReply { version } => {
            frame(kind::PUBLISH_REPLY, term, VersionDoc::from(*version))
        }
        Message::TakeOver { version, window } => {
            let message = TakeOver { version: (*version).into(), window_ns: window.as_nanos() };
            frame(kind::TAKE_OVER, term, message)
        }
        Message::Released { epoch, term: of } => {
            frame(kind::RELEASED, term, Released { epoch: epoch.0, term: of.0 })
        }
        Message::Confirmed { node, incarnation, term: of } => {
            let (node, incarnation) = (node.to_string(), Id(incarnation.0));
            frame(kind::CONFIRMED, term, Confirmed { node, incarnation, term: of.0 })
        }
    }
}

/// The frame as a message from `sender`.
pub fn decode(frame: &Frame, sender: Sender) -> Result<Envelope, SchemaError> {
    let body = &frame.body;
    let (term, message) = match frame.kind {
        kind::PRE_VOTE => read(body, pre_vote)?,
        kind::PRE_VOTE_REPLY => read(body, pre_vote_reply)?,
        kind::VOTE => read(body, vote)?,
        kind::VOTE_REPLY => read(body, vote_reply)?,
        kind::HEARTBEAT => read(body, heartbeat)?,
        kind::HEARTBEAT_REPLY => read(body, heartbeat_reply)?,
        kind::PUBLISH => {
            read(body, |doc: StateDoc| Ok(Message::Publish { state: Arc::new(doc.try_into()?) }))?
        }
        kind::PUBLISH_REPLY => {
            read(body, |doc: VersionDoc| Ok(Message::PublishReply { version: doc.into() }))?
        }
        kind::TAKE_OVER => read(body, |TakeOver { version, window_ns }| {
            let window = Span::from_nanos(window_ns);
            Ok(Message::TakeOver { version: version.into(), window })
        })?,
        kind::RELEASED => read(body, |Released { epoch, term }| {
            Ok(Message::Released { epoch: Epoch(epoch), term: Term(term) })
        })?,
        kind::CONFIRMED => read(body, |doc: Confirmed| {
            let Confirmed { node: name, incarnation: Id(incarnation), term } = doc;
            let (node, incarnation) = (node(&name)?, Incarnation(incarnation));
            Ok(Message::Confirmed { node, incarnation, term: Term(term) })
        })?,
        other => return Err(SchemaError::UnknownKind(other)),
    };
    if let Message::Publish { state } = &message
        && state.version.term > term
    {
        // Only a leader publishes, and nothing of a term later than its own: taken for true, it
        // would carry this node into a term that nobody was ever elected for.
        return Err(SchemaError::value("the term of a version", state.version.term));
    }
    let Sender { cluster, node, incarnation } = sender;
    Ok(Envelope { cluster, from: node, incarnation, term, message })
}

fn frame<T: Serialize>(kind: u16, term: Term, message: T) -> Frame {
    Frame::new(kind, to_bytes(&Body { term: term.0, message }))
}

/// Postcard of a type of ours: it has no map with unknown length and no writer that could fail.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data is always encodable into memory")
}

fn read<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    message: impl FnOnce(T) -> Result<Message, SchemaError>,
) -> Result<(Term, Message), SchemaError> {
    let body: Body<T> =
        postcard::from_bytes(bytes).map_err(|e| SchemaError::Encoding(e.to_string()))?;
    Ok((Term(body.term), message(body.message)?))
}

fn pre_vote(doc: PreVote) -> Result<Message, SchemaError> {
    let PreVote { proposed, version, attempt, rank } = doc;
    Ok(Message::PreVote { proposed: Term(proposed), version: version.into(), attempt, rank })
}

fn pre_vote_reply(doc: PreVoteReply) -> Result<Message, SchemaError> {
    let PreVoteReply { attempt, refusal, version, better, promise_left_ns } = doc;
    Ok(Message::PreVoteReply {
        attempt,
        refusal: refusal.map(TryInto::try_into).transpose()?,
        version: version.into(),
        better: better.as_deref().map(node).transpose()?,
        promise_left: Span::from_nanos(promise_left_ns),
    })
}

fn vote(doc: Vote) -> Result<Message, SchemaError> {
    let Vote { version, kind } = doc;
    Ok(Message::Vote { version: version.into(), kind: kind.try_into()? })
}

fn vote_reply(doc: VoteReply) -> Result<Message, SchemaError> {
    let VoteReply { vote, refusal } = doc;
    Ok(Message::VoteReply {
        vote: Term(vote),
        refusal: refusal.map(TryInto::try_into).transpose()?,
    })
}

fn heartbeat(doc: Heartbeat) -> Result<Message, SchemaError> {
    let Heartbeat { seq, version, promise_ns, phase, epoch } = doc;
    let promise = Span::from_nanos(promise_ns);
    // Whoever believed it would withhold its vote for so long, over restarts too (S1).
    if promise > LONGEST_PROMISE {
        return Err(SchemaError::value("a promise", promise));
    }
    Ok(Message::Heartbeat {
        seq,
        version: version.into(),
        promise,
        phase: phase_of(phase)?,
        epoch: epoch.map(Epoch),
    })
}

fn heartbeat_reply(doc: HeartbeatReply) -> Result<Message, SchemaError> {
    let HeartbeatReply { seq, version, ready, disk_ok, cut_off, epoch, released } = doc;
    let facts = Facts { ready, disk_ok, cut_off, epoch: epoch.map(Epoch), released };
    Ok(Message::HeartbeatReply { seq, version: version.into(), facts })
}

const PHASES: [Phase; 6] =
    [Phase::Idle, Phase::Waiting, Phase::Promoting, Phase::Boss, Phase::Demoting, Phase::Fencing];

fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::Idle => 0,
        Phase::Waiting => 1,
        Phase::Promoting => 2,
        Phase::Boss => 3,
        Phase::Demoting => 4,
        Phase::Fencing => 5,
    }
}

fn phase_of(number: u8) -> Result<Phase, SchemaError> {
    let known = PHASES.get(usize::from(number)).copied();
    known.ok_or_else(|| SchemaError::value("a phase", number))
}

impl From<&VoteKind> for VoteKindDoc {
    fn from(kind: &VoteKind) -> Self {
        match kind {
            VoteKind::Normal => Self::Normal,
            VoteKind::Handover { from, incarnation, term } => Self::Handover {
                from: from.to_string(),
                incarnation: Id(incarnation.0),
                term: term.0,
            },
            VoteKind::Refresh => Self::Refresh,
        }
    }
}

impl TryFrom<VoteKindDoc> for VoteKind {
    type Error = SchemaError;

    fn try_from(doc: VoteKindDoc) -> Result<Self, SchemaError> {
        Ok(match doc {
            VoteKindDoc::Normal => Self::Normal,
            VoteKindDoc::Handover { from, incarnation: Id(incarnation), term } => Self::Handover {
                from: node(&from)?,
                incarnation: Incarnation(incarnation),
                term: Term(term),
            },
            VoteKindDoc::Refresh => Self::Refresh,
        })
    }
}

impl From<&Refusal> for RefusalDoc {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Promise { to, left } => {
                Self::Promise { to: to.as_ref().map(ToString::to_string), left_ns: left.as_nanos() }
            }
            Refusal::OwnLease { left } => Self::OwnLease { left_ns: left.as_nanos() },
            Refusal::OldTerm(term) => Self::OldTerm(term.0),
            Refusal::Voted(node) => Self::Voted(node.to_string()),
            Refusal::OldVersion(version) => Self::OldVersion((*version).into()),
            Refusal::Disk => Self::Disk,
            Refusal::NoVote => Self::NoVote,
        }
    }
}

impl TryFrom<RefusalDoc> for Refusal {
    type Error = SchemaError;

    fn try_from(doc: RefusalDoc) -> Result<Self, SchemaError> {
        Ok(match doc {
            RefusalDoc::Promise { to, left_ns } => Self::Promise {
                to: to.as_deref().map(node).transpose()?,
                left: Span::from_nanos(left_ns),
            },
            RefusalDoc::OwnLease { left_ns } => Self::OwnLease { left: Span::from_nanos(left_ns) },
            RefusalDoc::OldTerm(term) => Self::OldTerm(Term(term)),
            RefusalDoc::Voted(name) => Self::Voted(node(&name)?),
            RefusalDoc::OldVersion(version) => Self::OldVersion(version.into()),
            RefusalDoc::Disk => Self::Disk,
            RefusalDoc::NoVote => Self::NoVote,
        })
    }
}

#[cfg(test)]
mod tests;
