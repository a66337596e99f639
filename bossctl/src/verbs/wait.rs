//! Waiting until a change has come true: the daemon streams its status, and a goal says when it is
//! the one that was hoped for.

use std::ops::ControlFlow;

use control::client::Client;
use control::model::{Boss, Phase, Status};
use nix::time::{ClockId, clock_gettime};

use crate::exit::Failure;

/// How long to wait: two hooks of the default timeout of 30 s, demote and promote, with room.
const LIMIT_S: u64 = 120;

/// What the status has to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The node (None: the one that answers) is drained and not the boss.
    OutOfService { node: Option<String> },
    /// The node acts as boss, under a later epoch.
    Boss { node: String, after: u64 },
    /// A boss with a later epoch acts.
    Successor { after: u64 },
}

/// Why a goal is not reached.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    /// Not yet.
    Yet(String),
    /// It will not be: something else came true.
    Lost(String),
}

impl Goal {
    /// What has been reached, in a sentence; or what is not so.
    fn look(&self, status: &Status) -> Result<String, Missing> {
        if let (Self::Boss { node, after }, Some(boss)) = (self, acting(status))
            && boss.node != *node
            && boss.epoch > *after
        {
            let (other, epoch) = (&boss.node, boss.epoch);
            return Err(Missing::Lost(format!(
                "{node} did not become boss: {other} is, epoch {epoch}. The log of {node} says why"
            )));
        }
        self.sought(status).map_err(Missing::Yet)
    }

    fn sought(&self, status: &Status) -> Result<String, String> {
        match self {
            Self::OutOfService { node } => {
                let node = node.as_ref().unwrap_or(&status.node);
                let drained = status.member(node).is_some_and(|member| member.drained.is_some());
                match &status.boss {
                    Some(boss) if boss.node == *node => Err(format!("{node} is still the boss")),
                    _ if !drained => Err(format!("{node} is not drained")),
                    Some(boss) => {
                        Ok(format!("{node} is out of service; the boss is {}", boss.node))
                    }
                    None => Ok(format!("{node} is out of service; there is no boss")),
                }
            }
            Self::Boss { node, after } => acting(status)
                .filter(|boss| boss.node == *node && boss.epoch > *after)
                .map(became)
                .ok_or_else(|| format!("{node} does not act as boss")),
            Self::Successor { after } => acting(status)
                .filter(|boss| boss.epoch > *after)
                .map(became)
                .ok_or_else(|| "no successor acts".to_owned()),
        }
    }
}

fn acting(status: &Status) -> Option<&Boss> {
    status.boss.as_ref().filter(|boss| boss.phase == Phase::Boss)
}

fn became(boss: &Boss) -> String {
    format!("{} became boss, epoch {}", boss.node, boss.epoch)
}

/// Watches the status until the goal is reached; says what was reached.
pub(super) fn wait_for(client: Client, goal: &Goal) -> Result<String, Failure> {
    let deadline = boot_seconds() + LIMIT_S;
    // The stream has one status a second at least, so that the deadline is looked at.
    client.watch(|status| match goal.look(status) {
        Ok(reached) => ControlFlow::Break(Ok(reached)),
        Err(Missing::Lost(why)) => ControlFlow::Break(Err(Failure::No(why))),
        Err(Missing::Yet(what)) if boot_seconds() >= deadline => {
            ControlFlow::Break(Err(Failure::StillWaiting { waited_s: LIMIT_S, what }))
        }
        Err(Missing::Yet(_)) => ControlFlow::Continue(()),
    })?
}

fn boot_seconds() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("BOOTTIME exists since Linux 2.6.39");
    u64::try_from(time.tv_sec()).expect("this clock starts at zero")
}

#[cfg(test)]
mod tests {
    use control::model::Drained;

    use super::*;

    fn alpha_is_boss() -> Status {
        serde_json::from_str(include_str!("../../../control/tests/status.json")).expect("golden")
    }

    #[test]
    fn a_drained_boss_is_waited_for_until_another_is() {
        let goal = Goal::OutOfService { node: Some("alpha".to_owned()) };
        let mut status = alpha_is_boss();
        assert!(goal.look(&status).is_err());
        status.members[0].drained = Some(Drained { reason: None, until_s: None });
        assert_eq!(goal.look(&status), Err(Missing::Yet("alpha is still the boss".to_owned())));
        status.boss.as_mut().expect("alpha").node = "beta".to_owned();
        assert!(goal.look(&status).expect("reached").contains("the boss is beta"));
    }

    #[test]
    fn a_drain_without_a_node_is_of_the_one_that_answers() {
        let goal = Goal::OutOfService { node: None };
        let mut status = alpha_is_boss();
        assert_eq!(goal.look(&status), Err(Missing::Yet("beta is not drained".to_owned())));
        status.members[1].drained = Some(Drained { reason: None, until_s: None });
        assert!(goal.look(&status).is_ok());
    }

    #[test]
    fn a_successor_has_a_later_epoch_and_acts() {
        let mut status = alpha_is_boss();
        let goal = Goal::Successor { after: 1_790_000_007 };
        assert!(goal.look(&status).is_err());
        let boss = status.boss.as_mut().expect("alpha");
        boss.epoch += 1;
        boss.phase = Phase::Promoting;
        assert!(goal.look(&status).is_err());
        status.boss.as_mut().expect("alpha").phase = Phase::Boss;
        assert!(goal.look(&status).is_ok());
    }

    #[test]
    fn a_switchover_is_done_when_the_one_that_was_named_acts() {
        let goal = |node: &str, after| Goal::Boss { node: node.to_owned(), after };
        let now = 1_790_000_007;
        let reached = goal("alpha", now - 1).look(&alpha_is_boss()).expect("reached");
        assert!(reached.contains("epoch 1790000007"));
        assert!(matches!(goal("alpha", now).look(&alpha_is_boss()), Err(Missing::Yet(_))));
        assert!(matches!(goal("beta", now).look(&alpha_is_boss()), Err(Missing::Yet(_))));
        // The one that was named failed, and another is boss under a later epoch.
        assert!(matches!(goal("beta", now - 1).look(&alpha_is_boss()), Err(Missing::Lost(_))));
    }
}
