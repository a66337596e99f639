//! Commands of the configuration that are no hooks, `[fence] run` and `escalation-command`. Where hooks
//! run as units these do too, outside of bossd's sandbox, by systemd-run(1): what cuts a power socket or
//! takes an address away needs rights that bossd itself has not.

use election::Span;
use tokio::process::Command;

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// As a child of the executor.
    Child,
    /// As a unit that systemd ends after this long, should nobody be left to do so.
    Unit {
        /// How long.
        most: Span,
    },
}

/// The command, not started yet. Its exit status is the program's, or 1 if systemd-run could not start
/// it. In a unit it finds what systemd gives every service besides these variables.
pub(super) fn command(
    place: Place,
    program: &str,
    arguments: &[String],
    environment: &[(&str, String)],
) -> Command {
    let Place::Unit { most } = place else {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (*name, value)));
        return command;
    };
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--no-ask-password", "--wait", "--pipe", "--collect"]);
    for property in [
        // It must start while the host shuts down as well.
        "DefaultDependencies=no",
        "KillMode=control-group",
        "KillSignal=SIGKILL",
        "TimeoutStopSec=1s",
    ] {
        command.arg(format!("--property={property}"));
    }
    command.arg(format!("--property=RuntimeMaxSec={}us", most.as_nanos() / 1_000));
    command.args(environment.iter().map(|(name, value)| format!("--setenv={name}={value}")));
    command.arg("--").arg(program).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(place: Place) -> Vec<String> {
        let arguments = ["--now".to_owned(), "a b".to_owned()];
        let command = command(place, "/sbin/off", &arguments, &[("BOSS_NODE", "alpha".to_owned())]);
        let command = command.as_std();
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        all.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_command_runs_as_it_is_or_in_a_unit_with_its_facts_and_an_end() {
        assert_eq!(words(Place::Child), ["/sbin/off", "--now", "a b"]);
        let unit = words(Place::Unit { most: Span::from_millis(250) });
        assert_eq!(unit[0], "systemd-run");
        assert!(unit.contains(&"--property=RuntimeMaxSec=250000us".to_owned()), "{unit:?}");
        assert!(unit.contains(&"--setenv=BOSS_NODE=alpha".to_owned()), "{unit:?}");
        assert!(unit.ends_with(&["--", "/sbin/off", "--now", "a b"].map(str::to_owned)));
    }
}
