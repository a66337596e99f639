//! Preference across a bridge or a chain: a node that a leader hears may be one that no quorum hears.
//! To hand over to it would cost the cluster its boss for nothing. So a node whose campaign or lease
//! ended without the answers of a quorum says so in its replies ([`Facts::cut_off`]), and looks, while
//! its leader waits and could hand over, whether a quorum answers again.
//!
//! [`Facts::cut_off`]: crate::message::Facts::cut_off

use std::collections::BTreeSet;

use crate::id::NodeId;
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::node::{Node, Standing};

impl Node {
    /// Another leads or is voted for. A campaign that had a slot's time and was answered by fewer
    /// than a quorum shows that this node could not lead instead of it.
    pub(crate) fn judge_interrupted_campaign(&mut self, now: Moment) {
        let Standing::PreCandidate(candidate) = &self.standing else { return };
        let timing = &self.hard.state.timing;
        let had_its_slot =
            candidate.deadline.left_until_either(now).plus(timing.slot) <= timing.attempt();
        if had_its_slot && !self.has_quorum_answered() {
            self.note_cut_off(now);
        }
    }

    /// No quorum answered: for the time of an unplanned change the leader is told so. Who answered
    /// before says nothing any more.
    pub(crate) fn note_cut_off(&mut self, now: Moment) {
        self.campaign.answered = BTreeSet::from([self.me.clone()]);
        let timing = &self.hard.state.timing;
        self.campaign.cut_off_until = now.plus(timing.promise()).plus(timing.fence_wait());
    }

    /// The leader waits and could hand over: is this node still cut off? What a follower asks is
    /// refused (V1) and changes nothing (P1), but it is answered.
    pub(crate) fn look_for_quorum(&mut self, now: Moment) {
        let proposed = self.proposed_term();
        self.send_pre_vote(now, proposed);
    }

    pub(crate) fn count_answer(&mut self, now: Moment, from: &NodeId) {
        self.campaign.answered.insert(from.clone());
        if self.has_quorum_answered() {
            self.campaign.cut_off_until = now;
        }
    }

    pub(crate) fn has_quorum_answered(&self) -> bool {
        let members = &self.hard.state.members;
        let answered = members.voting().filter(|voter| self.campaign.answered.contains(*voter));
        answered.count() >= members.quorum()
    }

    pub(crate) fn is_cut_off(&self, now: Moment) -> bool {
        let over = self.campaign.cut_off_until.over_when_both(now);
        !over && !self.sabotage.is(Mutant::HidesCutOff)
    }

    /// It would probably reach no quorum: by its own word, or because it was tried in vain.
    pub(crate) fn is_doubtful(&self, node: &NodeId, now: Moment) -> bool {
        let Standing::Leader(leader) = &self.standing else { return false };
        leader.progress.get(node).is_some_and(|progress| progress.facts.cut_off)
            || self.is_on_trial(node, now)
    }
}
