//! Runs many worlds, replays one, or shows which broken rules the oracle notices.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::Parser;
use election::Mutant;
use simulate::{Fault, Faults, Outcome, Summary, Tell, faults_of, run, shrink};

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
    /// Break every rule, one after the other.
    #[arg(long)]
    mutants: bool,
    /// How long each broken rule may take to be noticed, in seconds.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// Where the event log of a failure goes.
    #[arg(long, default_value = ".")]
    logs: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mutant = arguments.mutant.as_deref().map(find_mutant).transpose()?;
    if let Some(seed) = arguments.replay {
        return replay(seed, &arguments.without, mutant);
    }
    // A panic of a node is a violation, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if arguments.mutants {
        return Ok(try_mutants(&arguments));
    }
    let begun = SystemTime::now();
    let deadline = None;
    let (summary, failure) = run_many(&arguments, mutant, deadline);
    let seconds = begun.elapsed().unwrap_or_default().as_secs_f64();
    println!("{summary}\nworlds per second {:.1}", summary.worlds as f64 / seconds);
    if let Some(outcome) = failure {
        tell_failure(&arguments, &outcome, mutant)?;
        return Ok(ExitCode::FAILURE);
    }
    let missing = summary.missing();
    if summary.worlds >= ENOUGH_FOR_EVERY_RULE && !missing.is_empty() {
        println!("never exercised: {}", missing.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn find_mutant(name: &str) -> anyhow::Result<Mutant> {
    let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
    let names = || Mutant::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
    found.copied().with_context(|| format!("no mutant {name}; there are {}", names()))
}

fn replay(seed: u64, without: &[String], mutant: Option<Mutant>) -> anyhow::Result<ExitCode> {
    let mut faults: Faults = faults_of(seed);
    for name in without {
        let Some(fault) = Fault::ALL.iter().find(|fault| fault.name() == name) else {
            bail!("no kind of fault {name}");
        };
        faults = faults.without(*fault);
    }
    let outcome = run(seed, faults, mutant, Tell::Print);
    println!("{}", outcome.summary);
    Ok(if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The worlds, on as many threads as asked for, until one fails or the deadline.
fn run_many(
    arguments: &Arguments,
    mutant: Option<Mutant>,
    deadline: Option<SystemTime>,
) -> (Summary, Option<Outcome>) {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let failed = AtomicBool::new(false);
    let total: Mutex<(Summary, Option<Outcome>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed)
                    && deadline.is_none_or(|deadline| SystemTime::now() < deadline)
                {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = run(seed, faults_of(seed), mutant, Tell::Nothing);
                    let mut total = total.lock().expect("no thread panics while it adds");
                    total.0.add(&outcome.summary);
                    // The lowest seed, whichever thread is faster.
                    let earlier = total.1.as_ref().is_none_or(|first| seed < first.seed);
                    if outcome.violation.is_some() && earlier {
                        failed.store(true, Ordering::Relaxed);
                        total.1 = Some(outcome);
                    }
                }
            });
        }
    });
    total.into_inner().expect("no thread panics while it adds")
}

fn tell_failure(
    arguments: &Arguments,
    outcome: &Outcome,
    mutant: Option<Mutant>,
) -> anyhow::Result<()> {
    let seed = outcome.seed;
    let all = faults_of(seed);
    let needed = shrink(seed, mutant);
    let without: Vec<_> = all.iter().filter(|f| !needed.has(*f)).map(Fault::name).collect();
    let shrunk = run(seed, needed, mutant, Tell::Keep);
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
    if let Some(mutant) = mutant {
        command.push_str(" --mutant ");
        command.push_str(mutant.name());
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

fn try_mutants(arguments: &Arguments) -> ExitCode {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let deadline = SystemTime::now() + Duration::from_secs(arguments.patience);
        let (summary, failure) = run_many(arguments, Some(*mutant), Some(deadline));
        if let Some(outcome) = failure {
            println!(
                "{:28} caught after {} worlds, seed {}: {}",
                mutant.name(),
                summary.worlds,
                outcome.seed,
                outcome.violation.unwrap_or_default()
            );
        } else {
            println!("{:28} not noticed in {} worlds", mutant.name(), summary.worlds);
            survivors.push(mutant.name());
        }
    }
    println!(
        "{} of {} caught by the oracle; the scripts of election/tests catch the rest: {}",
        Mutant::ALL.len() - survivors.len(),
        Mutant::ALL.len(),
        survivors.join(", ")
    );
    ExitCode::SUCCESS
}
