//! The election of boss: who may act, decided by a quorum, under leases that end before the next
//! one begins. Pure: no IO, no clock, no threads, no dependencies. Events and the time go in,
//! ordered effects come out, and nothing else decides who may be boss.
//!
//! ```text
//!  messages, time, the executor's            +--> effects that may go now
//!  words, commands, writes done  --> Node ---+--> one Write; what depends on it waits inside
//!                                   (elector)+--> acts: promote, extend, demote, revoke
//!                                                        |
//!            hooks' outcomes, time  --> Executor <-------+   (the other process)
//!                                        +--> orders: mark, promote, demote, escalate, say
//! ```
//!
//! # The protocol on one page (the normative text is protocol.md; its rules' names are used here)
//!
//! * A **leader** wins a term by a quorum of votes (`candidate`, `voter`). Each accepted heartbeat
//!   is a **promise** not to vote for another for P (`follower`, A1). The send moment that a quorum
//!   acknowledged, plus L, is the leader's **lease** (`leader`, L1). P outlasts L on the worst
//!   clocks, so at the next election every older lease is over.
//! * The leader becomes **boss** (`boss`) when a version of its term is committed, the
//!   predecessor's fence window is closed, its claim is committed and the lease has enough left
//!   (W1 to W5). It then sends the executor a **permit**: a copy of the lease, extended with it.
//! * The **executor** (`permit`) promotes and demotes, and by its own clocks lets go within D when
//!   the permit ends, whoever else has died (X1 to X6).
//! * A planned change goes the other way round (`handover`): let go, publish that nothing is
//!   claimed, tell the successor, which is elected inside the promises (V4). A boss whose member
//!   brings a higher term moves there without letting go (`refresh`, R1).
//! * The **cluster state** is one versioned document (`cluster_state`), replaced whole and
//!   committed by a majority in the leader's own term (K1).
//! * Nothing leaves a node before what it depends on is durable (`ready`).
//!
//! Where to start reading: [`Node`], then `boss`, then [`Executor`].
#![forbid(unsafe_code)]

mod apply;
mod boss;
mod candidate;
mod cluster_state;
mod command;
mod cut_off;
mod eligibility;
#[cfg(feature = "model")]
mod fold;
mod follower;
mod handover;
mod hard_state;
mod hearing;
mod id;
mod invariants;
mod jitter;
mod leader;
mod lease;
mod members;
mod message;
mod moment;
mod mutant;
mod node;
mod note;
mod orders;
mod outgoing;
mod permit;
mod preference;
mod preview;
mod publish;
mod quorum;
mod ready;
mod refresh;
mod status;
mod timing;
mod voter;
mod window;
mod word;

pub use apply::Settings;
pub use boss::{Phase, Wait};
pub use cluster_state::{
    Cause, Claim, ClusterState, Failback, HISTORY, Held, HistoryEntry, HoldOff, HoldOffCause,
    LONGEST_HOLD_OFF, Paused, Policy,
};
pub use command::{Answer, Command, CommandError};
pub use eligibility::Ineligible;
#[cfg(feature = "model")]
pub use fold::Folding;
pub use hard_state::{HardState, Write, Written};
pub use id::{ClusterId, Epoch, Incarnation, NodeId, Term, Version};
pub use members::{
    Address, DEFAULT_PRIORITY, Drained, Kind, MOST_MEMBERS, MOST_VOTERS, Member, Members,
    MembersError,
};
pub use message::{Envelope, Facts, Message, Refusal, VoteKind};
#[cfg(feature = "model")]
pub use moment::Passed;
pub use moment::{Moment, Span};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use node::{Node, Start};
pub use note::{Level, Note};
pub use permit::Executor;
pub use preference::{Criterion, ranking};
pub use preview::Preview;
pub use ready::{Act, Effect, Ready, Reason};
pub use status::{PeerView, Snapshot};
pub use timing::{
    Bounds, LARGEST_RHO_PPM, LONGEST_PROMISE, Profile, SHORTEST_HEARTBEAT, Timing, TimingError,
};
pub use word::{ExecutorAlarm, FENCE_RESERVE, Marker, Order, Permit, Word, fence_reserve};
