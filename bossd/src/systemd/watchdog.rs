//! The service manager's watchdog over the loop that enforces the permit (protocol.md 4, "The
//! executor dies"). Only a full turn of that loop pings it. While something is in effect it is so
//! short that watchdog, kill, clean-up and urgent hooks fit into D; while something is let go at once
//! it is set once, to the end of D, and not pinged again.

use election::{Moment, Span, fence_reserve};
use sd_notify::NotifyState;

/// The watchdog, as this process has set it.
#[derive(Debug)]
pub struct Watchdog {
    /// As the unit has it; None where nobody watches.
    unit: Option<Span>,
    set: Set,
    pinged: Moment,
}

/// What it is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Nothing is in effect.
    Long,
    /// Something is.
    Short(Span),
    /// It runs out at the end of D.
    LetsGo,
}

/// What is said to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Word {
    /// From now on it fires after this long without a ping.
    Set(Span),
    /// The loop has turned.
    Ping,
}

impl Watchdog {
    /// As the service manager has set it for this process.
    pub fn of_unit(now: Moment) -> Self {
        let unit = sd_notify::watchdog_enabled().and_then(|unit| {
            let us = u64::try_from(unit.as_micros()).ok()?;
            (us > 0).then(|| Span::from_micros(us))
        });
        Self::new(unit, now)
    }

    fn new(unit: Option<Span>, now: Moment) -> Self {
        Self { unit, set: Set::Long, pinged: now }
    }

    /// Something is about to be in effect, with a D of `fence`. Before the marker is written.
    pub fn act(&mut self, now: Moment, fence: Span) -> Option<Word> {
        let short = short(fence).min(self.unit?);
        self.pinged = now;
        self.set = Set::Short(short);
        Some(Word::Set(short))
    }

    /// Something is to be let go at once, by `limit`, D's end: what is kept back of D for a kill is
    /// halved, for the kill of this process takes a part of it.
    pub fn let_go(&mut self, now: Moment, limit: Moment, fence: Span) -> Option<Word> {
        self.unit?;
        self.set = Set::LetsGo;
        let left = limit.left_until_either(now).minus(fence_reserve(fence).part(2));
        Some(Word::Set(left.max(LEAST)))
    }

    /// Nothing is in effect any more.
    pub fn rest(&mut self, now: Moment) -> Option<Word> {
        let unit = self.unit?;
        if std::mem::replace(&mut self.set, Set::Long) == Set::Long {
            return None;
        }
        self.pinged = now;
        Some(Word::Set(unit))
    }

    /// A full turn of the loop.
    pub fn turn(&mut self, now: Moment) -> Option<Word> {
        if !self.due()?.over_when_either(now) {
            return None;
        }
        self.pinged = now;
        Some(Word::Ping)
    }

    /// When the loop has to turn for the next ping.
    pub fn due(&self) -> Option<Moment> {
        let span = match self.set {
            Set::Long => self.unit?,
            Set::Short(short) => short,
            Set::LetsGo => return None,
        };
        Some(self.pinged.plus(span.part(PINGS)))
    }

    /// Whether somebody watches.
    pub fn is_there(&self) -> bool {
        self.unit.is_some()
    }

    /// Whether D is long enough for the rule, and somebody watches.
    pub fn covers(&self, fence: Span) -> bool {
        self.unit.is_some() && short(fence) <= fence.part(PARTS)
    }
}

impl Word {
    /// Says it.
    pub fn say(self) {
        let state = match self {
            Self::Set(span) => {
                let us = span.as_nanos() / 1_000;
                NotifyState::WatchdogUsec(u32::try_from(us).unwrap_or(u32::MAX))
            }
            Self::Ping => NotifyState::Watchdog,
        };
        super::tell(state);
    }
}

/// A third of D notices the freeze, and two thirds are for the kill, the clean-up and its hooks.
fn short(fence: Span) -> Span {
    fence.part(PARTS).max(LEAST)
}

const PARTS: u64 = 3;
/// Pings in the time after which it fires: one that is late does not count as a freeze.
const PINGS: u64 = 3;
/// On a busy host a process may wait this long for its turn; a shorter one would end healthy bosses.
const LEAST: Span = Span::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Span = Span::from_secs(10);
    const FENCE: Span = Span::from_millis(800);

    fn at(ms: u64) -> Moment {
        Moment::default().plus(Span::from_millis(ms))
    }

    #[test]
    fn where_nobody_watches_nothing_is_said() {
        let mut watchdog = Watchdog::new(None, at(0));
        assert_eq!(watchdog.act(at(0), FENCE), None);
        assert_eq!(watchdog.turn(at(60_000)), None);
        assert_eq!(watchdog.let_go(at(0), at(800), FENCE), None);
        assert_eq!(watchdog.rest(at(0)), None);
        assert_eq!(watchdog.due(), None);
        assert!(!watchdog.covers(FENCE));
    }

    #[test]
    fn it_is_pinged_three_times_as_often_as_it_fires() {
        let mut watchdog = Watchdog::new(Some(UNIT), at(0));
        assert_eq!(watchdog.turn(at(3_000)), None);
        assert_eq!(watchdog.turn(at(3_400)), Some(Word::Ping));
        assert_eq!(watchdog.turn(at(3_500)), None);
        assert_eq!(watchdog.due(), Some(at(3_400).plus(UNIT.part(3))));
    }

    #[test]
    fn while_something_acts_it_leaves_most_of_the_fence_window_to_the_clean_up() {
        let mut watchdog = Watchdog::new(Some(UNIT), at(0));
        let Some(Word::Set(short)) = watchdog.act(at(100), FENCE) else { panic!("set") };
        assert!(short.times(2) < FENCE, "{short}");
        assert!(watchdog.covers(FENCE));
        assert_eq!(watchdog.turn(at(101)), None);
        let due = at(100).plus(short.part(3));
        assert_eq!(watchdog.due(), Some(due));
        assert_eq!(watchdog.turn(due), Some(Word::Ping));
        assert_eq!(watchdog.rest(at(500)), Some(Word::Set(UNIT)));
        assert_eq!(watchdog.rest(at(501)), None, "said once");
    }

    #[test]
    fn while_something_is_let_go_at_once_it_is_not_pinged_and_fires_within_the_window() {
        let mut watchdog = Watchdog::new(Some(UNIT), at(0));
        let _ = watchdog.act(at(0), FENCE);
        let word = watchdog.let_go(at(1_000), at(1_800), FENCE);
        assert_eq!(word, Some(Word::Set(Span::from_millis(775))));
        assert_eq!(watchdog.turn(at(1_700)), None);
        assert_eq!(watchdog.due(), None);
        assert_eq!(watchdog.rest(at(1_710)), Some(Word::Set(UNIT)));
        assert_eq!(watchdog.turn(at(9_000)), Some(Word::Ping));
    }

    #[test]
    fn a_fence_window_that_is_too_short_for_it_is_known() {
        let mut watchdog = Watchdog::new(Some(UNIT), at(0));
        let fast = Span::from_millis(50);
        assert!(!watchdog.covers(fast));
        assert_eq!(watchdog.act(at(0), fast), Some(Word::Set(LEAST)));
        // The unit's own is never made longer.
        let mut watchdog = Watchdog::new(Some(Span::from_millis(100)), at(0));
        assert_eq!(watchdog.act(at(0), FENCE), Some(Word::Set(Span::from_millis(100))));
    }
}
