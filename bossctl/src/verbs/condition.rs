//! `bossctl wait` and `bossctl assert`, for scripts: the exit status is the answer. Both ask the
//! daemon; a wait goes on while there is none, for it may be about to start.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use control::client::{Client, ClientError, PATIENCE};
use control::model::{Level, Phase, Status};
use nix::time::{ClockId, clock_gettime};

use super::connect;
use super::status::understood;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render::plain;

/// How long to wait before asking again a daemon that is not there.
const AGAIN: Duration = Duration::from_millis(100);
/// A status that is older than this may be over. The daemon renews it ten times a second.
const FRESH_MS: u64 = 2_000;

/// What `bossctl wait` can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// This node acts as boss.
    Boss,
    /// Nothing of a boss is active on this node.
    NotBoss,
    /// Another node acts as boss.
    Follower,
    /// Some node acts as boss.
    Known,
    /// A majority of the voters is connected.
    Quorum,
    /// The posture is SAFE.
    Safe,
}

impl Condition {
    /// All of them, by the words of the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("boss", Self::Boss),
        ("not-boss", Self::NotBoss),
        ("follower", Self::Follower),
        ("known", Self::Known),
        ("quorum", Self::Quorum),
        ("safe", Self::Safe),
    ];

    /// That of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, condition)| condition)
    }

    /// What is so, in a sentence; or what is not.
    fn look(self, status: &Status) -> Result<String, String> {
        let node = &status.node;
        if status.age_ms > FRESH_MS {
            return Err(format!("the election thread of {node} has not said anything new"));
        }
        // In a shadow's cluster nobody acts.
        let acting = |boss: &&control::model::Boss| boss.phase == Phase::Boss && !status.shadow;
        let boss = status.boss.as_ref().filter(acting);
        let idle = matches!(status.this.phase, Phase::Idle | Phase::Waiting);
        let is_boss = boss.filter(|boss| boss.node == *node && acts(status));
        let other = boss.filter(|boss| boss.node != *node);
        let said =
            |boss: &control::model::Boss| format!("{} is boss, epoch {}", boss.node, boss.epoch);
        let quorum = status.quorum;
        match self {
            Self::Boss => is_boss.map(said).ok_or_else(|| format!("{node} is not boss")),
            Self::NotBoss if idle => Ok(format!("{node} is not boss")),
            Self::NotBoss => Err(format!("{node} has not let go")),
            Self::Follower if idle => {
                other.map(said).ok_or_else(|| "no other node is boss".to_owned())
            }
            Self::Follower => Err(format!("{node} has not let go")),
            Self::Known => is_boss.or(other).map(said).ok_or_else(|| "no boss is known".to_owned()),
            Self::Quorum => {
                let figures = format!(
                    "{} of {} voters connected, {} needed",
                    quorum.connected, quorum.voters, quorum.needed
                );
                if quorum.connected >= quorum.needed { Ok(figures) } else { Err(figures) }
            }
            Self::Safe if status.posture.level == Level::Safe => Ok("SAFE".to_owned()),
            Self::Safe => Err(status.posture.reasons.first().cloned().unwrap_or_default()),
        }
    }
}

/// This node is boss, and its lease runs.
///
/// A shadow's never acts: a job that waits for its turn must not begin.
fn acts(status: &Status) -> bool {
    let lease = status.this.lease_left_ms.is_some_and(|left| left > 0);
    !status.shadow && status.this.phase == Phase::Boss && lease
}

/// Waits until it is so, and says it.
pub fn wait(socket: &Path, args: &args::Wait) -> Result<Exit, Failure> {
    let deadline = boot_time() + args.timeout;
    loop {
        let left = deadline.saturating_sub(boot_time());
        let patience = left.clamp(LEAST_PATIENCE, PATIENCE);
        let missing = match watch(socket, args.condition, patience, deadline) {
            Ok(Ok(reached)) => {
                answer(&format!("{}\n", plain(&reached)))?;
                return Ok(Exit::Done);
            }
            Ok(Err(what)) => Failure::WaitedInVain { waited: args.timeout, what },
            // Nothing of that changes by waiting.
            Err(error @ (ClientError::Denied { .. } | ClientError::NotUnderstood { .. })) => {
                return Err(error.into());
            }
            Err(ClientError::Refused(refusal)) => {
                return Err(ClientError::Refused(refusal).into());
            }
            Err(error) => error.into(),
        };
        let left = deadline.saturating_sub(boot_time());
        if left.is_zero() {
            return Err(missing);
        }
        thread::sleep(left.min(AGAIN));
    }
}

/// Who looks once waits for the answer all the same, on a busy server too.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// What was reached, or at the deadline what was not.
fn watch(
    socket: &Path,
    condition: Condition,
    patience: Duration,
    deadline: Duration,
) -> Result<Result<String, String>, ClientError> {
    Client::connect(socket, patience)?.watch(|status| match condition.look(status) {
        Err(_) if boot_time() < deadline => ControlFlow::Continue(()),
        looked => ControlFlow::Break(looked),
    })
}

/// Ends with 0 if this node acts under this epoch. What the daemon says of the lease is counted from
/// before it was asked, and looked at again last of all: the lease still runs when this returns.
pub fn assert(socket: &Path, args: &args::Assert) -> Result<Exit, Failure> {
    let asked = boot_time();
    let status: Status = understood(connect(socket)?.status()?)?;
    let lease = Duration::from_millis(acting_under(&status, args.epoch).map_err(Failure::No)?);
    let took = boot_time().saturating_sub(asked);
    if took < lease {
        return Ok(Exit::Done);
    }
    let node = &status.node;
    Err(Failure::No(format!("the answer of {node} took longer than its lease ran: it may be over")))
}

/// What is left of the lease under which this node acts, in milliseconds.
fn acting_under(status: &Status, epoch: u64) -> Result<u64, String> {
    let node = &status.node;
    let own = status.boss.as_ref().filter(|boss| boss.node == *node && acts(status));
    match (own, &status.boss) {
        (Some(own), _) if own.epoch == epoch => Ok(status.this.lease_left_ms.unwrap_or_default()),
        (Some(own), _) => Err(format!("{node} acts under epoch {}, not {epoch}", own.epoch)),
        (None, Some(boss)) if boss.node != *node => {
            Err(format!("{node} is not boss: {} is, epoch {}", boss.node, boss.epoch))
        }
        _ => Err(format!("{node} is not boss")),
    }
}

/// The boot clock: a wait goes on in a suspend, and a lease does not.
fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("BOOTTIME exists since Linux 2.6.39");
    time.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// beta answers and follows alpha.
    fn follower() -> Status {
        serde_json::from_str(include_str!("../../../control/tests/status.json")).expect("golden")
    }

    fn boss() -> Status {
        let mut status = follower();
        status.node = "alpha".to_owned();
        (status.this.phase, status.this.lease_left_ms) = (Phase::Boss, Some(310));
        status
    }

    fn met(status: &Status) -> Vec<&'static str> {
        let met = |(_, it): &(&str, Condition)| it.look(status).is_ok();
        Condition::ALL.into_iter().filter(met).map(|(name, _)| name).collect()
    }

    #[test]
    fn each_condition_is_met_where_it_is_so() {
        assert_eq!(met(&follower()), ["not-boss", "follower", "known", "quorum"]);
        assert_eq!(met(&boss()), ["boss", "known", "quorum"]);
        let mut alone = follower();
        (alone.boss, alone.quorum.connected) = (None, 1);
        assert_eq!(met(&alone), ["not-boss"]);
        let mut safe = follower();
        safe.posture.level = Level::Safe;
        assert!(met(&safe).contains(&"safe"));
        let mut old = safe;
        old.age_ms = FRESH_MS + 1;
        assert!(met(&old).is_empty());
    }

    #[test]
    fn a_boss_that_lets_go_or_whose_lease_is_over_is_neither() {
        let mut demoting = boss();
        demoting.this.phase = Phase::Demoting;
        demoting.boss.as_mut().expect("alpha").phase = Phase::Demoting;
        assert_eq!(met(&demoting), ["quorum"]);
        let mut over = boss();
        over.this.lease_left_ms = Some(0);
        assert_eq!(met(&over), ["quorum"]);
        assert!(acting_under(&over, 1_790_000_007).is_err());
    }

    #[test]
    fn a_shadow_is_no_boss_and_knows_of_none_whatever_it_elects() {
        let mut shadow = boss();
        shadow.shadow = true;
        assert_eq!(met(&shadow), ["quorum"]);
        assert!(acting_under(&shadow, 1_790_000_007).is_err());
        let mut follower = follower();
        follower.shadow = true;
        assert_eq!(met(&follower), ["not-boss", "quorum"]);
    }

    #[test]
    fn only_the_epoch_under_which_this_node_acts_is_asserted() {
        assert_eq!(acting_under(&boss(), 1_790_000_007), Ok(310));
        let other = acting_under(&boss(), 7).expect_err("another epoch");
        assert_eq!(other, "alpha acts under epoch 1790000007, not 7");
        let follower = acting_under(&follower(), 1_790_000_007).expect_err("not boss");
        assert_eq!(follower, "beta is not boss: alpha is, epoch 1790000007");
    }
}
