//! How late the election's loop was: the worst of all turns, and of the firings of its timer what
//! 999 of 1,000 did not exceed. It takes the same few kilobytes however long the daemon runs.

use election::Span;

/// What was measured since the elector started.
#[derive(Clone, Debug)]
pub(super) struct LoopGaps {
    max: Span,
    /// Firings of the timer by how late they were; see [`slot`].
    late: [u64; SLOTS],
}

impl LoopGaps {
    /// Nothing was measured yet.
    pub(super) fn new() -> Self {
        Self { max: Span::ZERO, late: [0; SLOTS] }
    }

    /// A turn took so long, or began so late.
    pub(super) fn saw(&mut self, gap: Span) {
        self.max = self.max.max(gap);
    }

    /// The timer fired this late.
    pub(super) fn saw_late(&mut self, gap: Span) {
        self.saw(gap);
        self.late[slot(gap.as_nanos() / 1_000)] += 1;
    }

    /// The longest gap.
    pub(super) fn max_us(&self) -> u64 {
        self.max.as_nanos() / 1_000
    }

    /// What 999 of 1,000 firings were not later than, rounded up by an eighth at most; the longest
    /// gap while there were fewer than that, 0 before the first.
    pub(super) fn p999_us(&self) -> u64 {
        let fired: u64 = self.late.iter().sum();
        // Rounded up: of 1,000 firings one may be later, of 999 none.
        let mut left = fired - fired / 1_000;
        let found = self.late.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        if fired == 0 { 0 } else { found.map_or(self.max_us(), largest).min(self.max_us()) }
    }
}

/// Each power of two has eight slots of equal width, below sixteen each microsecond has its own.
fn slot(us: u64) -> usize {
    let shift = (64 - us.leading_zeros()).saturating_sub(4);
    let index = u64::from(shift) * EIGHT + (us >> shift);
    usize::try_from(index).map_or(SLOTS - 1, |index| index.min(SLOTS - 1))
}

/// The longest time that belongs to a slot, in microseconds.
fn largest(slot: usize) -> u64 {
    let slot = slot as u64;
    let shift = (slot / EIGHT).saturating_sub(1);
    ((slot - shift * EIGHT + 1) << shift) - 1
}

const EIGHT: u64 = 8;
/// Up to a quarter of an hour, longer than any lease; the last takes the rest.
const SLOTS: usize = 224;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_a_slot_whose_largest_is_at_most_an_eighth_more() {
        let mut before = 0;
        for us in (0..5_000).chain([90_000, 1_000_000, 59_999_999]) {
            let slot = slot(us);
            assert!(slot >= before && slot < SLOTS - 1, "{us}");
            let most = largest(slot);
            assert!(us <= most && most <= us + us / 8, "{us} is in {slot}, up to {most}");
            before = slot;
        }
        assert_eq!(slot(u64::MAX), SLOTS - 1);
    }

    #[test]
    fn of_a_thousand_firings_the_latest_does_not_count_and_the_second_does() {
        let mut gaps = LoopGaps::new();
        assert_eq!((gaps.max_us(), gaps.p999_us()), (0, 0));
        for _ in 0..998 {
            gaps.saw_late(Span::from_micros(10));
        }
        gaps.saw_late(Span::from_millis(90));
        assert_eq!(gaps.p999_us(), 90_000, "there are too few to leave one out");
        gaps.saw_late(Span::from_micros(14));
        assert_eq!((gaps.max_us(), gaps.p999_us()), (90_000, 14));
        gaps.saw_late(Span::from_millis(90));
        assert_eq!(gaps.p999_us(), 90_000);
    }

    #[test]
    fn a_long_turn_is_no_late_timer() {
        let mut gaps = LoopGaps::new();
        gaps.saw_late(Span::from_micros(7));
        gaps.saw(Span::from_millis(3));
        assert_eq!((gaps.max_us(), gaps.p999_us()), (3_000, 7));
    }
}
