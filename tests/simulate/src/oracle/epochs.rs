//! 9.13: the epochs that hooks get grow strictly, over all hosts.

use election::Epoch;

use super::Verdict;
use crate::world::HostId;

#[derive(Default)]
pub(super) struct Epochs(Epoch);

impl Epochs {
    /// `excused`: a virtual machine that was paused may for the rest of its lease not know that
    /// the world has moved on (protocol.md 7).
    pub(super) fn effect_begins(&mut self, host: HostId, epoch: Epoch, excused: bool) -> Verdict {
        let last = self.0;
        self.0 = self.0.max(epoch);
        if epoch > last || excused {
            Ok(())
        } else {
            Err(format!("9.13: host {host} promotes epoch {epoch} after {last}"))
        }
    }
}
