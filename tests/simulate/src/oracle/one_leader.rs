//! 9.2: one leader per term.

use std::collections::BTreeMap;

use election::Term;

use super::Verdict;
use crate::world::HostId;

#[derive(Default)]
pub(super) struct OneLeader {
    of: BTreeMap<Term, HostId>,
    pub(super) last: Option<HostId>,
}

impl OneLeader {
    pub(super) fn leads(&mut self, host: HostId, term: Term) -> Verdict {
        // A node that stood still may win a term that has passed already.
        if self.of.last_key_value().is_none_or(|(last, _)| term >= *last) {
            self.last = Some(host);
        }
        let first = *self.of.entry(term).or_insert(host);
        if first == host {
            Ok(())
        } else {
            Err(format!("9.2: hosts {first} and {host} lead term {term}"))
        }
    }
}
