//! Searches every state of small worlds of the real election for a second boss:
//!
//! ```text
//! cargo run --profile checked -p model -- ci [--world PART] [--seconds N]
//! cargo run --profile checked -p model -- deep [--world PART] [--seconds N]
//! cargo run --profile checked -p model --features mutants -- mutants [--mutant PART]
//! ```
//!
//! What was run, and what the worlds leave out: RESULTS.md.

mod action;
mod coverage;
mod judge;
#[cfg(feature = "mutants")]
mod mutants;
mod search;
mod setup;
mod shell;
mod state;
mod step;
mod worlds;

use std::process::ExitCode;
use std::time::Duration;

use action::Which;
use clap::{Parser, Subcommand};
use coverage::Mark;
use search::{Found, Verdict, search};
use setup::{Setup, name_of};
use worlds::Tier;

/// Searches every state of small worlds.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Threads of one search.
    #[arg(long, default_value_t = 2, global = true)]
    threads: usize,
}

#[derive(Subcommand)]
enum What {
    /// What every change can wait for.
    Ci(Chosen),
    /// Larger budgets and terms.
    Deep(Chosen),
    /// Breaks one rule after the other.
    #[cfg(feature = "mutants")]
    Mutants {
        /// Only those with this in their names.
        #[arg(long, default_value = "")]
        mutant: String,
        /// How long each may take, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

#[derive(clap::Args)]
struct Chosen {
    /// Only the worlds with this in their names.
    #[arg(long, default_value = "")]
    world: String,
    /// How long each world may take, in seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    // A panic of the core is a violation, told with the way that leads there.
    std::panic::set_hook(Box::new(|_| {}));
    let arguments = Arguments::parse();
    let good = match arguments.what {
        What::Ci(chosen) => search_all(Tier::Ci, &chosen, arguments.threads),
        What::Deep(chosen) => search_all(Tier::Deep, &chosen, arguments.threads),
        #[cfg(feature = "mutants")]
        What::Mutants { mutant, seconds } => {
            mutants::catch_all(&mutant, Duration::from_secs(seconds), arguments.threads)
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every world, one after the other; whether all of them hold and, together, every rule decided
/// something.
fn search_all(tier: Tier, chosen: &Chosen, threads: usize) -> bool {
    let limit = Duration::from_secs(chosen.seconds.unwrap_or(match tier {
        Tier::Ci => 120,
        Tier::Deep => 3_600,
    }));
    let mut good = true;
    let mut searched = Vec::new();
    for setup in worlds::all(tier).into_iter().filter(|setup| setup.name.contains(&chosen.world)) {
        good &= tell(&setup, &search(&setup, threads, limit));
        searched.push(setup.seen.clone());
    }
    let unseen = |mark: &&Mark| !searched.iter().any(|seen| seen.has(**mark));
    let unseen: Vec<_> = Mark::ALL.iter().filter(unseen).map(|mark| mark.text()).collect();
    println!(
        "seen in no world: {}",
        if unseen.is_empty() { "nothing".into() } else { unseen.join("; ") }
    );
    good && (unseen.is_empty() || !chosen.world.is_empty())
}

/// One world's line; whether it holds.
fn tell(setup: &Setup, found: &Found) -> bool {
    let mut good = true;
    let verdict = match &found.verdict {
        Verdict::Exhaustive => "exhaustive".to_owned(),
        Verdict::Cut => format!("CUT by time, clean so far, about to depth {}", found.depth),
        Verdict::Violation(text, _) => {
            good = false;
            format!("VIOLATION: {text}")
        }
    };
    println!(
        "{:46} {:>9} states  depth {:>3}  {:>6.1} s  {verdict}",
        setup.name,
        found.states,
        found.depth,
        found.took.as_secs_f64()
    );
    if matches!(found.verdict, Verdict::Exhaustive) && !found.never.is_empty() {
        good = false;
        println!("    never seen: {}", found.never.join("; "));
    }
    let seen = Mark::ALL.iter().filter(|mark| setup.seen.has(**mark)).map(|mark| mark.text());
    println!("    seen: {}", seen.collect::<Vec<_>>().join("; "));
    if let Verdict::Violation(_, path) = &found.verdict {
        retell(setup, path);
    }
    good
}

/// The steps of a violation, with what is in them.
fn retell(setup: &Setup, path: &[action::Action]) {
    let mut state = setup.started();
    for action in path {
        let what = match *action {
            action::Action::ExecutorReads(host) => format!(" {:?}", state.hosts[host].1.acts[0]),
            action::Action::ElectorReads(host) => format!(" {:?}", state.hosts[host].1.words[0]),
            other => other.which().map_or_else(String::new, |which| {
                let parcel = match which {
                    Which::Stream(from, to) => state.stream(from, to)[0].1.clone(),
                    Which::Bag(at) => state.bag[at].1.clone(),
                };
                let (from, to) = (name_of(parcel.from), name_of(parcel.to));
                let envelope = &parcel.envelope;
                format!(" {} {from} to {to}, term {}", envelope.message.name(), envelope.term)
            }),
        };
        println!("      {action:?}{what}");
        let Some(next) = setup.after(&state, *action) else { return };
        state = next;
    }
}
