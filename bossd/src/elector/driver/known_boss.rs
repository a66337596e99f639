//! Tells the executor which boss this node follows, for those who ask the executor: at each change,
//! and often enough that it can be believed all the time. What this node is itself the executor
//! knows best.

use election::{Moment, Snapshot, Span};

use super::{Driver, SIGN_OF_LIFE};
use crate::clock;
use crate::ipc::ToExecutor;

/// What was told last.
#[derive(Default)]
pub(super) struct KnownBoss {
    /// Name, address and epoch.
    boss: Option<(String, String, u64)>,
    /// When it is to be told again.
    again: Moment,
}

impl Driver {
    /// While there is no new picture for a while, in which a promise could run out.
    pub(super) fn tell_known_boss_again(&mut self) {
        let now = clock::now();
        if self.known_boss.boss.is_some() && self.known_boss.again.over_when_either(now) {
            self.tell_known_boss(now, &self.node.snapshot(now));
        }
    }

    /// If it is another one, or it is time. It may be believed as long as this node keeps its
    /// promise to it: each heartbeat of a boss renews that.
    pub(super) fn tell_known_boss(&mut self, now: Moment, snapshot: &Snapshot) {
        let boss = snapshot.boss.as_ref().filter(|(node, _)| *node != snapshot.me);
        let boss = boss.map(|(node, epoch)| {
            let address = snapshot.state.members.find(node).map(|it| it.address.to_string());
            (node.to_string(), address.unwrap_or_default(), epoch.0)
        });
        if boss == self.known_boss.boss && !self.known_boss.again.over_when_either(now) {
            return;
        }
        let again: Span = match &boss {
            Some(_) => snapshot.state.timing.promise().part(4),
            None => SIGN_OF_LIFE,
        };
        let until = now.plus(snapshot.promise_left).into();
        self.executor.send_if_idle(ToExecutor::Known { boss: boss.clone(), until });
        self.known_boss = KnownBoss { boss, again: now.plus(again) };
    }
}
