//! 9.13: the epochs that hooks get grow strictly, over all hosts.

use election::Epoch;

use super::Verdict;
use crate::world::HostId;

pub(super) struct Epochs {
    last: Epoch,
    /// Of each host what its hooks got in an earlier cluster, while its marker knows it.
    before: Vec<Epoch>,
}

impl Epochs {
    pub(super) fn new(hosts: usize) -> Self {
        Self { last: Epoch::default(), before: vec![Epoch::default(); hosts] }
    }

    pub(super) fn knows(&mut self, host: HostId, epoch: Epoch) {
        self.before[host] = epoch;
    }

    /// `excused`: a virtual machine that was paused may for the rest of its lease not know that
    /// the world has moved on (protocol.md 7).
    pub(super) fn effect_begins(&mut self, host: HostId, epoch: Epoch, excused: bool) -> Verdict {
        let last = self.last.max(self.before[host]);
        self.last = self.last.max(epoch);
        if epoch > last || excused {
            Ok(())
        } else {
            Err(format!("9.13: host {host} promotes epoch {epoch} after {last}"))
        }
    }
}
