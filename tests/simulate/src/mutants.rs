//! What can be broken on purpose: a rule of the core ([`election::Mutant`]), or the shell around it,
//! which is simulated here and can be as careless as a real one.

use election::Mutant;

macro_rules! shell {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A careless shell.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum ShellMutant { $($(#[$doc])* $name,)* }

        impl ShellMutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is given to `--mutant`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

shell! {
    /// X2: what an earlier elector has said is read after its channel's end.
    ReadsOldChannel,
    /// X1: D comes from a file in which it was made longer, not from the committed claim.
    FenceFromFile,
    /// Section 3, "which now": what came while the elector stood still is dealt with by the time
    /// that was read before.
    CachedNow,
    /// Section 3: a write counts as durable before the disk has it.
    SaysWrittenTooEarly,
    /// X2: a new elector is started before the demote is over, and told "idle".
    StartsBeforeIdle,
    /// Section 8: a torn state file is replaced by the previous generation.
    TakesPreviousGeneration,
}

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Nothing.
    Nothing,
    /// A rule of the core.
    Core(Mutant),
    /// The shell.
    Shell(ShellMutant),
}

impl Broken {
    /// Everything that can be broken.
    pub fn all() -> impl Iterator<Item = Self> {
        let core = Mutant::ALL.iter().map(|mutant| Self::Core(*mutant));
        core.chain(ShellMutant::ALL.iter().map(|mutant| Self::Shell(*mutant)))
    }

    /// As it is given to `--mutant`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Core(mutant) => mutant.name(),
            Self::Shell(mutant) => mutant.name(),
        }
    }

    pub(crate) fn core(self) -> Option<Mutant> {
        if let Self::Core(mutant) = self { Some(mutant) } else { None }
    }

    pub(crate) fn shell(self) -> Option<ShellMutant> {
        if let Self::Shell(mutant) = self { Some(mutant) } else { None }
    }
}
