//! The status document: what a node knows about its cluster and itself, in one value that is
//! rendered as text, printed as JSON, and served over the control socket. bossd fills it in;
//! nothing here is computed. Field names in JSON are the names here. Times are distances, in the
//! unit that the name ends with, counted back from the moment of the answer.

use serde::{Deserialize, Serialize};

use crate::hooks::RunnerInUse;

/// Everything that `bossctl status` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// Derived from the authority's key and the name; 32 hexadecimal digits.
    pub cluster_id: String,
    /// The node that answers.
    pub node: String,
    /// The version of its bossd.
    pub version: String,
    /// Its processes.
    pub pids: Pids,
    /// How old this picture is: the election thread took it, the control thread hands it out.
    pub age_ms: u64,
    /// When the election thread took it, on this host's clocks. Not sent; `age_ms` is.
    #[serde(skip)]
    pub taken: Taken,
    /// The voters, and how many of them can be reached.
    pub quorum: Quorum,
    /// Whom this node holds for the boss; None when it knows of none.
    pub boss: Option<Boss>,
    /// The node that answers, in detail.
    pub this: ThisNode,
    /// All members, in join order, this node included.
    pub members: Vec<Member>,
    /// Nobody new becomes boss until this ends.
    pub paused: Option<Paused>,
    /// After a switchover: no failback until the next unclean change.
    pub stay: bool,
    /// The cluster's timing.
    pub timing: Timing,
    /// The latest transitions, newest first.
    pub history: Vec<Transition>,
    /// The verdict on all of this.
    pub posture: Posture,
    /// What should never have happened, and did.
    pub alarms: Vec<Alarm>,
    /// The longest time between two turns of the election thread.
    pub max_loop_gap_us: u64,
    /// How late the election thread's timer fired: 999 of 1,000 times by no more than this.
    pub p999_loop_gap_us: u64,
    /// Keys in which cluster.toml differs from the cluster.
    pub file_differs: Vec<String>,
    /// The node is a shadow: it elects and shows, and runs nothing. Nobody of its cluster acts.
    #[serde(default)]
    pub shadow: bool,
    /// What the node proves with who it is; None if a daemon does not tell.
    #[serde(default)]
    pub certificate: Option<Certificate>,
}

/// The certificate that the node shows to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Until when it is valid, in seconds since 1970.
    pub not_after_s: i64,
    /// Whole days until then, negative afterwards.
    pub days_left: i64,
    /// Until when the authority is that issued it.
    pub authority_not_after_s: i64,
    /// Whole days until then, negative afterwards.
    pub authority_days_left: i64,
    /// SHA-256 of it, as `bossctl ca show` prints it.
    pub fingerprint: String,
    /// Why the files as they are on the disk could not be used: at the next start, or by a reload.
    pub trouble: Option<String>,
}

/// Until when a member can prove who it is. The certificate of the node that answers is in
/// [`Status::certificate`] in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCertificate {
    /// Until when it is valid, in seconds since 1970.
    pub not_after_s: i64,
    /// Whole days until then, negative afterwards.
    pub days_left: i64,
}

/// The processes of one bossd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// The process that talks to the network.
    pub elector: u32,
    /// The process that acts on the machine.
    pub executor: Option<u32>,
}

/// A reading of both clocks of the host, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// `CLOCK_MONOTONIC_RAW`.
    pub raw_ns: u64,
}

/// The voters in figures, witnesses included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many members vote.
    pub voters: u32,
    /// How many votes decide.
    pub needed: u32,
    /// How many voters are connected, this node included if it votes.
    pub connected: u32,
}

/// The boss, as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boss {
    /// Its name.
    pub node: String,
    /// Its epoch, the fencing token.
    pub epoch: u64,
    /// Its address.
    pub address: String,
    /// For how long it has been boss, as far as this node knows.
    pub since_ms: Option<u64>,
    /// Where in its life it is; only `boss` acts.
    pub phase: Phase,
}

/// Where in the boss's life a node is (protocol.md 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing of the boss is active here.
    Idle,
    /// Elected; its predecessor may still be letting go.
    Waiting,
    /// Its promote hooks run.
    Promoting,
    /// It acts as boss.
    Boss,
    /// It lets go in order.
    Demoting,
    /// It lets go in an emergency, within the fence window.
    Fencing,
}

/// A node's part in the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks whether it could win.
    PreCandidate,
    /// It asks for votes.
    Candidate,
    /// It won a term.
    Leader,
}

/// The node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThisNode {
    /// Its part in the election.
    pub standing: Standing,
    /// Where in the boss's life it is.
    pub phase: Phase,
    /// Its term.
    pub term: u64,
    /// Which edition of the cluster state it has.
    pub state_version: StateVersion,
    /// What is left of its lease, if it leads.
    pub lease_left_ms: Option<u64>,
    /// What is left of its promise not to vote.
    pub promise_left_ms: Option<u64>,
    /// To whom the promise is; None after a restart, when it is to nobody.
    pub promise_to: Option<String>,
    /// The state file can be written.
    pub disk_ok: bool,
    /// It may become boss.
    pub eligible: bool,
    /// If not, why not.
    pub why_not: Option<String>,
    /// What an emergency leaves for all demote hooks together: the fence window without what is
    /// kept back of it.
    pub urgent_demote_ms: u64,
    /// How it starts its hooks.
    pub runner: RunnerInUse,
    /// How long its hooks took to let go, by name; empty before the first demote since boot.
    pub demotes: Vec<DemoteTime>,
}

/// How long one hook took to let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoteTime {
    /// The hook's name.
    pub hook: String,
    /// The latest demote.
    pub last_ms: u64,
    /// That one was told to hurry.
    pub urgent: bool,
    /// It ended in time and with success.
    pub ok: bool,
    /// The latest that was told to hurry and succeeded.
    pub urgent_ms: Option<u64>,
    /// The longest so far.
    pub worst_ms: u64,
    /// How many were measured.
    pub count: u64,
}

/// An edition of the cluster state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// The term of the leader that published it.
    pub term: u64,
    /// Counts the editions.
    pub index: u64,
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Votes, and may become boss.
    Voter,
    /// Votes, and never becomes boss.
    Witness,
    /// Follows without a vote.
    Observer,
}

/// One member of the cluster.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in a document")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its address, as configured.
    pub address: String,
    /// What it is for.
    pub kind: Kind,
    /// Higher wins.
    pub priority: u8,
    /// Which life of its state directory the cluster knows; None before its first Hello.
    pub incarnation: Option<String>,
    /// It has a vote.
    pub voter: bool,
    /// It leads the election.
    pub leader: bool,
    /// It is the boss, in whichever phase.
    pub boss: bool,
    /// It can be talked to; true for this node itself.
    pub connected: bool,
    /// The latest round trip to it; None for this node and before the first.
    pub rtt_us: Option<u64>,
    /// How long ago it was last heard of; None for this node and for one never heard of.
    pub last_seen_ms: Option<u64>,
    /// It was taken out of service.
    pub drained: Option<Drained>,
    /// It may not become boss for a while, after a failed promote or a resignation.
    pub held_off: Option<HeldOff>,
    /// Its hooks can run; None when it has not said.
    pub hooks_ok: Option<bool>,
    /// Until when its certificate is valid, as it said last; None when it has not said since the
    /// elector of the node that answers has started.
    #[serde(default)]
    pub certificate: Option<MemberCertificate>,
}

/// A drain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// What the operator gave as the reason.
    pub reason: Option<String>,
    /// When it ends by itself, on the wall clock, in seconds since 1970; None: never.
    pub until_s: Option<u64>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// What the operator gave as the reason.
    pub reason: Option<String>,
    /// When it ends by itself, on the wall clock, in seconds since 1970; None: never.
    pub until_s: Option<u64>,
}

/// A hold-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOff {
    /// What is left of it.
    pub left_ms: u64,
    /// How many promotes failed in a row.
    pub failures: u32,
    /// What it is for.
    pub cause: String,
}

/// The cluster's timing (protocol.md 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// `fast`, `lan`, `vm`, `wan` or `custom`.
    pub profile: String,
    /// The time between two heartbeats.
    pub heartbeat_ms: u64,
    /// How long a boss may act on one acknowledgement.
    pub lease_ms: u64,
    /// How long a voter withholds its vote after one.
    pub promise_ms: u64,
    /// The time that letting go may take in an emergency.
    pub fence_ms: u64,
    /// The bound of the clocks' rate error, as a fraction.
    pub rho: f64,
}

/// One change of the boss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The epoch that began with it.
    pub epoch: u64,
    /// Who became boss.
    pub node: String,
    /// Why.
    pub cause: String,
    /// The id that runs through log, hooks and both processes.
    pub transition: String,
}

/// How well the cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// There is a boss, and any one voter may be lost.
    Safe,
    /// It works, but something should be looked at.
    Degraded,
    /// Nobody acts, or nothing can be promised.
    Unsafe,
}

/// The verdict, with its reasons, the worst first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// The worst of the reasons decides.
    pub level: Level,
    /// Empty when all is well.
    pub reasons: Vec<String>,
}

/// Something that should never have happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// `unsafe` if the promise itself is at stake (letting go failed), else `degraded`.
    pub level: Level,
    /// What happened, and what to do.
    pub text: String,
}

impl Status {
    /// The member called `name`.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full document, also read by the tests of bossd and bossctl.
    const GOLDEN: &str = include_str!("../tests/status.json");

    #[test]
    fn a_full_status_is_written_as_the_golden_document() {
        let status: Status = serde_json::from_str(GOLDEN).expect("the golden document");
        let written = serde_json::to_string_pretty(&status).expect("JSON");
        assert_eq!(written, GOLDEN.trim_end());
    }

    #[test]
    fn a_field_of_a_later_version_is_no_problem() {
        let later = GOLDEN.replacen('{', "{ \"weather\": \"fine\",", 1);
        let status: Status = serde_json::from_str(&later).expect("still a status");
        assert_eq!(status.member("gamma").map(|member| member.kind), Some(Kind::Witness));
    }
}
