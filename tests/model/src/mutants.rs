//! Breaks one rule after the other, to show that the search notices.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use election::Mutant;

use crate::search::{Verdict, search};
use crate::setup::Setup;
use crate::worlds::{self, Tier};

/// Every mutant with `part` in its name, each for at most `limit`; whether all were noticed.
pub(crate) fn catch_all(part: &str, limit: Duration, threads: usize) -> bool {
    let mut good = true;
    for mutant in Mutant::ALL.iter().filter(|mutant| mutant.name().contains(part)) {
        let began = SystemTime::now();
        let left = || limit.saturating_sub(began.elapsed().unwrap_or_default());
        let mut states = 0;
        let caught = worlds::all(Tier::Ci).into_iter().find_map(|setup| {
            if left().is_zero() {
                return None;
            }
            let setup = Setup { broken: Some(*mutant), seen: Arc::default(), ..setup };
            let found = search(&setup, threads, left().min(Duration::from_secs(10)));
            states += found.states;
            let Verdict::Violation(text, path) = found.verdict else { return None };
            Some(format!("{}, {} steps: {text}", setup.name, path.len()))
        });
        let took = began.elapsed().unwrap_or_default().as_secs_f64();
        good &= caught.is_some();
        let how = caught.unwrap_or_else(|| "NOT CAUGHT".to_owned());
        println!("{:28} {took:>5.1} s {states:>9} states  {how}", mutant.name());
    }
    good
}
