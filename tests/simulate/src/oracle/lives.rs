//! 9.15: after the first commit, a life that the cluster does not know counts nowhere: it gives no
//! vote that counts, it does not lead, and its disk makes no commit (that one is in 9.5's count).

use election::{NodeId, Term};

use super::Verdict;
use super::one_vote::OneVote;
use crate::host::Host;
use crate::world::HostId;

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
        // Its own vote may still be on its way to the disk.
        *voter == name || life.is_some_and(|life| state.knows(voter, life))
    };
    let count = votes.iter().filter(|v| state.members.has_vote(v)).filter(counts).count();
    if count >= state.members.quorum() {
        Ok(())
    } else {
        Err(format!("9.15: {name} leads term {term} by {count} votes of lives that count"))
    }
}
