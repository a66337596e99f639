//! What would come of an order that takes the boss's part from a node, asked before it is given:
//! whether it would be refused, and who could take over. The order's own checks answer; nothing
//! happens.

use crate::command::{Command, CommandError};
use crate::id::{Epoch, NodeId};
use crate::moment::Moment;
use crate::node::Node;
use crate::preference::compare;

/// What would come of an order now. Only the leader knows whether others are fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    /// Why it would be refused; None if it would be done.
    pub refused: Option<CommandError>,
    /// The boss, which would let go or stay, and its epoch.
    pub boss: Option<(NodeId, Epoch)>,
    /// The boss would let go because of it.
    pub lets_go: bool,
    /// Who would take over from a boss that lets go; None if nobody could, or while paused.
    pub successor: Option<NodeId>,
    /// Every member but the one that the order takes out, with why it could not be boss. First those
    /// that could, among each the preferred first.
    pub candidates: Vec<(NodeId, Option<String>)>,
}

impl Node {
    /// What would come of `command` now. It is about those that take the boss's part from a node
    /// (resign, switchover, drain); of others only whether this node leads.
    pub fn preview(&self, now: Moment, command: &Command) -> Preview {
        let (out, lets_go, allowed) = match command {
            Command::Resign { force } => (Some(&self.me), true, self.may_resign(now, *force)),
            Command::Switchover { to } => (Some(&self.me), true, self.may_switch_over(now, to)),
            Command::Drain { node, force, .. } => {
                let acts = *node == self.me && self.phase.has_permit();
                (Some(node), acts, self.may_drain(node, now, *force))
            }
            _ => (None, false, self.require_leader().map(drop)),
        };
        let chosen = match command {
            Command::Switchover { to } => self.unfit(to, now).is_none().then(|| to.clone()),
            _ => self.best_successor(now),
        };
        let paused = self.hard.state.paused.is_some();
        Preview {
            refused: allowed.err(),
            boss: self.snapshot(now).boss,
            lets_go,
            successor: chosen.filter(|_| lets_go && !paused),
            candidates: self.candidates(now, out),
        }
    }

    fn candidates(&self, now: Moment, out: Option<&NodeId>) -> Vec<(NodeId, Option<String>)> {
        let prefer = &self.hard.state.policy.prefer;
        let others = self.hard.state.members.iter().filter(|(name, _)| Some(*name) != out);
        let mut looked: Vec<_> = others
            .map(|(name, member)| {
                let why_not = if *name == self.me {
                    self.ineligible(name, now).map(|why| why.to_string())
                } else {
                    self.unfit(name, now).map(|why| why.to_string())
                };
                (name, member, why_not)
            })
            .collect();
        looked.sort_by(|(a, first, why_a), (b, second, why_b)| {
            let fit = why_a.is_some().cmp(&why_b.is_some());
            fit.then_with(|| compare(prefer, (*a, *first), (*b, *second)))
        });
        looked.into_iter().map(|(name, _, why_not)| (name.clone(), why_not)).collect()
    }
}
