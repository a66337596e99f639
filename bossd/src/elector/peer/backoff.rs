//! The pauses between attempts to reach a peer.

use election::Span;

use super::random;

/// Pauses between attempts: doubling, with jitter, so that two nodes do not keep step.
pub(super) struct Backoff {
    delay: Span,
    used: bool,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { delay: FIRST_DELAY, used: false }
    }

    /// True once, unless there was a pause before.
    pub(super) fn first(&mut self) -> bool {
        !std::mem::replace(&mut self.used, true)
    }

    /// Between three and five quarters of the delay, which then doubles.
    pub(super) fn next(&mut self) -> Span {
        let delay = self.delay;
        self.used = true;
        self.delay = Span::from_nanos(delay.times(2).as_nanos().min(LONGEST_DELAY.as_nanos()));
        let jitter = Span::from_nanos(random() % (delay.as_nanos() / 2));
        delay.times(3).part(4).plus(jitter)
    }
}

const FIRST_DELAY: Span = Span::from_millis(50);
const LONGEST_DELAY: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Span> = (0..8).map(|_| backoff.next()).collect();
        assert!(pauses[0] < Span::from_micros(62_501), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= Span::from_millis(1_250)), "{pauses:?}");
        assert!(pauses[7] >= Span::from_millis(750), "{pauses:?}");
    }
}
