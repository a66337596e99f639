//! 9.17: witnesses and observers never promote, nor who is drained, nor anybody while paused.
//! Hold-offs are timed by each node's own clock and seen only there.

use election::{Epoch, Kind};

use super::Verdict;
use crate::host::Host;

pub(super) fn promotes(host: &Host, epoch: Epoch) -> Verdict {
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
    Ok(())
}
