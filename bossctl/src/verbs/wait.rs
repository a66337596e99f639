//! Waiting until an order has come true: the daemon streams its status, a goal says when it is the one
//! that was hoped for, and each step on the way is told on standard error.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use control::client::Client;
use control::model::{Level, Status};
use nix::time::{ClockId, clock_gettime};

use super::goal::{Goal, Missing, step};
use crate::exit::Failure;
use crate::render::{plain, span};

/// How long to wait unless told otherwise: two hooks of the default timeout of 30 s, demote and
/// promote, with room.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Watches the status until the goal is reached; says what was reached.
pub(super) fn wait_for(client: Client, goal: &Goal, timeout: Duration) -> Result<String, Failure> {
    let begin = boot_time();
    let mut progress = Progress { begin, told: String::new() };
    // The stream has one status a second at least, so that the deadline is looked at.
    client.watch(|status| {
        progress.tell(step(status));
        match goal.look(status) {
            Ok(reached) => ControlFlow::Break(Ok(reached)),
            Err(Missing::Lost(why)) => ControlFlow::Break(Err(Failure::No(why))),
            Err(Missing::Yet(what)) if boot_time().saturating_sub(begin) >= timeout => {
                let what = format!("{what}{}", reason(status));
                ControlFlow::Break(Err(Failure::StillWaiting { waited: timeout, what }))
            }
            Err(Missing::Yet(_)) => ControlFlow::Continue(()),
        }
    })?
}

/// Why it takes so long, as far as the posture knows.
fn reason(status: &Status) -> String {
    let worst = status.posture.reasons.first();
    let worst = worst.filter(|_| status.posture.level == Level::Unsafe);
    worst.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// The steps so far.
struct Progress {
    begin: Duration,
    told: String,
}

impl Progress {
    /// Each step once, with the time since the order.
    fn tell(&mut self, step: String) {
        if step == self.told {
            return;
        }
        let since = span(boot_time().saturating_sub(self.begin));
        // Whoever does not listen misses nothing but this.
        drop(writeln!(io::stderr(), "{since:>7}  {}", plain(&step)));
        self.told = step;
    }
}

/// The boot clock: a wait goes on in a suspend.
fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("BOOTTIME exists since Linux 2.6.39");
    time.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_given_where_nothing_can_be_promised() {
        let golden = include_str!("../../../control/tests/status.json");
        let mut status: Status = serde_json::from_str(golden).expect("golden");
        assert_eq!(reason(&status), "");
        status.posture.level = Level::Unsafe;
        status.posture.reasons = vec!["no quorum".to_owned(), "and more".to_owned()];
        assert_eq!(reason(&status), " (no quorum)");
    }
}
