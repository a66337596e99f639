//! What a storm does, and what each of it is in the list of faults (protocol.md 10).

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A host, mostly the boss's, loses its power.
    PowerLoss,
    /// SIGKILL.
    KillElector,
    /// SIGKILL.
    KillExecutor,
    /// SIGKILL of both; a service manager cleans up.
    KillBoth,
    /// SIGSTOP, longer than a lease.
    StopElector,
    /// SIGSTOP, longer than a lease.
    StopExecutor,
    /// The boss is cut off, both ways.
    Isolated,
    /// The boss is heard and hears nobody.
    RepliesLost,
    /// One voter does not hear the boss.
    OneDeaf,
    /// A bridge between the old boss and the rest.
    Bridge,
    /// Each reaches two neighbours.
    Ring,
    /// The same with two ends.
    Chain,
    /// A voter comes back with a higher term.
    HigherTerm,
    /// Leaders lost in a row, until there is no quorum.
    ThreeInARow,
    /// Voters restart as the boss is lost.
    RestartInPromise,
    /// All hosts without power at once.
    AllRestart,
    /// The time of day of one host jumps.
    SteppedClock,
    /// A vote cannot be written.
    FullDisk,
    /// The successor dies as it takes over.
    SuccessorDies,
    /// Commands from all sides during a handover.
    Commands,
    /// A node two versions behind comes back as the boss is lost.
    TwoBehind,
    /// An even split, and one voter that changes sides.
    Flapping,
    /// Promote hooks hang.
    PromoteHangs,
    /// Demote hooks hang.
    DemoteHangs,
    /// A failed promote leaves a process in another session.
    Stray,
    /// Datagrams are lost at random.
    Noise,
    /// Datagrams are late, doubled and overtaken.
    Weather,
    /// Nobody reaches anybody.
    NoQuorum,
}

impl Fault {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 28] = [
        Self::PowerLoss,
        Self::KillElector,
        Self::KillExecutor,
        Self::KillBoth,
        Self::StopElector,
        Self::StopExecutor,
        Self::Isolated,
        Self::RepliesLost,
        Self::OneDeaf,
        Self::Bridge,
        Self::Ring,
        Self::Chain,
        Self::HigherTerm,
        Self::ThreeInARow,
        Self::RestartInPromise,
        Self::AllRestart,
        Self::SteppedClock,
        Self::FullDisk,
        Self::SuccessorDies,
        Self::Commands,
        Self::TwoBehind,
        Self::Flapping,
        Self::PromoteHangs,
        Self::DemoteHangs,
        Self::Stray,
        Self::Noise,
        Self::Weather,
        Self::NoQuorum,
    ];

    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power loss",
            Self::KillElector => "elector killed",
            Self::KillExecutor => "executor killed",
            Self::KillBoth => "both killed",
            Self::StopElector => "elector frozen",
            Self::StopExecutor => "executor frozen",
            Self::Isolated => "boss cut off",
            Self::RepliesLost => "replies lost",
            Self::OneDeaf => "one voter deaf",
            Self::Bridge => "bridge node",
            Self::Ring => "ring",
            Self::Chain => "chain",
            Self::HigherTerm => "higher term",
            Self::ThreeInARow => "leaders lost in a row",
            Self::RestartInPromise => "restart in a promise",
            Self::AllRestart => "all restart",
            Self::SteppedClock => "wall clock stepped",
            Self::FullDisk => "full disk",
            Self::SuccessorDies => "successor dies",
            Self::Commands => "commands in a handover",
            Self::TwoBehind => "two versions behind",
            Self::Flapping => "even split, flapping",
            Self::PromoteHangs => "promote hangs",
            Self::DemoteHangs => "demote hangs",
            Self::Stray => "promote leaves a child",
            Self::Noise => "random loss",
            Self::Weather => "late, doubled, overtaken",
            Self::NoQuorum => "no quorum",
        }
    }

    /// Its number in protocol.md 10; 0: it is not in the list.
    pub fn number(self) -> u8 {
        match self {
            Self::PowerLoss => 1,
            Self::KillElector | Self::KillExecutor | Self::KillBoth => 2,
            Self::StopElector | Self::StopExecutor => 3,
            Self::Isolated => 4,
            Self::RepliesLost => 5,
            Self::OneDeaf => 6,
            Self::Bridge => 7,
            Self::Ring | Self::Chain => 8,
            Self::HigherTerm => 9,
            Self::ThreeInARow => 10,
            Self::RestartInPromise => 11,
            Self::AllRestart => 12,
            Self::SteppedClock => 13,
            Self::FullDisk => 15,
            Self::SuccessorDies => 18,
            Self::Commands => 19,
            Self::TwoBehind => 22,
            Self::Flapping => 23,
            Self::PromoteHangs | Self::DemoteHangs | Self::Stray => 24,
            Self::Noise | Self::Weather | Self::NoQuorum => 0,
        }
    }

    /// Whether it makes sense with so many hosts.
    pub fn fits(self, hosts: usize) -> bool {
        match self {
            Self::Bridge | Self::Ring | Self::Chain | Self::ThreeInARow | Self::Flapping => {
                hosts >= 5
            }
            _ => true,
        }
    }
}
