//! 9.14: quorums of the voter sets of adjacent committed versions intersect, and there is at most
//! one uncommitted set. This core does not change its membership yet, so today the sets are equal;
//! the check stands for the day on which they are not, and its own test shows that it can fail.

use election::{ClusterState, NodeId};

use super::Verdict;

#[derive(Default)]
pub(super) struct Adjacent(Vec<NodeId>);

impl Adjacent {
    /// The newest version is committed.
    pub(super) fn commits(&mut self, state: &ClusterState) -> Verdict {
        if self.0.iter().eq(state.members.voting()) {
            return Ok(());
        }
        let new: Vec<NodeId> = state.members.voting().cloned().collect();
        let old = std::mem::replace(&mut self.0, new);
        if old.is_empty() || intersect(&old, &self.0) {
            return Ok(());
        }
        let (version, new) = (state.version, &self.0);
        Err(format!("9.14: quorums of {old:?} and of {new:?} (version {version}) may be apart"))
    }
}

/// Whether any majority of one has a member of any majority of the other.
fn intersect(old: &[NodeId], new: &[NodeId]) -> bool {
    let quorum = |voters: &[NodeId]| voters.len() / 2 + 1;
    let both = old.iter().filter(|voter| new.contains(voter)).count();
    // The worst two majorities take as many as they can from outside the other set.
    let of_both = |voters: &[NodeId]| quorum(voters).saturating_sub(voters.len() - both);
    of_both(old) + of_both(new) > both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(names: &str) -> Vec<NodeId> {
        names.split(' ').map(NodeId::new).collect()
    }

    #[test]
    fn sets_one_apart_intersect_and_sets_two_apart_may_not() {
        assert!(intersect(&voters("a b c"), &voters("a b c")));
        assert!(intersect(&voters("a b c"), &voters("a b c d")));
        assert!(intersect(&voters("a b c d"), &voters("a b c")));
        assert!(!intersect(&voters("a b c"), &voters("a b c d e")));
        assert!(!intersect(&voters("a b"), &voters("c d")));
    }
}
