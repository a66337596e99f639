//! 9.5: committed versions are on the disks of a majority of lives that count, totally ordered and
//! never lost; the same version has the same content everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use election::{ClusterState, HardState, Version};

use super::Verdict;
use crate::host::Host;

/// So many editions are remembered: none older is ever written again by a live cluster.
const MOST: usize = 256;

#[derive(Default)]
pub(super) struct Committed {
    order: BTreeSet<Version>,
    seen: BTreeMap<Version, Arc<ClusterState>>,
    /// Voters whose disk was wiped: they may have had what was counted.
    pub(super) wiped: usize,
}

impl Committed {
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

    /// What some disk has of it.
    pub(super) fn content(&self, version: Version) -> Option<Arc<ClusterState>> {
        self.seen.get(&version).cloned()
    }

    /// Whether nothing newer is committed.
    pub(super) fn is_newest(&self, version: Version) -> bool {
        self.order.last() == Some(&version)
    }

    pub(super) fn commits(&mut self, state: &ClusterState, hosts: &[Host]) -> Verdict {
        let version = state.version;
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
        let has = |host: &&Host| {
            host.kind.votes()
                && host.disk.state.version >= version
                && state.knows(&host.name, host.incarnation)
        };
        let have = hosts.iter().filter(has).count();
        if have + self.wiped < state.members.quorum() {
            return Err(format!("9.5: version {version} is committed on {have} disks that count"));
        }
        Ok(())
    }
}
