//! 9.18: a runner never runs promote and demote at once, and every promote is followed by a demote
//! before the next.

use election::Epoch;

use super::Verdict;
use super::intervals::Intervals;
use crate::world::HostId;

pub(super) fn effect_begins(
    intervals: &Intervals,
    host: HostId,
    epoch: Epoch,
    busy: bool,
) -> Verdict {
    if busy {
        return Err(format!("9.18: host {host} promotes epoch {epoch} while other hooks run"));
    }
    match intervals.on(host) {
        Some(live) => {
            Err(format!("9.18: host {host} promotes epoch {epoch} before a demote ended {live}"))
        }
        None => Ok(()),
    }
}
