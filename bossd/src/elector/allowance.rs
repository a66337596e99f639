//! How often something may happen: a burst, then a steady trickle. Bounds what others can make this
//! node do or say, handshakes and log lines alike. Pure: the caller brings the time.

use election::{Moment, Span};

/// So many at once, and one more for each span that passes.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    burst: u32,
    each: Span,
    left: u32,
    /// When the latest one was added.
    at: Moment,
    /// How many were not allowed since the last that was.
    missed: u64,
}

impl Allowance {
    pub(crate) fn new(burst: u32, each: Span, now: Moment) -> Self {
        Self { burst, each, left: burst, at: now, missed: 0 }
    }

    /// Takes one. How many were not allowed since the last one that was; None: nor is this one.
    pub(crate) fn take(&mut self, now: Moment) -> Option<u64> {
        self.fill(now);
        if self.left == 0 {
            self.missed += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.missed))
    }

    /// What could be taken at once.
    pub(crate) fn left(&mut self, now: Moment) -> u32 {
        self.fill(now);
        self.left
    }

    /// As if nothing had been taken lately.
    pub(crate) fn is_full(&mut self, now: Moment) -> bool {
        self.left(now) == self.burst
    }

    fn fill(&mut self, now: Moment) {
        if self.left == self.burst {
            self.at = now;
        }
        while self.left < self.burst && self.at.plus(self.each).over_when_either(now) {
            self.left += 1;
            self.at = self.at.plus(self.each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::default().plus(Span::from_millis(ms))
    }

    #[test]
    fn a_burst_is_allowed_then_one_for_each_span_and_what_was_missed_is_told() {
        let mut allowance = Allowance::new(2, Span::from_millis(100), at(1_000));
        assert_eq!(allowance.take(at(1_000)), Some(0));
        assert_eq!(allowance.take(at(1_000)), Some(0));
        assert_eq!(allowance.take(at(1_050)), None);
        assert_eq!(allowance.take(at(1_099)), None);
        assert_eq!(allowance.take(at(1_100)), Some(2));
        assert_eq!(allowance.take(at(1_150)), None);
    }

    #[test]
    fn a_long_silence_saves_up_no_more_than_the_burst() {
        let mut allowance = Allowance::new(3, Span::from_millis(10), at(0));
        while allowance.take(at(0)).is_some() {}
        assert_eq!(allowance.left(at(1_000_000)), 3);
        assert!(allowance.is_full(at(1_000_000)));
    }
}
