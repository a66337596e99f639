//! The sections of this server alone: [node], [log], [control], [tls] and [hooks], and how the
//! fence window is divided between the urgent hooks, the escalation and the reserve.

use std::path::{Path, PathBuf};

use election::{NodeId, Span};
use tracing::Level;

use super::check::{Head, Listed, parse_span_within};
use super::credentials;
use super::error::shown;
use super::file::Table;
use super::problems::{At, Given, Problems};
use super::values::{Wrong, parse_account, parse_address, parse_name};
use super::{ControlConfig, HooksConfig, LogConfig, NodeConfig, OnFenceFailure, Runner, TlsConfig};
use election::fence_reserve;

impl HooksConfig {
    /// How much of D the escalation needs, at its end (protocol.md 4, Fencing).
    pub fn escalation_budget(&self) -> Span {
        match &self.on_fence_failure {
            OnFenceFailure::Alarm => Span::ZERO,
            OnFenceFailure::StopUnits { timeout }
            | OnFenceFailure::Reboot { timeout }
            | OnFenceFailure::Command { timeout, .. } => *timeout,
        }
    }

    /// How long urgent demote hooks may run in a fence window of `fence`, which is that of the
    /// committed claim. The check of the file leaves them a quarter of its D; zero is possible
    /// only where the cluster has a shorter D than the file.
    pub fn urgent_budget(&self, fence: Span) -> Span {
        fence.minus(self.escalation_budget()).minus(fence_reserve(fence))
    }
}

impl HooksConfig {
    /// Whether a fence window of `fence` that the cluster has agreed on leaves the urgent demote
    /// hooks of this node what the check of the file asks for: a quarter.
    pub fn check_room(&self, fence: Span) -> Result<(), String> {
        if self.urgent_budget(fence) >= fence.part(4) {
            return Ok(());
        }
        Err(format!(
            "the cluster's fence-window of {fence} is too short for this node, whose \
             on-fence-failure takes {} of it: it cannot be boss. Shorten escalation-timeout in \
             [hooks], or apply a longer fence-window",
            self.escalation_budget()
        ))
    }
}

/// Who this server is. Needs the members, because it must be one of them.
pub(super) fn check_node(
    table: &Table<'_>,
    members: &Listed,
    host_name: &str,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> Option<NodeConfig> {
    let name_missing = table.value("name").is_none();
    let given = table.string("name", parse_name, problems);
    let listen = table.string("listen", parse_address, problems);
    let user = table.string("user", parse_account, problems);
    let state_directory =
        check_path(table, "state-directory", STATE_DIRECTORY, directory, problems);
    let run_directory = check_path(table, "run-directory", RUN_DIRECTORY, directory, problems);
    let realtime = table.choice("realtime", &[("auto", true), ("off", false)], problems);
    let (name, at) = match given {
        Some(Given { value, at }) => (NodeId::new(value), Some(at)),
        None if name_missing => (NodeId::new(host_name), None),
        None => return None,
    };
    let Some(own) = members.heads.iter().find(|head| head.name.as_ref() == Some(&name)) else {
        not_a_member(&name, at.as_ref(), &members.heads, problems);
        return None;
    };
    let listen = listen.map(|given| given.value).or_else(|| own.address.clone())?;
    Some(NodeConfig {
        name,
        listen: listen.to_string(),
        user: user.map_or(USER, |given| given.value).to_owned(),
        state_directory,
        run_directory,
        realtime: realtime.is_none_or(|given| given.value),
        shadow: false,
    })
}

/// Said only where every member's name can be read: else the one that is looked for may be there.
fn not_a_member(name: &NodeId, at: Option<&At>, heads: &[Head], problems: &mut Problems<'_>) {
    let names: Option<Vec<_>> = heads.iter().map(|head| head.name.as_ref()).collect();
    let Some(names) = names.filter(|names| !names.is_empty()) else { return };
    let names: Vec<_> = names.into_iter().take(MOST_NAMES).map(NodeId::as_str).collect();
    let more = if heads.len() > MOST_NAMES { " and others" } else { "" };
    let source = if at.is_some() { "[node] name says so" } else { "that is the host name" };
    let message =
        format!("this server is {} ({source}), but no member has that name", shown(name.as_str()));
    let help = format!(
        "the members are {}{more}; write [node] name in node.toml, or add this server",
        names.join(", ")
    );
    problems.add_near(at, Wrong::new(message, help));
}

pub(super) fn check_log(table: &Table<'_>, problems: &mut Problems<'_>) -> LogConfig {
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let level = table.choice("level", &levels, problems);
    LogConfig { level: level.map_or(Level::INFO, |given| given.value) }
}

pub(super) fn check_control(
    table: &Table<'_>,
    node: Option<&NodeConfig>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> ControlConfig {
    let run_directory = node.map_or(Path::new(RUN_DIRECTORY), |node| &node.run_directory);
    let default = run_directory.join("control.sock");
    let socket = table
        .string("socket", |text| parse_path(text, directory), problems)
        .map_or(default, |given| given.value);
    if socket.as_os_str().len() > LONGEST_SOCKET {
        let message = format!("the control socket would be {}", shown(&socket.to_string_lossy()));
        let help = format!("Unix sockets have paths of {LONGEST_SOCKET} bytes at most");
        problems.add_near(table.place_of("socket").as_ref(), Wrong::new(message, help));
    }
    let operators = table.string("operators", parse_account, problems);
    ControlConfig { socket, operators: operators.map(|given| given.value.to_owned()) }
}

pub(super) fn check_tls(
    table: &Table<'_>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> TlsConfig {
    let mut file = |key, usual| {
        credentials::or_file(check_path(table, key, usual, directory, problems), usual)
    };
    TlsConfig {
        ca: file("ca", "/etc/boss/tls/ca.crt"),
        certificate: file("certificate", "/etc/boss/tls/node.crt"),
        key: file("key", "/etc/boss/tls/node.key"),
    }
}

pub(super) fn check_hooks(
    table: &Table<'_>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> Option<HooksConfig> {
    let timeout = table.time(
        "timeout",
        |text| parse_span_within(text, SHORTEST_HOOK_TIMEOUT, LONGEST_HOOK_TIMEOUT),
        problems,
    );
    let runners =
        [("auto", Runner::Auto), ("systemd", Runner::Systemd), ("direct", Runner::Direct)];
    let runner = table.choice("runner", &runners, problems);
    Some(HooksConfig {
        directory: check_path(table, "directory", "/etc/boss/hooks.d", directory, problems),
        timeout: timeout.map_or(DEFAULT_HOOK_TIMEOUT, |given| given.value),
        runner: runner.map_or(Runner::Auto, |given| given.value),
        on_fence_failure: check_on_fence_failure(table, directory, problems)?,
    })
}

/// The fence window must hold its parts, a quarter of it for the hooks (protocol.md 4, Fencing).
pub(super) fn check_fence_window(
    table: &Table<'_>,
    hooks: &HooksConfig,
    fence: Span,
    problems: &mut Problems<'_>,
) {
    if hooks.urgent_budget(fence) >= fence.part(4) {
        return;
    }
    let most = fence.minus(fence_reserve(fence)).minus(fence.part(4));
    let message = format!(
        "the escalation gets {} of a fence window of {fence}: too little is left for the hooks",
        hooks.escalation_budget()
    );
    let help = format!(
        "escalation-timeout may be {most} at most, which leaves the urgent demote hooks {} and a \
         reserve of {}; or make [timing] fence-window longer",
        fence.part(4),
        fence_reserve(fence)
    );
    let at = ["escalation-timeout", "on-fence-failure"].iter().find_map(|key| table.place_of(key));
    problems.add_near(at.as_ref(), Wrong::new(message, help));
}

/// Where bossd could not reboot the host: an emergency is no time to find that out.
pub(super) fn refuse_reboot(table: &Table<'_>, problems: &mut Problems<'_>) {
    let key = table.value("on-fence-failure");
    let Some(given) = key.filter(|given| given.value.as_str() == Some("reboot")) else { return };
    let message = "on-fence-failure = \"reboot\" needs the right to reboot this host, which is not \
                   here";
    let help = "run bossd as root with CAP_SYS_BOOT, and check the file as the same user; or write \
                on-fence-failure = \"stop-units\"";
    problems.add(&given.at, Wrong::new(message, help));
}

/// The words of `on-fence-failure`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    Alarm,
    StopUnits,
    Reboot,
    Command,
}

fn check_on_fence_failure(
    table: &Table<'_>,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> Option<OnFenceFailure> {
    let before = problems.count();
    let words = [
        ("alarm", Means::Alarm),
        ("stop-units", Means::StopUnits),
        ("reboot", Means::Reboot),
        ("command", Means::Command),
    ];
    let means = table.choice("on-fence-failure", &words, problems);
    let argv = table.strings("escalation-command", problems);
    let timeout = table.time(
        "escalation-timeout",
        |text| parse_span_within(text, SHORTEST_ESCALATION, LONGEST_HOOK_TIMEOUT),
        problems,
    );
    if problems.count() > before {
        return None;
    }
    let chosen = means.as_ref().map_or(Means::Alarm, |means| means.value);
    if let Some(Given { at, .. }) = means.filter(|means| means.value == Means::Command) {
        let argv = check_argv(argv, &at, directory, problems);
        if timeout.is_none() {
            let message = "on-fence-failure = \"command\" needs `escalation-timeout`";
            let help = "say how much of the fence window the command gets: escalation-timeout = \
                        \"200ms\"";
            problems.add(&at, Wrong::new(message, help));
        }
        return Some(OnFenceFailure::Command { argv: argv?, timeout: timeout?.value });
    }
    let has_no_effect = |at: &At, key: &str, word: &str| {
        let message = format!("`{key}` has no effect with on-fence-failure = \"{word}\"");
        let help = "remove it, or write on-fence-failure = \"command\"";
        (at.clone(), Wrong::new(message, help))
    };
    let word = words.iter().find(|(_, means)| *means == chosen).map_or("alarm", |(word, _)| word);
    let mut wrong = Vec::new();
    if let Some(argv) = argv.filter(|argv| !argv.value.is_empty()) {
        wrong.push(has_no_effect(&argv.at, "escalation-command", word));
    }
    if let (Some(timeout), Means::Alarm) = (&timeout, chosen) {
        wrong.push(has_no_effect(&timeout.at, "escalation-timeout", word));
    }
    for (at, wrong) in wrong {
        problems.add(&at, wrong);
    }
    let kept = |default| timeout.as_ref().map_or(default, |timeout| timeout.value);
    let chosen = match chosen {
        Means::StopUnits => OnFenceFailure::StopUnits { timeout: kept(STOPPING_UNITS) },
        Means::Reboot => OnFenceFailure::Reboot { timeout: kept(REBOOTING) },
        Means::Alarm | Means::Command => OnFenceFailure::Alarm,
    };
    (problems.count() == before).then_some(chosen)
}

/// The command as it is run. Its program is named by a path: an emergency is no time to search.
fn check_argv(
    given: Option<Given<Vec<Given<&str>>>>,
    command: &At,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let list = given.map(|given| given.value).unwrap_or_default();
    let Some(program) = list.first() else {
        let message = "on-fence-failure = \"command\" needs `escalation-command`";
        let help = "write escalation-command = [\"/usr/local/sbin/isolate\", \"--now\"]";
        problems.add(command, Wrong::new(message, help));
        return None;
    };
    let path = if program.value.contains('/') {
        parse_path(program.value, directory)
    } else {
        let message = format!("{} is not a path", shown(program.value));
        Err(Wrong::new(message, "write the full path of the program"))
    };
    let path = problems.sort_out(path, program.at.clone())?.value;
    let arguments = list.iter().skip(1).map(|argument| argument.value.to_owned());
    Some(std::iter::once(path.to_string_lossy().into_owned()).chain(arguments).collect())
}

/// A path, relative to the file's directory, or its default.
fn check_path(
    table: &Table<'_>,
    key: &str,
    default: &str,
    directory: &Path,
    problems: &mut Problems<'_>,
) -> PathBuf {
    let given = table.string(key, |text| parse_path(text, directory), problems);
    given.map_or_else(|| PathBuf::from(default), |given| given.value)
}

pub(super) fn parse_path(text: &str, directory: &Path) -> Result<PathBuf, Wrong> {
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new(format!("{} is not a path", shown(text)), "write a full path"));
    }
    Ok(directory.join(text))
}

const USER: &str = "boss";
const STATE_DIRECTORY: &str = "/var/lib/boss";
const RUN_DIRECTORY: &str = "/run/boss";
/// `sun_path` of unix(7), less its final NUL.
const LONGEST_SOCKET: usize = 107;
const DEFAULT_HOOK_TIMEOUT: Span = Span::from_secs(30);
/// Shorter than a shell takes to start on a busy host.
const SHORTEST_HOOK_TIMEOUT: Span = Span::from_millis(100);
/// Beyond it a hook hangs; a switchover must end.
const LONGEST_HOOK_TIMEOUT: Span = Span::from_secs(3600);
/// To ask for the units, stop and kill them, and see each of them gone (protocol.md 4, Fencing).
const STOPPING_UNITS: Span = Span::from_millis(300);
/// To say it to the log and to call the kernel.
const REBOOTING: Span = Span::from_millis(100);
/// Less than it takes to start a process.
const SHORTEST_ESCALATION: Span = Span::from_millis(10);
/// Enough of the members to recognise the list.
const MOST_NAMES: usize = 20;
