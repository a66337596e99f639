//! `on-fence-failure = "stop-units"`: ends the units that follow the boss, all in ConsistsOf= of
//! boss.target. They are stopped in order first, and those that take too long killed; it has worked
//! only if each of them is seen to be inactive. systemctl is asked, which talks to the service
//! manager itself and needs no bus.

use std::process::Stdio;

use election::{Moment, Span};
use tokio::process::Command;
use tracing::{error, info, warn};

use super::over;
use crate::clock;
use crate::executor::hooks::tree::Spared;
use crate::journal;

/// The unit that stands for the boss.
const TARGET: &str = "boss.target";
/// What is kept at the end for a kill and for seeing what came of it; half of the time if that is
/// less.
const KILLING: Span = Span::from_millis(150);
/// Between two looks at the units; systemctl itself takes as long.
const BETWEEN_LOOKS: Span = Span::from_millis(10);

/// Whether all of them are ended by `limit`.
pub(super) async fn end(transition: &str, limit: Moment, spared: &Spared) -> bool {
    match end_all(transition, limit, spared).await {
        Ok(units) => {
            info!(
                boss_transition = transition,
                message_id = journal::UNITS_ENDED,
                "the units of {TARGET} are inactive: {}",
                units.join(", ")
            );
            true
        }
        Err(why) => {
            error!(boss_transition = transition, "stop-units: {why}");
            false
        }
    }
}

async fn end_all(transition: &str, limit: Moment, spared: &Spared) -> Result<Vec<String>, String> {
    let systemctl = Systemctl { limit, spared };
    let units = systemctl.run(&["show", "--value", "--property=ConsistsOf", TARGET]).await?;
    let units: Vec<String> = units.split_whitespace().map(str::to_owned).collect();
    if units.is_empty() {
        // Whatever the hooks left standing, it is none of them.
        return Err(format!("{TARGET} has no unit: nothing could be stopped"));
    }
    warn!(boss_transition = transition, "stopping the units of {TARGET}: {}", units.join(", "));
    let mut stop = vec!["stop", "--no-block", TARGET];
    stop.extend(units.iter().map(String::as_str));
    if let Err(why) = systemctl.run(&stop).await {
        // One that cannot be stopped is killed below, and the others are stopped all the same.
        warn!(boss_transition = transition, "{why}");
    }
    let kill_at = kill_at(clock::now(), limit);
    let mut killed = false;
    loop {
        let active = systemctl.active(&units).await?;
        if active.is_empty() {
            return Ok(units);
        }
        let now = clock::now();
        if limit.over_when_either(now) {
            return Err(format!("still active at the end of the time: {}", active.join(", ")));
        }
        if !killed && kill_at.over_when_either(now) {
            killed = true;
            let which = active.join(", ");
            warn!(boss_transition = transition, "killing what does not stop in time: {which}");
            let mut kill = vec!["kill", "--signal=SIGKILL"];
            kill.extend(active.iter().map(String::as_str));
            if let Err(why) = systemctl.run(&kill).await {
                warn!(boss_transition = transition, "{why}");
            }
        }
        let _ = clock::pause(BETWEEN_LOOKS).await;
    }
}

/// Those that stop in order get all but the last [`KILLING`], or half of what is left.
fn kill_at(now: Moment, limit: Moment) -> Moment {
    let left = limit.left_until_either(now);
    now.plus(left.minus(KILLING.min(left.part(2))))
}

/// Calls of systemctl that end with the time there is.
struct Systemctl<'s> {
    limit: Moment,
    spared: &'s Spared,
}

impl Systemctl<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let verb = arguments.first().unwrap_or(&"");
        let failed = |why: String| format!("systemctl {verb}: {why}");
        let child = Command::new("systemctl")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        // Else the executor would take its exit status away.
        let _spared = self.spared.spare(child.id().unwrap_or_default());
        tokio::select! {
            output = child.wait_with_output() => {
                let output = output.map_err(|error| failed(error.to_string()))?;
                if output.status.success() {
                    return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
                }
                let said = String::from_utf8_lossy(&output.stderr);
                Err(failed(format!("{}: {}", output.status, said.trim())))
            }
            () = over(self.limit) => Err(failed("did not end within the time".to_owned())),
        }
    }

    /// Those that are not inactive.
    async fn active(&self, units: &[String]) -> Result<Vec<String>, String> {
        let mut show = vec!["show", "--property=Id", "--property=ActiveState"];
        show.extend(units.iter().map(String::as_str));
        let said = self.run(&show).await?;
        Ok(still_active(units, &said))
    }
}

/// A unit that systemctl says nothing of counts as active: letting go is proven, never assumed.
fn still_active(units: &[String], said: &str) -> Vec<String> {
    let is_gone = |unit: &str| {
        said.split("\n\n").any(|about| {
            let value = |name: &str| about.lines().find_map(|line| line.strip_prefix(name));
            let state = value("ActiveState=");
            value("Id=") == Some(unit) && matches!(state, Some("inactive" | "failed"))
        })
    };
    units.iter().filter(|unit| !is_gone(unit)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_gone_only_if_it_is_said_to_be() {
        let units = ["a.service", "b.mount", "c.service", "d.service"].map(str::to_owned);
        let said = "Id=a.service\nActiveState=inactive\n\nActiveState=failed\nId=b.mount\n\n\
                    Id=c.service\nActiveState=deactivating\n";
        assert_eq!(still_active(&units, said), ["c.service", "d.service"]);
        assert_eq!(still_active(&units, ""), units);
    }

    #[test]
    fn what_stops_in_order_gets_all_but_the_end_of_the_time() {
        let now = Moment::default().plus(Span::from_secs(9));
        let left = |span: Span| kill_at(now, now.plus(span)).left_until_either(now);
        assert_eq!(left(Span::from_millis(700)), Span::from_millis(550));
        assert_eq!(left(Span::from_millis(200)), Span::from_millis(100));
    }
}
