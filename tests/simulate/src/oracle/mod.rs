//! The judge outside the nodes. It sees real time, every effect, every message and every disk, and
//! holds them against protocol.md 9, one file per promise:
//!
//! ```text
//! 9.1 one_boss      9.6  claimed      9.11 claim_none      9.16 durable
//! 9.2 one_leader    9.7  permit       9.12 after_the_last  9.17 choice
//! 9.3 one_vote      9.8  leases       9.13 epochs          9.18 hooks
//! 9.4 never_falls   9.9  promises     9.14 adjacent        9.19 refresh
//! 9.5 committed     9.10 released     9.15 lives           9.20 liveness, cut_off, and crate::heal
//! ```
//!
//! `intervals` is what several of them are judged by; `events` and `election_events` are what
//! the world tells.

mod adjacent;
mod after_the_last;
mod choice;
mod claim_none;
mod claimed;
mod committed;
mod cut_off;
mod durable;
mod election_events;
mod epochs;
mod events;
mod hooks;
mod intervals;
mod leases;
mod liveness;
mod lives;
mod never_falls;
mod one_boss;
mod one_leader;
mod one_vote;
mod permit;
mod promises;
mod refresh;
mod released;

use election::{ClusterState, Epoch, Span, Timing};

use crate::rules::Exercised;
use crate::world::{HostId, Instant};

pub(crate) use events::Heard;

pub(crate) struct Oracle {
    intervals: intervals::Intervals,
    leaders: one_leader::OneLeader,
    votes: one_vote::OneVote,
    committed: committed::Committed,
    claimed: claimed::Claimed,
    permits: permit::Permits,
    leases: leases::Leases,
    promises: promises::Promises,
    released: released::Released,
    epochs: epochs::Epochs,
    adjacent: adjacent::Adjacent,
    choice: choice::Choice,
    lives: lives::Lives,
    refreshes: refresh::Refreshes,
    stopped: liveness::Stopped,
    handovers: liveness::Handovers,
    cut_off: cut_off::CutOff,
    /// What each leader said last that it waits for, until it promotes.
    waiting: Vec<Option<u8>>,
    /// Of the node whose event this is, before it.
    had_lease: bool,
    lease: Span,
    slot: Span,
    margin: Span,
    /// X3: each host's elector lets go in order.
    demotes: Vec<bool>,
    voters: usize,
    clocks_jump: bool,
    /// The first one; it ends the world.
    pub(crate) violation: Option<String>,
    /// How often each rule decided something.
    pub(crate) rules: Exercised,
}

/// What a promise says when it is broken.
pub(crate) type Verdict = Result<(), String>;

impl Oracle {
    /// `least` and `most`: the shortest and the longest times that the cluster may ever have.
    pub(crate) fn new(
        hosts: usize,
        unborn: &ClusterState,
        (least, most): &(Timing, Timing),
        clocks_jump: bool,
    ) -> Self {
        let voters = unborn.members.voting().count();
        Self {
            intervals: intervals::Intervals::new(hosts),
            leaders: one_leader::OneLeader::default(),
            votes: one_vote::OneVote::new(hosts),
            committed: committed::Committed::default(),
            claimed: claimed::Claimed::default(),
            permits: permit::Permits::new(hosts),
            leases: leases::Leases::new(hosts),
            promises: promises::Promises::new(hosts),
            released: released::Released::new(hosts),
            epochs: epochs::Epochs::new(hosts),
            adjacent: adjacent::Adjacent::default(),
            choice: choice::Choice::new(hosts),
            lives: lives::Lives::default(),
            refreshes: refresh::Refreshes::new(hosts),
            stopped: liveness::Stopped::new(hosts),
            handovers: liveness::Handovers::new(hosts, least),
            cut_off: cut_off::CutOff::new(hosts, voters, least),
            waiting: vec![None; hosts],
            had_lease: false,
            lease: most.lease,
            slot: unborn.timing.slot,
            margin: least.promote_margin(),
            demotes: vec![false; hosts],
            voters,
            clocks_jump,
            violation: None,
            rules: Exercised::default(),
        }
    }

    /// Outside the promise from now on: letting go failed for good, and an alarm said so.
    pub(crate) fn excuse(&mut self, host: HostId) {
        self.intervals.excuse(host);
    }

    pub(crate) fn has_given_up(&self, host: HostId) -> bool {
        self.intervals.has_given_up(host)
    }

    pub(crate) fn only_effect(&self) -> Option<(HostId, Epoch)> {
        self.intervals.only()
    }

    /// Its hooks got this one in an earlier cluster.
    pub(crate) fn knows_epoch(&mut self, host: HostId, epoch: Epoch) {
        self.epochs.knows(host, epoch);
    }

    pub(crate) fn promotions(&self) -> u64 {
        self.intervals.promotions
    }

    pub(crate) fn excuses(&self) -> u64 {
        self.intervals.excuses
    }

    pub(crate) fn longest_without(&self) -> Instant {
        self.intervals.longest_without
    }

    pub(crate) fn end_of_safety(&mut self, now: Instant) {
        self.intervals.end_of_safety(now);
    }

    pub(crate) fn last_leader(&self) -> Option<HostId> {
        self.leaders.last
    }

    fn take(&mut self, verdict: Verdict) {
        if let Err(text) = verdict {
            self.fail(text);
        }
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }
}
