//! What the executor tells of itself beside the permit machine's words: the file that scripts ask, and
//! how long its hooks take to let go.

use tracing::warn;

use super::Daemon;
use crate::clock;
use crate::ipc::ToElector;

impl Daemon {
    /// For those who ask the file: what this node is now.
    pub(super) fn tell_state(&mut self) {
        let now = clock::now();
        let permit = self.machine.borrow().permit();
        match (self.transitions.acting(now), permit) {
            (Some(epoch), Some(permit)) => {
                let config = &self.environment.config;
                let me = config.cluster.state.members.find(&config.node.name);
                let address = me.map(|me| me.address.to_string()).unwrap_or_default();
                self.state_json.say_master(now, &address, epoch.0, permit.until);
            }
            _ => self.state_json.say_backup(now, self.known.as_ref()),
        }
    }

    pub(super) fn end_state_json(&mut self) {
        if let Err(error) = self.state_json.end(clock::now()) {
            warn!("state.json cannot be written or removed ({error}): it runs out by itself");
        }
    }

    /// After each demote, to the elector and to whoever runs after this process.
    pub(super) fn share_demote_times(&self) {
        let changed = self.transitions.demote_times().borrow_mut().take_changed();
        if let Some(times) = changed {
            self.tell(ToElector::Demotes(times));
        }
    }
}
