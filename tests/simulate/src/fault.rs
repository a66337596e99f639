//! The kinds of faults, and which of them a seed draws (a swarm: few at once find what all at once
//! hide). Each kind has its own stream of random numbers, so that one can be left out without
//! moving the others.

use crate::random::Random;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is printed, and given to `--without`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// Both clocks of a host gain or lose, within rho.
    Rates = "rates",
    /// One clock of a host is set to another time.
    Jumps = "jumps",
    /// SIGSTOP of an elector.
    FreezeElector = "freeze-elector",
    /// SIGSTOP of an executor.
    FreezeExecutor = "freeze-executor",
    /// A host sleeps: RAW stands still, BOOTTIME goes on.
    Suspend = "suspend",
    /// A whole host is frozen, its clocks are not.
    FreezeHost = "freeze-host",
    /// A virtual machine is paused: neither of its clocks sees it.
    VmPause = "vm-pause",
    /// SIGKILL of an elector.
    KillElector = "kill-elector",
    /// SIGKILL of an executor.
    KillExecutor = "kill-executor",
    /// A host loses its power.
    Power = "power",
    /// Datagrams are lost, other messages come late.
    Loss = "loss",
    /// Messages come twice.
    Duplicate = "duplicate",
    /// Messages overtake each other.
    Reorder = "reorder",
    /// One direction of a pair is cut.
    OneWay = "one-way",
    /// The cluster is split, or joined only by a bridge, a ring or a star.
    Partition = "partition",
    /// Everything takes long for a while.
    Latency = "latency",
    /// Pre-votes, votes and their answers come late: an attempt wins when another has won already.
    Straggle = "straggle",
    /// A disk takes long.
    DiskSlow = "disk-slow",
    /// A disk is full.
    DiskFull = "disk-full",
    /// An fsync fails: the elector ends, and nobody knows whether the write landed.
    DiskError = "disk-error",
    /// A write in whose middle the power goes, or the disk fails, leaves a file that is neither.
    TornWrite = "torn-write",
    /// A host loses its power and its disk.
    Wipe = "wipe",
    /// Elector and executor read each other late.
    ChannelSlow = "channel-slow",
    /// Hooks take long.
    HookSlow = "hook-slow",
    /// Hooks fail.
    HookFail = "hook-fail",
    /// Hooks hang.
    HookHang = "hook-hang",
    /// Hooks leave children behind that left their group: to kill them takes longer.
    HookEscape = "hook-escape",
    /// An operator drains and undrains.
    Drain = "drain",
    /// An operator makes the boss resign.
    Resign = "resign",
    /// An operator chooses the boss.
    Switchover = "switchover",
    /// An operator pauses and resumes.
    Pause = "pause",
    /// An operator ends hold-offs.
    Clear = "clear",
    /// Several commands, one close upon the other.
    Flurry = "flurry",
    /// A daemon is stopped in order and started again.
    Leave = "leave",
    /// Hooks of a node are out of order for a while.
    Ready = "ready",
    /// An operator vouches that a host without power is off.
    Confirm = "confirm",
    /// The hosts have seen another cluster before, whose state directories were removed: their
    /// executors know later epochs than the new one has terms.
    Reinstalled = "reinstalled",
    /// An operator gives the cluster another timing and other priorities.
    Apply = "apply",
}

/// Which kinds happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults(u64);

impl Faults {
    /// A random subset.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let percent = [8, 20, 20, 45, 75][random.below(5)];
        let chosen = Fault::ALL.iter().filter(|_| random.chance(percent));
        Self(chosen.fold(0, |bits, fault| bits | 1 << *fault as u8))
    }

    /// Whether this kind happens.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    /// The same without that kind.
    #[must_use]
    pub fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u8))
    }

    /// Those that happen.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(Fault::name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}
