//! `[fence]`: when the command that makes sure that a lost peer is off is run, and what its word is
//! worth. It is run where it shortens a wait: for a peer whose promise or claim the others wait for,
//! by the one node that leads, or is to lead. Its word is the operator's `confirm-dead` (V7): it may
//! be wrong only if the command is. Against what this node hears it counts for nothing.

use std::collections::BTreeMap;

use election::{Claim, Command, Incarnation, Kind, Moment, NodeId, Snapshot, Span, ranking};
use tracing::{error, info, warn};

use super::Driver;
use crate::clock;
use crate::elector::forward::confirm;
use crate::ipc::{FenceOrder, ToExecutor};
use crate::journal;

/// A daemon that died is back within this where its host lives: that host need not be ended.
const GRACE: Span = Span::from_secs(1);
/// Before a command that failed is run again; doubled each time, up to the longest.
const FIRST_PAUSE: Span = Span::from_secs(1);
const LONGEST_PAUSE: Span = Span::from_secs(60);

/// What is known of each other member's silence.
#[derive(Default)]
pub(super) struct Fences {
    peers: BTreeMap<NodeId, Silence>,
    /// The number of the last run.
    last: u64,
}

/// One member.
struct Silence {
    /// When it was heard last, or first looked for.
    heard: Moment,
    stage: Stage,
}

/// How far its loss has come.
enum Stage {
    /// Nothing was run.
    Begun,
    Runs(Run),
    /// It did not vouch.
    Failed {
        again: Moment,
        failures: u32,
        why: String,
    },
    /// It vouched, and was believed.
    Confirmed,
}

/// A run, with what it is about: a word about something else does not count.
struct Run {
    number: u64,
    failures: u32,
    about: About,
}

/// The life, and the claim, that a command is run for.
#[derive(Clone, PartialEq, Eq)]
struct About {
    life: Option<Incarnation>,
    epoch: Option<u64>,
}

impl Fences {
    /// What is to be run now, by a node that has a command. Asked again and again.
    fn look(&mut self, now: Moment, snapshot: &Snapshot) -> Vec<FenceOrder> {
        let mut orders = Vec::new();
        for peer in &snapshot.peers {
            let node = &peer.node;
            let begin = || Silence { heard: now, stage: Stage::Begun };
            let silence = self.peers.entry(node.clone()).or_insert_with(begin);
            if confirm::heard(snapshot, node).is_some() {
                if let Stage::Runs(_) = silence.stage {
                    warn!(
                        "{node} is heard again: what the fence command says of it counts no more"
                    );
                }
                // Of one that leads, or answers this leader, the connection is lost later than its voice.
                if !confirm::is_silent(snapshot, node) {
                    silence.heard = now;
                }
                silence.stage = Stage::Begun;
                continue;
            }
            if !confirm::is_waited_for(snapshot, node) {
                // A command that still runs is judged when it ends.
                if !matches!(silence.stage, Stage::Runs(_)) {
                    silence.stage = Stage::Begun;
                }
                continue;
            }
            let failures = match &silence.stage {
                Stage::Begun => 0,
                Stage::Failed { again, failures, .. } if again.over_when_either(now) => *failures,
                Stage::Failed { .. } | Stage::Runs(_) | Stage::Confirmed => continue,
            };
            if !silence.heard.plus(GRACE).over_when_either(now) || !is_ours(snapshot, node) {
                continue;
            }
            self.last += 1;
            let about = about(snapshot, node);
            let member = snapshot.state.members.find(node);
            orders.push(FenceOrder {
                run: self.last,
                target: node.to_string(),
                address: member.map(|it| it.address.to_string()).unwrap_or_default(),
                epoch: about.epoch,
            });
            silence.stage = Stage::Runs(Run { number: self.last, failures, about });
        }
        orders
    }

    /// A run has ended. Whose, and how often one for it failed before, if it still counts.
    fn ended(&mut self, run: u64, snapshot: &Snapshot) -> Option<(NodeId, u32)> {
        let (node, silence) = self
            .peers
            .iter_mut()
            .find(|(_, silence)| matches!(&silence.stage, Stage::Runs(it) if it.number == run))?;
        let Stage::Runs(Run { failures, about: then, .. }) =
            std::mem::replace(&mut silence.stage, Stage::Begun)
        else {
            return None;
        };
        let same = then == about(snapshot, node) && confirm::is_waited_for(snapshot, node);
        same.then(|| (node.clone(), failures))
    }

    fn failed(&mut self, now: Moment, node: &NodeId, failures: u32, why: String) {
        if let Some(silence) = self.peers.get_mut(node) {
            let pause = FIRST_PAUSE.times(1 << failures.min(10)).min(LONGEST_PAUSE);
            let (again, failures) = (now.plus(pause), failures.saturating_add(1));
            silence.stage = Stage::Failed { again, failures, why };
        }
    }

    fn confirmed(&mut self, node: &NodeId) {
        if let Some(silence) = self.peers.get_mut(node) {
            silence.stage = Stage::Confirmed;
        }
    }

    /// What status says of it.
    fn trouble(&self) -> Option<String> {
        self.peers.iter().find_map(|(node, silence)| match &silence.stage {
            Stage::Failed { why, failures, .. } => Some(format!(
                "{node} is lost, and the fence command could not make sure that it is off ({why}; \
                 failures: {failures}): the fence window is waited out"
            )),
            _ => None,
        })
    }
}

fn about(snapshot: &Snapshot, node: &NodeId) -> About {
    let life = snapshot.state.members.find(node).and_then(|member| member.incarnation);
    let epoch = match &snapshot.state.claim {
        Claim::Held(held) if held.node == *node => Some(held.epoch.0),
        _ => None,
    };
    About { life, epoch }
}

/// Whether it is this node's part: it leads; or nobody does, the connected ones are a quorum, and it
/// is the one that they prefer. A node that is cut off from the others ends nobody's host, and two
/// halves do not end each other's.
fn is_ours(snapshot: &Snapshot, target: &NodeId) -> bool {
    let me = &snapshot.me;
    let state = &snapshot.state;
    let connected = |node: &NodeId| {
        node == me || snapshot.peers.iter().any(|peer| peer.node == *node && peer.connected)
    };
    let here = state.members.voting().filter(|node| *node != target && connected(node)).count();
    if state.paused.is_some() || here < state.members.quorum() {
        return false;
    }
    if snapshot.standing == "leader" {
        return true;
    }
    if snapshot.leader.as_ref().is_some_and(|leader| leader != target && connected(leader)) {
        return false;
    }
    let could = |node: &NodeId| {
        let held_off = snapshot.hold_offs.iter().any(|(held, _)| held == node);
        connected(node) && node != target && !held_off
    };
    let candidates = ranking(&state.members, &state.policy.prefer, |node, member| {
        member.kind == Kind::Voter && member.drained.is_none() && could(node)
    });
    candidates.first() == Some(&me) && snapshot.ineligible.is_none()
}

impl Driver {
    /// Has the executor run the command where it is this node's part.
    pub(super) fn fence_the_lost(&mut self, now: Moment, snapshot: &Snapshot) {
        if self.background.config().fence.is_none() || self.executor_gone {
            return;
        }
        for order in self.fences.look(now, snapshot) {
            warn!("{} is lost, and waited for: the fence command is run for it", order.target);
            let run = order.run;
            if !self.executor.send(ToExecutor::Fence(order)) {
                self.handle_fenced(run, Err("the executor does not read".to_owned()));
            }
        }
        self.background.set_fence_trouble(self.fences.trouble());
    }

    /// The command has ended.
    pub(super) fn handle_fenced(&mut self, run: u64, outcome: Result<(), String>) {
        let now = clock::now();
        let snapshot = self.node.snapshot(now);
        let Some((node, failures)) = self.fences.ended(run, &snapshot) else {
            return info!("a fence command has ended ({outcome:?}), and nobody waits for its word");
        };
        let against = confirm::refusal(&snapshot, &node).map(|refusal| refusal.text);
        let confirmed = match (outcome, against) {
            (Err(why), _) => Err(why),
            (Ok(()), Some(why)) => Err(format!("it says that {node} is off, and {why}")),
            (Ok(()), None) => {
                let command = Command::Confirm { node: node.clone() };
                self.node.handle_command(now, 0, command).map_err(|error| error.to_string())
            }
        };
        match confirmed {
            Ok(_) => {
                self.fences.confirmed(&node);
                let message_id = journal::FENCED;
                warn!(message_id, "{node} is surely off, says the fence command: nobody waits");
            }
            Err(why) => {
                let message_id = journal::FENCE_FAILED;
                error!(message_id, "nothing makes sure that {node} is off: {why}");
                self.fences.failed(now, &node, failures, why);
            }
        }
    }
}

#[cfg(test)]
mod tests;
