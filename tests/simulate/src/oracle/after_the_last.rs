//! 9.12: a promote starts after the end of every earlier effect, on whatever host.

use election::Epoch;

use super::Verdict;
use super::intervals::Intervals;
use crate::world::{HostId, Instant};

pub(super) fn effect_begins(
    intervals: &Intervals,
    now: Instant,
    host: HostId,
    epoch: Epoch,
) -> Verdict {
    if intervals.is_excused(now, host) {
        return Ok(());
    }
    match intervals.unexcused(now).find(|(other, _)| *other != host) {
        Some((other, live)) => Err(format!(
            "9.12: host {host} promotes epoch {epoch} while host {other} has {live}: two bosses"
        )),
        None => Ok(()),
    }
}
