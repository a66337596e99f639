//! The timing of a cluster: heartbeat h, lease L, promise P, fence window D, slot delta, and the
//! bound rho on the error of a clock's rate. The relations that the promise of the product rests
//! on are checked here, and the bounds that `bossd --check` prints are computed here
//! (protocol.md 7).

use std::fmt;

use crate::moment::Span;

/// The longest promise that a voter may give: a vote is never withheld for longer.
pub const LONGEST_PROMISE: Span = Span::from_secs(60);
/// The shortest heartbeat: below it the scheduler's noise is larger than the interval.
pub const SHORTEST_HEARTBEAT: Span = Span::from_millis(5);
/// The largest rate error that can be configured, in parts per million.
pub const LARGEST_RHO_PPM: u32 = 50_000;

/// A set of defaults for a kind of network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Profile {
    /// Bare metal with realtime scheduling: fails over in a fifth of a second.
    Fast,
    /// One data centre; the default.
    Lan,
    /// Virtual machines that may be paused for a while.
    Vm,
    /// Sites with a round trip of up to 80 ms.
    Wan,
}

impl Profile {
    /// Every profile, in the order of the manual.
    pub const ALL: [Self; 4] = [Self::Fast, Self::Lan, Self::Vm, Self::Wan];

    /// As it is written in cluster.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Lan => "lan",
            Self::Vm => "vm",
            Self::Wan => "wan",
        }
    }

    /// The round trip that the printed bounds assume.
    const fn round_trip(self) -> Span {
        match self {
            Self::Fast => Span::from_millis(1),
            Self::Lan => Span::from_millis(5),
            Self::Vm => Span::from_millis(10),
            Self::Wan => Span::from_millis(80),
        }
    }

    /// The time of a durable write that the printed bounds assume.
    const fn durable_write(self) -> Span {
        match self {
            Self::Fast => Span::from_millis(2),
            Self::Lan | Self::Vm | Self::Wan => Span::from_millis(10),
        }
    }
}

/// The timing of a cluster; every field is the same on all members (it is in the cluster state).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// Where the defaults came from.
    pub profile: Profile,
    /// h: how often a leader sends.
    pub heartbeat: Span,
    /// L: how long a leader may act after the send moment that a quorum acknowledged.
    pub lease: Span,
    /// D: how long letting go may take in an emergency, everything included.
    pub fence: Span,
    /// rho: the bound on a clock's rate error, in parts per million.
    pub rho_ppm: u32,
    /// delta: the distance between the starts of two candidates.
    pub slot: Span,
    /// eps: added to every wait, for the clocks' resolution and the cost of reading them.
    pub margin: Span,
}

/// Why a timing is refused. The text names the keys of cluster.toml.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimingError {
    /// h below [`SHORTEST_HEARTBEAT`].
    HeartbeatTooShort(Span),
    /// L < 4 h.
    LeaseTooShort {
        /// As configured.
        lease: Span,
        /// What h asks for.
        least: Span,
    },
    /// P above [`LONGEST_PROMISE`].
    PromiseTooLong(Span),
    /// D is zero, or so long that D' passes [`LONGEST_PROMISE`].
    FenceOutOfRange(Span),
    /// rho above [`LARGEST_RHO_PPM`].
    RhoTooLarge(u32),
}

impl Timing {
    /// The defaults of `profile` (the table of protocol.md 7).
    pub const fn of(profile: Profile) -> Self {
        let (h, l, d, slot, margin) = match profile {
            Profile::Fast => (20, 100, 50, 5, 2),
            Profile::Lan => (80, 400, 800, 15, 5),
            Profile::Vm => (300, 1_500, 1_500, 25, 5),
            Profile::Wan => (500, 3_000, 2_000, 250, 5),
        };
        Self {
            profile,
            heartbeat: Span::from_millis(h),
            lease: Span::from_millis(l),
            fence: Span::from_millis(d),
            rho_ppm: 5_000,
            slot: Span::from_millis(slot),
            margin: Span::from_millis(margin),
        }
    }

    /// P = L(1+rho)/(1-rho) + eps: what a voter promises.
    pub fn promise(&self) -> Span {
        self.outlasting(self.lease)
    }

    /// D' = D(1+rho)/(1-rho) + eps: what a successor waits for a predecessor's fence window.
    pub fn fence_wait(&self) -> Span {
        outlast(self.fence, self.rho_ppm, self.margin)
    }

    /// How long one must wait, by a clock as bad as rho allows, to be sure that `span` has passed
    /// by another clock as bad as rho allows.
    pub fn outlasting(&self, span: Span) -> Span {
        outlast(span, self.rho_ppm, self.margin)
    }

    /// W4: what a lease must have left before a promote may start.
    pub fn promote_margin(&self) -> Span {
        self.heartbeat.max(Span::from_millis(20))
    }

    /// C2: how long one attempt at an election lasts at most.
    pub fn attempt(&self) -> Span {
        let wanted = self.profile.round_trip().times(4).plus(self.profile.durable_write().times(2));
        wanted.max(self.slot.times(8)).min(self.promise().part(2))
    }

    /// C2: how long voters are waited for whose disks may be as slow as the own one, which took
    /// `durable` for its vote.
    pub fn attempt_on(&self, durable: Span) -> Span {
        self.attempt().max(durable.times(2).min(self.promise()))
    }

    /// The relations of protocol.md 1 and 7.
    pub fn check(&self) -> Result<(), TimingError> {
        if self.heartbeat < SHORTEST_HEARTBEAT {
            return Err(TimingError::HeartbeatTooShort(self.heartbeat));
        }
        if self.rho_ppm > LARGEST_RHO_PPM {
            return Err(TimingError::RhoTooLarge(self.rho_ppm));
        }
        let least = self.heartbeat.times(4);
        if self.lease < least {
            return Err(TimingError::LeaseTooShort { lease: self.lease, least });
        }
        if self.promise() > LONGEST_PROMISE {
            return Err(TimingError::PromiseTooLong(self.promise()));
        }
        if self.fence == Span::ZERO || self.fence_wait() > LONGEST_PROMISE {
            return Err(TimingError::FenceOutOfRange(self.fence));
        }
        Ok(())
    }

    /// What an operator can expect of this timing with `voters` voters, hooks not counted.
    pub fn bounds(&self, voters: u32) -> Bounds {
        let rtt = self.profile.round_trip();
        let fsync = self.profile.durable_write();
        let write = rtt.plus(fsync);
        let slots = self.slot.times(u64::from(voters.saturating_sub(1)));
        let election = slots.plus(self.slot).plus(rtt.times(2)).plus(fsync);
        Bounds {
            host_loss_worst: self
                .promise()
                .plus(election)
                .plus(write.max(self.fence_wait()))
                .plus(write),
            host_loss_least: self.promise().minus(self.heartbeat).plus(self.fence_wait()),
            elector_crash: slots.plus(write.times(3)),
            graceful: write.times(3),
            stall_tolerated: self.lease.minus(self.heartbeat),
        }
    }
}

fn outlast(span: Span, rho_ppm: u32, margin: Span) -> Span {
    let million = 1_000_000_u128;
    let rho = u128::from(rho_ppm);
    let stretched =
        (u128::from(span.as_nanos()) * (million + rho)).div_ceil(million - rho.min(million - 1));
    Span::from_nanos(u64::try_from(stretched).unwrap_or(u64::MAX)).plus(margin)
}

/// D' for the fence window and the rho of another node's claim.
pub(crate) fn fence_wait_of(fence: Span, rho_ppm: u32, margin: Span) -> Span {
    outlast(fence, rho_ppm, margin)
}

/// The figures that `bossd --check` prints; hooks' own time comes on top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The boss's host is lost: the next promote hook starts within this time, on a network and
    /// disk of the profile's assumed speed and with the first attempt at an election.
    pub host_loss_worst: Span,
    /// The boss's host is lost: no promote hook starts before this time.
    pub host_loss_least: Span,
    /// The boss's elector dies: from its restart to the next promote hook.
    pub elector_crash: Span,
    /// A planned switchover: from the end of the demote hooks to the start of the promote hooks.
    pub graceful: Span,
    /// How long the boss's election thread may stand still without losing the lease.
    pub stall_tolerated: Span,
}

impl std::error::Error for TimingError {}

impl fmt::Display for TimingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeartbeatTooShort(h) => {
                write!(f, "heartbeat is {h}, but must be at least {SHORTEST_HEARTBEAT}")
            }
            Self::LeaseTooShort { lease, least } => write!(
                f,
                "lease is {lease}, but must be at least four heartbeats ({least}): one lost \
                 datagram would cost the boss its lease"
            ),
            Self::PromiseTooLong(p) => write!(
                f,
                "lease gives a promise of {p}, but votes may be withheld for {LONGEST_PROMISE} at \
                 most: shorten lease"
            ),
            Self::FenceOutOfRange(d) => write!(
                f,
                "fence-window is {d}, but must be above zero and, with the clocks' error, at most \
                 {LONGEST_PROMISE}"
            ),
            Self::RhoTooLarge(ppm) => write!(
                f,
                "rho is {} %, but must be at most {} %",
                f64::from(*ppm) / 10_000.0,
                f64::from(LARGEST_RHO_PPM) / 10_000.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_keep_the_relations_and_the_table_of_the_protocol() {
        let worst_ms = |p| Timing::of(p).bounds(3).host_loss_worst.as_millis();
        for profile in Profile::ALL {
            Timing::of(profile).check().expect("a profile is valid");
        }
        assert!((170..=200).contains(&worst_ms(Profile::Fast)), "{}", worst_ms(Profile::Fast));
        assert!((1_250..=1_400).contains(&worst_ms(Profile::Lan)), "{}", worst_ms(Profile::Lan));
        assert!((3_050..=3_200).contains(&worst_ms(Profile::Vm)), "{}", worst_ms(Profile::Vm));
        assert!((5_700..=6_100).contains(&worst_ms(Profile::Wan)), "{}", worst_ms(Profile::Wan));
    }

    #[test]
    fn a_promise_outlasts_a_lease_on_the_worst_clocks() {
        for profile in Profile::ALL {
            let timing = Timing::of(profile);
            let rho = f64::from(timing.rho_ppm) / 1e6;
            let promise_real = timing.promise().as_nanos() as f64 / (1.0 + rho);
            let lease_real = timing.lease.as_nanos() as f64 / (1.0 - rho);
            assert!(promise_real > lease_real, "{profile:?}");
        }
    }

    #[test]
    fn broken_relations_are_named() {
        let lan = Timing::of(Profile::Lan);
        let short = Timing { lease: Span::from_millis(319), ..lan };
        assert!(matches!(short.check(), Err(TimingError::LeaseTooShort { .. })));
        let long = Timing { lease: Span::from_secs(60), ..lan };
        assert!(matches!(long.check(), Err(TimingError::PromiseTooLong(_))));
        let none = Timing { fence: Span::ZERO, ..lan };
        assert!(matches!(none.check(), Err(TimingError::FenceOutOfRange(_))));
        let wild = Timing { rho_ppm: 50_001, ..lan };
        assert!(matches!(wild.check(), Err(TimingError::RhoTooLarge(_))));
        let quick = Timing { heartbeat: Span::from_millis(4), ..lan };
        assert!(matches!(quick.check(), Err(TimingError::HeartbeatTooShort(_))));
    }
}
