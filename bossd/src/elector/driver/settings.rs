//! Timing and policy, as the cluster state has them: what an operator applied is told to the log of
//! every node, and a node whose own part of the fence window does not fit any more is not ready.

use std::sync::Arc;

use election::{ClusterState, Command, Settings};
use tracing::{info, warn};

use super::Driver;
use crate::clock;
use crate::config::{canonical_of, differences};

impl Driver {
    /// After a new version. `before` is the one that was looked at last.
    pub(super) fn heed_settings(
        &mut self,
        before: Option<&Arc<ClusterState>>,
        state: &Arc<ClusterState>,
    ) {
        for line in before.into_iter().flat_map(|before| changes(before, state)) {
            info!("{line}");
        }
        if before.is_some_and(|before| before.timing == state.timing) {
            return;
        }
        let ready = self.background.set_timing(&state.timing);
        self.heed_readiness(ready);
    }

    /// Tells the node whether it could be promoted, if that is another answer than before.
    pub(super) fn heed_readiness(&mut self, ready: Option<Result<(), String>>) {
        let Some(ready) = ready else { return };
        if let Err(why) = &ready {
            warn!("{why}");
        }
        let command = Command::SetReady(ready.is_ok());
        let _ = self.node.handle_command(clock::now(), 0, command);
    }
}

/// One line for each key.
fn changes(before: &ClusterState, after: &ClusterState) -> Vec<String> {
    // Most versions change none of it: the texts are not made for those.
    if before.is_unborn() || Settings::of(before) == Settings::of(after) {
        return Vec::new();
    }
    let text = |state| canonical_of("", state);
    differences(&text(before), &text(after))
        .into_iter()
        .map(|(key, was, is)| {
            let said = |value: Option<String>| value.unwrap_or_else(|| "not there".to_owned());
            format!("{key} is {} now; it was {}", said(is), said(was))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use election::{
        Address, Failback, Kind, Member, Members, NodeId, Policy, Profile, Span, Timing, Version,
    };

    use super::*;

    #[test]
    fn the_log_tells_each_key_that_was_applied() {
        let member = Member {
            address: Address::Host("alpha".to_owned(), 26_770),
            kind: Kind::Voter,
            priority: 100,
            incarnation: None,
            joined: 0,
            drained: None,
        };
        let members = Members::new([(NodeId::new("alpha"), member)]).expect("valid");
        let mut before = ClusterState::unborn(members, Timing::of(Profile::Lan), Policy::default());
        let mut after = before.clone();
        after.timing.fence = Span::from_millis(200);
        after.policy.failback = Failback::After(Span::from_secs(5));
        assert!(changes(&before, &after).is_empty(), "the first version says nothing new");
        before.version = Version { index: 1, ..before.version };
        assert_eq!(
            changes(&before, &after),
            [
                "election.failback is auto now; it was never",
                "election.failback-delay is 5000ms now; it was not there",
                "timing.fence-window is 200ms now; it was 800ms"
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }
}
