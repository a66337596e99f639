//! 9.19: a refresh (R1) runs no hook: the boss keeps its epoch, and a higher term heard of while
//! the lease lives is no reason to let go.

use election::{Epoch, Note, Reason};

use super::Verdict;
use crate::world::HostId;

/// For each host the epoch that was in effect when its refresh began, while one is under way. One
/// that begins with nothing in effect is not compared: a promote that was ordered before it may start.
#[derive(Default)]
pub(super) struct Refreshes(Vec<Option<Epoch>>);

impl Refreshes {
    pub(super) fn new(hosts: usize) -> Self {
        Self(vec![None; hosts])
    }

    /// `has_lease`: by its own clocks its unreleased lease lives.
    pub(super) fn note(
        &mut self,
        host: HostId,
        note: &Note,
        in_effect: Option<Epoch>,
        has_lease: bool,
    ) -> Verdict {
        match note {
            Note::Refreshing { rule: "R1", .. } => self.0[host] = in_effect,
            Note::Refreshed { rule: "R1", .. } => {
                if let Some(before) = self.0[host].take()
                    && Some(before) != in_effect
                {
                    return Err(format!(
                        "9.19: host {host} had epoch {before} in effect before its refresh, \
                         {in_effect:?} after"
                    ));
                }
            }
            Note::Fencing { epoch, reason: Reason::HigherTerm } if has_lease => {
                return Err(format!(
                    "9.19: host {host} fences epoch {epoch} within its lease (R1)"
                ));
            }
            // Whatever ends its effects for another reason ends the comparison.
            Note::Refreshed { .. }
            | Note::SteppedDown { .. }
            | Note::Demoting { .. }
            | Note::Fencing { .. }
            | Note::PromoteFailed { .. }
            | Note::Idle { .. } => self.0[host] = None,
            _ => {}
        }
        Ok(())
    }

    /// The executor lets go by itself, or its host is gone: no refresh is to blame.
    pub(super) fn lets_go(&mut self, host: HostId) {
        self.0[host] = None;
    }

    pub(super) fn effect_begins(&self, host: HostId, epoch: Epoch) -> Verdict {
        match self.0[host] {
            None => Ok(()),
            Some(before) => Err(format!(
                "9.19: host {host} promotes epoch {epoch} in a refresh with {before} in effect"
            )),
        }
    }
}
