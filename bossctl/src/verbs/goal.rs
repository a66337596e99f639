//! What an order is waited for: the status that it is to lead to, what is missing of it, and the steps
//! on the way, in words.

use control::model::{Boss, Member, Phase, Status};

/// What the status has to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The node (None: the one that answers) is drained and not the boss, and where it let go a
    /// successor acts under a later epoch than this.
    OutOfService { node: Option<String>, after: Option<u64> },
    /// The node acts as boss, under a later epoch.
    Boss { node: String, after: u64 },
    /// Another than this node acts as boss, under a later epoch.
    Successor { of: Option<String>, after: u64 },
}

/// Why a goal is not reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Not yet.
    Yet(String),
    /// It will not be: something else came true.
    Lost(String),
}

impl Goal {
    /// What has been reached, in a sentence; or what is not so.
    pub(super) fn look(&self, status: &Status) -> Result<String, Missing> {
        match self {
            Self::OutOfService { node, after } => {
                let node = node.as_ref().unwrap_or(&status.node);
                out_of_service(status, node, *after).map_err(Missing::Yet)
            }
            Self::Boss { node, after } => match acting_after(status, *after) {
                Some(boss) if boss.node == *node => Ok(became(boss)),
                Some(boss) => Err(Missing::Lost(format!(
                    "{node} did not become boss: {} is, epoch {}. {}",
                    boss.node,
                    boss.epoch,
                    why_not(status, node)
                ))),
                None => Err(Missing::Yet(format!("{node} does not act as boss"))),
            },
            Self::Successor { of, after } => match acting_after(status, *after) {
                Some(boss) if of.as_ref() == Some(&boss.node) => {
                    let epoch = boss.epoch;
                    let text =
                        format!("nobody took over: {} is boss again, epoch {epoch}. ", boss.node);
                    Err(Missing::Lost(text + &others(status, &boss.node)))
                }
                Some(boss) => Ok(became(boss)),
                None => Err(Missing::Yet("no successor acts".to_owned())),
            },
        }
    }
}

fn out_of_service(status: &Status, node: &str, after: Option<u64>) -> Result<String, String> {
    let drained = status.member(node).is_some_and(|member| member.drained.is_some());
    match (&status.boss, after) {
        (Some(boss), _) if boss.node == node => Err(format!("{node} is still the boss")),
        _ if !drained => Err(format!("{node} is not drained")),
        (_, Some(after)) => acting_after(status, after)
            .map(|boss| format!("{node} is out of service; the boss is {}", boss.node))
            .ok_or_else(|| format!("{node} is out of service, and no successor acts")),
        (Some(boss), None) => Ok(format!("{node} is out of service; the boss is {}", boss.node)),
        (None, None) => Ok(format!("{node} is out of service; there is no boss")),
    }
}

fn acting_after(status: &Status, epoch: u64) -> Option<&Boss> {
    let boss = status.boss.as_ref().filter(|boss| boss.phase == Phase::Boss)?;
    (boss.epoch > epoch).then_some(boss)
}

fn became(boss: &Boss) -> String {
    format!("{} became boss, epoch {}", boss.node, boss.epoch)
}

/// Why a node did not become boss, as far as the status tells.
fn why_not(status: &Status, node: &str) -> String {
    let told = status.member(node).and_then(against);
    match told {
        Some(why) => format!("{node} is {why}; its log says more"),
        None => format!("The log of {node} says why"),
    }
}

/// What is against each other node that could have become boss.
fn others(status: &Status, boss: &str) -> String {
    let others = status.members.iter().filter(|member| member.name != boss);
    let told: Vec<String> = others
        .filter_map(|member| Some(format!("{} is {}", member.name, against(member)?)))
        .collect();
    if told.is_empty() { "The logs of the others say why".to_owned() } else { told.join("; ") }
}

fn against(member: &Member) -> Option<String> {
    if let Some(held) = &member.held_off {
        return Some(format!("held off: {}", held.cause));
    }
    if !member.connected {
        return Some("not connected".to_owned());
    }
    member.drained.as_ref().map(|_| "drained".to_owned())
}

/// Where the cluster is on the way from one boss to the next, in a sentence.
pub(super) fn step(status: &Status) -> String {
    let Some(boss) = &status.boss else {
        let leader = status.members.iter().find(|member| member.leader);
        return match leader {
            Some(leader) => format!("{} leads, and nobody acts", leader.name),
            None => "nobody leads".to_owned(),
        };
    };
    let Boss { node, epoch, .. } = boss;
    match boss.phase {
        Phase::Boss => format!("{node} is boss, epoch {epoch}"),
        Phase::Promoting => format!("{node} is being promoted, epoch {epoch}"),
        Phase::Demoting => format!("{node} lets go of epoch {epoch}"),
        Phase::Fencing => format!("{node} lets go of epoch {epoch} in an emergency"),
        Phase::Idle | Phase::Waiting => format!("{node} is elected and does not act yet"),
    }
}

#[cfg(test)]
mod tests {
    use control::model::{Drained, HeldOff};

    use super::*;

    const NOW: u64 = 1_790_000_007;

    fn alpha_is_boss() -> Status {
        serde_json::from_str(include_str!("../../../control/tests/status.json")).expect("golden")
    }

    fn missing(text: &str) -> Result<String, Missing> {
        Err(Missing::Yet(text.to_owned()))
    }

    #[test]
    fn a_drained_boss_is_waited_for_until_another_acts() {
        let goal = Goal::OutOfService { node: Some("alpha".to_owned()), after: Some(NOW) };
        let mut status = alpha_is_boss();
        assert!(goal.look(&status).is_err());
        status.members[0].drained = Some(Drained { reason: None, until_s: None });
        assert_eq!(goal.look(&status), missing("alpha is still the boss"));
        let boss = status.boss.take();
        assert_eq!(goal.look(&status), missing("alpha is out of service, and no successor acts"));
        let nobody_follows = Goal::OutOfService { node: Some("alpha".to_owned()), after: None };
        assert!(nobody_follows.look(&status).expect("reached").contains("there is no boss"));
        status.boss = boss.map(|boss| Boss { node: "beta".to_owned(), epoch: NOW + 1, ..boss });
        assert!(goal.look(&status).expect("reached").contains("the boss is beta"));
    }

    #[test]
    fn a_drain_without_a_node_is_of_the_one_that_answers() {
        let goal = Goal::OutOfService { node: None, after: None };
        let mut status = alpha_is_boss();
        assert_eq!(goal.look(&status), missing("beta is not drained"));
        status.members[1].drained = Some(Drained { reason: None, until_s: None });
        assert!(goal.look(&status).is_ok());
    }

    #[test]
    fn a_successor_has_a_later_epoch_and_acts_and_is_another() {
        let mut status = alpha_is_boss();
        let goal = Goal::Successor { of: Some("beta".to_owned()), after: NOW };
        assert!(goal.look(&status).is_err());
        let boss = status.boss.as_mut().expect("alpha");
        boss.epoch += 1;
        boss.phase = Phase::Promoting;
        assert_eq!(goal.look(&status), missing("no successor acts"));
        status.boss.as_mut().expect("alpha").phase = Phase::Boss;
        assert!(goal.look(&status).is_ok());
        let again = Goal::Successor { of: Some("alpha".to_owned()), after: NOW };
        let Err(Missing::Lost(why)) = again.look(&status) else { panic!("it is the same") };
        // The golden status holds beta off, and gamma is lost.
        assert!(why.contains("alpha is boss again") && why.contains("beta is held off"), "{why}");
        assert!(why.contains("gamma is not connected"), "{why}");
    }

    #[test]
    fn a_switchover_is_done_when_the_one_that_was_named_acts() {
        let goal = |node: &str, after| Goal::Boss { node: node.to_owned(), after };
        let reached = goal("alpha", NOW - 1).look(&alpha_is_boss()).expect("reached");
        assert!(reached.contains("epoch 1790000007"));
        assert!(matches!(goal("alpha", NOW).look(&alpha_is_boss()), Err(Missing::Yet(_))));
        assert!(matches!(goal("beta", NOW).look(&alpha_is_boss()), Err(Missing::Yet(_))));
        // The one that was named failed, and another is boss under a later epoch.
        let mut status = alpha_is_boss();
        let cause = "its promote failed".to_owned();
        status.members[1].held_off = Some(HeldOff { left_ms: 60_000, failures: 1, cause });
        let Err(Missing::Lost(why)) = goal("beta", NOW - 1).look(&status) else { panic!("lost") };
        assert!(why.contains("beta is held off: its promote failed"), "{why}");
        status.members[1].held_off = None;
        let Err(Missing::Lost(why)) = goal("beta", NOW - 1).look(&status) else { panic!("lost") };
        assert!(why.contains("The log of beta"), "{why}");
    }

    #[test]
    fn each_step_from_one_boss_to_the_next_is_told() {
        let mut status = alpha_is_boss();
        let mut told = vec![step(&status)];
        for phase in [Phase::Demoting, Phase::Waiting, Phase::Promoting, Phase::Fencing] {
            status.boss.as_mut().expect("alpha").phase = phase;
            told.push(step(&status));
        }
        status.boss = None;
        told.push(step(&status));
        status.members.iter_mut().for_each(|member| member.leader = false);
        told.push(step(&status));
        let wanted = [
            "alpha is boss, epoch 1790000007",
            "alpha lets go of epoch 1790000007",
            "alpha is elected and does not act yet",
            "alpha is being promoted, epoch 1790000007",
            "alpha lets go of epoch 1790000007 in an emergency",
            "alpha leads, and nobody acts",
            "nobody leads",
        ];
        assert_eq!(told, wanted);
    }
}
