//! What was wanted of boss, and whether the recorded figures show it. Pure; what was not measured is
//! not judged.

use crate::contender::Fault;
use crate::results::{Part, Results};
use crate::{failover, idle, unwanted};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of what.
    pub what: String,
    /// The limit.
    pub wanted: String,
    /// The figure.
    pub measured: String,
    /// Whether it is within.
    pub holds: bool,
}

/// All that can be judged.
pub fn judge(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(part) = results.part(failover::PART) {
        verdicts.extend(RATIOS.iter().filter_map(|ratio| ratio.judge(part)));
    }
    let mut limit = |part: &str,
                     contender: &str,
                     what: &str,
                     below: f64,
                     title: &str,
                     unit: &str| {
        let figures = results.part(part).and_then(|part| part.figures(contender, what));
        verdicts.extend(figures.map(|figures| {
            let most = figures.most();
            let holds = if below > 0.0 { most < below } else { most <= 0.0 };
            let wanted = if below > 0.0 { format!("under {below}{unit}") } else { "0".to_owned() };
            Verdict { what: title.to_owned(), wanted, measured: format!("{most:.2}{unit}"), holds }
        }));
    };
    for boss in [LAN, SHORTER, FAST] {
        let title = format!("memory of {boss} after the changes, the largest");
        limit(idle::MEMORY, boss, "changes done", 8.0, &title, " MB");
    }
    limit(idle::CPU, LAN, "boss", 1.2, "processor time of boss lan, the boss of three", " %");
    limit(idle::CPU, LAN, "follower", 0.6, "processor time of boss lan, a follower", " %");
    for role in ["boss", "follower"] {
        for (unit, what) in [("fsyncs", "fsyncs"), (" bytes per second", "bytes")] {
            let title = format!("writes of boss lan at idle, {role}, {}", unit.trim());
            limit(idle::DISK, LAN, &format!("idle, {role}, {what}"), 0.0, &title, "");
        }
    }
    for boss in [LAN, SHORTER, FAST] {
        let title = format!("changes of {boss} that nobody wanted");
        limit(unwanted::PART, boss, "failovers", 0.0, &title, "");
    }
    verdicts
}

/// The median of one as a part of that of another.
struct Ratio {
    ours: (&'static str, Fault),
    theirs: (&'static str, Fault),
    below: f64,
}

impl Ratio {
    fn judge(&self, part: &Part) -> Option<Verdict> {
        let median = |(name, fault): (&str, Fault)| part.median(name, fault.name());
        let (ours, theirs) = (median(self.ours)?, median(self.theirs)?);
        let ratio = ours / theirs;
        let (mine, fault) = (self.ours.0, self.ours.1.name());
        let other = if self.theirs.1 == self.ours.1 {
            format!("{}'s", self.theirs.0)
        } else {
            format!("{}'s, {}", self.theirs.0, self.theirs.1.name())
        };
        Some(Verdict {
            what: format!("{fault}: {mine}, as a part of {other}"),
            wanted: format!("under {}", self.below),
            measured: format!("{ratio:.3} ({ours:.1} of {theirs:.1} ms)"),
            holds: ratio < self.below,
        })
    }
}

const LAN: &str = "boss lan";
const SHORTER: &str = "boss lan, D = 200 ms";
const FAST: &str = "boss fast";
const SLOW_PEER: &str = "keepalived 1 s";
const QUICK_PEER: &str = "keepalived 0.1 s";

const RATIOS: [Ratio; 7] = [
    Ratio { ours: (LAN, Fault::HostLost), theirs: (SLOW_PEER, Fault::HostLost), below: 0.5 },
    Ratio { ours: (FAST, Fault::HostLost), theirs: (QUICK_PEER, Fault::HostLost), below: 1.0 },
    Ratio { ours: (LAN, Fault::Stopped), theirs: (SLOW_PEER, Fault::Stopped), below: 0.1 },
    // keepalived has nobody who lets go for it: what ends its master is the end of all its processes.
    Ratio { ours: (LAN, Fault::NetworkKilled), theirs: (SLOW_PEER, Fault::AllKilled), below: 0.1 },
    Ratio { ours: (LAN, Fault::MainKilled), theirs: (SLOW_PEER, Fault::AllKilled), below: 0.1 },
    Ratio { ours: (FAST, Fault::Stopped), theirs: (QUICK_PEER, Fault::Stopped), below: 1.0 },
    Ratio {
        ours: (FAST, Fault::NetworkKilled),
        theirs: (QUICK_PEER, Fault::AllKilled),
        below: 1.0,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_holds_only_below_its_limit() {
        let mut part = Part::default();
        part.add(LAN, Fault::HostLost.name(), 1_000.0);
        part.add(SLOW_PEER, Fault::HostLost.name(), 2_000.0);
        let at_the_limit = RATIOS[0].judge(&part).expect("both were measured");
        assert!(!at_the_limit.holds && at_the_limit.measured.starts_with("0.500"));
        part.add(SLOW_PEER, Fault::HostLost.name(), 2_001.0);
        part.add(SLOW_PEER, Fault::HostLost.name(), 2_001.0);
        assert!(RATIOS[0].judge(&part).expect("both were measured").holds);
        assert_eq!(RATIOS[1].judge(&part), None, "it was not measured");
    }

    #[test]
    fn a_wanted_nothing_is_not_held_by_something() {
        let mut results = Results::default();
        let mut part = Part::default();
        part.add(LAN, "failovers", 0.0);
        part.add(FAST, "failovers", 1.0);
        results.set(unwanted::PART, part);
        let holds: Vec<_> = judge(&results).into_iter().map(|verdict| verdict.holds).collect();
        assert_eq!(holds, [true, false]);
    }
}
