//! 9.11: while the newest committed version claims nothing, or another's, there is no effect.

use election::{Epoch, Version};

use super::Verdict;
use super::intervals::Intervals;
use crate::world::{HostId, Instant};

pub(super) fn commits(
    intervals: &Intervals,
    now: Instant,
    version: Version,
    claim: Option<(HostId, Epoch)>,
) -> Verdict {
    match intervals.unexcused(now).find(|(host, live)| claim != Some((*host, live.epoch))) {
        Some((host, live)) => {
            Err(format!("9.11: version {version} does not claim what host {host} has: {live}"))
        }
        None => Ok(()),
    }
}
