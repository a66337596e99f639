//! Deliberate faults, each the breaking of one rule, so that scripts, model and simulator can
//! show that they would notice. The [`Sabotage`] of a node can be set only with the feature
//! `mutants`, which release builds refuse; without it no rule is ever broken, and the compiler
//! removes the question.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` breaks the election on purpose: never in a release build");

/// Which rule is broken: none, unless a test has set one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Sabotage {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

impl Sabotage {
    /// Breaks this rule, or none.
    #[cfg(feature = "mutants")]
    pub(crate) const fn of(mutant: Option<Mutant>) -> Self {
        Self { mutant }
    }

    /// Whether this rule is broken.
    #[cfg(feature = "mutants")]
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this rule is broken.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the same call as with the feature")]
    pub(crate) const fn is(&self, _: Mutant) -> bool {
        false
    }

    /// Whether any rule is broken.
    #[cfg(feature = "mutants")]
    pub(crate) const fn is_any(&self) -> bool {
        self.mutant.is_some()
    }

    /// Whether any rule is broken.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the same call as with the feature")]
    pub(crate) const fn is_any(&self) -> bool {
        false
    }
}

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One broken rule.
        #[allow(unreachable_pub, dead_code, reason = "exported and set only with the feature")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            #[cfg(feature = "mutants")]
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that scripts use.
            #[cfg(feature = "mutants")]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

mutants! {
    /// T0: the pre-vote proposes one above the own term, whatever was seen.
    T0IgnoresTermsSeen,
    /// V1: a running promise does not withhold votes.
    V1VotesWithinPromise,
    /// V2: a live lease does not withhold votes.
    V2VotesWithinOwnLease,
    /// V3: the candidate's version is not compared.
    V3IgnoresVersion,
    /// V3: a second vote in the same term.
    V3VotesTwice,
    /// V4: handover votes are treated as normal ones.
    V4RefusesHandover,
    /// V4: a TakeOver of an old term is followed.
    V4FollowsLateTakeOver,
    /// V5: Released is ignored.
    V5IgnoresReleased,
    /// V5: Released ends a promise of a later term.
    V5WithoutTerm,
    /// V5: Released ends a promise to somebody else.
    V5FromAnybody,
    /// V6: a refresh is withheld like any vote.
    V6WithholdsRefresh,
    /// V6: granting a refresh clears the promise.
    V6ClearsPromise,
    /// V7: Confirmed is ignored.
    V7IgnoresConfirmed,
    /// V7: Confirmed names the term of whoever vouches, which the host may still come to lead.
    V7NamesOwnTerm,
    /// V7: who was said to be off is believed to be so for ever.
    V7BelievesForEver,
    /// P1: no pre-vote; a candidate asks for votes at once.
    P1SkipsPreVote,
    /// C1: everybody campaigns at once, whatever its rank.
    C1IgnoresRank,
    /// C2: an answer to an earlier attempt counts.
    C2CountsStaleReplies,
    /// C2: the time for a vote never grows.
    C2VotesAlike,
    /// E1: the state is not published again in the new term.
    E1SkipsRestamp,
    /// A1: an accepted heartbeat promises nothing.
    A1PromisesNothing,
    /// A2: an older state replaces a newer one.
    A2AdoptsOlder,
    /// K1: one reply is enough for a commit.
    K1CommitsAlone,
    /// L1: the lease counts from the receipt of the reply.
    L1CountsFromReceipt,
    /// L2: the leader acts on after its lease.
    L2KeepsActing,
    /// R1: a leader steps down when it hears of a higher term.
    R1StepsDown,
    /// R1: a leader never refreshes.
    R1NeverRefreshes,
    /// R1: a leader goes on in a term in which a voter promises it nothing.
    R1IgnoresUnpromised,
    /// R2: a leader whose epoch is spent never renews.
    R2NeverRenews,
    /// S1: a restarted voter votes at once.
    S1VotesAtOnce,
    /// W1, W3: promotes before the claim is committed.
    W3PromotesUncommitted,
    /// W2: a predecessor's fence window is not waited out.
    W2SkipsFenceWait,
    /// W2: Released of any epoch closes the window.
    W2WithoutEpoch,
    /// W2: whoever takes over takes the predecessor's window for closed.
    W2InheritsClosed,
    /// W2: the claim is written before the window is closed.
    W2ClaimsEarly,
    /// W4: promotes with the lease all but over.
    W4NoMargin,
    /// W5: a drained, paused or held-off node promotes.
    W5PromotesIneligible,
    /// A Waiting handover publishes None over a foreign claim.
    WaitingErasesForeignClaim,
    /// A hand-over tells the successor before the demote is over.
    TakeOverWithoutRelease,
    /// X1: the executor ignores the permit's end.
    X1IgnoresExpiry,
    /// X1: an expired permit is revived by an extension.
    X1RevivesPermit,
    /// X2: the end of the channel does not demote.
    X2OutlivesChannel,
    /// X3: extensions end as soon as a graceful demote begins.
    X3StopsExtending,
    /// X4: an idle word of an earlier epoch counts.
    X4AcceptsOldIdle,
    /// X4, 9.13: a term whose epoch the executor has left behind is good enough.
    X4ReusesEpochs,
    /// X5: the marker is not looked at when the executor starts.
    X5IgnoresMarker,
    /// X6: Released goes out before the executor said idle.
    X6ReleasesEarly,
    /// X6: Released is sent again with the current term.
    X6ResendsCurrentTerm,
    /// V6: a refresh is granted although the promise is to another.
    V6FromAnybody,
    /// X5: the marker is written after the first effect.
    X5MarksLate,
    /// L2, X1: a lease and a permit are over only when both clocks say so.
    LeaseNeedsBothClocks,
    /// V1: a promise is over as soon as one clock says so.
    PromiseNeedsOneClock,
    /// 9.15: messages of a life that the cluster does not know count.
    HearsUnknownLives,
    /// 9.15: a member that no version has bound counts as its certificate names it.
    CountsUnbound,
    /// 9.16: nothing waits for the disk.
    SendsBeforeDurable,
    /// P < L: promises are shorter than the leases that rest on them.
    PromiseShorterThanLease,
    /// D' < D: the window is waited out by half.
    W2WaitsTooShort,
    /// C2: the own vote counts before it is on disk.
    C2CountsOwnVoteEarly,
    /// R2: the claim keeps the spent epoch.
    R2KeepsEpoch,
    /// R1: a refresh that is won begins the lease anew.
    R1ExtendsLease,
    /// A1: the reply does not wait for the term to be durable.
    A1RepliesEarly,
    /// A2: the reply does not wait for the state to be durable.
    A2RepliesEarly,
    /// V3: only the terms of versions are compared.
    V3IgnoresIndex,
    /// K1: the leader's own copy counts before it is on disk.
    K1CountsOwnCopyEarly,
    /// S1: a restarted voter waits half of what it may have promised.
    S1WaitsHalf,
    /// E1: to be elected counts as a lease.
    E1AssumesLease,
    /// L1: any voter's acknowledgement is enough.
    L1CountsAnyReply,
    /// L1: a heartbeat counts for a lease that is longer than the promise in it.
    L1ReliesEarly,
    /// L1: a reply in another term counts.
    L1CountsOtherTerms,
    /// W5: a node forgets that it is held off itself.
    W5ForgetsHoldOff,
    /// Section 6: a leader binds the new life of a member whose old one is bound.
    RebindsLives,
    /// Section 6: a member that this node has not bound is not heard, whatever it brings.
    DeafToUnbound,
    /// Preference: a node that could not win is handed over to again and again.
    ForgetsTrials,
    /// Preference: a node that no quorum answered does not say so.
    HidesCutOff,
    /// Preference: failback happens although a switchover set `stay`.
    FailbackIgnoresStay,
}
