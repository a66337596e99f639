//! `bossctl completions`: a script for a shell, made from the command line itself, so that it knows
//! every verb and option there is.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::{Args, Completions};
use crate::exit::{Exit, Failure, answer};

/// Prints the script.
pub fn completions(args: &Completions) -> Result<Exit, Failure> {
    let shell = match args.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "bossctl", &mut script);
    answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
