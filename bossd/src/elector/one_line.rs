//! The state of a node in one line, for the service manager: `systemctl status` shows it.

use control::model::{Phase, Quorum, Standing, Status};

/// Its standing, who is boss under which epoch, and whether there is a quorum.
pub(super) fn one_line(status: &Status) -> String {
    let standing = match status.this.standing {
        Standing::Follower => "follower",
        Standing::PreCandidate | Standing::Candidate => "candidate",
        Standing::Leader => "leader",
    };
    let boss = match &status.boss {
        Some(boss) if boss.node == status.node => {
            format!("{}, epoch {}", acts(boss.phase), boss.epoch)
        }
        Some(boss) => format!("{} is boss, epoch {}", boss.node, boss.epoch),
        None => "no boss known".to_owned(),
    };
    let Quorum { connected, voters, needed } = &status.quorum;
    let quorum = if connected < needed { "no quorum" } else { "quorum" };
    let shadow = if status.shadow { "SHADOW, runs nothing: " } else { "" };
    format!("{shadow}{standing}; {boss}; {quorum}: {connected} of {voters} voters, {needed} needed")
}

/// What a node does of which it is said that it is the boss.
fn acts(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle | Phase::Waiting => "becomes boss",
        Phase::Promoting => "promotes",
        Phase::Boss => "boss",
        Phase::Demoting | Phase::Fencing => "lets go",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let golden = include_str!("../../../control/tests/status.json");
        serde_json::from_str(golden).expect("the golden document")
    }

    #[test]
    fn standing_boss_epoch_and_quorum_are_in_it() {
        let mut status = status();
        let boss = status.boss.as_mut().expect("it has one");
        (boss.node, boss.epoch, boss.phase) = ("alpha".to_owned(), 7, Phase::Boss);
        status.quorum = Quorum { voters: 3, needed: 2, connected: 3 };
        for (node, standing, wanted) in [
            ("alpha", Standing::Leader, "leader; boss, epoch 7; quorum: 3 of 3 voters, 2 needed"),
            (
                "beta",
                Standing::Follower,
                "follower; alpha is boss, epoch 7; quorum: 3 of 3 voters, 2 needed",
            ),
        ] {
            (status.node, status.this.standing) = (node.to_owned(), standing);
            assert_eq!(one_line(&status), wanted);
        }
        status.boss = None;
        status.quorum.connected = 1;
        status.this.standing = Standing::Candidate;
        let wanted = "candidate; no boss known; no quorum: 1 of 3 voters, 2 needed";
        assert_eq!(one_line(&status), wanted);
    }
}
