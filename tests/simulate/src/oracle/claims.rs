//! 9.6: an effect implies that its claim is committed. 9.11: while a version is committed that
//! claims nothing, or another's, there is no effect.

use std::collections::HashMap;

use election::{Claim, Epoch};

use super::Verdict;
use crate::host::Host;
use crate::world::HostId;

#[derive(Default)]
pub(super) struct Claims(HashMap<Epoch, HostId>);

impl Claims {
    pub(super) fn commits(
        &mut self,
        leader: HostId,
        live: impl Iterator<Item = (HostId, Epoch)>,
        hosts: &[Host],
    ) -> Verdict {
        let state = &hosts[leader].disk.state;
        let claim = match &state.claim {
            Claim::Held(held) => {
                let host = hosts.iter().position(|host| host.name == held.node);
                host.map(|host| (host, held.epoch))
            }
            Claim::Unknown | Claim::None => None,
        };
        if let Some((host, epoch)) = claim {
            let first = *self.0.entry(epoch).or_insert(host);
            if first != host {
                return Err(format!("9.6: hosts {first} and {host} claim epoch {epoch}"));
            }
        }
        for (host, epoch) in live {
            if claim != Some((host, epoch)) {
                let version = state.version;
                return Err(format!(
                    "9.11: version {version} does not claim epoch {epoch}, live on host {host}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn effect_begins(&self, host: HostId, epoch: Epoch) -> Verdict {
        if self.0.get(&epoch) == Some(&host) {
            Ok(())
        } else {
            Err(format!("9.6: host {host} promotes epoch {epoch}, its claim not committed"))
        }
    }
}
