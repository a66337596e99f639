//! Which runner is used, and why: settled when the process starts, said in the log and by bossctl.

use control::hooks::RunnerInUse;
use nix::unistd::Uid;

use crate::config::Runner as Wanted;

/// What the choice is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four facts, each of which stands by itself")]
pub struct Circumstances {
    /// This process is root.
    pub root: bool,
    /// systemd is the service manager of this host.
    pub host: bool,
    /// systemd has started this very process.
    pub started: bool,
    /// The timing is that of the profile `fast`.
    pub fast: bool,
}

impl Circumstances {
    /// As they are.
    pub fn now(fast: bool) -> Self {
        Self {
            root: Uid::effective().is_root(),
            host: std::path::Path::new("/run/systemd/system").is_dir(),
            started: started_by_systemd(),
            fast,
        }
    }
}

/// A shell below a service inherits the marks of it, but not the process number.
fn started_by_systemd() -> bool {
    match std::env::var("SYSTEMD_EXEC_PID") {
        Ok(pid) => pid == std::process::id().to_string(),
        // Before systemd 248.
        Err(_) => std::env::var_os("INVOCATION_ID").is_some(),
    }
}

/// The runner for what the configuration wants; a text where it cannot be had.
pub fn choose(wanted: Wanted, it: Circumstances) -> Result<RunnerInUse, String> {
    let use_it = |runner: &str, why: &str| {
        Ok(RunnerInUse { runner: runner.to_owned(), why: why.to_owned() })
    };
    match wanted {
        Wanted::Direct => use_it(DIRECT, "the configuration says so"),
        Wanted::Systemd if !it.host => {
            Err("systemd does not run this host: write runner = \"auto\" or \"direct\"".to_owned())
        }
        Wanted::Systemd if !it.root => {
            Err("bossd does not run as root, and may not start units: write runner = \"auto\" or \
                 \"direct\""
                .to_owned())
        }
        Wanted::Systemd => use_it(SYSTEMD, "the configuration says so"),
        Wanted::Auto if !it.host || !it.started => {
            use_it(DIRECT, "auto: systemd has not started this bossd")
        }
        Wanted::Auto if !it.root => use_it(DIRECT, "auto: bossd does not run as root"),
        Wanted::Auto if it.fast => {
            use_it(DIRECT, "auto: a unit takes too long to start for the profile fast")
        }
        Wanted::Auto => use_it(SYSTEMD, "auto: systemd has started this bossd as root"),
    }
}

/// As children of the executor.
pub const DIRECT: &str = "direct";
/// As units.
pub const SYSTEMD: &str = "systemd";

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Circumstances =
        Circumstances { root: true, host: true, started: true, fast: false };

    fn chosen(wanted: Wanted, it: Circumstances) -> Result<String, String> {
        choose(wanted, it).map(|it| it.runner)
    }

    #[test]
    fn auto_is_systemd_for_a_unit_of_root_that_has_the_time() {
        assert_eq!(chosen(Wanted::Auto, UNIT).as_deref(), Ok(SYSTEMD));
        for other in [
            Circumstances { root: false, ..UNIT },
            Circumstances { host: false, ..UNIT },
            Circumstances { started: false, ..UNIT },
            Circumstances { fast: true, ..UNIT },
        ] {
            assert_eq!(chosen(Wanted::Auto, other).as_deref(), Ok(DIRECT), "{other:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_used_or_refused() {
        assert_eq!(chosen(Wanted::Direct, UNIT).as_deref(), Ok(DIRECT));
        let started = Circumstances { started: false, fast: true, ..UNIT };
        assert_eq!(chosen(Wanted::Systemd, started).as_deref(), Ok(SYSTEMD));
        for other in [Circumstances { root: false, ..UNIT }, Circumstances { host: false, ..UNIT }]
        {
            assert!(chosen(Wanted::Systemd, other).is_err_and(|why| why.contains("\"auto\"")));
        }
    }
}
