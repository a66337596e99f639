//! Time as the election sees it: a [`Moment`] is a pair of clock readings that the caller gives,
//! a [`Span`] a distance in nanoseconds. The core never reads a clock (protocol.md 1, 7).

use std::fmt;

/// A distance in time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `ns` nanoseconds.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// `us` microseconds.
    pub const fn from_micros(us: u64) -> Self {
        Self(us * 1_000)
    }

    /// `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// `s` seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s * 1_000_000_000)
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// In whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `n` times as long.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The `n`-th part, rounded down.
    #[must_use]
    pub const fn part(self, n: u64) -> Self {
        Self(self.0 / n)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This less `other`, never below zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// One instant on one host: CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW, read together.
///
/// BOOTTIME counts a suspend, RAW is not slewed; each can fail where the other does not. What is
/// dangerous to hold too long (lease, permit) is over when EITHER component says so, what is
/// dangerous to end too early (promise, wait) only when BOTH do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Moment {
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boot: u64,
    /// CLOCK_MONOTONIC_RAW in nanoseconds.
    pub raw: u64,
}

impl Moment {
    /// The moment `span` later, on both clocks.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self { boot: self.boot.saturating_add(span.0), raw: self.raw.saturating_add(span.0) }
    }

    /// The moment `span` earlier, on both clocks, never before zero.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self { boot: self.boot.saturating_sub(span.0), raw: self.raw.saturating_sub(span.0) }
    }

    /// The later reading of each component.
    #[must_use]
    pub fn latest(self, other: Self) -> Self {
        Self { boot: self.boot.max(other.boot), raw: self.raw.max(other.raw) }
    }

    /// The earlier reading of each component.
    #[must_use]
    pub fn earliest(self, other: Self) -> Self {
        Self { boot: self.boot.min(other.boot), raw: self.raw.min(other.raw) }
    }

    /// For what must not be held too long: reached as soon as one clock says so.
    pub const fn over_when_either(self, now: Self) -> bool {
        now.boot >= self.boot || now.raw >= self.raw
    }

    /// For what must not end too early: reached only when both clocks say so.
    pub const fn over_when_both(self, now: Self) -> bool {
        now.boot >= self.boot && now.raw >= self.raw
    }

    /// What is left until the first of the two clocks gets there.
    pub fn left_until_either(self, now: Self) -> Span {
        Span(self.boot.saturating_sub(now.boot).min(self.raw.saturating_sub(now.raw)))
    }

    /// What is left until both clocks are there.
    pub fn left_until_both(self, now: Self) -> Span {
        Span(self.boot.saturating_sub(now.boot).max(self.raw.saturating_sub(now.raw)))
    }

    /// How long ago this was, by the clock that ran less.
    pub fn elapsed(self, now: Self) -> Span {
        Span(now.boot.saturating_sub(self.boot).min(now.raw.saturating_sub(self.raw)))
    }
}

/// How far each clock has gone on: not as far as the other in a suspend, or when one is slewed.
#[cfg(feature = "model")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Passed {
    /// CLOCK_BOOTTIME.
    pub boot: Span,
    /// CLOCK_MONOTONIC_RAW.
    pub raw: Span,
}

#[cfg(feature = "model")]
impl Moment {
    /// This moment, told by clocks that are set back by `passed`; never before zero.
    #[must_use]
    pub const fn before(self, passed: Passed) -> Self {
        Self {
            boot: self.boot.saturating_sub(passed.boot.0),
            raw: self.raw.saturating_sub(passed.raw.0),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        if ns < 10_000_000 && !ns.is_multiple_of(1_000_000) {
            write!(f, "{:.1} ms", ns as f64 / 1e6)
        } else if ns < 10_000_000_000 {
            write!(f, "{} ms", ns / 1_000_000)
        } else {
            write!(f, "{:.1} s", ns as f64 / 1e9)
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Span(self.boot), Span(self.raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspend_ends_what_is_over_when_either_but_not_what_needs_both() {
        let deadline = Moment { boot: 100, raw: 100 };
        let after_suspend = Moment { boot: 500, raw: 40 };
        assert!(deadline.over_when_either(after_suspend));
        assert!(!deadline.over_when_both(after_suspend));
        assert_eq!(deadline.left_until_either(after_suspend), Span::ZERO);
        assert_eq!(deadline.left_until_both(after_suspend), Span::from_nanos(60));
    }
}
