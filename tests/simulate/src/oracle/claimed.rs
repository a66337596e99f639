//! 9.6: an effect implies that its claim is committed.

use std::collections::BTreeMap;

use election::Epoch;

use super::Verdict;
use crate::world::HostId;

#[derive(Default)]
pub(super) struct Claimed(BTreeMap<Epoch, HostId>);

impl Claimed {
    /// A version that claims this was committed.
    pub(super) fn commits(&mut self, host: HostId, epoch: Epoch) -> Verdict {
        let first = *self.0.entry(epoch).or_insert(host);
        if first == host {
            Ok(())
        } else {
            Err(format!("9.6: hosts {first} and {host} claim epoch {epoch}"))
        }
    }

    pub(super) fn effect_begins(&self, host: HostId, epoch: Epoch) -> Verdict {
        if self.0.get(&epoch) == Some(&host) {
            Ok(())
        } else {
            Err(format!("9.6: host {host} promotes epoch {epoch}, its claim not committed"))
        }
    }
}
