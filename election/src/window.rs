//! W2: whether the predecessor's fence window is closed.

use crate::cluster_state::{Claim, Held};
use crate::moment::{Moment, Span};
use crate::mutant::Mutant;
use crate::node::{Node, Standing};
use crate::timing::fence_wait_of;

const CONFIRMED: &str = "predecessor confirmed to be off";

/// W2's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Window {
    Closed(&'static str),
    Open(Span),
}

impl Node {
    /// W2: whether the predecessor's window is closed, and how.
    pub(crate) fn window(&self, now: Moment) -> Window {
        if self.sabotage.is(Mutant::W2SkipsFenceWait) || self.sabotage.is(Mutant::W2ClaimsEarly) {
            return Window::Closed("mutant");
        }
        let Standing::Leader(leader) = &self.standing else {
            return Window::Open(Span::ZERO);
        };
        let timing = &self.hard.state.timing;
        let (wait, how) = match &self.hard.state.claim {
            Claim::None => return Window::Closed("nobody had effects"),
            Claim::Held(held) if self.is_mine(held) => {
                return Window::Closed("the claim is its own");
            }
            Claim::Held(held) if self.has_released(held) => {
                let vouched = self.is_vouched_off(held);
                return Window::Closed(if vouched { CONFIRMED } else { "predecessor released" });
            }
            Claim::Held(held) => (
                fence_wait_of(held.fence, held.rho_ppm, timing.margin),
                "predecessor's fence window waited out",
            ),
            Claim::Unknown => (timing.fence_wait(), "first start, own fence window waited out"),
        };
        let wait = if self.sabotage.is(Mutant::W2WaitsTooShort) { wait.part(2) } else { wait };
        let end = leader.elected_at.plus(wait);
        if end.over_when_both(now) {
            return Window::Closed(how);
        }
        let left = end.left_until_both(now);
        match leader.window_by {
            Some(by) if by.over_when_both(now) => {
                Window::Closed("waited out, in part before the handover")
            }
            Some(by) => Window::Open(left.min(by.left_until_both(now))),
            None => Window::Open(left),
        }
    }

    /// What is left of it, for a successor.
    pub(crate) fn window_left(&self, now: Moment) -> Span {
        match self.window(now) {
            Window::Closed(_) => Span::ZERO,
            Window::Open(left) => left,
        }
    }

    /// W2: when the window is closed of which the sender of a TakeOver, which came at `now`, had
    /// `left`: that long by the worst clock. It says nothing of another claim than the one that it
    /// saw, which a TakeOver sees to by its version.
    pub(crate) fn window_by(&self, now: Moment, left: Span) -> Moment {
        let trusts = self.sabotage.is(Mutant::W2InheritsClosed);
        if left == Span::ZERO || trusts {
            return now;
        }
        now.plus(self.hard.state.timing.outlasting(left))
    }

    /// V7: whether it is the word of an operator or a fence agent that closes the window.
    pub(crate) fn is_vouched_off(&self, held: &Held) -> bool {
        let life = (held.node.clone(), held.incarnation);
        self.released.get(&life).is_some_and(|word| word.vouched && word.epoch >= held.epoch)
    }

    fn has_released(&self, held: &Held) -> bool {
        let life = (held.node.clone(), held.incarnation);
        if self.sabotage.is(Mutant::W2WithoutEpoch) {
            return self.released.contains_key(&life);
        }
        self.released.get(&life).is_some_and(|word| word.epoch >= held.epoch)
    }
}
