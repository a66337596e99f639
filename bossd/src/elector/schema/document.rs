//! The mirror of the cluster state: the same for the wire (postcard) and the state file (JSON).

use std::collections::BTreeMap;

use election::{
    Address, Cause, Claim, ClusterState, Drained, Epoch, HISTORY, Held, HistoryEntry, HoldOff,
    HoldOffCause, Incarnation, Kind, LARGEST_RHO_PPM, LONGEST_HOLD_OFF, LONGEST_PROMISE,
    MOST_MEMBERS, Member, Members, NodeId, Paused, Span, Term, Version,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SchemaError;
use super::settings::{PolicyDoc, TimingDoc};

/// The longest reason that a state may carry: with [`MOST_MEMBERS`] of them the state file stays
/// below its limit. Operators are held to less (`control::interface::MAX_REASON`).
const LONGEST_REASON: usize = 1024;
/// The longest name that DNS knows.
const LONGEST_HOST: usize = 253;
/// The index grows by one per version: one above this was never counted up to, and the next ones
/// must still fit.
const HIGHEST_INDEX: u64 = u64::MAX / 2;

/// A 128-bit id: text where people read, a number where machines do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u128);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&format!("{:032x}", self.0))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            u128::from_str_radix(&text, 16).map(Id).map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Id)
        }
    }
}

/// [`Version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDoc {
    term: u64,
    index: u64,
}

/// [`ClusterState`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDoc {
    version: VersionDoc,
    members: Vec<MemberDoc>,
    timing: TimingDoc,
    policy: PolicyDoc,
    stay: bool,
    paused: Option<UntilDoc>,
    claim: ClaimDoc,
    hold_offs: Vec<HoldOffDoc>,
    history: Vec<HistoryDoc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MemberDoc {
    name: String,
    address: String,
    kind: u8,
    priority: u8,
    incarnation: Option<Id>,
    joined: u32,
    drained: Option<UntilDoc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct UntilDoc {
    until: Option<u64>,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum ClaimDoc {
    Unknown,
    None,
    Held { node: String, incarnation: Id, epoch: u64, fence_ns: u64, rho_ppm: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HoldOffDoc {
    node: String,
    failures: u32,
    span_ns: u64,
    cause: u8,
    begun: u64,
    ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HistoryDoc {
    epoch: u64,
    node: String,
    cause: u8,
}

/// A node's name as the core has it.
pub fn node(name: &str) -> Result<NodeId, SchemaError> {
    control::identity::check_name(control::identity::NameOf::Node, name)
        .map_err(|_| SchemaError::value("a node's name", name))?;
    Ok(NodeId::new(name))
}

impl From<Version> for VersionDoc {
    fn from(Version { term, index }: Version) -> Self {
        Self { term: term.0, index }
    }
}

impl From<VersionDoc> for Version {
    fn from(VersionDoc { term, index }: VersionDoc) -> Self {
        Self { term: Term(term), index }
    }
}

impl From<&ClusterState> for StateDoc {
    fn from(state: &ClusterState) -> Self {
        let ClusterState {
            version,
            members,
            timing,
            policy,
            stay,
            paused,
            claim,
            hold_offs,
            history,
        } = state;
        Self {
            version: (*version).into(),
            members: members.iter().map(|(name, member)| member_doc(name, member)).collect(),
            timing: timing.into(),
            policy: policy.into(),
            stay: *stay,
            paused: paused
                .as_ref()
                .map(|Paused { until, reason }| UntilDoc { until: *until, reason: reason.clone() }),
            claim: claim.into(),
            hold_offs: hold_offs
                .iter()
                .map(|(name, hold_off)| hold_off_doc(name, hold_off))
                .collect(),
            history: history.iter().map(history_doc).collect(),
        }
    }
}

impl TryFrom<StateDoc> for ClusterState {
    type Error = SchemaError;

    fn try_from(doc: StateDoc) -> Result<Self, SchemaError> {
        let StateDoc { version, members, timing, policy, stay, paused, claim, hold_offs, history } =
            doc;
        let members: Vec<(NodeId, Member)> =
            members.into_iter().map(member).collect::<Result<_, _>>()?;
        if history.len() > HISTORY {
            return Err(SchemaError::value("the length of the history", history.len()));
        }
        if hold_offs.len() > MOST_MEMBERS {
            return Err(SchemaError::value("the number of hold-offs", hold_offs.len()));
        }
        if version.index > HIGHEST_INDEX {
            return Err(SchemaError::value("the index of a version", version.index));
        }
        let claim: Claim = claim.try_into()?;
        if let Claim::Held(held) = &claim
            && held.epoch.0 > version.term
        {
            return Err(SchemaError::value("the epoch of a claim", held.epoch));
        }
        Ok(Self {
            version: version.into(),
            members: Members::new(members).map_err(|e| SchemaError::value("the members", e))?,
            timing: timing.try_into()?,
            policy: policy.try_into()?,
            stay,
            paused: paused.map(paused_of).transpose()?,
            claim,
            hold_offs: hold_offs
                .into_iter()
                .map(hold_off)
                .collect::<Result<BTreeMap<_, _>, _>>()?,
            history: history.into_iter().map(history_entry).collect::<Result<_, _>>()?,
        })
    }
}

fn member_doc(name: &NodeId, member: &Member) -> MemberDoc {
    let Member { address, kind, priority, incarnation, joined, drained } = member;
    MemberDoc {
        name: name.to_string(),
        address: address.to_string(),
        kind: match kind {
            Kind::Voter => 0,
            Kind::Witness => 1,
            Kind::Observer => 2,
        },
        priority: *priority,
        incarnation: incarnation.map(|i| Id(i.0)),
        joined: *joined,
        drained: drained
            .as_ref()
            .map(|Drained { until, reason }| UntilDoc { until: *until, reason: reason.clone() }),
    }
}

fn member(doc: MemberDoc) -> Result<(NodeId, Member), SchemaError> {
    let MemberDoc { name, address, kind, priority, incarnation, joined, drained } = doc;
    let kind = match kind {
        0 => Kind::Voter,
        1 => Kind::Witness,
        2 => Kind::Observer,
        other => return Err(SchemaError::value("a member's kind", other)),
    };
    if !(1..=254).contains(&priority) {
        return Err(SchemaError::value("a priority", priority));
    }
    let member = Member {
        address: parse_address(&address)?,
        kind,
        priority,
        incarnation: incarnation.map(|Id(i)| Incarnation(i)),
        joined,
        drained: drained.map(drained_of).transpose()?,
    };
    Ok((node(&name)?, member))
}

fn drained_of(UntilDoc { until, reason }: UntilDoc) -> Result<Drained, SchemaError> {
    Ok(Drained { until, reason: check_reason(reason)? })
}

fn paused_of(UntilDoc { until, reason }: UntilDoc) -> Result<Paused, SchemaError> {
    Ok(Paused { until, reason: check_reason(reason)? })
}

fn check_reason(reason: String) -> Result<String, SchemaError> {
    if reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(SchemaError::value("a reason", format!("{} bytes", reason.len())));
    }
    Ok(reason)
}

fn parse_address(text: &str) -> Result<Address, SchemaError> {
    if let Ok(address) = text.parse() {
        return Ok(Address::Ip(address));
    }
    let bad = || SchemaError::value("an address", text);
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    if host.is_empty() || host.len() > LONGEST_HOST || host.contains(':') {
        return Err(bad());
    }
    let address = Address::Host(host.to_owned(), port.parse().map_err(|_| bad())?);
    // Written otherwise it would be another address for the next node, and rank elsewhere.
    if address.to_string() == text { Ok(address) } else { Err(bad()) }
}

impl From<&Claim> for ClaimDoc {
    fn from(claim: &Claim) -> Self {
        match claim {
            Claim::Unknown => Self::Unknown,
            Claim::None => Self::None,
            Claim::Held(Held { node, incarnation, epoch, fence, rho_ppm }) => Self::Held {
                node: node.to_string(),
                incarnation: Id(incarnation.0),
                epoch: epoch.0,
                fence_ns: fence.as_nanos(),
                rho_ppm: *rho_ppm,
            },
        }
    }
}

impl TryFrom<ClaimDoc> for Claim {
    type Error = SchemaError;

    fn try_from(doc: ClaimDoc) -> Result<Self, SchemaError> {
        Ok(match doc {
            ClaimDoc::Unknown => Self::Unknown,
            ClaimDoc::None => Self::None,
            ClaimDoc::Held {
                node: name,
                incarnation: Id(incarnation),
                epoch,
                fence_ns,
                rho_ppm,
            } => {
                let fence = Span::from_nanos(fence_ns);
                // A successor waits for this long: what no timing allows would hold it off for ever.
                if fence == Span::ZERO || fence > LONGEST_PROMISE || rho_ppm > LARGEST_RHO_PPM {
                    return Err(SchemaError::value("the fence window of a claim", fence));
                }
                let (node, incarnation) = (node(&name)?, Incarnation(incarnation));
                Self::Held(Held { node, incarnation, epoch: Epoch(epoch), fence, rho_ppm })
            }
        })
    }
}

fn hold_off_doc(name: &NodeId, hold_off: &HoldOff) -> HoldOffDoc {
    let HoldOff { failures, span, cause, begun, ended } = hold_off;
    HoldOffDoc {
        node: name.to_string(),
        failures: *failures,
        span_ns: span.as_nanos(),
        cause: match cause {
            HoldOffCause::PromoteFailed => 0,
            HoldOffCause::Resigned => 1,
        },
        begun: *begun,
        ended: *ended,
    }
}

fn hold_off(doc: HoldOffDoc) -> Result<(NodeId, HoldOff), SchemaError> {
    let HoldOffDoc { node: name, failures, span_ns, cause, begun, ended } = doc;
    let cause = match cause {
        0 => HoldOffCause::PromoteFailed,
        1 => HoldOffCause::Resigned,
        other => return Err(SchemaError::value("the cause of a hold-off", other)),
    };
    let span = Span::from_nanos(span_ns);
    if span > LONGEST_HOLD_OFF {
        return Err(SchemaError::value("a hold-off", span));
    }
    Ok((node(&name)?, HoldOff { failures, span, cause, begun, ended }))
}

fn history_doc(entry: &HistoryEntry) -> HistoryDoc {
    let HistoryEntry { epoch, node, cause } = entry;
    HistoryDoc {
        epoch: epoch.0,
        node: node.to_string(),
        cause: match cause {
            Cause::Elected => 0,
            Cause::Handover => 1,
            Cause::Renewed => 2,
            Cause::Confirmed => 3,
        },
    }
}

fn history_entry(doc: HistoryDoc) -> Result<HistoryEntry, SchemaError> {
    let HistoryDoc { epoch, node: name, cause } = doc;
    let cause = match cause {
        0 => Cause::Elected,
        1 => Cause::Handover,
        2 => Cause::Renewed,
        3 => Cause::Confirmed,
        other => return Err(SchemaError::value("the cause of a boss", other)),
    };
    Ok(HistoryEntry { epoch: Epoch(epoch), node: node(&name)?, cause })
}
