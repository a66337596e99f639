//! 9.4: term and version never fall, on any disk.

use election::HardState;

use super::Verdict;
use crate::world::HostId;

pub(super) fn written(host: HostId, old: &HardState, new: &HardState) -> Verdict {
    if new.term < old.term {
        return Err(format!("9.4: host {host} writes term {} after {}", new.term, old.term));
    }
    if new.state.version < old.state.version {
        let (new, old) = (new.state.version, old.state.version);
        return Err(format!("9.4: host {host} writes version {new} after {old}"));
    }
    if new.promise_hiwater < old.promise_hiwater {
        return Err(format!("S1: host {host} forgets its longest promise"));
    }
    Ok(())
}
