//! Runs a hook as a transient unit: own control group, own limit, outside of bossd's sandbox. systemd is
//! asked on the bus; if that does not answer, by its own commands, which need no bus; and a demote that
//! cannot have a unit is run by bossd itself: letting go does not wait for anybody. Nothing here waits
//! without an end.
//!
//! Whatever becomes of a start that was given up, its hook does not run: it waits at its [`gate`]. What
//! runs is ended by its processes, not by a word to systemd. Its end is told by systemd alone; a hook
//! whose end was not told has not succeeded, and a demote of it is done once more.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use election::Span;
use tokio::net::unix::pipe;
use tracing::warn;

use super::by_command;
use super::direct::Direct;
use super::gate;
use super::output::{Output, Pipes};
use super::unit_name::UnitNames;
use crate::clock;
use crate::executor::hooks::outcome::{Cut, Outcome};
use crate::executor::hooks::plan::{Call, HookEvent};
use crate::executor::hooks::tree::{self, Spared, Watched};
use crate::executor::hooks::trust;
use crate::systemd::bus::{BUS, Bus, BusError, within};
use crate::systemd::unit::{End, Transient, Watch};

/// Has hooks started by systemd.
#[derive(Debug)]
pub struct Systemd {
    bus: Bus,
    names: UnitNames,
    run_directory: PathBuf,
    /// Commands that we wait for ourselves.
    spared: Spared,
    /// This very program.
    program: String,
    /// For a demote when nobody answers.
    direct: Direct,
}

/// What came of one way.
enum Tried {
    /// The call is over.
    Over(Outcome, Vec<i32>),
    /// The hook never began.
    NotBegun(String),
    /// It ran, and how it ended was not told; nothing of it is left but these.
    Lost(String, Vec<i32>),
}

/// The ways to a unit, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bus,
    Command,
}

/// Who says how a unit has ended.
enum Teller {
    Bus(Box<Watch>),
    Command,
}

/// A unit whose process waits at its gate.
struct AtGate {
    unit: String,
    teller: Teller,
    process: Watched,
    word: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

impl Systemd {
    /// For the instance with this run directory.
    pub fn new(run_directory: &Path, spared: Spared) -> io::Result<Self> {
        // Of an upgraded file the path stays, and the new program has the same gate.
        let program = std::env::current_exe()?.to_string_lossy().into_owned();
        let program = program.trim_end_matches(" (deleted)").to_owned();
        let (names, direct) = (UnitNames::new(run_directory), Direct::new(spared.clone()));
        let (bus, run_directory) = (Bus::of_units(), run_directory.to_owned());
        Ok(Self { bus, names, run_directory, spared, program, direct })
    }

    /// Connects, so that the first hook need not; a text when the bus does not answer.
    pub async fn connect(&self, patience: Span) -> Result<(), String> {
        self.bus.connection(patience).await.map(drop).map_err(|error| error.to_string())
    }

    /// As `Runner::run`.
    pub(super) async fn run_to_end(
        &self,
        call: &Call,
        may_begin: &mut dyn FnMut() -> bool,
        cut: impl Future<Output = Cut>,
    ) -> (Outcome, Vec<i32>) {
        // Once more, right before it runs with root's rights: the directory was read long ago.
        if let Err(distrust) = trust::check(&call.hook.path) {
            return (Outcome::NotStarted(distrust.to_string()), Vec::new());
        }
        let mut cut = std::pin::pin!(cut);
        let mut left_before = Vec::new();
        for way in [Way::Bus, Way::Command] {
            let why = match self.by_unit(way, call, may_begin, cut.as_mut()).await {
                Tried::Over(outcome, mut left) => {
                    left.extend(left_before);
                    return (outcome, left);
                }
                Tried::NotBegun(why) => why,
                Tried::Lost(why, left) => {
                    left_before.extend(left);
                    // A demote may be called twice, a promote whose end is not known has failed.
                    if call.event != HookEvent::Demote {
                        return (Outcome::Unseen(why), left_before);
                    }
                    why
                }
            };
            tell(call, &why);
        }
        if call.event != HookEvent::Demote {
            let why = "systemd did not start it, see the lines before".to_owned();
            return (Outcome::NotStarted(why), left_before);
        }
        warn!(boss_transition = call.facts.transition, "{}: bossd runs it itself", call.hook.name);
        let (outcome, mut left) = self.direct.run_to_end(call, cut).await;
        left.extend(left_before);
        (outcome, left)
    }

    async fn by_unit(
        &self,
        way: Way,
        call: &Call,
        may_begin: &mut dyn FnMut() -> bool,
        mut cut: Pin<&mut impl Future<Output = Cut>>,
    ) -> Tried {
        let killed = |cut| Tried::Over(Outcome::Killed(cut), Vec::new());
        // A start that is given up closes the gate: the other end of the word's pipe is dropped.
        let at_gate = tokio::select! {
            biased;
            cut = cut.as_mut() => return killed(cut),
            started = self.start(way, call) => match started {
                Ok(at_gate) => at_gate,
                Err(why) => return Tried::NotBegun(why),
            },
        };
        // The clocks are read before the effect (X1), and that is now.
        tokio::select! {
            biased;
            cut = cut.as_mut() => return killed(cut),
            () = std::future::ready(()) => {}
        }
        if !may_begin() {
            return killed(Cut::Cancelled);
        }
        let AtGate { unit, mut teller, process, word, stdout, stderr } = at_gate;
        if let Err(error) = word.try_write(gate::GO) {
            return Tried::NotBegun(format!("its unit is gone: {error}"));
        }
        let pipes = Pipes::of_unit(word, stdout, stderr);
        let mut output = Output::of(pipes, call, Some(&unit));
        let grace = patience(call).part(2);
        let cut = tokio::select! {
            () = ended(&mut teller, &process, grace) => None,
            cut = cut => Some(cut),
            never = output.pump_for_ever() => match never {},
        };
        let end = match (&teller, &cut) {
            (Teller::Bus(watch), _) => watch.end(),
            (Teller::Command, None) => by_command::end(&unit, &self.spared, grace).await,
            (Teller::Command, Some(_)) => End::Unknown,
        };
        let nothing_is_left = match &teller {
            Teller::Bus(watch) => watch.is_over(),
            Teller::Command => cut.is_none() && end != End::Unknown,
        };
        let left =
            if nothing_is_left { Vec::new() } else { tree::kill_unit(&unit, &process).await };
        let tried = match (cut, end) {
            (Some(cut), _) => Tried::Over(Outcome::Killed(cut), left),
            (None, End::Exited(0)) => Tried::Over(Outcome::Done, left),
            (None, End::Exited(status)) => Tried::Over(Outcome::Exited(status), left),
            (None, End::Signalled(signal)) => Tried::Over(Outcome::Signalled(signal), left),
            (None, End::Unknown) => {
                self.bus.failed();
                Tried::Lost(format!("{} has not said how it ended", way.name()), left)
            }
        };
        output.drain().await;
        tried
    }

    /// Up to the gate.
    async fn start(&self, way: Way, call: &Call) -> Result<AtGate, String> {
        let patience = patience(call);
        let unit = self.names.next(call);
        let transient = self.transient(call, &unit);
        match way {
            Way::Bus => self.start_by_bus(unit, transient, patience).await,
            Way::Command => {
                let directory = &self.run_directory;
                let started = by_command::start(&transient, directory, &self.spared, patience);
                let by_command::Started { process, word, stdout, stderr } = started.await?;
                Ok(AtGate { unit, teller: Teller::Command, process, word, stdout, stderr })
            }
        }
    }

    async fn start_by_bus(
        &self,
        unit: String,
        transient: Transient,
        patience: Span,
    ) -> Result<AtGate, String> {
        let text = |error: BusError| error.to_string();
        let connection = self.bus.connection(patience).await.map_err(text)?;
        let (word, stdout, stderr, theirs) = pipes().map_err(|error| format!("pipes: {error}"))?;
        let start = async {
            let mut stdout = stdout;
            let mut watch = Watch::begin(&connection, &unit).await?;
            transient.start(&connection, theirs).await?;
            let pid = tokio::select! {
                biased;
                pid = gate::greeting(&mut stdout) => pid?,
                over = watch.over() => return Err(not_at_gate(over.then(|| watch.end()))),
            };
            Ok((watch, stdout, pid))
        };
        match within(BUS, "starting a unit", patience, start).await {
            Ok((watch, stdout, pid)) => {
                let process = Watched::of(pid).ok_or("its process is gone")?;
                Ok(AtGate {
                    unit,
                    teller: Teller::Bus(Box::new(watch)),
                    process,
                    word,
                    stdout,
                    stderr,
                })
            }
            Err(error) => {
                if !error.is_an_answer() {
                    self.bus.failed();
                }
                Err(error.to_string())
            }
        }
    }

    fn transient(&self, call: &Call, unit: &str) -> Transient {
        let hook = call.hook.path.to_string_lossy().into_owned();
        let own = ["bossd".to_owned(), gate::OPTION.to_owned(), hook];
        // systemd would put variables in.
        let arguments = own.into_iter().chain(call.args.iter().cloned());
        let arguments = arguments.map(|argument| argument.replace('$', "$$")).collect();
        let environment = call.env.iter().map(|(name, value)| format!("{name}={value}"));
        let most = Span::from_millis(call.facts.deadline_ms).plus(AFTER_DEADLINE);
        Transient {
            name: unit.to_owned(),
            description: format!("boss hook {} {}", call.hook.name, call.event.as_str()),
            command: (self.program.clone(), arguments),
            environment: environment.collect(),
            most_us: most.as_nanos() / 1_000,
        }
    }
}

fn tell(call: &Call, why: &str) {
    let (hook, event) = (&call.hook.name, call.event.as_str());
    warn!(boss_transition = call.facts.transition, "{hook} {event}: {why}");
}

/// Our ends of a unit's pipes, and its own: standard input, output, error.
fn pipes() -> io::Result<(pipe::Sender, pipe::Receiver, pipe::Receiver, [OwnedFd; 3])> {
    let (input, word) = io::pipe()?;
    let (output, to_output) = io::pipe()?;
    let (error, to_error) = io::pipe()?;
    let word = pipe::Sender::from_owned_fd(word.into())?;
    let output = pipe::Receiver::from_owned_fd(output.into())?;
    let error = pipe::Receiver::from_owned_fd(error.into())?;
    Ok((word, output, error, [input.into(), to_output.into(), to_error.into()]))
}

/// Waits until systemd says that the unit is over, or does not though the process is gone, or nobody
/// can say so any more.
async fn ended(teller: &mut Teller, process: &Watched, grace: Span) {
    let mut gone = None;
    loop {
        tokio::select! {
            biased;
            () = teller.over() => return,
            _ = clock::pause(BETWEEN_LOOKS) => {}
        }
        if process.lives() {
            continue;
        }
        let now = clock::now();
        let since = *gone.get_or_insert(now);
        if matches!(teller, Teller::Command) || since.elapsed(now) >= grace {
            return;
        }
    }
}

impl Teller {
    /// Waits for systemd's word, or until it cannot come any more.
    async fn over(&mut self) {
        match self {
            Self::Bus(watch) => {
                watch.over().await;
            }
            Self::Command => std::future::pending().await,
        }
    }
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Bus => BUS,
            Self::Command => "systemctl",
        }
    }
}

fn not_at_gate(end: Option<End>) -> zbus::Error {
    zbus::Error::Failure(match end {
        Some(End::Exited(status)) => {
            format!("its unit ended before it began, status {status} (systemd.exec(5))")
        }
        Some(End::Signalled(signal)) => format!("its unit died of signal {signal} before it began"),
        Some(End::Unknown) => "its unit ended before it began".to_owned(),
        None => "the connection was lost".to_owned(),
    })
}

/// How long an answer may take: a part of what the call has, for another way must have its time too.
fn patience(call: &Call) -> Span {
    let has = Span::from_millis(call.facts.deadline_ms);
    has.part(4).max(LEAST_PATIENCE).min(MOST_PATIENCE)
}

/// On a busy host a process takes as long to start.
const LEAST_PATIENCE: Span = Span::from_millis(20);
const MOST_PATIENCE: Span = Span::from_secs(2);
/// The limit in the unit is for the case that nobody is left to end it in time.
const AFTER_DEADLINE: Span = Span::from_secs(1);
/// How often the process is looked at, should systemd not say that it has ended.
const BETWEEN_LOOKS: Span = Span::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::hooks::plan::tests::call_of;

    #[test]
    fn no_way_may_use_up_the_time_of_the_others() {
        for (has, wanted) in [(30_000, 2_000), (700, 175), (40, 20)] {
            let call = call_of("10-a").limited(true, has);
            assert_eq!(patience(&call), Span::from_millis(wanted));
        }
    }

    #[test]
    fn a_unit_becomes_the_hook_with_its_facts_behind_a_gate_and_a_limit_of_its_own() {
        let runner = Systemd::new(Path::new("/run/boss"), Spared::default()).expect("a program");
        let call = call_of("10-a$b");
        let unit = runner.transient(&call, "u.service");
        assert_eq!(unit.command.1, ["bossd", "--gate", "/etc/boss/hooks.d/10-a$$b", "promote"]);
        assert!(unit.environment.iter().any(|variable| variable == "BOSS_EPOCH=7"));
        assert_eq!(unit.most_us, (call.facts.deadline_ms + 1_000) * 1_000);
    }
}
