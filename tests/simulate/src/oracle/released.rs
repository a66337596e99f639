//! 9.10: after Released of an epoch there is no effect with it, or with an earlier one.

use election::Epoch;

use super::Verdict;
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
