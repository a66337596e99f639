//! What is remembered of a member that sent what cannot be read: for how long it is kept out, and
//! what it sent. Pure; `link` carries it out.

use election::{Moment, Span};

/// A member that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CutOff {
    /// What it sent.
    pub(super) what: String,
    /// For how long it is kept out.
    pub(super) pause: Span,
    until: Moment,
}

impl CutOff {
    /// It sent something that cannot be read: the pause doubles with each time, unless it has been
    /// well for long.
    pub(super) fn now(what: String, before: Option<&Self>, now: Moment) -> Self {
        let pause = match before {
            Some(before) if !before.is_forgotten(now) => {
                Span::from_nanos(before.pause.times(2).as_nanos().min(LONGEST_PAUSE.as_nanos()))
            }
            _ => FIRST_PAUSE,
        };
        Self { what, pause, until: now.plus(pause) }
    }

    /// How long it is still kept out.
    pub(super) fn left(&self, now: Moment) -> Span {
        self.until.left_until_either(now)
    }

    /// So long after its return nobody needs to be told any more.
    pub(super) fn is_forgotten(&self, now: Moment) -> bool {
        self.until.plus(MEMORY).over_when_either(now)
    }
}

/// An election goes on without a connection that is shorter than this; a peer that sends such things
/// as fast as it can is slowed down at once.
const FIRST_PAUSE: Span = Span::from_secs(1);
/// A member that was mended is back within this.
const LONGEST_PAUSE: Span = Span::from_secs(32);
/// Status shows it for so long after the pause.
const MEMORY: Span = Span::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Span::from_secs(seconds))
    }

    #[test]
    fn the_pause_doubles_up_to_a_bound_and_is_forgotten_after_a_while() {
        let mut last = CutOff::now("x".to_owned(), None, at(0));
        let mut pauses = vec![last.left(at(0))];
        for _ in 0..7 {
            last = CutOff::now("x".to_owned(), Some(&last), at(0));
            pauses.push(last.left(at(0)));
        }
        let seconds: Vec<_> = pauses.iter().map(|pause| pause.as_millis() / 1_000).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(last.left(at(33)), Span::ZERO);
        assert!(!last.is_forgotten(at(90)) && last.is_forgotten(at(93)));
        assert_eq!(CutOff::now("x".to_owned(), Some(&last), at(93)).left(at(93)), FIRST_PAUSE);
    }
}
