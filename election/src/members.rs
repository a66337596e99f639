//! The members of a cluster: voters, witnesses and observers. A [`Members`] exists only checked:
//! it has at least one voter, no name twice, and is not larger than the limits.

use std::fmt;
use std::net::SocketAddr;

use crate::id::{Incarnation, NodeId};

/// The most members with a vote: beyond it each write waits for too many.
pub const MOST_VOTERS: usize = 15;
/// The most members of any kind, so that the cluster state stays below 64 KiB.
pub const MOST_MEMBERS: usize = 300;
/// The priority of a member that names none.
pub const DEFAULT_PRIORITY: u8 = 100;

/// What a member is there for. Voters and witnesses have a vote; only voters become boss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Votes and can become boss.
    Voter,
    /// Votes, never becomes boss.
    Witness,
    /// Follows; has no vote.
    Observer,
}

impl Kind {
    /// As it is written in cluster.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Witness => "witness",
            Self::Observer => "observer",
        }
    }

    /// Whether its vote counts.
    pub const fn votes(self) -> bool {
        matches!(self, Self::Voter | Self::Witness)
    }
}

/// Where a member listens. Addresses come before names in every order, IPv4 before IPv6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// An address and a UDP port.
    Ip(SocketAddr),
    /// A host name and a UDP port, resolved by the shell.
    Host(String, u16),
}

impl Address {
    /// The UDP port.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Host(_, port) => *port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Host(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// An operator took this node out of the choice; it goes on voting.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Drained {
    /// When it ends by itself, in seconds of the wall clock; the shell watches it.
    pub until: Option<u64>,
    /// What the operator gave as the reason.
    pub reason: String,
}

/// One member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Where it listens.
    pub address: Address,
    /// Whether it votes and can become boss.
    pub kind: Kind,
    /// 1 to 254, higher is preferred.
    pub priority: u8,
    /// Which life of it counts; None until a leader has bound it (protocol.md 6).
    pub incarnation: Option<Incarnation>,
    /// When it joined, as a rank: lower is older.
    pub joined: u32,
    /// Out of the choice.
    pub drained: Option<Drained>,
}

/// Why a list of members is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MembersError {
    /// Nobody could ever become boss.
    NoVoter,
    /// More than [`MOST_VOTERS`] have a vote.
    TooManyVoters(usize),
    /// More than [`MOST_MEMBERS`].
    TooManyMembers(usize),
    /// The same name twice.
    Twice(NodeId),
}

/// The members, by name. They are looked through at every event, so they lie side by side.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Members(Vec<(NodeId, Member)>);

impl Members {
    /// Checks and builds the list.
    pub fn new(list: impl IntoIterator<Item = (NodeId, Member)>) -> Result<Self, MembersError> {
        let mut members: Vec<_> = list.into_iter().collect();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(MembersError::Twice(twice[0].0.clone()));
        }
        let checked = Self(members);
        let with_vote = checked.voting().count();
        if !checked.0.iter().any(|(_, m)| m.kind == Kind::Voter) {
            return Err(MembersError::NoVoter);
        }
        if with_vote > MOST_VOTERS {
            return Err(MembersError::TooManyVoters(with_vote));
        }
        if checked.0.len() > MOST_MEMBERS {
            return Err(MembersError::TooManyMembers(checked.0.len()));
        }
        Ok(checked)
    }

    /// The member of that name.
    pub fn find(&self, name: &NodeId) -> Option<&Member> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, member)| member)
    }

    fn find_mut(&mut self, name: &NodeId) -> Option<&mut Member> {
        self.0.iter_mut().find(|(other, _)| other == name).map(|(_, member)| member)
    }

    /// All members, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.0.iter().map(|(name, member)| (name, member))
    }

    /// All that have a vote, by name: voters and witnesses.
    pub fn voting(&self) -> impl Iterator<Item = &NodeId> {
        self.0.iter().filter(|(_, m)| m.kind.votes()).map(|(name, _)| name)
    }

    /// Whether `name` has a vote.
    pub fn has_vote(&self, name: &NodeId) -> bool {
        self.find(name).is_some_and(|m| m.kind.votes())
    }

    /// How many votes make a quorum.
    pub fn quorum(&self) -> usize {
        self.voting().count() / 2 + 1
    }

    /// Binds the life of `name` that counts from now on.
    pub(crate) fn bind(&mut self, name: &NodeId, incarnation: Incarnation) {
        if let Some(member) = self.find_mut(name) {
            member.incarnation = Some(incarnation);
        }
    }

    /// 1 to 254, higher wins.
    pub(crate) fn set_priority(&mut self, name: &NodeId, priority: u8) {
        if let Some(member) = self.find_mut(name) {
            member.priority = priority;
        }
    }

    /// Takes `name` out of the choice, or puts it back with None.
    pub(crate) fn set_drained(&mut self, name: &NodeId, drained: Option<Drained>) {
        if let Some(member) = self.find_mut(name) {
            member.drained = drained;
        }
    }
}

impl std::error::Error for MembersError {}

impl fmt::Display for MembersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVoter => write!(
                f,
                "no member has kind \"voter\": nobody could ever become boss; give at least one"
            ),
            Self::TooManyVoters(n) => write!(
                f,
                "{n} members have a vote, at most {MOST_VOTERS} may: make the rest observers"
            ),
            Self::TooManyMembers(n) => write!(f, "{n} members, at most {MOST_MEMBERS} may be"),
            Self::Twice(name) => write!(f, "member {name} is there twice"),
        }
    }
}
