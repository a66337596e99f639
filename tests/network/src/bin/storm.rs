//! Runs a storm of faults over real hosts in namespaces, prints what came of it, and ends with 1
//! unless all that is asked of a storm was there and never two at once.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use network::obstacle;
use network::storm::{Forecast, Storm, keep};

/// Breaks a cluster of real hosts for some minutes.
#[derive(Parser)]
struct Arguments {
    /// How long it lasts. Ten or more owe 20 promotions and each fault three times; a shorter one
    /// owes its part of that.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Where its faults are drawn from; by default another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// How many hosts, 3 or 5.
    #[arg(long, default_value_t = 5)]
    hosts: usize,
    /// Where all logs go if it fails.
    #[arg(long, default_value = "storm-logs")]
    logs: PathBuf,
    /// Only say whether there can be a storm here, and if not, why.
    #[arg(long)]
    possible: bool,
    /// Say nothing of what happens until the end.
    #[arg(long)]
    quiet: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if ![3, 5].contains(&arguments.hosts) {
        bail!("a storm has 3 or 5 hosts");
    }
    match obstacle() {
        Some(why) if arguments.possible => {
            println!("{why}");
            return Ok(ExitCode::FAILURE);
        }
        Some(why) => bail!("there can be no storm here: {why}"),
        None if arguments.possible => return Ok(ExitCode::SUCCESS),
        None => {}
    }
    let seed = arguments.seed.unwrap_or_else(|| harness::boot_ns() % 1_000_000);
    let forecast = Forecast { minutes: arguments.minutes, seed, hosts: arguments.hosts };
    let (report, storm) = Storm::run(forecast, !arguments.quiet);
    println!("\n{report}");
    if report.holds() {
        return Ok(ExitCode::SUCCESS);
    }
    keep(&storm, &arguments.logs)
        .with_context(|| format!("cannot write to {}", arguments.logs.display()))?;
    println!(
        "All logs are in {}, all.log has them in one line of time. Again:\n    \
         cargo run --release -p network --bin storm -- --minutes {} --seed {seed} --hosts {}",
        arguments.logs.display(),
        arguments.minutes,
        arguments.hosts
    );
    Ok(ExitCode::FAILURE)
}
