//! 9.10: after Released of an epoch there is no effect with it, or with an earlier one.

use election::{Epoch, Incarnation, NodeId, Term};

use super::Verdict;
use crate::host::Host;
use crate::world::HostId;

pub(super) struct Released(Vec<Epoch>);

impl Released {
    pub(super) fn new(hosts: usize) -> Self {
        Self(vec![Epoch::default(); hosts])
    }

    pub(super) fn says(&mut self, host: HostId, epoch: Epoch, active: Option<Epoch>) -> Verdict {
        self.0[host] = self.0[host].max(epoch);
        match active {
            Some(active) if active <= epoch => {
                Err(format!("9.10: host {host} releases {epoch} while {active} is in effect"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn effect_begins(&self, host: HostId, epoch: Epoch) -> Verdict {
        let released = self.0[host];
        if epoch > released {
            Ok(())
        } else {
            Err(format!("9.10: host {host} promotes {epoch}, but has released {released}"))
        }
    }
}

/// Whoever vouches for a host says as much (V7): of no term that it may come back and lead, which is
/// any above the one on its disk.
pub(super) fn confirms(node: &NodeId, life: Incarnation, term: Term, hosts: &[Host]) -> Verdict {
    let host = hosts.iter().find(|host| host.name == *node && host.incarnation == life);
    match host.map(|host| host.disk.term) {
        Some(led) if term > led => {
            Err(format!("9.10: {node} is confirmed off for term {term}, which it may yet lead"))
        }
        _ => Ok(()),
    }
}
