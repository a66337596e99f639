//! How bossctl ends: the exit codes that scripts rely on, and the text of each failure.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use control::client::ClientError;
use control::interface::RefusalKind;
use control::model::Level;

use crate::bundle::BundleError;
use crate::ca::CaError;
use crate::playground::PlaygroundError;

/// The exit codes; those from 64 are of sysexits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or safe.
    Done = 0,
    /// The answer is no, or degraded.
    No = 1,
    /// The cluster is unsafe.
    Unsafe = 2,
    /// The command line is wrong.
    Usage = 64,
    /// The daemon is not there, or not one that we understand.
    NotThere = 69,
    /// Not now.
    TryAgain = 75,
    /// Not for this user.
    NotPermitted = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Level> for Exit {
    fn from(level: Level) -> Self {
        match level {
            Level::Safe => Self::Done,
            Level::Degraded => Self::No,
            Level::Unsafe => Self::Unsafe,
        }
    }
}

/// Why a verb was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The daemon did not answer, or said no.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// The status is of no member of that name.
    #[error("no member is called {name}; there are {}", known.join(", "))]
    NoSuchMember {
        /// The name that was given.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// The command line is right by its form and still not what is needed.
    #[error("{0}")]
    Usage(String),
    /// The change was accepted, and something else came of it.
    #[error("{0}")]
    No(String),
    /// The files of a reload are wrong: what is, in lines of its own.
    #[error("{0}")]
    NotReloaded(String),
    /// The change was accepted, and what was waited for has not come.
    #[error(
        "accepted, but after {} {what}: it may still come true, look at `bossctl status`",
        crate::render::span(*waited)
    )]
    StillWaiting {
        /// How long was waited.
        waited: Duration,
        /// What is not yet so.
        what: String,
    },
    /// What was waited for has not come.
    #[error("after {} {what}; `bossctl explain` says why", crate::render::span(*waited))]
    WaitedInVain {
        /// How long was waited.
        waited: Duration,
        /// What is not so.
        what: String,
    },
    /// bossd cannot be started to check a configuration.
    #[error(
        "cannot run {}: {source}; install bossd, or name it with BOSSD=/path/to/bossd",
        bossd.display()
    )]
    Bossd {
        /// The program.
        bossd: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Making or reading certificates failed.
    #[error("{0}")]
    Ca(CaError),
    /// A bundle was not installed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no playground.
    #[error(transparent)]
    Playground(#[from] PlaygroundError),
    /// Nobody takes our output.
    #[error("cannot write the answer: {0}; a change that was asked for is made all the same")]
    Output(io::Error),
}

impl Failure {
    /// The exit code that says this.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Daemon(ClientError::Refused(refusal)) => match refusal.kind {
                RefusalKind::NotPermitted => Exit::NotPermitted,
                RefusalKind::NoQuorum | RefusalKind::TryAgain => Exit::TryAgain,
                RefusalKind::UnknownNode
                | RefusalKind::NotBoss
                | RefusalKind::NobodyEligible
                | RefusalKind::Refused => Exit::No,
            },
            Self::Daemon(ClientError::Denied { .. }) => Exit::NotPermitted,
            Self::Daemon(ClientError::Closed { .. })
            | Self::StillWaiting { .. }
            | Self::WaitedInVain { .. } => Exit::TryAgain,
            Self::Bossd { .. } => Exit::NotThere,
            Self::Daemon(
                ClientError::NotThere { .. }
                | ClientError::Silent { .. }
                | ClientError::NotUnderstood { .. },
            ) => Exit::NotThere,
            Self::Playground(error) => error.exit(),
            Self::Usage(_) => Exit::Usage,
            Self::No(_)
            | Self::NotReloaded(_)
            | Self::NoSuchMember { .. }
            | Self::Ca(_)
            | Self::Bundle(_)
            | Self::Output(_) => Exit::No,
        }
    }

    /// Tells the user.
    pub fn show(&self) -> Exit {
        // What comes from a daemon goes to a terminal: no control characters but the ends of lines.
        let text = self.to_string();
        let lines: Vec<_> = text.lines().map(crate::render::plain).collect();
        drop(writeln!(io::stderr(), "bossctl: {}", lines.join("\n")));
        self.exit()
    }
}

/// Writes an answer. A reader that has seen enough (`| head`) is no failure.
pub fn answer(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}
