//! Searches every state of small worlds of the real election for a second boss, in three ways:
//!
//! ```text
//! cargo run --profile checked -p model -- ci [WORLD [SECONDS]]      a few minutes
//! cargo run --profile checked -p model -- deep [WORLD [SECONDS]]    larger worlds
//! cargo run --profile checked -p model --features mutants -- mutants [MUTANT]
//! ```
//!
//! WORLD is a part of a world's name. What was run, and what the worlds leave out: RESULTS.md.

mod search;
mod step;
mod world;
mod worlds;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use search::{Found, Limit, Verdict, search};
use world::Setup;
use worlds::Tier;

/// Two at once: what the smallest machine of a CI has.
const WORKERS: usize = 2;
/// Ten worlds on two workers stay below six minutes.
const CI: Limit = Limit { states: 1_500_000, time: Duration::from_secs(60) };
/// A state costs two kilobytes at worst.
const DEEP: Limit = Limit { states: 6_000_000, time: Duration::from_secs(3_600) };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |setup: &Setup| arguments.get(1).is_none_or(|part| setup.name.contains(part));
    let seconds = arguments.get(2).and_then(|seconds| seconds.parse().ok());
    let within =
        |limit: Limit| Limit { time: seconds.map_or(limit.time, Duration::from_secs), ..limit };
    let good = match arguments.first().map(String::as_str) {
        Some("ci") => search_all(worlds::all(Tier::Ci).into_iter().filter(named), within(CI)),
        Some("deep") => search_all(worlds::all(Tier::Deep).into_iter().filter(named), within(DEEP)),
        #[cfg(feature = "mutants")]
        Some("mutants") => catch_mutants(arguments.get(1).map_or("", String::as_str)),
        _ => {
            eprintln!(
                "usage: model ci|deep [WORLD [SECONDS]], or, with --features mutants, model mutants"
            );
            false
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every world, as many at once as there are workers; whether all of them hold.
fn search_all(worlds: impl Iterator<Item = Setup>, limit: Limit) -> bool {
    let waiting: Mutex<VecDeque<Setup>> = Mutex::new(worlds.collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || {
        let mut good = true;
        while let Some(setup) = next() {
            good &= tell(&setup, &search(&setup, limit));
        }
        good
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let mut good = true;
        for worker in workers {
            good &= worker.join().unwrap_or(false);
        }
        good
    })
}

/// One world's line; whether it holds.
fn tell(setup: &Setup, found: &Found) -> bool {
    let mut good = true;
    let verdict = match &found.verdict {
        Verdict::Exhaustive => "exhaustive".to_owned(),
        Verdict::Cut => format!("cut within depth {}", found.depth + 1),
        Verdict::Violation(text, _) => {
            good = false;
            format!("VIOLATION at depth {}: {text}", found.depth + 1)
        }
    };
    println!(
        "{:44} {:>9} states  depth {:>3}  {:>6.1} s  {verdict}",
        setup.name,
        found.states,
        found.depth,
        found.took.as_secs_f64()
    );
    let never: Vec<_> = setup.sometimes.iter().filter(|s| !found.taken.contains(**s)).collect();
    if matches!(found.verdict, Verdict::Exhaustive) && !never.is_empty() {
        good = false;
        println!("    never seen: {never:?}");
    }
    let seen: Vec<_> = found.taken.iter().copied().collect();
    println!("    seen: {}", seen.join(", "));
    if let Verdict::Violation(_, path) = &found.verdict {
        retell(setup, path);
    }
    good
}

/// The steps of a violation, with what is in them.
fn retell(setup: &Setup, path: &[step::Action]) {
    let mut state = setup.started();
    for action in path {
        let what = match action {
            step::Action::Deliver(at)
            | step::Action::DeliverAndKeep(at)
            | step::Action::Lose(at) => {
                let parcel = &state.parcels[*at].1;
                let (from, to) = (world::name_of(parcel.from), world::name_of(parcel.to));
                let envelope = &parcel.envelope;
                format!(" {} {from} to {to}, term {}", envelope.message.name(), envelope.term)
            }
            step::Action::ExecutorReads(host) => format!(" {:?}", state.hosts[*host].1.acts[0]),
            step::Action::ElectorReads(host) => format!(" {:?}", state.hosts[*host].1.words[0]),
            _ => String::new(),
        };
        println!("      {action:?}{what}");
        let Some(step) = setup.after(&state, *action) else { return };
        state = step.state;
    }
}

/// Every chosen broken rule (of which the name has `part` in it) must be noticed by some world.
#[cfg(feature = "mutants")]
fn catch_mutants(part: &str) -> bool {
    use election::Mutant::{
        A1PromisesNothing, K1CommitsAlone, PromiseShorterThanLease, TakeOverWithoutRelease,
        W2SkipsFenceWait, W3PromotesUncommitted, X2OutlivesChannel, X4AcceptsOldIdle,
        X6ReleasesEarly,
    };
    // Those that RESULTS.md shows to be caught; it names the ones that were tried and were not.
    const CHOSEN: [election::Mutant; 9] = [
        PromiseShorterThanLease,
        A1PromisesNothing,
        K1CommitsAlone,
        W2SkipsFenceWait,
        W3PromotesUncommitted,
        TakeOverWithoutRelease,
        X2OutlivesChannel,
        X6ReleasesEarly,
        X4AcceptsOldIdle,
    ];
    let waiting: Mutex<VecDeque<_>> =
        Mutex::new(CHOSEN.into_iter().filter(|mutant| mutant.name().contains(part)).collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || {
        let mut good = true;
        while let Some(mutant) = next() {
            good &= tell_mutant(mutant);
        }
        good
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let mut good = true;
        for worker in workers {
            good &= worker.join().unwrap_or(false);
        }
        good
    })
}

/// The first world of M8 (two voters), M3 and M1 that notices, and how.
#[cfg(feature = "mutants")]
fn tell_mutant(mutant: election::Mutant) -> bool {
    const LIMIT: Limit = Limit { states: 400_000, time: Duration::from_secs(12) };
    let all = worlds::all(Tier::Ci);
    let of = |part: &'static str| all.iter().filter(move |w| w.name.starts_with(part));
    let caught = of("M8 two").chain(of("M3")).chain(of("M1")).find_map(|setup| {
        let setup = Setup { broken: Some(mutant), ..setup.clone() };
        let found = search(&setup, LIMIT);
        let Verdict::Violation(text, path) = found.verdict else { return None };
        Some(format!("{}, depth {}, {} states: {text}", setup.name, path.len(), found.states))
    });
    let good = caught.is_some();
    println!("{:26} {}", mutant.name(), caught.unwrap_or_else(|| "NOT CAUGHT".to_owned()));
    good
}
