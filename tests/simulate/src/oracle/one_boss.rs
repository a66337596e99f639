//! 9.1: at most one node with a live effect at any real instant.

use super::Verdict;
use super::intervals::Intervals;
use crate::world::{Instant, MILLI};

/// Beginnings and the ends of excuses are the only instants at which a second one can appear.
pub(super) fn at_most_one(intervals: &Intervals, now: Instant) -> Verdict {
    let mut live = intervals.unexcused(now);
    let (Some((first, one)), Some((second, other))) = (live.next(), live.next()) else {
        return Ok(());
    };
    let at = now / MILLI;
    Err(format!("9.1: two bosses at {at} ms: host {first} {one}, host {second} {other}"))
}
