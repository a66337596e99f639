//! How a call of a hook ended, in values for the executor and in words for the operator.

use std::fmt;

use election::Span;

use super::plan::HookEvent;

/// How one call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with status 0.
    Done,
    /// It exited with this status.
    Exited(i32),
    /// It died of this signal, which we did not send.
    Signalled(i32),
    /// We killed it with all that it had started.
    Killed(Cut),
    /// It never ran, for this reason.
    NotStarted(String),
    /// Its turn did not come before the deadline.
    NotRun,
    /// It ran, but the system did not say how it ended.
    Unseen(String),
}

/// Why a running hook is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// `hooks.timeout` is over.
    Timeout,
    /// The time that it had in an urgent demote is over.
    Urgent,
    /// It was a promote and this node must let go, or it only told something and a promote is due.
    Cancelled,
    /// Its end could not be timed.
    Clock(String),
}

/// One call, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The hook's name.
    pub hook: String,
    /// What it was called for.
    pub event: HookEvent,
    /// It was told to hurry.
    pub urgent: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, with the kill where there was one.
    pub took: Span,
    /// Processes of its tree that outlived SIGKILL: the kernel holds them.
    pub left: Vec<i32>,
}

impl Outcome {
    /// The hook did what it was called for.
    pub fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// The hook was started, so that there is a time that it took.
    pub fn has_run(&self) -> bool {
        !matches!(self, Self::NotStarted(_) | Self::NotRun)
    }

    /// The hook was killed, or not even started, because time ran out.
    pub fn ran_out_of_time(&self) -> bool {
        matches!(self, Self::Killed(Cut::Timeout | Cut::Urgent | Cut::Clock(_)) | Self::NotRun)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hook, event: _, urgent: _, outcome, took, left } = self;
        let said = match outcome {
            Outcome::Done => write!(f, "{hook} succeeded after {took}"),
            Outcome::Exited(status) => {
                write!(f, "{hook} exited with status {status} after {took}")
            }
            Outcome::Signalled(signal) => {
                write!(f, "{hook} died of {} after {took}", Name(*signal))
            }
            Outcome::Killed(cut) => write!(f, "{hook} was killed after {took}: {cut}"),
            Outcome::NotStarted(reason) => write!(f, "{hook} could not be started: {reason}"),
            Outcome::NotRun => write!(f, "{hook} was not run: the time was over before its turn"),
            Outcome::Unseen(reason) => {
                write!(f, "{hook} ran {took}, its end was not seen: {reason}")
            }
        };
        said?;
        if !left.is_empty() {
            let pids: Vec<_> = left.iter().map(ToString::to_string).collect();
            write!(f, "; SIGKILL did not end process {} (see ps -l)", pids.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("it did not end within hooks.timeout"),
            Self::Urgent => f.write_str("it did not end within its time in an urgent demote"),
            Self::Cancelled => f.write_str("what is due now does not wait for it"),
            Self::Clock(error) => write!(f, "its time could not be watched: {error}"),
        }
    }
}

/// A signal by its name where it has one.
struct Name(i32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(signal) => f.write_str(signal.as_str()),
            Err(_) => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outcome: Outcome, took: Span, left: Vec<i32>) -> String {
        let hook = "20-db".to_owned();
        Step { hook, event: HookEvent::Promote, urgent: false, outcome, took, left }.to_string()
    }

    #[test]
    fn an_operator_reads_what_happened_and_when() {
        let short = Span::from_millis(140);
        assert_eq!(
            text(Outcome::Exited(3), short, vec![]),
            "20-db exited with status 3 after 140 ms"
        );
        assert_eq!(
            text(Outcome::Signalled(11), short, vec![]),
            "20-db died of SIGSEGV after 140 ms"
        );
        assert_eq!(
            text(Outcome::Killed(Cut::Timeout), Span::from_secs(30), vec![]),
            "20-db was killed after 30.0 s: it did not end within hooks.timeout"
        );
        assert_eq!(
            text(Outcome::Killed(Cut::Urgent), short, vec![7, 8]),
            "20-db was killed after 140 ms: it did not end within its time in an urgent demote; \
             SIGKILL did not end process 7, 8 (see ps -l)"
        );
    }
}
