//! Drains and pauses, as the cluster state has them: each change is told to the log of every node,
//! and the leader ends what was given an end.

use std::sync::Arc;

use election::{ClusterState, Command, Snapshot};
use tracing::info;

use super::Driver;
use crate::clock::{self, utc};
use crate::journal;

impl Driver {
    /// One line for each drain and for the pause that begins, ends or changes.
    pub(super) fn tell_drains_and_pauses(&mut self, state: &Arc<ClusterState>) {
        if self.told.as_ref().is_some_and(|told| told.version == state.version) {
            return;
        }
        let told = self.told.replace(state.clone());
        for line in changes(told.as_deref(), state) {
            info!(message_id = journal::DRAINS, "{line}");
        }
        self.heed_settings(told.as_ref(), state);
    }

    /// The leader's wall clock decides. While another command waits the state may be about to say
    /// something else, a longer drain for one: it is looked at again soon.
    pub(super) fn end_what_is_over(&mut self, snapshot: &Snapshot) {
        if snapshot.standing != "leader" || self.forwards.is_waiting_for_core() {
            return;
        }
        let Some(command) = over(&snapshot.state, clock::wall_s()) else { return };
        let line = match &command {
            Command::Undrain { node } => format!("the time of the drain of {node} is over"),
            _ => "the time of the pause is over".to_owned(),
        };
        if self.forwards.command(command, &mut self.node) {
            info!("{line}");
        }
    }
}

/// The command that ends a drain or a pause whose time is over; of several, one.
fn over(state: &ClusterState, wall_s: u64) -> Option<Command> {
    let is_over = |until: Option<u64>| until.is_some_and(|until| until <= wall_s);
    if state.paused.as_ref().is_some_and(|paused| is_over(paused.until)) {
        return Some(Command::Resume);
    }
    let mut drains = state.members.iter().filter_map(|(node, member)| {
        member.drained.as_ref().filter(|drained| is_over(drained.until)).map(|_| node)
    });
    drains.next().map(|node| Command::Undrain { node: node.clone() })
}

/// What the log says of the change from one state to the next; None is the first that is seen.
fn changes(before: Option<&ClusterState>, after: &ClusterState) -> Vec<String> {
    let mut lines = Vec::new();
    let was_paused = before.and_then(|state| state.paused.as_ref());
    match &after.paused {
        Some(paused) if was_paused != Some(paused) => {
            let how = how(paused.until, &paused.reason);
            lines.push(format!("paused{how}: nobody new becomes boss"));
        }
        None if was_paused.is_some() => lines.push("no longer paused".to_owned()),
        _ => {}
    }
    for (node, member) in after.members.iter() {
        let earlier = before.and_then(|state| state.members.find(node));
        let was_drained = earlier.and_then(|member| member.drained.as_ref());
        match &member.drained {
            Some(drained) if was_drained != Some(drained) => {
                let how = how(drained.until, &drained.reason);
                lines.push(format!("{node} is drained{how}"));
            }
            None if was_drained.is_some() => lines.push(format!("{node} is no longer drained")),
            _ => {}
        }
    }
    lines
}

fn how(until: Option<u64>, reason: &str) -> String {
    let until = until.map(|until| format!(" until {}", utc(until))).unwrap_or_default();
    if reason.is_empty() { until } else { format!("{until} ({reason})") }
}

#[cfg(test)]
mod tests {
    use election::{
        Address, Drained, Kind, Member, Members, NodeId, Paused, Policy, Profile, Timing,
    };

    use super::*;

    fn cluster_state() -> ClusterState {
        let member = |name: &str| Member {
            address: Address::Host(name.to_owned(), 26_770),
            kind: Kind::Voter,
            priority: 100,
            incarnation: None,
            joined: 0,
            drained: None,
        };
        let members = ["alpha", "beta"].map(|name| (NodeId::new(name), member(name)));
        let members = Members::new(members).expect("valid");
        ClusterState::unborn(members, Timing::of(Profile::Lan), Policy::default())
    }

    fn drained(state: &mut ClusterState, node: &str, until: Option<u64>, reason: &str) {
        let drained = Drained { until, reason: reason.to_owned() };
        let members = state.members.iter().map(|(name, member)| {
            let mut member = member.clone();
            if name.as_str() == node {
                member.drained = Some(drained.clone());
            }
            (name.clone(), member)
        });
        state.members = Members::new(members.collect::<Vec<_>>()).expect("valid");
    }

    #[test]
    fn what_was_given_an_end_is_over_when_the_wall_clock_says_so() {
        let mut state = cluster_state();
        drained(&mut state, "alpha", None, "");
        drained(&mut state, "beta", Some(1_000), "");
        assert_eq!(over(&state, 999), None);
        let undrain = Command::Undrain { node: NodeId::new("beta") };
        assert_eq!(over(&state, 1_000), Some(undrain.clone()));
        state.paused = Some(Paused { until: None, reason: String::new() });
        assert_eq!(over(&state, 2_000), Some(undrain));
        state.paused = Some(Paused { until: Some(1_500), reason: String::new() });
        assert_eq!(over(&state, 2_000), Some(Command::Resume));
    }

    #[test]
    fn the_log_tells_what_begins_changes_and_ends_once() {
        let before = cluster_state();
        assert!(changes(None, &before).is_empty());
        let mut after = before.clone();
        drained(&mut after, "beta", Some(1_790_000_000), "new disk");
        after.paused = Some(Paused { until: None, reason: String::new() });
        let lines = [
            "paused: nobody new becomes boss",
            "beta is drained until 2026-09-21 14:13:20 UTC (new disk)",
        ];
        assert_eq!(changes(None, &after), lines);
        assert_eq!(changes(Some(&before), &after), lines);
        assert!(changes(Some(&after), &after).is_empty());
        let mut longer = after.clone();
        drained(&mut longer, "beta", None, "new disk");
        assert_eq!(changes(Some(&after), &longer), ["beta is drained (new disk)"]);
        assert_eq!(
            changes(Some(&after), &before),
            ["no longer paused", "beta is no longer drained"]
        );
    }
}
