//! The two clocks of a host: each has its own rate within rho, and nothing else is wrong with them.

use election::Moment;

use crate::draw::Draw;

const MILLION: u128 = 1_000_000;
/// rho of every profile, in parts per million.
const RHO: i64 = 5_000;

/// CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW of one host.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    at_start: Moment,
    /// What each counts in a million.
    rates: (u128, u128),
}

impl Clock {
    /// Of the host of that number, switched on when no other was.
    pub(super) fn draw(draw: &mut Draw<'_>, host: u64) -> Self {
        let mut rate = || {
            let ppm = draw.pick(&[0, RHO, -RHO, RHO / 2, -RHO / 2]);
            1_000_000_u128.saturating_add_signed(i128::from(ppm))
        };
        let at_start =
            Moment { boot: 1_000_000_000_000 * (host + 1), raw: 900_000_000_000 * (host + 1) };
        Self { at_start, rates: (rate(), rate()) }
    }

    /// What they show after `real` nanoseconds.
    pub(super) fn read(&self, real: u64) -> Moment {
        let passed = |rate: u128| nanos(u128::from(real) * rate / MILLION);
        let Moment { boot, raw } = self.at_start;
        Moment { boot: boot + passed(self.rates.0), raw: raw + passed(self.rates.1) }
    }

    /// The first nanosecond, not before `now`, at which one of them shows `until`.
    pub(super) fn reaches(&self, now: u64, until: Moment) -> u64 {
        let real = |shown: u64, start: u64, rate: u128| {
            nanos((u128::from(shown.saturating_sub(start)) * MILLION).div_ceil(rate))
        };
        let boot = real(until.boot, self.at_start.boot, self.rates.0);
        let raw = real(until.raw, self.at_start.raw, self.rates.1);
        boot.min(raw).max(now)
    }
}

fn nanos(real: u128) -> u64 {
    u64::try_from(real).unwrap_or(u64::MAX)
}
