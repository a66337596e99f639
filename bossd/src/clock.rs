//! The two-clock rule: [`now`] reads BOOTTIME and RAW together, and [`Alarm`] is the timer that
//! everything waits with. It is armed on BOOTTIME (there is no timerfd on RAW); whoever it wakes
//! reads both clocks again (protocol.md 7). Nothing here or elsewhere uses `std::time::Instant`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{SystemTime, UNIX_EPOCH};

use election::{Moment, Span};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};
use tokio::io::unix::AsyncFd;

/// Both clocks, read now.
pub fn now() -> Moment {
    Moment { boot: read(Clock::CLOCK_BOOTTIME), raw: read(Clock::CLOCK_MONOTONIC_RAW) }
}

/// The wall clock, in seconds since 1970. For what people are told and what they asked to end at a
/// time of day; nothing that keeps two bosses apart may rest on it.
pub fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A reading of the wall clock, for people.
pub fn utc(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "the end of time".to_owned(), |at| at.strftime("%F %T UTC").to_string())
}

fn read(clock: Clock) -> u64 {
    let time = clock_gettime(clock).expect("BOOTTIME and MONOTONIC_RAW exist since Linux 2.6.39");
    u64::try_from(time.tv_sec()).expect("these clocks start at zero") * 1_000_000_000
        + u64::try_from(time.tv_nsec()).expect("nanoseconds are not negative")
}

/// A timer on CLOCK_BOOTTIME that fires once per setting.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
}

impl Alarm {
    /// A timer that is not set. Needs a running tokio runtime with IO.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types whose descriptor can change; a \
                  Timer owns one descriptor for its whole life"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        Ok(Self { timer: AsyncFd::new(Timer(timer))? })
    }

    /// Fires when BOOTTIME reaches `moment.boot`; at once when that has passed.
    pub fn set(&self, moment: Moment) -> io::Result<()> {
        let timer = &self.timer.get_ref().0;
        // Zero would disarm the timer.
        let once = |ns: u64| {
            Expiration::OneShot(TimeSpec::from_duration(std::time::Duration::from_nanos(ns.max(1))))
        };
        if timer.set(once(moment.boot), TimerSetTimeFlags::TFD_TIMER_ABSTIME).is_err() {
            // The kernel takes any moment, what stands before it may not: libfaketime shifts it by
            // the days that it adds to the wall clock. By the time that is left, then.
            let left = moment.boot.saturating_sub(now().boot);
            timer.set(once(left), TimerSetTimeFlags::empty())?;
        }
        Ok(())
    }

    /// Waits until the timer fires. Cancelling is harmless: the firing is kept.
    pub async fn fired(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = [0_u8; 8];
            match nix::unistd::read(self.timer.get_ref().0.as_fd(), &mut count) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Waits for `span` on BOOTTIME: for pauses that no safety depends on.
pub async fn pause(span: Span) -> io::Result<()> {
    let alarm = Alarm::new()?;
    alarm.set(now().plus(span))?;
    alarm.fired().await
}

/// Waits until both clocks have reached `moment`.
pub async fn until_both(moment: Moment) -> io::Result<()> {
    let alarm = Alarm::new()?;
    loop {
        let left = moment.left_until_both(now());
        if left == Span::ZERO {
            return Ok(());
        }
        alarm.set(now().plus(left))?;
        alarm.fired().await?;
    }
}

/// What tokio wants to watch: nix gives the timer only as a borrowed descriptor.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
