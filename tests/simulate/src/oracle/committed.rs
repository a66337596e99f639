//! 9.5: committed versions are on the disks of a majority, totally ordered and never lost; the
//! same version has the same content everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use election::{ClusterState, HardState, Version};

use super::Verdict;
use crate::host::Host;

/// So many editions are remembered: none older is ever written again by a live cluster.
const MOST: usize = 256;

pub(super) struct Committed {
    quorum: usize,
    last: Version,
    seen: BTreeMap<Version, Arc<ClusterState>>,
}

impl Committed {
    pub(super) fn new(quorum: usize) -> Self {
        Self { quorum, last: Version::default(), seen: BTreeMap::new() }
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

    pub(super) fn commits(&mut self, version: Version, hosts: &[Host]) -> Verdict {
        if version <= self.last || version.index <= self.last.index {
            return Err(format!("9.5: version {version} is committed after {}", self.last));
        }
        self.last = version;
        let has = |host: &&Host| host.kind.votes() && host.disk.state.version >= version;
        let have = hosts.iter().filter(has).count();
        if have < self.quorum {
            return Err(format!("9.5: version {version} is committed on {have} disks"));
        }
        Ok(())
    }
}
