//! Runs many worlds, replays one, or shows which broken rules the oracle notices.

mod many;
mod mutation;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Parser;
use simulate::{Broken, Fault, Faults, Outcome, Tell, faults_of, run, shrink};

/// Below this many worlds a rule may stay unused by chance.
const ENOUGH_FOR_EVERY_RULE: u64 = 200;

/// Simulates whole clusters of the election from seeds.
#[derive(Parser)]
struct Arguments {
    /// How many worlds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many run at once.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Tell the story of this one.
    #[arg(long)]
    replay: Option<u64>,
    /// Leave out these kinds of faults.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Break this rule.
    #[arg(long)]
    mutant: Option<String>,
    /// Break every rule, one after the other; fails if one that should be noticed is not.
    #[arg(long)]
    mutants: bool,
    /// How long each broken rule may take to be noticed, in seconds.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Stop after so many seconds, whatever is left.
    #[arg(long)]
    seconds: Option<u64>,
    /// Where the event log of a failure goes.
    #[arg(long, default_value = ".")]
    logs: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let broken = arguments.mutant.as_deref().map_or(Ok(Broken::Nothing), find_mutant)?;
    if let Some(seed) = arguments.replay {
        return replay(seed, &arguments.without, broken);
    }
    // A panic of a node is a violation, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if arguments.mutants {
        return Ok(mutation::try_all(&arguments));
    }
    search(&arguments, broken)
}

fn search(arguments: &Arguments, broken: Broken) -> anyhow::Result<ExitCode> {
    let begun = SystemTime::now();
    let Arguments { from, seeds, seconds, .. } = *arguments;
    let worlds = many::Worlds { broken, from, seeds, seconds, tells: true };
    let (summary, failure) = worlds.run(arguments.threads);
    let seconds = begun.elapsed().unwrap_or_default().as_secs_f64();
    println!("{summary}\nworlds per second {:.1}", summary.worlds as f64 / seconds);
    if let Some(outcome) = failure {
        tell_failure(arguments, &outcome, broken)?;
        return Ok(ExitCode::FAILURE);
    }
    let missing = summary.missing();
    if summary.worlds >= ENOUGH_FOR_EVERY_RULE && !missing.is_empty() {
        println!("never exercised: {}", missing.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn find_mutant(name: &str) -> anyhow::Result<Broken> {
    let names = || Broken::all().map(Broken::name).collect::<Vec<_>>().join(", ");
    let found = Broken::all().find(|broken| broken.name() == name);
    found.with_context(|| format!("no mutant {name}; there are {}", names()))
}

fn replay(seed: u64, without: &[String], broken: Broken) -> anyhow::Result<ExitCode> {
    let mut faults: Faults = faults_of(seed);
    for name in without {
        let Some(fault) = Fault::ALL.iter().find(|fault| fault.name() == name) else {
            bail!("no kind of fault {name}");
        };
        faults = faults.without(*fault);
    }
    let outcome = run(seed, faults, broken, Tell::Print);
    println!("{}", outcome.summary);
    Ok(if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell_failure(arguments: &Arguments, outcome: &Outcome, broken: Broken) -> anyhow::Result<()> {
    let seed = outcome.seed;
    let all = faults_of(seed);
    let needed = shrink(seed, broken);
    let without: Vec<_> = all.iter().filter(|f| !needed.has(*f)).map(Fault::name).collect();
    let shrunk = run(seed, needed, broken, Tell::Keep);
    let path = arguments.logs.join(format!("simulate-{seed}.log"));
    std::fs::write(&path, &shrunk.story)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("seed {seed} FAILS: {}", outcome.violation.as_deref().unwrap_or_default());
    println!("shrunk: {}", shrunk.violation.as_deref().unwrap_or_default());
    println!("needed faults: {needed}");
    println!("commit: {}", commit());
    let mut command = format!("cargo run --profile checked -p simulate -- --replay {seed}");
    if !without.is_empty() {
        command.push_str(" --without ");
        command.push_str(&without.join(","));
    }
    if broken != Broken::Nothing {
        command.push_str(" --mutant ");
        command.push_str(broken.name());
    }
    println!("replay: {command}\nlog: {}", path.display());
    Ok(())
}

fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
