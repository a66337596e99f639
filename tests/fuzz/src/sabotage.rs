//! One broken rule in every machine that begins: to show that the fuzzer would notice. Only with
//! the feature `mutants`; without it nothing is ever broken.

use election::{Executor, Moment, Node};

/// Breaks the rule in a node that has just started.
pub(crate) fn node(node: &mut Node, now: Moment) {
    #[cfg(feature = "mutants")]
    node.set_mutant(now, broken::current());
    #[cfg(not(feature = "mutants"))]
    let _ = (node, now);
}

/// Breaks the rule in an executor that has just started.
pub(crate) fn executor(machine: &mut Executor) {
    #[cfg(feature = "mutants")]
    machine.set_mutant(broken::current());
    #[cfg(not(feature = "mutants"))]
    let _ = machine;
}

#[cfg(feature = "mutants")]
pub use broken::set;

#[cfg(feature = "mutants")]
mod broken {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use election::Mutant;

    thread_local! {
        static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Which rule this thread breaks from now on.
    pub fn set(mutant: Option<Mutant>) {
        BROKEN.set(mutant);
    }

    /// As [`set`], or for a whole process as `FUZZ_MUTANT` names it.
    pub(super) fn current() -> Option<Mutant> {
        static NAMED: OnceLock<Option<Mutant>> = OnceLock::new();
        let named = NAMED.get_or_init(|| {
            let name = std::env::var("FUZZ_MUTANT").ok()?;
            let known = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
            Some(*known.unwrap_or_else(|| panic!("there is no mutant {name}")))
        });
        BROKEN.get().or(*named)
    }
}
