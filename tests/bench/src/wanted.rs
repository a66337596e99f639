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

/// Our median as a part of theirs.
struct Ratio {
    fault: Fault,
    ours: &'static str,
    theirs: &'static str,
    below: f64,
}

impl Ratio {
    fn judge(&self, part: &Part) -> Option<Verdict> {
        let fault = self.fault.name();
        let (ours, theirs) = (part.median(self.ours, fault)?, part.median(self.theirs, fault)?);
        let ratio = ours / theirs;
        Some(Verdict {
            what: format!("{fault}: {}, as a part of {}", self.ours, self.theirs),
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

const RATIOS: [Ratio; 5] = [
    Ratio { fault: Fault::HostLost, ours: LAN, theirs: SLOW_PEER, below: 0.5 },
    Ratio { fault: Fault::HostLost, ours: FAST, theirs: QUICK_PEER, below: 1.0 },
    Ratio { fault: Fault::Stopped, ours: LAN, theirs: SLOW_PEER, below: 0.1 },
    // All its processes at once is no case of these: then nobody is left who could let go, and boss
    // waits as for a lost host.
    Ratio { fault: Fault::NetworkKilled, ours: LAN, theirs: SLOW_PEER, below: 0.1 },
    Ratio { fault: Fault::MainKilled, ours: LAN, theirs: SLOW_PEER, below: 0.1 },
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
