//! `bossctl playground`: a throw-away cluster of real daemons on loopback, to be broken on a key
//! or, with `--script`, by a tour that checks what a cluster promises. [`cluster`] makes it, in a
//! [`directory`] that vanishes. There are three ways through it: [`tour`]; [`live`], the full screen;
//! and [`interactive`], which tells in lines, by [`view`], where a terminal cannot be painted on. The
//! latter two have the same keys, to which [`desk`] gives hands.

pub mod cluster;
mod desk;
pub mod directory;
mod feeds;
mod files;
mod findings;
mod interactive;
mod interrupt;
mod keys;
mod live;
pub mod node;
mod picture;
pub mod processes;
pub mod relay;
mod screen;
mod terminal;
mod text;
mod timeline;
mod tour;
mod view;
mod watch;

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use nix::time::{ClockId, clock_gettime};

use crate::args;
use crate::ca::CaError;
use crate::exit::{Exit, Failure};
use cluster::{Cluster, Hook, HookContent, MemberPlan, Plan};
use interrupt::Interrupt;
use screen::Paint;

/// Runs a playground to its end.
pub fn playground(args: &args::Playground) -> Result<Exit, Failure> {
    let mut out = io::stdout();
    let on_terminal = io::stdin().is_terminal() && out.is_terminal();
    let script = args.script || !on_terminal;
    let whole_screen = can_be_painted_on(std::env::var_os("TERM").as_deref());
    let plan = plan(args.nodes, cluster::find_bossd()?);
    if script && plan.members.len() < tour::LEAST_NODES {
        return Err(PlaygroundError::TooFew { nodes: plan.members.len() }.into());
    }
    let interrupt = Interrupt::listen()?;
    for left in directory::remove_leftovers() {
        say(&mut out, &format!("Removed what a crashed playground left: {}\n", left.display()))?;
    }
    let mut cluster = Cluster::prepare(&plan)?;
    terminal::tidy_up_on_panic(cluster.dir().to_owned());
    if !args.script && !on_terminal {
        say(&mut out, "There is no terminal for keys here: this is the tour instead.\n")?;
    }
    say(&mut out, &text::opening(&plan, &cluster, script))?;
    let passed = if script {
        tour::run(&mut cluster, &mut out, &interrupt)?
    } else if whole_screen {
        let no_color = std::env::var_os("NO_COLOR");
        let colour = crate::render::colour_wanted(true, no_color.as_deref());
        live::run(&mut cluster, Paint { colour }, &interrupt)?;
        true
    } else {
        interactive::run(&mut cluster, &mut out, &interrupt)?;
        true
    };
    let dir = cluster.dir().to_owned();
    drop(cluster);
    say(&mut out, &format!("\nAll of it is ended, and {} is removed.\n", dir.display()))?;
    if passed && !interrupt.was_caught() {
        say(&mut out, &text::three_real_servers())?;
    }
    Ok(if passed { Exit::Done } else { Exit::No })
}

/// Whether a terminal of that type has a cursor that can be moved; without a type nobody knows.
fn can_be_painted_on(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Nodes of equal rights but for the first, so that it is plain who is preferred.
fn plan(nodes: u8, bossd: PathBuf) -> Plan {
    let hook = Hook { name: "10-tell".to_owned(), content: HookContent::Script(text::HOOK.into()) };
    let members = NAMES.iter().take(usize::from(nodes)).enumerate().map(|(index, name)| {
        let priority = if index == 0 { PREFERRED } else { USUAL };
        MemberPlan { priority, hooks: vec![hook.clone()], ..MemberPlan::voter(name) }
    });
    Plan {
        cluster: "playground".to_owned(),
        members: members.collect(),
        timing: "profile = \"lan\"".to_owned(),
        // A playground is for trying again: a node that was made to resign soon may act again.
        election: "hold-off = \"5s\"".to_owned(),
        bossd,
    }
}

/// What a playground's nodes are called; also how many there may be.
pub const NAMES: [&str; 9] =
    ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"];
const USUAL: u8 = 100;
const PREFERRED: u8 = 150;

fn say(out: &mut dyn Write, text: &str) -> Result<(), PlaygroundError> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| PlaygroundError::Output { source })
}

/// Milliseconds of the clock that also counts while the host sleeps.
fn boot_ms() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("BOOTTIME exists since Linux 2.6.39");
    let seconds = u64::try_from(time.tv_sec()).expect("this clock starts at zero");
    let nanos = u64::try_from(time.tv_nsec()).expect("never negative");
    seconds * 1000 + nanos / 1_000_000
}

/// Hours to milliseconds in UTC, which is what the nodes' logs have too.
fn time_of_day() -> String {
    jiff::Timestamp::now().strftime(TIME_OF_DAY).to_string()
}

const TIME_OF_DAY: &str = "%H:%M:%S.%3f";

/// Why there is no playground.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// The daemon is not where it is looked for.
    #[error(
        "cannot find bossd, neither beside bossctl nor on the PATH: install it, or name it with \
         BOSSD=/path/to/bossd"
    )]
    NoBossd,
    /// The tour kills one node and wants a quorum to go on.
    #[error(
        "the tour kills a node and needs {} or more, not {nodes}: leave out -n, or try fewer nodes \
         by hand, on a terminal and without --script",
        tour::LEAST_NODES
    )]
    TooFew {
        /// As asked for.
        nodes: usize,
    },
    /// Files could not be made.
    #[error("cannot make {}: {source}; TMPDIR says where the playground goes", path.display())]
    Directory {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A socket would have too long a path.
    #[error("{} is too long a path for sockets in it: set TMPDIR to a shorter one", path.display())]
    LongPath {
        /// Where the directory would go.
        path: PathBuf,
    },
    /// Certificates could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The network between the nodes could not be made.
    #[error("cannot open the sockets of the loopback network: {source}; is the interface lo up?")]
    Network {
        /// What the system says.
        source: io::Error,
    },
    /// A daemon could not be started.
    #[error(
        "cannot start {} for {node}: {source}; BOSSD=/path/to/bossd names another one",
        bossd.display()
    )]
    Start {
        /// The binary.
        bossd: PathBuf,
        /// The node.
        node: String,
        /// What the system says.
        source: io::Error,
    },
    /// bossd does not take a configuration.
    #[error("bossd --check does not take {}:\n{said}", config.display())]
    Check {
        /// The file.
        config: PathBuf,
        /// Its own words.
        said: String,
    },
    /// Signals cannot be caught, the terminal cannot be switched to single keys.
    #[error("cannot {what}: {source}; `bossctl playground --script` needs no terminal")]
    Terminal {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody takes our output.
    #[error("cannot write the output: {source}; everything is ended and removed")]
    Output {
        /// What the system says.
        source: io::Error,
    },
}

impl PlaygroundError {
    /// The exit code that says this.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoBossd => Exit::NotThere,
            Self::TooFew { .. } => Exit::Usage,
            _ => Exit::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_movable_cursor_gets_lines() {
        for painted in ["xterm-256color", "linux", "screen"] {
            assert!(can_be_painted_on(Some(OsStr::new(painted))), "{painted}");
        }
        for lines in [None, Some(OsStr::new("")), Some(OsStr::new("dumb"))] {
            assert!(!can_be_painted_on(lines), "{lines:?}");
        }
    }
}
