//! A host's two clocks, derived from real time by their rates, jumps and stops.

use election::{Moment, Span};

use crate::world::Instant;

const MILLION: i64 = 1_000_000;
/// No timer fires sooner: two clocks that disagree must not stop the world.
const SHORTEST: u64 = 20_000;

/// CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW of one host.
pub(crate) struct Clock {
    since: Instant,
    at: Moment,
    /// What each gains, in parts per million.
    ppm: (i64, i64),
    /// Which of the two stand still.
    stops: (bool, bool),
}

impl Clock {
    /// Hosts were switched on at different times: nothing may compare clocks between them.
    pub(crate) fn new(host: usize) -> Self {
        let host = host as u64 + 1;
        let at = Moment { boot: 1_000_000_000_000 * host, raw: 900_000_000_000 * host };
        Self { since: 0, at, ppm: (0, 0), stops: (false, false) }
    }

    pub(crate) fn read(&self, now: Instant) -> Moment {
        let real = now - self.since;
        let boot = if self.stops.0 { 0 } else { passed(real, self.ppm.0) };
        let raw = if self.stops.1 { 0 } else { passed(real, self.ppm.1) };
        Moment { boot: self.at.boot + boot, raw: self.at.raw + raw }
    }

    pub(crate) fn set_rates(&mut self, now: Instant, ppm: (i64, i64)) {
        self.rebase(now);
        self.ppm = ppm;
    }

    /// A suspend stops RAW and not BOOTTIME; a paused virtual machine has both stopped.
    pub(crate) fn stop(&mut self, now: Instant, boot: bool, raw: bool) {
        self.rebase(now);
        self.stops = (boot, raw);
    }

    /// One clock is set to another time.
    pub(crate) fn jump(&mut self, now: Instant, boot: bool, nanos: i64) {
        self.rebase(now);
        let clock = if boot { &mut self.at.boot } else { &mut self.at.raw };
        *clock = clock.saturating_add_signed(nanos);
    }

    /// The real time in which the faster of the two counts `span`.
    pub(crate) fn real(&self, span: Span) -> u64 {
        let fastest = self.ppm.0.max(self.ppm.1);
        let nanos = span.as_nanos();
        // Of minutes, so that the product is far from the largest number.
        let rate = MILLION.saturating_add(fastest).unsigned_abs();
        let real = if fastest == 0 { nanos } else { nanos * MILLION.unsigned_abs() / rate };
        (real + 1_000).max(SHORTEST)
    }

    /// In how much real time the first of the two reaches `until`.
    pub(crate) fn soonest(&self, now: Instant, until: Moment) -> u64 {
        let at = self.read(now);
        let boot = slowed(until.boot.saturating_sub(at.boot), self.ppm.0, self.stops.0);
        boot.min(slowed(until.raw.saturating_sub(at.raw), self.ppm.1, self.stops.1))
    }

    /// In how much real time both have reached `until`.
    pub(crate) fn latest(&self, now: Instant, until: Moment) -> u64 {
        let at = self.read(now);
        let boot = slowed(until.boot.saturating_sub(at.boot), self.ppm.0, self.stops.0);
        boot.max(slowed(until.raw.saturating_sub(at.raw), self.ppm.1, self.stops.1))
    }

    fn rebase(&mut self, now: Instant) {
        self.at = self.read(now);
        self.since = now;
    }
}

/// What a clock that gains `ppm` counts in `real`, which is minutes at most.
fn passed(real: u64, ppm: i64) -> u64 {
    if ppm == 0 {
        return real;
    }
    let gained = real.cast_signed() * ppm / MILLION;
    real.saturating_add_signed(gained)
}

/// The real time in which a clock that gains `ppm` counts `left`.
fn slowed(left: u64, ppm: i64, stands: bool) -> u64 {
    if stands && left > 0 {
        return u64::MAX;
    }
    left * MILLION.unsigned_abs() / MILLION.saturating_add(ppm).unsigned_abs()
}
