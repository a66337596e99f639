//! A host's two clocks, derived from real time by a rate and by jumps.

use election::{Moment, Span};

use super::Instant;

const MILLION: i128 = 1_000_000;

/// CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW of one host.
pub(crate) struct Clock {
    since: Instant,
    at: Moment,
    /// Both clocks gain this much.
    ppm: i64,
    stopped: (bool, bool),
}

impl Clock {
    /// Hosts were switched on at different times: nothing may compare clocks between them.
    pub(crate) fn new(host: u64) -> Self {
        let at = Moment { boot: 1_000_000_000_000 * (host + 1), raw: 900_000_000_000 * (host + 1) };
        Self { since: 0, at, ppm: 0, stopped: (false, false) }
    }

    pub(crate) fn read(&self, now: Instant) -> Moment {
        let real = i128::from(now - self.since);
        let passed = real * (MILLION + i128::from(self.ppm)) / MILLION;
        let passed = u64::try_from(passed).expect("time goes forward");
        let (boot_stops, raw_stops) = self.stopped;
        Moment {
            boot: self.at.boot + if boot_stops { 0 } else { passed },
            raw: self.at.raw + if raw_stops { 0 } else { passed },
        }
    }

    pub(crate) fn set_rate(&mut self, now: Instant, ppm: i64) {
        self.rebase(now);
        self.ppm = ppm;
    }

    /// (BOOTTIME, RAW)
    pub(crate) fn stop(&mut self, now: Instant, stopped: (bool, bool)) {
        self.rebase(now);
        self.stopped = stopped;
    }

    /// The real time in which this clock counts `span`, rounded up so that a timer is never early
    /// by rounding alone.
    pub(crate) fn real(&self, span: Span) -> u64 {
        let real = i128::from(span.as_nanos()) * MILLION / (MILLION + i128::from(self.ppm));
        u64::try_from(real).expect("a rate above zero") + 1_000
    }

    fn rebase(&mut self, now: Instant) {
        self.at = self.read(now);
        self.since = now;
    }
}
