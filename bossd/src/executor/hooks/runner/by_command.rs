//! The second way to a unit, for when the bus does not answer: systemd-run(1) and systemctl(1), which
//! reach the service manager of root without a bus. The pipes are named ones in the run directory, for
//! a command cannot hand descriptors over, and how the hook ended is asked once its process is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use election::Span;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::gate;
use crate::clock;
use crate::executor::hooks::tree::{Spared, Watched};
use crate::systemd::unit::{End, Transient};

/// A unit at its gate.
pub(super) struct Started {
    pub(super) process: Watched,
    pub(super) word: pipe::Sender,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
}

/// The three pipes by their names; gone when dropped. A unit that comes too late does not find them.
struct Names([PathBuf; 3]);

impl Names {
    fn make(directory: &Path, unit: &str) -> std::io::Result<Self> {
        let process = std::process::id();
        let path = |which: &str| directory.join(format!("gate-{process}-{unit}.{which}"));
        let names = Self(["in", "out", "err"].map(path));
        for name in &names.0 {
            mkfifo(name, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        Ok(names)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = fs::remove_file(name);
        }
    }
}

/// Starts a unit; what went wrong if it is not at its gate in time.
pub(super) async fn start(
    unit: &Transient,
    directory: &Path,
    spared: &Spared,
    patience: Span,
) -> Result<Started, String> {
    let text = |error: std::io::Error| format!("named pipes in {}: {error}", directory.display());
    let names = Names::make(directory, &unit.name).map_err(text)?;
    // For both directions, so that nobody waits for the other end. What we drop closes the gate.
    let open = || {
        let both = || {
            let mut options = pipe::OpenOptions::new();
            options.read_write(true);
            options
        };
        let word = both().open_sender(&names.0[0])?;
        Ok((word, both().open_receiver(&names.0[1])?, both().open_receiver(&names.0[2])?))
    };
    let (word, mut stdout, stderr) = open().map_err(text)?;
    let arguments = arguments(unit, &names.0);
    let greeted = async {
        run("systemd-run", &arguments, spared).await?;
        gate::greeting(&mut stdout).await.map_err(|error| error.to_string())
    };
    let pid = tokio::select! {
        biased;
        pid = greeted => pid?,
        _ = clock::pause(patience) => {
            return Err(format!("systemd-run starts no unit within {patience}"));
        }
    };
    let process = Watched::of(pid).ok_or("its process is gone")?;
    Ok(Started { process, word, stdout, stderr })
}

fn arguments(unit: &Transient, pipes: &[PathBuf; 3]) -> Vec<String> {
    let mut list = vec!["--quiet".to_owned(), "--no-ask-password".to_owned()];
    list.push("--no-block".to_owned());
    list.push(format!("--unit={}", unit.name));
    list.push(format!("--description={}", unit.description));
    list.extend(unit.environment.iter().map(|variable| format!("--setenv={variable}")));
    let streams = ["StandardInput", "StandardOutput", "StandardError"];
    for (stream, pipe) in streams.iter().zip(pipes) {
        list.push(format!("--property={stream}=file:{}", pipe.display()));
    }
    for property in [
        "Type=exec",
        "KillMode=control-group",
        "KillSignal=SIGKILL",
        "TimeoutStartSec=1s",
        "TimeoutStopSec=1s",
        "IgnoreSIGPIPE=no",
        "DefaultDependencies=no",
    ] {
        list.push(format!("--property={property}"));
    }
    list.push(format!("--property=RuntimeMaxSec={}us", unit.most_us));
    let (program, own) = &unit.command;
    list.extend(["--".to_owned(), program.clone()]);
    // Its own name first is for who can say it.
    list.extend(own.iter().skip(1).cloned());
    list
}

/// How the unit ended, whose process is gone. One that has failed stays until it is told not to.
pub(super) async fn end(unit: &str, spared: &Spared, patience: Span) -> End {
    let asked = async {
        let show = ["show", "--property=LoadState,ActiveState,ExecMainCode,ExecMainStatus", unit];
        loop {
            let said = run("systemctl", &show.map(str::to_owned), spared).await.unwrap_or_default();
            if let Some(end) = understood(&said) {
                return end;
            }
            let _ = clock::pause(BETWEEN_QUESTIONS).await;
        }
    };
    let end = tokio::select! {
        biased;
        end = asked => end,
        _ = clock::pause(patience) => End::Unknown,
    };
    if end != End::Exited(0) {
        let forget = ["reset-failed".to_owned(), unit.to_owned()];
        tokio::select! {
            _ = run("systemctl", &forget, spared) => {}
            _ = clock::pause(FORGETTING) => {}
        }
    }
    end
}

/// None while it is not over. What has succeeded systemd forgets at once.
fn understood(said: &str) -> Option<End> {
    let value = |name: &str| {
        said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::trim))
    };
    if value("LoadState") == Some("not-found") {
        return Some(End::Exited(0));
    }
    let (code, status) = (value("ExecMainCode")?, value("ExecMainStatus")?.parse().ok()?);
    match (value("ActiveState")?, code) {
        ("inactive" | "failed", "1") => Some(End::Exited(status)),
        ("inactive" | "failed", "2" | "3") => Some(End::Signalled(status)),
        ("failed", _) => Some(End::Unknown),
        _ => None,
    }
}

/// Runs a command to its end; its output, or its complaint.
async fn run(program: &str, arguments: &[String], spared: &Spared) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    // Else whoever waits for what hooks leave behind takes its exit status.
    let _spared = spared.spare(child.id().unwrap_or_default());
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        Err(format!("{program}: {why}"))
    }
}

/// systemd learns of a process's end when we do, and needs a moment for the rest of its unit.
const BETWEEN_QUESTIONS: Span = Span::from_millis(5);
const FORGETTING: Span = Span::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_forgotten_has_succeeded_and_one_that_is_not_over_says_nothing() {
        let said = |load: &str, active: &str, code: i32, status: i32| {
            understood(&format!(
                "LoadState={load}\nActiveState={active}\nExecMainCode={code}\n\
                 ExecMainStatus={status}\n"
            ))
        };
        assert_eq!(said("not-found", "inactive", 0, 0), Some(End::Exited(0)));
        assert_eq!(said("loaded", "failed", 1, 3), Some(End::Exited(3)));
        assert_eq!(said("loaded", "failed", 2, 9), Some(End::Signalled(9)));
        assert_eq!(said("loaded", "failed", 0, 0), Some(End::Unknown));
        assert_eq!(said("loaded", "active", 0, 0), None);
        assert_eq!(said("loaded", "deactivating", 1, 0), None);
        assert_eq!(understood(""), None, "nobody has answered");
    }
}
