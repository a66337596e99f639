//! What happens in the cluster, as one line per change: each node's own words are compared with
//! those of the last look.

use control::model::{Level, Phase, Status};

use super::cluster::Cluster;
use super::time_of_day;

/// What was seen last.
#[derive(Debug)]
pub(super) struct View {
    nodes: Vec<Seen>,
    posture: Option<(Level, Vec<String>)>,
}

/// One node, as far as a change of it is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    NotStarted,
    Ended(String),
    Silent,
    Up { phase: Phase, epoch: u64, boss: Option<String>, eligible: bool },
}

impl View {
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self { nodes: vec![Seen::NotStarted; cluster.size()], posture: None }
    }

    /// A line for each change since the last look.
    pub(super) fn look(&mut self, cluster: &mut Cluster) -> Vec<String> {
        let statuses = cluster.statuses();
        let mut lines = Vec::new();
        for (index, status) in statuses.iter().enumerate() {
            let node = cluster.node_mut(index);
            let now = match (status, node.is_running()) {
                (Some(status), _) => Seen::up(status),
                (None, true) => Seen::Silent,
                (None, false) => match node.ended() {
                    Some(ended) => Seen::Ended(ended.to_string()),
                    None => Seen::NotStarted,
                },
            };
            if let Some(line) = change(&self.nodes[index], &now, status.as_ref(), &node.name) {
                lines.push(format!("{} {line}", time_of_day()));
            }
            self.nodes[index] = now;
        }
        lines.extend(self.posture_line(&statuses));
        lines
    }

    /// The posture as the boss sees it, else as the first that answers does.
    fn posture_line(&mut self, statuses: &[Option<Status>]) -> Option<String> {
        let mut answering = statuses.iter().flatten();
        let acting = answering.clone().find(|status| status.this.phase == Phase::Boss);
        let posture = &acting.or_else(|| answering.next())?.posture;
        let now = (posture.level, posture.reasons.clone());
        // Figures in a reason may change at every look: the words are what counts.
        let words = |reasons: &[String]| {
            let text = reasons.join("; ");
            text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>()
        };
        let same = self
            .posture
            .as_ref()
            .is_some_and(|(level, reasons)| *level == now.0 && words(reasons) == words(&now.1));
        self.posture = Some(now.clone());
        let level = match now.0 {
            Level::Safe => "SAFE",
            Level::Degraded => "DEGRADED",
            Level::Unsafe => "UNSAFE",
        };
        let why = if now.1.is_empty() { String::new() } else { format!(": {}", now.1.join("; ")) };
        (!same).then(|| format!("{} the cluster is {level}{why}", time_of_day()))
    }
}

impl Seen {
    fn up(status: &Status) -> Self {
        let other = status.boss.as_ref().filter(|boss| boss.node != status.node);
        let phase = status.this.phase;
        Self::Up {
            phase,
            epoch: status.boss.as_ref().map_or(0, |boss| boss.epoch),
            boss: other.filter(|boss| boss.phase == Phase::Boss).map(|boss| boss.node.clone()),
            eligible: status.this.eligible,
        }
    }
}

/// The line for what has become of a node, if it is worth one.
fn change(before: &Seen, now: &Seen, status: Option<&Status>, node: &str) -> Option<String> {
    if before == now {
        return None;
    }
    let Seen::Up { phase, epoch, boss, eligible } = now else {
        return Some(match now {
            Seen::Ended(how) => format!("{node} has ended ({how})"),
            // Not yet, or not in this moment: said once it was heard of before.
            _ if matches!(before, Seen::Up { .. }) => format!("{node} does not answer"),
            _ => return None,
        });
    };
    let answers = if matches!(before, Seen::Up { .. }) { "" } else { " answers and" };
    Some(match (phase, boss) {
        (Phase::Boss, _) => {
            let lease = status.and_then(|status| status.this.lease_left_ms);
            let lease = lease.map_or(String::new(), |left| format!(" (lease {left} ms)"));
            format!("{node} is boss, epoch {epoch}{lease}")
        }
        (Phase::Waiting, _) => format!("{node} is elected and waits until nobody else can act"),
        (Phase::Promoting, _) => format!("{node} runs its promote hooks, epoch {epoch}"),
        (Phase::Demoting, _) => format!("{node} lets go in order, epoch {epoch}"),
        (Phase::Fencing, _) => format!("{node} has lost its lease and lets go at once"),
        (Phase::Idle, Some(boss)) => match eligible {
            true => format!("{node}{answers} follows {boss}, epoch {epoch}"),
            false => {
                let why = status.and_then(|status| status.this.why_not.as_deref());
                let why = why.unwrap_or("it does not say why");
                format!("{node}{answers} follows {boss}, epoch {epoch}; it cannot be boss: {why}")
            }
        },
        (Phase::Idle, None) => format!("{node}{answers} knows no boss"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        serde_json::from_str(include_str!("../../../control/tests/status.json")).expect("golden")
    }

    fn line(before: &Seen, status: &Status) -> Option<String> {
        change(before, &Seen::up(status), Some(status), &status.node)
    }

    #[test]
    fn a_node_that_becomes_boss_says_epoch_and_lease() {
        let mut status = status();
        let before = Seen::up(&status);
        assert_eq!(line(&before, &status), None);
        status.this.phase = Phase::Boss;
        status.this.lease_left_ms = Some(380);
        let expected = "beta is boss, epoch 1790000007 (lease 380 ms)";
        assert_eq!(line(&before, &status).as_deref(), Some(expected));
        let after = Seen::up(&status);
        status.this.lease_left_ms = Some(379);
        assert_eq!(line(&after, &status), None);
    }

    #[test]
    fn a_follower_says_whom_and_why_it_cannot_be_boss() {
        let status = status();
        let line = line(&Seen::Silent, &status).expect("a change");
        assert!(line.starts_with("beta answers and follows alpha, epoch 1790000007; "), "{line}");
        assert!(line.contains("held off"), "{line}");
    }

    #[test]
    fn silence_is_told_of_a_node_that_was_heard_of() {
        let up = Seen::up(&status());
        assert_eq!(change(&Seen::NotStarted, &Seen::Silent, None, "beta"), None);
        let line = change(&up, &Seen::Silent, None, "beta");
        assert_eq!(line.as_deref(), Some("beta does not answer"));
    }
}
