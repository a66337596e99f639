//! The command line: every verb with its arguments, and where the daemon's socket is. Those of the
//! verbs that change something are in [`change`].

mod change;
mod units;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use change::{Clear, ConfirmDead, Drain, ForceResign, How, Pause, Resign, Switchover, Undrain};
use units::duration;

use crate::exit::Exit;
use crate::verbs::condition::Condition;

/// Where bossd listens unless told otherwise.
pub const SOCKET: &str = "/run/boss/control.sock";
/// The environment variable that says otherwise; `--socket` wins.
pub const SOCKET_VARIABLE: &str = "BOSS_SOCKET";

/// Asks bossd about its cluster, and asks it for changes.
#[derive(Debug, Parser)]
#[command(
    name = "bossctl",
    version,
    after_help = "Exit status: 0 done, 1 the answer is no, 2 unsafe, 64 usage, 69 daemon not there, \
                  75 try again, 77 not permitted."
)]
pub struct Args {
    /// The control socket of the daemon [default: `BOSS_SOCKET`, else /run/boss/control.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What bossctl can be told to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the cluster on one screen; the exit status is its posture
    Status(Status),
    /// Say why a node is boss or is not, and what would happen without the boss
    Explain(Explain),
    /// Show who was boss, when and for how long
    History(History),
    /// Wait until something is so, for scripts
    Wait(Wait),
    /// End with 0 only if this node acts under an epoch, for scripts
    Assert(Assert),
    /// Take a node out of service, until undrained or for a time
    Drain(Drain),
    /// Take a node back into service
    Undrain(Undrain),
    /// Have nobody new become boss, until resumed or for a time
    Pause(Pause),
    /// End a pause
    Resume,
    /// End the hold-off of a node after a failed promote or a resignation
    Clear(Clear),
    /// Have the boss give up, so that the next takes over
    Resign(Resign),
    /// The same as `resign --force`
    ForceResign(ForceResign),
    /// Have the boss hand over to a node
    Switchover(Switchover),
    /// Give the cluster the timing, policy and priorities of a file
    Apply(Apply),
    /// Vouch that the host of a lost node is off, so that nobody waits for it
    ConfirmDead(ConfirmDead),
    /// Look at the hooks of a node
    #[command(subcommand)]
    Hooks(Hooks),
    /// Look at a configuration
    #[command(subcommand)]
    Config(Config),
    /// Have a node read its configuration and certificates anew
    Reload(Reload),
    /// Make the cluster's own authority and its nodes' certificates
    #[command(subcommand)]
    Ca(Ca),
    /// Install what `ca issue --bundle` made for this server
    InstallBundle(InstallBundle),
    /// Try it out: a throw-away cluster on this machine, broken on a key
    Playground(Playground),
    /// Print a script that completes bossctl's command line in a shell
    Completions(Completions),
    /// Print the version
    Version,
}

/// `bossctl status`.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Only this member, in detail
    pub node: Option<String>,
    /// Print the whole document as JSON
    #[arg(long, conflicts_with = "node")]
    pub json: bool,
}

/// `bossctl explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Which node [default: the one whose daemon is asked]
    pub node: Option<String>,
    /// Print the whole document as JSON
    #[arg(long)]
    pub json: bool,
}

/// `bossctl history`.
#[derive(Debug, clap::Args)]
pub struct History {
    /// Only the newest N epochs
    #[arg(long, value_name = "N", conflicts_with = "json")]
    pub last: Option<usize>,
    /// Print the whole document as JSON
    #[arg(long)]
    pub json: bool,
}

/// `bossctl wait`.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// What is to be so of the node whose daemon is asked
    #[arg(long = "for", value_name = "WHAT", value_parser = conditions())]
    pub condition: Condition,
    /// How long to wait, as in 500ms, 30s or 5min
    #[arg(long, value_name = "DURATION", default_value = "2min", value_parser = duration)]
    pub timeout: Duration,
}

/// `bossctl assert`.
#[derive(Debug, clap::Args)]
pub struct Assert {
    /// The epoch that a hook got as BOSS_EPOCH
    #[arg(long, value_name = "N")]
    pub epoch: u64,
}

/// `bossctl apply`.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// Which file
    #[arg(default_value = "/etc/boss/cluster.toml")]
    pub file: PathBuf,
    /// Only show how the file differs from the cluster
    #[arg(long)]
    pub dry_run: bool,
    /// Print the differences as JSON; needs --dry-run
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

/// `bossctl hooks`.
#[derive(Debug, Subcommand)]
pub enum Hooks {
    /// List them, and say why one does not run
    List(HooksList),
    /// Show what an event would call; nothing is run
    Run(HooksRun),
}

/// `bossctl hooks list`.
#[derive(Debug, clap::Args)]
pub struct HooksList {
    /// Print the whole document as JSON
    #[arg(long)]
    pub json: bool,
}

/// `bossctl hooks run`.
#[derive(Debug, clap::Args)]
pub struct HooksRun {
    /// Which event
    #[arg(value_parser = ["promote", "demote", "follow", "reassert", "stop"])]
    pub event: String,
    /// Only show it: needed, for only bossd runs hooks
    #[arg(long, required = true)]
    pub dry_run: bool,
    /// Print the whole document as JSON
    #[arg(long)]
    pub json: bool,
}

/// `bossctl config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Have bossd check a configuration; needs no daemon
    Check(ConfigCheck),
}

/// `bossctl config check`.
#[derive(Debug, clap::Args)]
pub struct ConfigCheck {
    /// Which file [default: /etc/boss/cluster.toml]
    pub file: Option<PathBuf>,
    /// Print the verdict and the text as JSON
    #[arg(long)]
    pub json: bool,
}

/// `bossctl reload`.
#[derive(Debug, clap::Args)]
pub struct Reload {
    /// Return only when it is done, and say what came of it
    #[arg(long)]
    pub wait: bool,
    /// Print the whole document as JSON
    #[arg(long, requires = "wait")]
    pub json: bool,
}

/// `bossctl ca`.
#[derive(Debug, Subcommand)]
pub enum Ca {
    /// Make the authority of a new cluster
    Init {
        /// The name of the cluster, as in cluster.toml
        cluster: String,
        /// Where its key goes: a directory that is kept away from the servers
        #[arg(long, value_name = "DIR", default_value = "boss-ca")]
        dir: PathBuf,
    },
    /// Make the key and the certificate of one node
    Issue {
        /// The name of the node, as in cluster.toml
        node: String,
        /// The authority's directory
        #[arg(long, value_name = "DIR", default_value = "boss-ca")]
        dir: PathBuf,
        /// Where the node's files go [default: DIR/NODE]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Make one file instead, for `bossctl install-bundle` on the node
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        bundle: Option<PathBuf>,
        /// The cluster.toml that goes into the bundle
        #[arg(long, value_name = "FILE", requires = "bundle")]
        config: Option<PathBuf>,
        /// A further address or host name in it, without a port; may be repeated
        #[arg(long = "address", value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Make another certificate for a node, in the place of the one that is there
    Renew {
        /// The name of the node, as in cluster.toml
        node: String,
        /// The authority's directory
        #[arg(long, value_name = "DIR", default_value = "boss-ca")]
        dir: PathBuf,
        /// Where the node's files are [default: DIR/NODE]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Make another key as well
        #[arg(long)]
        new_key: bool,
        /// A further address or host name in it, without a port; may be repeated
        #[arg(long = "address", value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Show a certificate, or those in a directory
    Show {
        /// What to look at
        #[arg(default_value = "/etc/boss/tls")]
        path: PathBuf,
    },
}

/// `bossctl install-bundle`.
#[derive(Debug, clap::Args)]
pub struct InstallBundle {
    /// The bundle
    pub file: PathBuf,
    /// Replace what is there and says something else
    #[arg(long)]
    pub force: bool,
    /// Where to
    #[arg(long, value_name = "DIR", default_value = "/etc/boss")]
    pub to: PathBuf,
}

/// `bossctl playground`.
#[derive(Debug, clap::Args)]
pub struct Playground {
    /// How many nodes
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Take a tour that checks what a cluster promises; the exit status tells whether it holds
    #[arg(long)]
    pub script: bool,
}

/// `bossctl completions`.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    pub shell: String,
}

impl Args {
    /// The socket to ask: the option, else the environment, else the usual place.
    pub fn daemon(&self) -> PathBuf {
        let from_environment = || std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
        self.socket
            .clone()
            .or_else(|| from_environment().map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(SOCKET))
    }
}

/// The words of [`Condition`], for help and completions too.
fn conditions() -> impl TypedValueParser<Value = Condition> {
    PossibleValuesParser::new(Condition::ALL.map(|(name, _)| name))
        .map(|word| Condition::parse(&word).expect("one of its words"))
}

/// Understands a command line, program name included.
pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Args, Usage> {
    Args::try_parse_from(line).map_err(Usage)
}

/// A command line that is not a verb to be done: wrong, or a wish for help.
#[derive(Debug)]
pub struct Usage(clap::Error);

impl Usage {
    /// Help on standard output is an answer; anything else is an error of usage. clap would exit
    /// with 2, which here means "unsafe".
    pub fn exit(&self) -> Exit {
        match self.0.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
            _ => Exit::Usage,
        }
    }

    /// Prints it where it belongs.
    pub fn show(&self) -> Exit {
        // A closed pipe changes nothing about the exit status.
        drop(self.0.print());
        self.exit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Args, Usage> {
        read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn the_socket_may_be_given_before_or_after_the_verb() {
        for given in ["bossctl --socket /s status", "bossctl status --socket /s"] {
            assert_eq!(line(given).expect("fine").daemon(), PathBuf::from("/s"));
        }
    }

    #[test]
    fn what_a_verb_needs_must_be_given() {
        for wrong in ["bossctl hooks run promote", "bossctl hooks run explode --dry-run"] {
            assert_eq!(line(wrong).expect_err(wrong).exit(), Exit::Usage, "{wrong}");
        }
        for wrong in ["bossctl wait", "bossctl wait --for luck", "bossctl assert"] {
            assert_eq!(line(wrong).expect_err(wrong).exit(), Exit::Usage, "{wrong}");
        }
        for wrong in [
            "bossctl resign --timeout 5s",
            "bossctl drain --json",
            "bossctl switchover --to beta --wait --dry-run",
            "bossctl confirm-dead",
        ] {
            assert_eq!(line(wrong).expect_err(wrong).exit(), Exit::Usage, "{wrong}");
        }
        for right in ["bossctl drain --wait --timeout 5s", "bossctl resign --dry-run --json"] {
            assert!(line(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_answered_with_an_example() {
        let told = line("bossctl drain --for 2").expect_err("no unit").0.to_string();
        assert!(told.contains("--for <DURATION>") && told.contains("30min"), "{told}");
    }

    #[test]
    fn wrong_usage_is_64_and_help_is_0() {
        for wrong in
            ["bossctl", "bossctl switchover", "bossctl drain --for", "bossctl playground -n 10"]
        {
            assert_eq!(line(wrong).expect_err(wrong).exit(), Exit::Usage, "{wrong}");
        }
        for wrong in ["bossctl pause --for", "bossctl pause now", "bossctl resume alpha"] {
            assert_eq!(line(wrong).expect_err(wrong).exit(), Exit::Usage, "{wrong}");
        }
        for right in ["bossctl --help", "bossctl drain --help", "bossctl --version"] {
            assert_eq!(line(right).expect_err(right).exit(), Exit::Done, "{right}");
        }
    }
}
