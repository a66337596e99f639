//! Many worlds, on as many threads as asked for. Nothing is kept of a world but its figures, so
//! that a million take no more memory than ten.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use simulate::{Broken, Outcome, Summary, Tell, faults_of, run};

/// How often a long run says on stderr how far it is.
const NEWS: Duration = Duration::from_secs(60);

/// Which worlds, and until when.
pub(crate) struct Worlds {
    pub(crate) broken: Broken,
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) seconds: Option<u64>,
    /// Says how far it is.
    pub(crate) tells: bool,
}

/// What the threads add up.
struct Total {
    summary: Summary,
    failure: Option<Outcome>,
    told: SystemTime,
}

impl Worlds {
    /// Until one fails, the last, or the time is over. Of several that fail at once the lowest.
    pub(crate) fn run(&self, threads: usize) -> (Summary, Option<Outcome>) {
        let begun = SystemTime::now();
        let deadline = self.seconds.map(|seconds| begun + Duration::from_secs(seconds));
        let next = AtomicU64::new(self.from);
        let end = self.from.saturating_add(self.seeds);
        let failed = AtomicBool::new(false);
        let total = Mutex::new(Total { summary: Summary::default(), failure: None, told: begun });
        let in_time = || deadline.is_none_or(|deadline| SystemTime::now() < deadline);
        let work = || {
            while !failed.load(Ordering::Relaxed) && in_time() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    break;
                }
                let outcome = run(seed, faults_of(seed), self.broken, Tell::Nothing);
                failed.fetch_or(outcome.violation.is_some(), Ordering::Relaxed);
                let mut total = total.lock().expect("no thread panics while it adds");
                total.add(outcome);
                if self.tells {
                    total.tell(begun, end);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(work);
            }
        });
        let total = total.into_inner().expect("no thread panics while it adds");
        (total.summary, total.failure)
    }
}

impl Total {
    fn add(&mut self, outcome: Outcome) {
        self.summary.add(&outcome.summary);
        let earlier = self.failure.as_ref().is_none_or(|first| outcome.seed < first.seed);
        if outcome.violation.is_some() && earlier {
            self.failure = Some(outcome);
        }
    }

    fn tell(&mut self, begun: SystemTime, end: u64) {
        if self.told.elapsed().unwrap_or_default() < NEWS {
            return;
        }
        self.told = SystemTime::now();
        let seconds = begun.elapsed().unwrap_or_default().as_secs_f64();
        let (worlds, promotions) = (self.summary.worlds, self.summary.promotions);
        eprintln!(
            "{worlds} worlds up to seed {end}, {promotions} promotions, {:.0} s, {:.1} worlds/s",
            seconds,
            worlds as f64 / seconds
        );
    }
}
