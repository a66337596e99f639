//! The options of bossd. What is wrong with them ends with status 64, as sysexits.h has it.

use std::path::PathBuf;
use std::process;

use clap::{ArgGroup, Parser, error::ErrorKind};

use crate::executor::Effects;

/// What bossd was asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Args {
    /// Which of its jobs.
    pub mode: Mode,
    /// cluster.toml.
    pub config: PathBuf,
    /// Whether anything is run.
    pub effects: Effects,
}

/// The jobs of bossd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The daemon: the executor, which starts its elector.
    Run,
    /// Check the configuration and say what to expect of it.
    Check,
    /// Let go of what a daemon that ended may have left standing.
    CleanUp,
    /// The elector, started by the executor; the configuration comes over their channel.
    Elector,
    /// The hook that has units of systemd follow the boss, started by the executor.
    BossTarget {
        /// What they follow.
        target: String,
        /// The hook's event.
        event: String,
    },
}

/// The status for options that are wrong: EX_USAGE.
pub const USAGE_STATUS: u8 = 64;

/// The arguments of this process. Ends it with a text if they ask for help or are wrong.
pub fn parse_args() -> Args {
    parse_args_from(std::env::args_os()).unwrap_or_else(|error| {
        // Nothing can be done about an output that is closed.
        let _ = error.print();
        process::exit(i32::from(status_of(&error)));
    })
}

/// The same for any arguments; the first is the name of the program.
pub fn parse_args_from<I, T>(arguments: I) -> Result<Args, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let options = Options::try_parse_from(arguments)?;
    let mode = match &options {
        Options { elector: true, .. } => Mode::Elector,
        Options { boss_target: Some(words), .. } if words.len() == 2 => {
            Mode::BossTarget { target: words[0].clone(), event: words[1].clone() }
        }
        Options { clean_up: true, .. } => Mode::CleanUp,
        Options { check: Some(_), .. } => Mode::Check,
        Options { .. } => Mode::Run,
    };
    let effects = if options.shadow { Effects::None } else { Effects::Real };
    let config = options.check.flatten().unwrap_or(options.config);
    Ok(Args { mode, config, effects })
}

/// The exit status for what clap has to say: help and version are no mistakes.
pub fn status_of(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => USAGE_STATUS,
    }
}

/// Exactly one of your servers does the job.
#[derive(Parser, Debug)]
#[command(name = "bossd", version, about, group = ArgGroup::new("mode").multiple(false))]
struct Options {
    /// The cluster's configuration; node.toml beside it is read as well
    #[arg(long, value_name = "FILE", default_value = "/etc/boss/cluster.toml")]
    config: PathBuf,
    /// Check FILE, or the configuration, say what to expect of it, and end
    #[arg(long, value_name = "FILE", num_args = 0..=1, group = "mode")]
    #[expect(clippy::option_option, reason = "no --check, --check alone, --check FILE")]
    check: Option<Option<PathBuf>>,
    /// Run the demote hooks if an earlier bossd may have left anything standing, and end
    #[arg(long, group = "mode")]
    clean_up: bool,
    /// Elect, log and show, and run no hook: to try bossd beside what does the job now
    #[arg(long, conflicts_with_all = ["check", "elector"])]
    shadow: bool,
    /// Be the elector of the bossd that started this process
    #[arg(long, hide = true, group = "mode")]
    elector: bool,
    /// Be the hook by which units follow the boss
    #[arg(long, hide = true, group = "mode", num_args = 2, value_names = ["TARGET", "EVENT"])]
    boss_target: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Mode, String), u8> {
        parse_args_from(std::iter::once(&"bossd").chain(arguments))
            .map(|args| (args.mode, args.config.display().to_string()))
            .map_err(|error| status_of(&error))
    }

    fn default_path() -> String {
        "/etc/boss/cluster.toml".to_owned()
    }

    #[test]
    fn each_job_has_its_option() {
        let default = default_path();
        assert_eq!(parsed(&[]), Ok((Mode::Run, default.clone())));
        assert_eq!(parsed(&["--check"]), Ok((Mode::Check, default.clone())));
        assert_eq!(parsed(&["--clean-up"]), Ok((Mode::CleanUp, default.clone())));
        assert_eq!(parsed(&["--elector"]), Ok((Mode::Elector, default)));
        let mode = Mode::BossTarget { target: "boss.target".into(), event: "demote".into() };
        let path = default_path();
        assert_eq!(parsed(&["--boss-target", "boss.target", "demote"]), Ok((mode, path)));
        assert_eq!(parsed(&["--check", "a"]), Ok((Mode::Check, "a".into())));
        assert_eq!(parsed(&["--config", "b"]), Ok((Mode::Run, "b".into())));
        assert_eq!(parsed(&["--config", "b", "--check"]), Ok((Mode::Check, "b".into())));
    }

    #[test]
    fn a_shadow_runs_and_cleans_up_as_one() {
        let effects = |arguments: &[&str]| {
            parse_args_from(std::iter::once(&"bossd").chain(arguments))
                .map(|args| args.effects)
                .ok()
        };
        assert_eq!(effects(&[]), Some(Effects::Real));
        assert_eq!(effects(&["--shadow"]), Some(Effects::None));
        assert_eq!(effects(&["--shadow", "--clean-up"]), Some(Effects::None));
    }

    #[test]
    fn mistakes_end_with_64_and_help_with_0() {
        assert_eq!(parsed(&["--chekc"]), Err(64));
        assert_eq!(parsed(&["cluster.toml"]), Err(64));
        assert_eq!(parsed(&["--check", "--clean-up"]), Err(64));
        assert_eq!(parsed(&["--shadow", "--check"]), Err(64));
        assert_eq!(parsed(&["--help"]), Err(0));
        assert_eq!(parsed(&["--version"]), Err(0));
    }
}
