//! The clock that witnesses and waits go by: it counts while the host sleeps, is never set, and is
//! the same for all processes of the host.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_BOOTTIME`.
pub fn boot_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("BOOTTIME exists since Linux 2.6.39");
    let seconds = u64::try_from(time.tv_sec()).expect("this clock starts at zero");
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).expect("never negative")
}

/// Milliseconds of it.
pub fn boot_ms() -> u64 {
    boot_ns() / 1_000_000
}
