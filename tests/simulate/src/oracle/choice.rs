//! 9.17: witnesses and observers never promote, nor who is drained or held off, nor anybody while
//! paused. A hold-off is timed here as its node has to: by its own clocks, from when it first saw it.

use std::sync::Arc;

use election::{ClusterState, Epoch, Kind, Moment};

use super::Verdict;
use crate::host::Host;
use crate::world::HostId;

/// Of each host the state that it had last, and its own hold-off.
#[derive(Default)]
pub(super) struct Choice(Vec<Seen>);

#[derive(Clone, Default)]
struct Seen {
    state: Option<Arc<ClusterState>>,
    /// Which hold-off, and its end.
    held_off: Option<(u64, Moment)>,
}

impl Choice {
    pub(super) fn new(hosts: usize) -> Self {
        Self(vec![Seen::default(); hosts])
    }

    /// A new process times what it finds anew.
    pub(super) fn starts(&mut self, host: HostId) {
        self.0[host] = Seen::default();
    }

    /// After every event.
    pub(super) fn sees(&mut self, host: &Host, id: HostId, state: &Arc<ClusterState>, now: Moment) {
        let seen = &mut self.0[id];
        if seen.state.as_ref().is_some_and(|last| Arc::ptr_eq(last, state)) {
            return;
        }
        seen.state = Some(state.clone());
        let hold_off = state.hold_offs.get(&host.name).filter(|hold_off| !hold_off.ended);
        seen.held_off = hold_off.map(|hold_off| match seen.held_off {
            Some((begun, end)) if begun == hold_off.begun => (begun, end),
            _ => (hold_off.begun, now.plus(hold_off.span)),
        });
    }

    pub(super) fn promotes(&self, host: &Host, id: HostId, epoch: Epoch, now: Moment) -> Verdict {
        let name = &host.name;
        let state = &host.disk.state;
        if host.kind != Kind::Voter {
            return Err(format!("9.17: {name} promotes epoch {epoch}, a {}", host.kind.name()));
        }
        if state.paused.is_some() {
            return Err(format!("9.17: {name} promotes epoch {epoch} while paused"));
        }
        if state.members.find(name).is_some_and(|member| member.drained.is_some()) {
            return Err(format!("9.17: {name} promotes epoch {epoch}, drained"));
        }
        match self.0[id].held_off.filter(|(_, end)| !end.over_when_both(now)) {
            Some((_, end)) => {
                let left = end.left_until_both(now);
                Err(format!("9.17: {name} promotes epoch {epoch}, held off for {left} still"))
            }
            None => Ok(()),
        }
    }
}
