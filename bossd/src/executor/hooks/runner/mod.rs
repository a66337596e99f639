//! How one call of a hook is carried out: [`direct`] starts it as our own child, [`systemd`] has it
//! started as a unit behind a [`gate`], and [`choice`] says which of them it is. The order of calls,
//! their deadlines and what follows from an outcome is `sequence`'s part.

mod by_command;
pub mod choice;
pub mod direct;
pub mod gate;
mod output;
pub mod systemd;
pub mod unit_name;

use super::outcome::{Cut, Step};
use super::plan::Call;
use crate::clock::now;

/// The way in which hooks are started.
#[derive(Debug)]
pub enum Runner {
    /// As children of the executor.
    Direct(direct::Direct),
    /// As units of systemd.
    Systemd(Box<systemd::Systemd>),
}

impl Runner {
    /// Runs one call until its process ends, or until `cut` says why it must be killed. At most one
    /// call may run at a time. It is to be awaited to its end: a call that is dropped midway
    /// is killed, but not what it has started.
    ///
    /// A hook that others start begins later than the call: `may_begin` is asked right before.
    pub async fn run(
        &self,
        call: &Call,
        may_begin: &mut dyn FnMut() -> bool,
        cut: impl Future<Output = Cut>,
    ) -> Step {
        let begun = now();
        let (outcome, left) = match self {
            Self::Direct(direct) => direct.run_to_end(call, cut).await,
            Self::Systemd(systemd) => systemd.run_to_end(call, may_begin, cut).await,
        };
        let (hook, event, urgent) = (call.hook.name.clone(), call.event, call.facts.urgent);
        Step { hook, event, urgent, outcome, took: begun.elapsed(now()), left }
    }
}
