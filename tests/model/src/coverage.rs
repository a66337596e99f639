//! Which rules were seen to be taken and to refuse: a search in which a rule never decided anything
//! shows nothing about it.

use std::sync::atomic::{AtomicU64, Ordering};

use election::{Message, Note, Reason, Refusal, VoteKind, Wait};
use stateright::Property;

use crate::setup::Setup;

macro_rules! marks {
    ($($name:ident = $text:literal,)*) => {
        /// Something that a rule did.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Mark { $($name,)* }

        impl Mark {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is printed: the rule, and what it did.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// That it is seen sometimes.
            pub(crate) fn property(self) -> Property<Setup> {
                match self {
                    $(Self::$name => Property::sometimes($text, |setup: &Setup, _| {
                        setup.seen.has(Self::$name)
                    }),)*
                }
            }
        }
    };
}

marks! {
    T0Above = "T0 proposes above a term seen",
    T0Raises = "T0 raises the term for a version alone",
    V1Refuses = "V1 withholds",
    V2Refuses = "V2 withholds",
    V3Grants = "V3 grants",
    V3OldTerm = "V3 refuses an old term",
    V3Second = "V3 refuses a second vote",
    V3OldVersion = "V3 refuses an old version",
    V4Grants = "V4 grants",
    V4Refuses = "V4 refuses a handover vote",
    V4Ignores = "V4 ignores a take-over",
    V5Ends = "V5 ends a promise",
    V5Ignores = "V5 ignores",
    V6Grants = "V6 grants",
    V6Refuses = "V6 refuses",
    V7Ends = "V7 ends a promise",
    V7Ignores = "V7 ignores",
    P1Grants = "P1 grants",
    P1Refuses = "P1 refuses",
    C1Campaigns = "C1 campaigns",
    C1Yields = "C1 yields",
    C2Votes = "C2 asks for votes",
    C2Stale = "C2 ignores a stale answer",
    C2Lost = "C2 has no quorum",
    E1Elected = "E1 elected",
    E1Lost = "E1 not elected",
    A1Promises = "A1 promises",
    A1Refuses = "A1 refuses",
    A2Adopts = "A2 adopts",
    A2Refuses = "A2 refuses",
    K1Commits = "K1 commits",
    K1OtherVersion = "K1 ignores another version",
    L1Extends = "L1 extends",
    L1Nothing = "L1 earns nothing",
    L2Over = "L2 lease over",
    L2None = "L2 no lease",
    R1Asks = "R1 asks",
    R1Wins = "R1 refreshes",
    R2Wins = "R2 renews",
    S1Withholds = "S1 withholds",
    Promotes = "W1 to W5 let promote",
    W1Waits = "W1 waits",
    W2Waits = "W2 waits",
    W2Released = "W2 by Released",
    W2Confirmed = "W2 by Confirmed",
    W2Own = "W2 own claim",
    W2Nobody = "W2 nobody",
    W2Waited = "W2 waited out",
    W3Waits = "W3 waits",
    W4Waits = "W4 waits",
    W5Waits = "W5 waits",
    X1Acts = "X1 acts",
    X1Refuses = "X1 does not act",
    X2Revoked = "X2 revoked",
    X2Expired = "X2 expired",
    X2Closed = "X2 channel closed",
    X3Extends = "X3 extends in a demote",
    X4Counts = "X4 idle counts",
    X4Ignores = "X4 ignores an old idle",
    X5Acting = "X5 finds acting",
    X5Idle = "X5 finds idle",
    X6Releases = "X6 releases",
    Boss = "a boss",
    PromoteFailed = "a promote failed",
    DemoteFailed = "a demote failed",
    HandoverFailed = "a handover failed",
    DiskRefused = "a disk refused",
}

/// What was seen so far.
#[derive(Default, Debug)]
pub(crate) struct Seen([AtomicU64; 2]);

impl Seen {
    pub(crate) fn add(&self, mark: Mark) {
        if !self.has(mark) {
            let (word, bit) = Self::place(mark);
            self.0[word].fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn has(&self, mark: Mark) -> bool {
        let (word, bit) = Self::place(mark);
        self.0[word].load(Ordering::Relaxed) & bit != 0
    }

    fn place(mark: Mark) -> (usize, u64) {
        let number = mark as usize;
        (number / 64, 1 << (number % 64))
    }

    /// Whether there is a reason for waiting that was not seen yet: only then is it asked for.
    pub(crate) fn wants_waits(&self) -> bool {
        use Mark::{W1Waits, W2Waits, W3Waits, W4Waits, W5Waits};
        ![W1Waits, W2Waits, W3Waits, W4Waits, W5Waits].into_iter().all(|mark| self.has(mark))
    }
}

pub(crate) fn of_wait(wait: Wait) -> Option<Mark> {
    Some(match wait {
        Wait::Commit => Mark::W1Waits,
        Wait::FenceWindow(_) | Wait::Runner => Mark::W2Waits,
        Wait::Claim => Mark::W3Waits,
        Wait::Margin => Mark::W4Waits,
        Wait::Paused | Wait::Ineligible => Mark::W5Waits,
        Wait::Spent => return None,
    })
}

/// Of a note; `asked` is the kind of the vote that is being answered.
pub(crate) fn of_note(note: &Note, asked: Option<&VoteKind>) -> Option<Mark> {
    Some(match note {
        Note::RefusedVote { pre_vote: false, refusal, .. } => {
            return Some(match (refusal, asked) {
                (Refusal::OldVersion(_), _) => Mark::V3OldVersion,
                (_, Some(VoteKind::Refresh)) => Mark::V6Refuses,
                (_, Some(VoteKind::Handover { .. })) => Mark::V4Refuses,
                (refusal, _) => of_refusal(refusal)?,
            });
        }
        Note::RefusedVote { refusal, .. } => return of_refusal(refusal),
        Note::Voted { ground: "", .. } => Mark::V3Grants,
        Note::Voted { ground: " by handover, V4", .. } => Mark::V4Grants,
        Note::Voted { .. } => Mark::V6Grants,
        Note::PromiseEnded { rule: "V5", .. } => Mark::V5Ends,
        Note::PromiseEnded { .. } => Mark::V7Ends,
        Note::Ignored { rule: "V4", .. } => Mark::V4Ignores,
        Note::Ignored { rule: "V5", .. } => Mark::V5Ignores,
        Note::Ignored { rule: "V7", .. } => Mark::V7Ignores,
        Note::Ignored { rule: "X4", .. } => Mark::X4Ignores,
        Note::Ignored { rule: "C2", .. } => Mark::C2Stale,
        Note::AttemptFailed { pre_vote: true, .. } => Mark::C2Lost,
        Note::AttemptFailed { .. } => Mark::E1Lost,
        Note::Yielded { .. } => Mark::C1Yields,
        Note::BecameLeader { .. } => Mark::E1Elected,
        Note::Committed { .. } => Mark::K1Commits,
        Note::Refreshing { rule: "R1", .. } => Mark::R1Asks,
        Note::Refreshed { rule: "R1", .. } => Mark::R1Wins,
        Note::Refreshed { .. } => Mark::R2Wins,
        Note::WindowClosed { how: "predecessor released" } => Mark::W2Released,
        Note::WindowClosed { how: "predecessor confirmed to be off" } => Mark::W2Confirmed,
        Note::WindowClosed { how: "the claim is its own" } => Mark::W2Own,
        Note::WindowClosed { how: "nobody had effects" } => Mark::W2Nobody,
        Note::WindowClosed { .. } => Mark::W2Waited,
        Note::SteppedDown { reason: Reason::LeaseOver, .. } => Mark::L2Over,
        Note::SteppedDown { reason: Reason::NoLease, .. } => Mark::L2None,
        Note::Promoting { .. } => Mark::Promotes,
        Note::BecameBoss { .. } => Mark::Boss,
        Note::PromoteFailed { .. } => Mark::PromoteFailed,
        Note::Idle { .. } => Mark::X4Counts,
        Note::HandoverFailed { .. } => Mark::HandoverFailed,
        Note::DiskRefused => Mark::DiskRefused,
        _ => return None,
    })
}

fn of_refusal(refusal: &Refusal) -> Option<Mark> {
    Some(match refusal {
        Refusal::Promise { to: None, .. } => Mark::S1Withholds,
        Refusal::Promise { .. } => Mark::V1Refuses,
        Refusal::OwnLease { .. } => Mark::V2Refuses,
        Refusal::OldTerm(_) => Mark::V3OldTerm,
        Refusal::Voted(_) => Mark::V3Second,
        Refusal::OldVersion(_) => Mark::V3OldVersion,
        Refusal::Disk | Refusal::NoVote => return None,
    })
}

/// Of a message that is sent.
pub(crate) fn of_message(envelope: &election::Envelope) -> Option<Mark> {
    Some(match &envelope.message {
        Message::PreVote { proposed, .. } if proposed.0 > envelope.term.0 + 1 => Mark::T0Above,
        Message::PreVote { .. } => Mark::C1Campaigns,
        Message::PreVoteReply { refusal: None, .. } => Mark::P1Grants,
        Message::PreVoteReply { .. } => Mark::P1Refuses,
        Message::Vote { kind: VoteKind::Normal, .. } => Mark::C2Votes,
        Message::HeartbeatReply { seq: Some(_), .. } => Mark::A1Promises,
        Message::HeartbeatReply { .. } => Mark::A1Refuses,
        Message::Released { .. } => Mark::X6Releases,
        _ => return None,
    })
}
