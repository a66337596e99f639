//! The judge of the three together: what no node sees alone (protocol.md 9.1, 9.2, 9.5, 9.6, 9.8,
//! 9.13).

use std::collections::BTreeMap;
use std::sync::Arc;

use election::{ClusterState, Epoch, Note, Snapshot, Term, Version};

use super::host::Host;

/// What it has seen.
#[derive(Default)]
pub(super) struct Judge {
    leaders: BTreeMap<Term, usize>,
    states: BTreeMap<Version, Arc<ClusterState>>,
    committed: Version,
    last_epoch: Epoch,
}

impl Judge {
    /// 9.1, at every instant.
    pub(super) fn watch(hosts: &[Host]) {
        let stand: Vec<_> =
            hosts.iter().filter_map(|host| Some((&host.name, host.stands?))).collect();
        assert!(stand.len() <= 1, "9.1: two bosses, with their epochs: {stand:?}");
    }

    /// The first promote hook starts.
    pub(super) fn effects_begin(&mut self, host: usize, epoch: Epoch, hosts: &[Host]) {
        let name = &hosts[host].name;
        assert!(
            epoch > self.last_epoch,
            "9.13: {name} acts with {epoch} after {}",
            self.last_epoch
        );
        self.last_epoch = epoch;
        let holds = |other: &&Host| {
            let claim = other.disk.state.claim.held_by(name, hosts[host].life);
            claim.is_some_and(|held| held.epoch == epoch)
        };
        let have = hosts.iter().filter(holds).count();
        let quorum = hosts[host].disk.state.members.quorum();
        assert!(have >= quorum, "9.6: {name} acts with {epoch}, {have} disks have the claim");
        Self::watch(hosts);
    }

    /// 9.5: same version, same content.
    pub(super) fn published(&mut self, state: &Arc<ClusterState>) {
        let known = self.states.entry(state.version).or_insert_with(|| state.clone());
        assert_eq!(known, state, "9.5: two states are version {}", state.version);
    }

    /// What a node tells the log.
    pub(super) fn notes(&mut self, host: usize, note: &Note, seen: &Snapshot) {
        match note {
            Note::BecameLeader { term, .. } | Note::Refreshed { term, .. } => {
                let leader = *self.leaders.entry(*term).or_insert(host);
                assert_eq!(leader, host, "9.2: two leaders in term {term}");
                let later = self.committed.term > *term;
                let has = seen.state.version >= self.committed;
                assert!(later || has, "9.5: leader of {term} has lost {}", self.committed);
            }
            Note::Committed { version } => self.committed = self.committed.max(*version),
            Note::LeaseViolated { .. } => panic!("9.8: {note}"),
            _ => {}
        }
    }
}
