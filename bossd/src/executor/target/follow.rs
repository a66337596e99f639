//! `bossd --boss-target TARGET EVENT`: the hook that has the units of a target follow the boss. It runs
//! beside the executor, as every hook, and is killed as one when its time is over.

use std::time::{Duration, Instant};

use super::systemctl::Systemctl;
use crate::executor::hooks::tree::Spared;
use crate::sysexits;

/// Carries an event out. The exit status; what is in the way is said on standard error.
pub fn run(target: &str, event: &str) -> u8 {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let urgent = variable("BOSS_URGENT") == "1";
    let limit = variable("BOSS_DEADLINE_MS").parse().map_or(NO_LIMIT, Duration::from_millis);
    let systemd = Systemctl::new(Spared::default());
    let done = match event {
        "promote" => start(&systemd, target),
        "demote" => stop(&systemd, target, urgent, limit),
        // Nothing else concerns them.
        _ => Ok(()),
    };
    match done {
        Ok(()) => sysexits::OK,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

/// Returns when each unit has been started. One that could not be is no unit that acts: the promote
/// fails, and another node takes over.
fn start(systemd: &Systemctl, target: &str) -> Result<(), String> {
    systemd.order(&["start", target])?;
    let units = systemd.members(target)?;
    let failed = in_state(systemd, &units, |state| state == "failed")?;
    if failed.is_empty() {
        return Ok(());
    }
    let failed = failed.join(" ");
    Err(format!("{failed} could not be started: see `systemctl status {failed}`"))
}

/// Returns when none of the units is active any more. `systemctl stop TARGET` returns long before
/// they are, so each is named, and asked for.
fn stop(systemd: &Systemctl, target: &str, urgent: bool, limit: Duration) -> Result<(), String> {
    let begun = Instant::now();
    let units = systemd.members(target)?;
    let mut left = units.clone();
    loop {
        let mut words = vec!["stop"];
        if urgent {
            // Not waited for: what a unit does to stop may take longer than there is time.
            words.push("--no-block");
        }
        words.push(target);
        words.extend(left.iter().map(String::as_str));
        let ordered = systemd.order(&words);
        if urgent {
            let kill = ["kill", "--signal=KILL", "--"];
            let words: Vec<_> = kill.into_iter().chain(left.iter().map(String::as_str)).collect();
            // One that has just ended cannot be killed; that is what the next look is for.
            let _ = systemd.order(&words);
        }
        left = in_state(systemd, &units, |state| !matches!(state, "inactive" | "failed"))?;
        if left.is_empty() {
            return Ok(());
        }
        // So that it is named who is left, before this process is killed for being late.
        if begun.elapsed() + TO_TELL > limit {
            let why = ordered.err().map(|why| format!(" ({why})")).unwrap_or_default();
            let left = left.join(" ");
            return Err(format!("still not inactive: {left}{why}: see `systemctl status {left}`"));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Those of the units whose state is such.
fn in_state(
    systemd: &Systemctl,
    units: &[String],
    is: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let units: Vec<_> = units.iter().map(String::as_str).collect();
    let found = systemd.show(&units, &["Id", "ActiveState"])?;
    if found.len() != units.len() {
        return Err(format!("systemctl told of {} of {} units", found.len(), units.len()));
    }
    let value = |of: &super::systemctl::Properties, name| of.get(name).cloned().unwrap_or_default();
    let such = found.iter().filter(|unit| is(&value(unit, "ActiveState")));
    Ok(such.map(|unit| value(unit, "Id")).collect())
}

/// Where nobody says how long there is.
const NO_LIMIT: Duration = Duration::from_secs(3600);
/// What is kept back to say what is left.
const TO_TELL: Duration = Duration::from_millis(30);
/// Short beside what systemd needs to see a process end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// A systemctl that keeps the states of units in files, and writes down what it was ordered.
    const IMITATION: &str = r#"#!/bin/sh
at=${0%/*}
shift 2
verb=$1
shift
case "$verb" in
show)
    wanted=$1
    shift 2
    for unit in "$@"; do
        case "$wanted" in
        *ConsistsOf*) printf 'ConsistsOf=%s\nWants=net.target\n\n' "$(cat "$at/members")" ;;
        *) printf 'Id=%s\nActiveState=%s\n\n' "$unit" "$(cat "$at/$unit")" ;;
        esac
    done
    ;;
*)
    echo "$verb $*" >>"$at/log"
    [ ! -e "$at/$verb" ] || . "$at/$verb"
    ;;
esac
"#;

    fn imitation(at: &Path, members: &str) -> Systemctl {
        let script = at.join("systemctl");
        // By another process, as in the executor's bench.
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(&script)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut pipe = writer.stdin.take().expect("piped");
        std::io::Write::write_all(&mut pipe, IMITATION.as_bytes()).expect("it reads");
        drop(pipe);
        assert!(writer.wait().expect("our child").success());
        fs::write(at.join("members"), members).expect("writable");
        Systemctl::at(script.to_str().expect("plain"), Spared::default())
    }

    fn log(at: &Path) -> String {
        fs::read_to_string(at.join("log")).unwrap_or_default()
    }

    #[test]
    fn a_unit_that_could_not_be_started_is_named_and_fails_the_promote() {
        let home = tempfile::tempdir().expect("a directory");
        let systemd = imitation(home.path(), "a.service b.service");
        fs::write(home.path().join("a.service"), "active").expect("writable");
        fs::write(home.path().join("b.service"), "active").expect("writable");
        assert_eq!(start(&systemd, "boss.target"), Ok(()));
        fs::write(home.path().join("b.service"), "failed").expect("writable");
        let why = start(&systemd, "boss.target").expect_err("one failed");
        assert!(why.starts_with("b.service could not be started"), "{why}");
        assert_eq!(log(home.path()), "start boss.target\nstart boss.target\n");
    }

    #[test]
    fn letting_go_lasts_until_every_unit_is_inactive_and_names_who_is_not() {
        let home = tempfile::tempdir().expect("a directory");
        let systemd = imitation(home.path(), "a.service b.service");
        fs::write(home.path().join("a.service"), "active").expect("writable");
        fs::write(home.path().join("b.service"), "inactive").expect("writable");
        let why = stop(&systemd, "boss.target", false, Duration::from_millis(200));
        let why = why.expect_err("one is active");
        assert!(why.starts_with("still not inactive: a.service:"), "{why}");
        assert!(log(home.path()).starts_with("stop boss.target a.service b.service\n"));
        // The order takes a while to show.
        let slow = "n=$(cat \"$at/n\" 2>/dev/null || echo 0); echo $((n + 1)) >\"$at/n\"\n\
                    [ \"$n\" -lt 3 ] || echo inactive >\"$at/a.service\"\n";
        fs::write(home.path().join("stop"), slow).expect("writable");
        assert_eq!(stop(&systemd, "boss.target", false, Duration::from_secs(60)), Ok(()));
        assert!(log(home.path()).ends_with("stop boss.target a.service\n"), "only who is left");
        assert!(!log(home.path()).contains("kill"));
    }

    #[test]
    fn in_an_emergency_units_are_killed_and_not_asked() {
        let home = tempfile::tempdir().expect("a directory");
        let systemd = imitation(home.path(), "a.service");
        fs::write(home.path().join("a.service"), "active").expect("writable");
        fs::write(home.path().join("kill"), "echo failed >\"$at/a.service\"").expect("writable");
        assert_eq!(stop(&systemd, "boss.target", true, Duration::from_secs(60)), Ok(()));
        let wanted = "stop --no-block boss.target a.service\nkill --signal=KILL -- a.service\n";
        assert_eq!(log(home.path()), wanted);
    }

    #[test]
    fn a_systemd_that_does_not_answer_is_no_success() {
        let systemd = Systemctl::at("/nowhere/systemctl", Spared::default());
        assert!(start(&systemd, "boss.target").is_err());
        assert!(stop(&systemd, "boss.target", true, Duration::from_secs(60)).is_err());
    }
}
