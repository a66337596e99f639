//! 9.5: committed versions are on the disks of a majority, totally ordered and never lost; the
//! same version has the same content everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use election::{ClusterState, HardState, Version};

use super::Verdict;
use crate::host::Host;

/// So many editions are remembered: none older is ever written again by a live cluster.
const MOST: usize = 256;

pub(super) struct Committed {
    quorum: usize,
    order: BTreeSet<Version>,
    seen: BTreeMap<Version, Arc<ClusterState>>,
}

impl Committed {
    pub(super) fn new(quorum: usize) -> Self {
        Self { quorum, order: BTreeSet::new(), seen: BTreeMap::new() }
    }

    pub(super) fn written(&mut self, hard: &HardState) -> Verdict {
        let state = &hard.state;
        if state.is_unborn() {
            return Ok(());
        }
        let first = self.seen.entry(state.version).or_insert_with(|| state.clone());
        if !Arc::ptr_eq(first, state) && first != state {
            return Err(format!("9.5: two contents of version {}", state.version));
        }
        if self.seen.len() > MOST {
            self.seen.pop_first();
        }
        Ok(())
    }

    /// Whether nothing newer is committed.
    pub(super) fn is_newest(&self, version: Version) -> bool {
        self.order.last() == Some(&version)
    }

    pub(super) fn commits(&mut self, version: Version, hosts: &[Host]) -> Verdict {
        // A leader may learn late of a commit that its successor has built on already: what counts
        // is the order of the versions, not of the news.
        let earlier = self.order.range(..version).next_back();
        let later = self.order.range((Excluded(version), Unbounded)).next();
        if let Some(earlier) = earlier.filter(|earlier| earlier.index >= version.index) {
            return Err(format!("9.5: version {version} is committed, and so is {earlier}"));
        }
        if let Some(later) = later.filter(|later| later.index <= version.index) {
            return Err(format!("9.5: version {version} is committed, and so is {later}"));
        }
        self.order.insert(version);
        if self.order.len() > MOST {
            self.order.pop_first();
        }
        let has = |host: &&Host| host.kind.votes() && host.disk.state.version >= version;
        let have = hosts.iter().filter(has).count();
        if have < self.quorum {
            return Err(format!("9.5: version {version} is committed on {have} disks"));
        }
        Ok(())
    }
}
