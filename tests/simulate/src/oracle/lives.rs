//! 9.15: after the first commit, a life that the cluster does not know counts nowhere: it gives no
//! vote that counts, it does not lead, and its disk makes no commit (that one is in 9.5's count). And
//! no committed version puts another life in the place of one that an earlier version had bound.

use election::{ClusterState, Incarnation, NodeId, Term};

use super::Verdict;
use super::one_vote::OneVote;
use crate::host::Host;
use crate::world::HostId;

/// The lives that committed versions have bound.
#[derive(Default)]
pub(super) struct Lives(Vec<(NodeId, Incarnation)>);

impl Lives {
    /// The newest version is committed.
    pub(super) fn commits(&mut self, state: &ClusterState) -> Verdict {
        for (name, member) in state.members.iter() {
            let Some(life) = member.incarnation else { continue };
            match self.0.iter().find(|(bound, _)| bound == name) {
                None => self.0.push((name.clone(), life)),
                Some((_, first)) if *first == life => {}
                Some((_, first)) => {
                    let version = state.version;
                    return Err(format!(
                        "9.15: version {version} binds {name} to life {life:?}, it was {first:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// `votes`: who the winner says has voted for it.
pub(super) fn leads(
    votes: &[NodeId],
    given: &OneVote,
    leader: HostId,
    term: Term,
    hosts: &[Host],
) -> Verdict {
    let here = &hosts[leader];
    let Some(elector) = &here.elector else { return Ok(()) };
    let state = elector.node.state();
    let name = &here.name;
    if !state.knows(name, here.incarnation) {
        return Err(format!("9.15: {name} leads term {term}, its life unknown to the cluster"));
    }
    let counts = |voter: &&NodeId| {
        let host = hosts.iter().position(|host| host.name == **voter);
        let life = host.and_then(|host| given.who(host, term, name));
        life.is_some_and(|life| state.knows(voter, life))
    };
    let count = votes.iter().filter(|v| state.members.has_vote(v)).filter(counts).count();
    if count >= state.members.quorum() {
        Ok(())
    } else {
        Err(format!("9.15: {name} leads term {term} by {count} votes of lives that count"))
    }
}
