//! What the service manager is told: that bossd is ready, how it is in words, that it stops, and that
//! it needs more time. Where there is no service manager nobody hears it. The watchdog has a file of
//! its own ([`watchdog`]).

pub mod bus;
pub mod sleep;
pub mod unit;
pub mod watchdog;

use election::{Moment, Span};
use sd_notify::NotifyState;
use tracing::warn;

/// The other members may connect, and the control socket answers.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The files are read anew; [`ready`] follows. Both in one datagram, as the service manager wants it.
pub fn reloading() {
    let told = NotifyState::monotonic_usec_now()
        .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now]));
    if let Err(error) = told {
        warn!("the service manager could not be told of the reload: {error}");
    }
}

/// How it is, in one line.
pub fn status(line: &str) {
    tell(NotifyState::Status(line));
}

/// It leaves, and ends then.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // A service manager that does not listen changes nothing of what has to be done.
    let _ = sd_notify::notify(&[state]);
}

/// Asks for more time while a start or a stop goes on: hooks may take as long as the configuration
/// says, and bossd itself ends what takes longer. One that stands still asks for nothing.
#[derive(Debug, Default)]
pub struct Extension {
    asked: Option<Moment>,
}

impl Extension {
    /// Asks if it is time to, in a turn of the loop.
    pub fn ask(&mut self, now: Moment) {
        if self.asked.is_some_and(|asked| !asked.plus(EVERY).over_when_either(now)) {
            return;
        }
        self.asked = Some(now);
        tell(NotifyState::ExtendTimeoutUsec(MORE_USEC));
    }
}

/// Often enough that a late one still comes before the last one is used up.
const EVERY: Span = Span::from_secs(5);
const MORE_USEC: u32 = 20_000_000;
