//! Tells the executor which boss this node follows, for those who ask the executor: at each change,
//! and as a sign of life. What this node is itself the executor knows best.

use election::{Moment, Snapshot, Span};

use super::{Driver, SIGN_OF_LIFE};
use crate::ipc::ToExecutor;

/// How long it may be believed without a further word: a daemon that was killed or stands still is
/// believed no longer. That a boss is lost, or is another, is told at once.
const LIVES: Span = Span::from_secs(3);

/// What was told last.
#[derive(Default)]
pub(super) struct KnownBoss {
    /// Name, address and epoch.
    boss: Option<(String, String, u64)>,
    /// When it is to be told again.
    again: Moment,
}

impl Driver {
    /// If it is another one, or it is time.
    pub(super) fn tell_known_boss(&mut self, now: Moment, snapshot: &Snapshot) {
        let boss = snapshot.boss.as_ref().filter(|(node, _)| *node != snapshot.me);
        let boss = boss.map(|(node, epoch)| {
            let address = snapshot.state.members.find(node).map(|it| it.address.to_string());
            (node.to_string(), address.unwrap_or_default(), epoch.0)
        });
        if boss == self.known_boss.boss && !self.known_boss.again.over_when_either(now) {
            return;
        }
        let until = now.plus(LIVES).into();
        self.executor.send_if_idle(ToExecutor::Known { boss: boss.clone(), until });
        let again = SIGN_OF_LIFE;
        self.known_boss = KnownBoss { boss, again: now.plus(again) };
    }
}
