//! Breaks one rule after the other, on the same seeds, and shows which promise noticed: on that very
//! seed the unbroken election must keep it.

use std::process::ExitCode;
use std::time::SystemTime;

use election::Mutant;
use simulate::{Broken, Outcome, Summary, Tell, faults_of, regressions, run};

use crate::Arguments;
use crate::many::Worlds;

/// What came of one.
enum Result {
    Caught,
    Survived,
    /// The unbroken election fails as well.
    NotItsFault,
}

/// After so many worlds every rule has been exercised by the unbroken election; a broken one that
/// never decides any more is noticed by that.
const FOR_EVERY_RULE: u64 = 600;

/// What is done about a word that was wrong (V7). Nobody vouches wrongly in these worlds, for that is
/// the operator's own second boss; the script `confirm_alive` notices them.
const OUTSIDE: [Broken; 2] =
    [Broken::Core(Mutant::V7BelievesForEver), Broken::Core(Mutant::R1IgnoresUnpromised)];

pub(crate) fn try_all(arguments: &Arguments) -> ExitCode {
    let unbroken = look(arguments, Broken::Nothing, FOR_EVERY_RULE, None).0.missing();
    if !unbroken.is_empty() {
        println!("the unbroken election never exercised {}", unbroken.join(", "));
        return ExitCode::FAILURE;
    }
    let (mut caught, mut bad) = (0, Vec::new());
    for broken in Broken::all() {
        if OUTSIDE.contains(&broken) {
            println!("{:26} is nothing that happens here; a script notices it", broken.name());
            continue;
        }
        match try_one(arguments, broken) {
            Result::Caught => caught += 1,
            Result::Survived => bad.push(format!("{} survives", broken.name())),
            Result::NotItsFault => bad.push(format!("{}: unbroken fails too", broken.name())),
        }
    }
    println!("{caught} noticed, {} not: {}", bad.len(), bad.join(", "));
    if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn try_one(arguments: &Arguments, broken: Broken) -> Result {
    let begun = SystemTime::now();
    let name = broken.name();
    let patience = arguments.patience;
    // What once went wrong shows the rarest of them.
    let known =
        regressions().into_iter().map(|seed| run(seed, faults_of(seed), broken, Tell::Nothing));
    if let Some(outcome) = known.into_iter().find(|outcome| outcome.violation.is_some()) {
        return tell(broken, &outcome, "of seeds.txt");
    }
    let (mut summary, mut failure) = look(arguments, broken, FOR_EVERY_RULE, Some(patience));
    let missing = if failure.is_none() { summary.missing() } else { Vec::new() };
    let complete = summary.worlds >= FOR_EVERY_RULE;
    if failure.is_none() && missing.is_empty() {
        (summary, failure) = look(arguments, broken, u64::MAX, Some(patience));
    }
    let seconds = begun.elapsed().unwrap_or_default().as_secs_f64();
    let (count, taken) = (summary.worlds, format!("{seconds:.1} s"));
    let Some(outcome) = failure else {
        return if complete && !missing.is_empty() {
            let rules = missing.join(", ");
            println!("{name:26} {count} worlds, {taken}: never exercised: {rules}");
            Result::Caught
        } else {
            println!("{name:26} SURVIVES {count} worlds, {taken}");
            Result::Survived
        };
    };
    tell(broken, &outcome, &format!("{count} worlds, {taken}"))
}

/// How it was noticed; and the unbroken election must be green on that very seed.
fn tell(broken: Broken, outcome: &Outcome, after: &str) -> Result {
    let (name, seed) = (broken.name(), outcome.seed);
    let how = outcome.violation.as_deref().unwrap_or_default();
    println!("{name:26} seed {seed}, {after}: {how}");
    let unbroken = run(seed, faults_of(seed), Broken::Nothing, Tell::Nothing);
    match unbroken.violation {
        None => Result::Caught,
        Some(how) => {
            println!("{name:26} UNBROKEN FAILS on seed {seed}: {how}");
            Result::NotItsFault
        }
    }
}

fn look(
    arguments: &Arguments,
    broken: Broken,
    seeds: u64,
    seconds: Option<u64>,
) -> (Summary, Option<Outcome>) {
    Worlds { broken, from: arguments.from, seeds, seconds, tells: false }.run(arguments.threads)
}
