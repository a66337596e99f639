//! The arguments of the verbs that change something.

use std::time::Duration;

use super::units::{duration, seconds};

/// How an order that takes the boss's part from a node is given.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Return only when it has come true, with its steps on standard error, or say why not
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// With --wait, for how long, as in 500ms, 30s or 5min [default: 2min]
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Only say what would come of it; nothing is ordered
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run, print the whole document as JSON
    #[arg(long, requires = "dry_run")]
    pub json: bool,
}

/// `bossctl drain`.
#[derive(Debug, clap::Args)]
pub struct Drain {
    /// Which node [default: the one whose daemon is asked]
    pub node: Option<String>,
    /// After how long it ends by itself, as in 90s, 30min, 2h or 1d12h [default: never]
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub for_s: Option<u64>,
    /// Why, for those who look at the status later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Also when no other node could be boss
    #[arg(long)]
    pub force: bool,
    /// What comes with the order.
    #[command(flatten)]
    pub how: How,
}

/// `bossctl undrain`.
#[derive(Debug, clap::Args)]
pub struct Undrain {
    /// Which node [default: the one whose daemon is asked]
    pub node: Option<String>,
}

/// `bossctl pause`.
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// After how long it ends by itself, as in 90s, 30min, 2h or 1d12h [default: never]
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub for_s: Option<u64>,
    /// Why, for those who look at the status later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `bossctl clear`.
#[derive(Debug, clap::Args)]
pub struct Clear {
    /// Which node [default: the one whose daemon is asked]
    pub node: Option<String>,
}

/// `bossctl resign`.
#[derive(Debug, clap::Args)]
pub struct Resign {
    /// Even if nobody eligible could take over
    #[arg(long)]
    pub force: bool,
    /// What comes with the order.
    #[command(flatten)]
    pub how: How,
}

/// `bossctl force-resign`.
#[derive(Debug, clap::Args)]
pub struct ForceResign {
    /// What comes with the order.
    #[command(flatten)]
    pub how: How,
}

/// `bossctl switchover`.
#[derive(Debug, clap::Args)]
pub struct Switchover {
    /// Who is to become boss
    #[arg(long, value_name = "NODE")]
    pub to: String,
    /// What comes with the order.
    #[command(flatten)]
    pub how: How,
}

/// `bossctl confirm-dead`.
#[derive(Debug, clap::Args)]
pub struct ConfirmDead {
    /// Whose host is surely off
    pub node: String,
    /// For scripts: the same name once more, in place of the question
    #[arg(long, value_name = "NODE")]
    pub yes: Option<String>,
}
