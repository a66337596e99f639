//! The account of a storm: for how much of the time there was a boss, how long there was none, and
//! how long there may have been none. Pure; all times in nanoseconds of `CLOCK_BOOTTIME`.

use crate::shared_address::Stretch;

/// What happened, as far as it matters for the time without a boss.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// When something was done that may take the boss away: the bound counts from there.
    pub strikes: Vec<u64>,
    /// While the fault itself keeps anybody from becoming boss, or keeps hooks from ending.
    pub withheld: Vec<Stretch>,
    /// The part of it in which there was no majority: it does not count for the share.
    pub no_majority: Vec<Stretch>,
    /// When this machine had no processor for us.
    pub stalls: Vec<Stretch>,
}

/// A time without a boss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From the last sign of one boss to the start of the next one's hooks.
    pub stretch: Stretch,
    /// What of it counts: since the last thing that was done, or withheld it.
    pub counted_ns: u64,
    /// What of that this machine stood still.
    pub stalled_ns: u64,
}

impl Account {
    /// The times without a boss, from when there was one (`served`, in order) and when hooks of a
    /// promote started (`starts`, in order).
    pub fn gaps(&self, served: &[Stretch], starts: &[u64]) -> Vec<Gap> {
        let pairs = served.windows(2).map(|pair| (pair[0].to_ns, pair[1].from_ns));
        let gap = |(from_ns, next_ns): (u64, u64)| {
            // The hooks' own time is not the election's.
            let start = starts.iter().rev().find(|start| **start <= next_ns && **start > from_ns);
            // The same boss, whose answers were lost for a moment.
            let to_ns = *start?;
            Some(self.gap(Stretch { from_ns, to_ns }))
        };
        pairs.filter_map(gap).collect()
    }

    fn gap(&self, stretch: Stretch) -> Gap {
        let Stretch { from_ns, to_ns } = stretch;
        let strikes = self.strikes.iter().filter(|strike| **strike < to_ns).copied();
        let ends = self.withheld.iter().filter(|it| it.from_ns < to_ns).map(|it| it.to_ns);
        let struck = strikes.chain(ends).max().unwrap_or(0).clamp(from_ns, to_ns);
        let counted = Stretch { from_ns: struck, to_ns };
        Gap {
            stretch,
            counted_ns: to_ns - struck,
            stalled_ns: self.stalls.iter().map(|stall| overlap(*stall, counted)).sum(),
        }
    }

    /// The share of the time with a boss, in percent, where there was a majority.
    pub fn share(&self, whole: Stretch, served: &[Stretch]) -> f64 {
        let lost: u64 = self.no_majority.iter().map(|it| overlap(*it, whole)).sum();
        let boss = |it: &Stretch| {
            let withheld: u64 = self.no_majority.iter().map(|lost| overlap(*lost, *it)).sum();
            overlap(*it, whole).saturating_sub(withheld)
        };
        let boss: u64 = served.iter().map(boss).sum();
        let base = (whole.to_ns - whole.from_ns).saturating_sub(lost).max(1);
        boss as f64 * 100.0 / base as f64
    }
}

fn overlap(one: Stretch, other: Stretch) -> u64 {
    one.to_ns.min(other.to_ns).saturating_sub(one.from_ns.max(other.from_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from_ns: u64, to_ns: u64) -> Stretch {
        Stretch { from_ns, to_ns }
    }

    fn counted(account: &Account, served: &[Stretch], starts: &[u64]) -> Vec<u64> {
        account.gaps(served, starts).into_iter().map(|gap| gap.counted_ns).collect()
    }

    #[test]
    fn a_gap_ends_with_the_start_of_the_hooks_and_counts_from_the_last_strike() {
        let served = [stretch(0, 100), stretch(200, 300)];
        let mut account = Account::default();
        assert_eq!(counted(&account, &served, &[190]), [90]);
        account.strikes = vec![50, 120, 250];
        assert_eq!(counted(&account, &served, &[190]), [70]);
        account.withheld = vec![stretch(110, 150), stretch(195, 400)];
        assert_eq!(counted(&account, &served, &[190]), [40]);
        // Withheld until after it was over.
        account.withheld = vec![stretch(110, 400)];
        assert_eq!(counted(&account, &served, &[190]), [0]);
    }

    #[test]
    fn lost_answers_of_the_same_boss_are_no_gap() {
        let served = [stretch(0, 100), stretch(200, 300)];
        assert_eq!(Account::default().gaps(&served, &[0, 350]), []);
    }

    #[test]
    fn stalls_are_told_for_what_counts() {
        let served = [stretch(0, 100), stretch(200, 300)];
        let account = Account {
            strikes: vec![120],
            stalls: vec![stretch(90, 130), stretch(150, 160)],
            ..Account::default()
        };
        assert_eq!(account.gaps(&served, &[190])[0].stalled_ns, 20);
    }

    #[test]
    fn the_share_leaves_out_the_time_without_a_majority() {
        let served = [stretch(0, 50), stretch(70, 100)];
        let mut account = Account::default();
        let share = |account: &Account| account.share(stretch(0, 100), &served);
        assert!((share(&account) - 80.0).abs() < 1e-9);
        account.no_majority = vec![stretch(50, 70)];
        assert!((share(&account) - 100.0).abs() < 1e-9);
        // What was served then is left out too.
        account.no_majority = vec![stretch(30, 70)];
        assert!((share(&account) - 100.0).abs() < 1e-9);
    }
}
