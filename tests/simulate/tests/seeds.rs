//! A few worlds, and every seed that once failed. The long runs are `cargo run --profile checked`.

use election::Mutant;
use simulate::{Broken, ShellMutant, Summary, Tell, faults_of, regressions, run};

/// What a debug build does in a few seconds.
const WORLDS: u64 = 30;

fn assert_holds(seed: u64, total: &mut Summary) {
    let outcome = run(seed, faults_of(seed), Broken::Nothing, Tell::Nothing);
    let violation = outcome.violation.as_deref().unwrap_or_default();
    assert!(
        outcome.violation.is_none(),
        "{violation}\ncargo run --profile checked -p simulate -- --replay {seed}"
    );
    total.add(&outcome.summary);
}

#[test]
fn a_few_worlds_keep_every_promise() {
    let mut total = Summary::default();
    for seed in 1..=WORLDS {
        assert_holds(seed, &mut total);
    }
    println!("{total}");
    assert!(total.promotions > WORLDS, "hardly anybody was promoted: {total}");
}

#[test]
fn seeds_that_once_failed_hold() {
    for seed in regressions() {
        assert_holds(seed, &mut Summary::default());
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let [first, second] = [(); 2].map(|()| run(7, faults_of(7), Broken::Nothing, Tell::Keep).story);
    assert!(first.lines().count() > 100, "the story is told");
    assert!(first == second, "two stories of one seed");
}

#[test]
fn the_oracle_notices_a_second_boss() {
    let noticed = |broken| {
        let fails =
            |seed: &u64| run(*seed, faults_of(*seed), broken, Tell::Nothing).violation.is_some();
        (1..=WORLDS).any(|seed| fails(&seed))
    };
    for broken in [
        Broken::Core(Mutant::X1IgnoresExpiry),
        Broken::Core(Mutant::W2SkipsFenceWait),
        Broken::Core(Mutant::V1VotesWithinPromise),
        Broken::Core(Mutant::L1CountsFromReceipt),
        Broken::Shell(ShellMutant::SaysWrittenTooEarly),
    ] {
        assert!(noticed(broken), "{} is not noticed", broken.name());
    }
}
