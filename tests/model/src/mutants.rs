//! Breaks one rule after the other, to show that the search notices.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use election::Mutant;

use crate::search::{Verdict, search};
use crate::setup::Setup;
use crate::worlds::{self, Tier};

/// Which world is to notice which broken rule. The simulator and the scripts notice the others.
const CAUGHT: &[(Mutant, &str)] = &[
    (Mutant::S1VotesAtOnce, "an elector dies"),
    (Mutant::PromiseShorterThanLease, "links cut and joined"),
    (Mutant::L1CountsFromReceipt, "answers late"),
    (Mutant::L1ReliesEarly, "a longer lease applied"),
    (Mutant::W2SkipsFenceWait, "an elector dies"),
    (Mutant::TakeOverWithoutRelease, "handover"),
    (Mutant::W3PromotesUncommitted, "handover"),
    (Mutant::W2ClaimsEarly, "links cut and joined"),
    (Mutant::V6ClearsPromise, "refresh"),
    (Mutant::V5WithoutTerm, "Released twice"),
    (Mutant::X6ReleasesEarly, "links cut and joined"),
    (Mutant::W2WithoutEpoch, "Released twice"),
    (Mutant::WaitingErasesForeignClaim, "a better voter returns"),
    (Mutant::W2InheritsClosed, "a better voter returns"),
    (Mutant::X4AcceptsOldIdle, "M8 two voters, late"),
    (Mutant::X1IgnoresExpiry, "a frozen elector"),
    (Mutant::LeaseNeedsBothClocks, "a suspend"),
    (Mutant::V1VotesWithinPromise, "links cut and joined"),
    (Mutant::V3VotesTwice, "two electors die"),
    (Mutant::V3IgnoresVersion, "an elector dies"),
    (Mutant::A1PromisesNothing, "handover"),
    (Mutant::A2AdoptsOlder, "M8 two voters, late"),
    (Mutant::K1CommitsAlone, "handover"),
    (Mutant::X2OutlivesChannel, "an elector dies"),
    (Mutant::SendsBeforeDurable, "slow disks"),
    (Mutant::HearsUnknownLives, "one is wiped"),
];

/// Every mutant with `part` in its name, each for at most `limit`; whether all were noticed.
pub(crate) fn catch_all(part: &str, limit: Duration, threads: usize) -> bool {
    let mut good = true;
    let (mut caught, mut tried) = (0, 0);
    for (mutant, place) in CAUGHT.iter().filter(|(mutant, _)| mutant.name().contains(part)) {
        let began = SystemTime::now();
        let mut states = 0;
        let worlds = worlds::all(Tier::Ci).into_iter().filter(|setup| setup.name.contains(place));
        let how = worlds.into_iter().find_map(|setup| {
            let setup = Setup { broken: Some(*mutant), seen: Arc::default(), ..setup };
            let found = search(&setup, threads, limit);
            states += found.states;
            let Verdict::Violation(text, path) = found.verdict else { return None };
            Some(format!("{}, {} steps: {text}", setup.name, path.len()))
        });
        let took = began.elapsed().unwrap_or_default().as_secs_f64();
        tried += 1;
        caught += u32::from(how.is_some());
        good &= how.is_some();
        let how = how.unwrap_or_else(|| "NOT CAUGHT".to_owned());
        println!("{:28} {took:>5.1} s {states:>9} states  {how}", mutant.name());
    }
    println!("{caught} of {tried} noticed");
    good
}
