//! How one call of a hook is carried out: [`direct`] starts it as our own child. The order of calls,
//! their deadlines and what follows from an outcome is `sequence`'s part.

pub mod direct;
mod output;

use super::outcome::{Cut, Step};
use super::plan::Call;

/// The way in which hooks are started.
#[derive(Debug)]
pub enum Runner {
    /// As children of the executor.
    Direct(direct::Direct),
}

impl Runner {
    /// Runs one call until its process ends, or until `cut` says why it must be killed. At most one
    /// call may run at a time. It is to be awaited to its end: a call that is dropped midway
    /// is killed, but not what it has started.
    pub async fn run(&self, call: &Call, cut: impl Future<Output = Cut>) -> Step {
        match self {
            Self::Direct(direct) => direct.run(call, cut).await,
        }
    }
}
