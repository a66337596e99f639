//! Measures boss beside keepalived and etcd, on hosts of their own in network namespaces, and writes
//! what came of it: all figures to results.json, tables for people to RESULTS.md and README.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use bench::contender::Contender;
use bench::field::Settings;
use bench::results::{Part, Results};
use bench::{failover, idle, needs, table, unwanted};
use clap::Parser;

/// Measures what a cluster manager costs. Needs root; a release build; a machine with nothing else
/// to do.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Which parts: failover, memory, cpu, traffic, disk, unwanted. Those that are not measured keep
    /// the figures that they have.
    #[arg(long, value_delimiter = ',', value_parser = PARTS, default_values = PARTS)]
    only: Vec<String>,
    /// Who takes part: boss, boss-fast, keepalived, etcd.
    #[arg(long, value_delimiter = ',', value_parser = FAMILIES, default_values = FAMILIES)]
    contenders: Vec<String>,
    /// How often each fault.
    #[arg(long, default_value_t = 10)]
    runs: u32,
    /// How many minutes memory is left alone.
    #[arg(long, default_value_t = 10)]
    idle_minutes: u64,
    /// How many minutes of load and loss.
    #[arg(long, default_value_t = 10)]
    unwanted_minutes: u64,
    /// How much is lost meanwhile, in percent.
    #[arg(long, default_value_t = 5)]
    loss: u8,
    /// How many processors are kept busy meanwhile; by default all.
    #[arg(long)]
    busy: Option<usize>,
    /// All of it in seconds, to see that it works. The figures are worth nothing and are printed
    /// only.
    #[arg(long)]
    quick: bool,
    /// Measure nothing, write the tables anew from results.json.
    #[arg(long, conflicts_with = "quick")]
    tables: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.tables {
        table::write_all(&Results::read(&results_file())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = settings(&arguments);
    let missing = needs::missing(&settings);
    if !missing.is_empty() {
        bail!("missing: {}", missing.join("; "));
    }
    take_down_at_the_end();
    let results =
        if arguments.quick { Results::default() } else { Results::read(&results_file())? };
    measure(&arguments, &settings, results)?;
    Ok(ExitCode::SUCCESS)
}

fn settings(arguments: &Arguments) -> Settings {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let whole = Settings {
        families: arguments.contenders.clone(),
        runs: arguments.runs,
        idle: minutes(arguments.idle_minutes),
        window: minutes(1),
        failovers: 100,
        failovers_limit: minutes(4),
        unwanted: minutes(arguments.unwanted_minutes),
        loss: arguments.loss,
        busy: arguments.busy.unwrap_or_else(bench::processors),
        writes: (Duration::from_secs(20), 5),
    };
    if !arguments.quick {
        return whole;
    }
    let second = Duration::from_secs(1);
    Settings {
        runs: 1,
        idle: second,
        window: second,
        failovers: 2,
        failovers_limit: 10 * second,
        unwanted: second,
        writes: (second, 1),
        ..whole
    }
}

/// Each part is kept as soon as it is there, and then judged.
fn measure(arguments: &Arguments, settings: &Settings, results: Results) -> anyhow::Result<()> {
    let asked = |part: &str| arguments.only.iter().any(|it| it == part);
    let begin = |part: &str| asked(part).then(|| Part::begin(&command()));
    let mut kept = Kept { results, in_files: !arguments.quick };
    if [idle::MEMORY, idle::CPU, idle::TRAFFIC, idle::DISK].into_iter().any(asked) {
        let mut parts = idle::Parts {
            memory: begin(idle::MEMORY),
            cpu: begin(idle::CPU),
            traffic: begin(idle::TRAFFIC),
            disk: begin(idle::DISK),
        };
        judge(idle::run(settings, &mut parts, |name, part| kept.keep(name, part.clone()))?);
    }
    if let Some(mut part) = begin(failover::PART) {
        judge(failover::run(settings, &mut part, |part| kept.keep(failover::PART, part.clone()))?);
    }
    if let Some(mut part) = begin(unwanted::PART) {
        let all = unwanted::run(settings, &mut part);
        kept.keep(unwanted::PART, part)?;
        judge(all);
    }
    println!("{}", table::render(&kept.results));
    Ok(())
}

/// Whatever was measured, there were never two at once.
fn judge(all: Vec<Box<dyn Contender>>) {
    for mut contender in all {
        contender.judge();
    }
}

/// What was measured so far.
struct Kept {
    results: Results,
    in_files: bool,
}

impl Kept {
    fn keep(&mut self, name: &str, part: Part) -> anyhow::Result<()> {
        self.results.set(name, part);
        if !self.in_files {
            return Ok(());
        }
        self.results.write(&results_file())?;
        table::write_all(&self.results)
    }
}

/// A panic ends the process at once, and a signal too: then nothing is taken down that would go on
/// running in its namespaces. Directories are found by the next run.
fn take_down_at_the_end() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tell(info);
        network::remove_own();
    }));
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let interrupted = runtime.and_then(|it| it.block_on(tokio::signal::ctrl_c()));
        if interrupted.is_ok() {
            network::remove_own();
            std::process::exit(130);
        }
    });
}

/// The command, as somebody else would type it.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = if words.is_empty() { String::new() } else { format!(" -- {}", words.join(" ")) };
    format!("cargo run --release -p bench{words}")
}

fn results_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json")
}

const PARTS: [&str; 6] = ["failover", "memory", "cpu", "traffic", "disk", "unwanted"];
const FAMILIES: [&str; 4] = ["boss", "boss-fast", "keepalived", "etcd"];
