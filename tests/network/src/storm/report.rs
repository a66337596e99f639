//! What came of a storm: the table that is printed, and what of it must not be.

use std::fmt;

use harness::Line;
use harness::judge::{Edge, Violation, judge};

use super::{Account, Fault, Forecast, Gap};
use crate::bounds::Bounds;
use crate::owners::Double;
use crate::shared_address::Stretch;

/// All that was found.
pub(super) struct Found<'a> {
    pub(super) forecast: Forecast,
    pub(super) whole: Stretch,
    pub(super) account: Account,
    pub(super) injected: &'a [Fault],
    pub(super) served: Vec<Stretch>,
    pub(super) lines: Vec<Line>,
    pub(super) doubles: Result<Vec<Double>, String>,
    pub(super) effort: (u64, u64),
    pub(super) bounds: Bounds,
    pub(super) failure: Option<String>,
}

/// The account of a storm, and its verdict.
#[derive(Clone, Debug)]
pub struct Report {
    forecast: Forecast,
    bounds: Bounds,
    lasted_ns: u64,
    counts: Vec<(Fault, usize)>,
    promotions: usize,
    share: f64,
    no_majority_ns: u64,
    gaps: Vec<Gap>,
    stalls: (usize, u64),
    overlaps: usize,
    doubles: usize,
    effort: (u64, u64),
    problems: Vec<String>,
}

impl Report {
    pub(super) fn new(found: &Found<'_>) -> Self {
        let Found { forecast, whole, account, bounds, .. } = found;
        let mut starts: Vec<_> = found.lines.iter().filter(|line| is_start(line)).collect();
        starts.sort_by_key(|line| line.at_ns);
        let starts: Vec<_> = starts.into_iter().map(|line| line.at_ns).collect();
        let kinds = Fault::ALL.into_iter().filter(|fault| fault.fits(forecast.hosts));
        let count = |fault| found.injected.iter().filter(|it| **it == fault).count();
        let judged = judge(&found.lines, None);
        // An epoch that falls is one that two had, too.
        let overlap = matches!(judged, Err(Violation::Overlap { .. } | Violation::Epoch { .. }));
        let stalled: u64 = account.stalls.iter().map(|it| it.to_ns - it.from_ns).sum();
        let lost = account.no_majority.iter().map(|it| it.to_ns - it.from_ns).sum();
        let mut report = Self {
            forecast: *forecast,
            bounds: *bounds,
            lasted_ns: whole.to_ns - whole.from_ns,
            counts: kinds.map(|fault| (fault, count(fault))).collect(),
            promotions: starts.iter().filter(|start| **start >= whole.from_ns).count(),
            share: account.share(*whole, &found.served),
            no_majority_ns: lost,
            gaps: account.gaps(&found.served, &starts),
            stalls: (account.stalls.len(), stalled),
            overlaps: usize::from(overlap),
            doubles: found.doubles.as_ref().map_or(0, Vec::len),
            effort: found.effort,
            problems: found.failure.clone().into_iter().collect(),
        };
        report.problems.extend(found.doubles.as_ref().err().cloned());
        report.judge();
        report
    }

    /// Whether all that is asked of a storm was there, and nothing that must not be.
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    fn judge(&mut self) {
        let mut problems = Vec::new();
        if self.overlaps > 0 {
            problems.push("two at once, by the hooks".to_owned());
        }
        if self.doubles > 0 {
            problems.push(format!("{} moments with two holders of the address", self.doubles));
        }
        let (questions, looks) = self.effort;
        let least = self.lasted_ns / 1_000_000 / MOST_BETWEEN_LOOKS_MS;
        if questions < least || looks < least {
            problems.push(format!("only {questions} questions and {looks} looks at the address"));
        }
        let promotions = self.scaled(LEAST_PROMOTIONS);
        if self.promotions < promotions {
            problems.push(format!("{} promotions, not {promotions}", self.promotions));
        }
        if self.share < LEAST_SHARE {
            problems.push(format!("a boss for {:.1} % of the time only", self.share));
        }
        problems.extend(self.too_few());
        for gap in self.gaps.iter().filter(|gap| self.is_too_long(gap)) {
            problems.push(format!(
                "{} ms without a boss where {} ms are promised at worst (at {} ns)",
                (gap.counted_ns - gap.stalled_ns) / 1_000_000,
                self.bounds.worst_ms,
                gap.stretch.from_ns
            ));
        }
        self.problems.extend(problems);
    }

    /// Every kind often enough; in a storm too short for once each, enough different ones.
    fn too_few(&self) -> Vec<String> {
        let each = LEAST_OF_EACH * self.owed() / WHOLE_MINUTES;
        if each > 0 {
            let few = self.counts.iter().filter(|(_, count)| *count < each);
            return few
                .map(|(fault, count)| format!("{}: {count} times, not {each}", fault.name()))
                .collect();
        }
        let different = self.counts.iter().filter(|(_, count)| *count > 0).count();
        let wanted = self.scaled(LEAST_OF_EACH * self.counts.len()).min(self.counts.len());
        if different < wanted {
            return vec![format!("{different} different faults, not {wanted}")];
        }
        Vec::new()
    }

    /// A short storm runs with every change, on machines that may be busy: it allows twice the bound.
    fn is_too_long(&self, gap: &Gap) -> bool {
        let times = if self.owed() < WHOLE_MINUTES { 2 } else { 1 };
        gap.counted_ns.saturating_sub(gap.stalled_ns) > times * self.bounds.worst_ms * 1_000_000
    }

    /// The part of what is asked of a whole storm that this one owes.
    fn scaled(&self, least: usize) -> usize {
        (least * self.owed()).div_ceil(WHOLE_MINUTES)
    }

    fn owed(&self) -> usize {
        usize::try_from(self.forecast.minutes).map_or(WHOLE_MINUTES, |it| it.min(WHOLE_MINUTES))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forecast { seed, hosts, .. } = self.forecast;
        let ms = |ns: u64| ns / 1_000_000;
        writeln!(f, "| fault | of protocol.md 10 | times |\n|---|---|---|")?;
        for (fault, count) in &self.counts {
            let number = match fault.number() {
                0 => "network".to_owned(),
                number => number.to_string(),
            };
            writeln!(f, "| {} | {number} | {count} |", fault.name())?;
        }
        let longest = self.gaps.iter().max_by_key(|gap| gap.stretch.to_ns - gap.stretch.from_ns);
        let longest = longest.map_or(0, |gap| ms(gap.stretch.to_ns - gap.stretch.from_ns));
        let net = |gap: &Gap| gap.counted_ns.saturating_sub(gap.stalled_ns);
        let mut counted: Vec<_> = self.gaps.iter().map(|gap| ms(net(gap))).collect();
        counted.sort_unstable();
        let middle = counted.get(counted.len() / 2).copied().unwrap_or(0);
        let (questions, looks) = self.effort;
        let (stalls, stalled_ns) = self.stalls;
        let injected: usize = self.counts.iter().map(|(_, count)| count).sum();
        let rows = [
            ("seed, hosts", format!("{seed}, {hosts}")),
            ("lasted", format!("{:.1} minutes", self.lasted_ns as f64 / 60e9)),
            ("faults", injected.to_string()),
            ("promotions", self.promotions.to_string()),
            ("two at once, by the hooks", self.overlaps.to_string()),
            ("two at once, by the address", self.doubles.to_string()),
            ("the address was asked for, looked at", format!("{questions}, {looks} times")),
            ("without a majority, injected", format!("{} ms", ms(self.no_majority_ns))),
            ("a boss, of the rest of the time", format!("{:.1} %", self.share)),
            ("changes of boss", self.gaps.len().to_string()),
            ("longest without a boss, all in all", format!("{longest} ms")),
            (
                "longest since the last fault that delayed it",
                format!("{} ms (median {middle} ms)", counted.last().copied().unwrap_or(0)),
            ),
            ("bound by bossd --check, at worst", format!("{} ms", self.bounds.worst_ms)),
            (
                "this machine stood still, for more than 20 ms",
                format!("{stalls} times, {} ms", ms(stalled_ns)),
            ),
        ];
        writeln!(f, "\n| what | |\n|---|---|")?;
        for (what, figure) in rows {
            writeln!(f, "| {what} | {figure} |")?;
        }
        for problem in &self.problems {
            writeln!(f, "\nFAILED: {problem}")?;
        }
        Ok(())
    }
}

fn is_start(line: &Line) -> bool {
    line.event == "promote" && line.edge == Edge::Start
}

/// What is asked of a storm that lasts this long; a shorter one owes its part of it.
const WHOLE_MINUTES: usize = 10;
const LEAST_PROMOTIONS: usize = 20;
const LEAST_OF_EACH: usize = 3;
/// In percent, where the storm itself did not take the majority away.
const LEAST_SHARE: f64 = 80.0;
/// A watch that looks less often than this on average is none.
const MOST_BETWEEN_LOOKS_MS: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use harness::judge::parse;

    const MS: u64 = 1_000_000;

    /// Ten minutes in which all is as it must be: one boss after the other, each for 20 s.
    fn found(injected: &[Fault]) -> Found<'_> {
        let at = |index: u64, ms: u64| (index * 20_000 + ms) * MS;
        let served = (0..30).map(|i| Stretch { from_ns: at(i, 10), to_ns: at(i, 19_000) });
        let lines = (0..30).map(|i| {
            let (promote, demote, epoch) = (at(i, 5), at(i, 19_100), i + 1);
            format!("{promote} a promote {epoch} start\n{demote} a demote {epoch} end\n")
        });
        Found {
            forecast: Forecast { minutes: 10, seed: 1, hosts: 5 },
            whole: Stretch { from_ns: 0, to_ns: at(30, 0) },
            account: Account::default(),
            injected,
            served: served.collect(),
            lines: parse(&lines.collect::<String>()).expect("lines of a witness"),
            doubles: Ok(Vec::new()),
            effort: (100_000, 100_000),
            bounds: Bounds { least_ms: 1142, worst_ms: 1302 },
            failure: None,
        }
    }

    fn thrice() -> Vec<Fault> {
        Fault::ALL.repeat(3)
    }

    fn problems(found: &Found<'_>) -> String {
        Report::new(found).problems.join("; ")
    }

    #[test]
    fn a_storm_that_has_it_all_holds() {
        let injected = thrice();
        assert_eq!(problems(&found(&injected)), "");
        assert!(Report::new(&found(&injected)).holds());
    }

    #[test]
    fn a_storm_that_has_none_of_it_does_not() {
        let mut storm = found(&[]);
        storm.lines.clear();
        storm.served.clear();
        storm.effort = (0, 0);
        let problems = problems(&storm);
        for expected in ["0 promotions, not 20", "power loss: 0 times, not 3", "0.0 %", "only 0"] {
            assert!(problems.contains(expected), "{expected}: {problems}");
        }
    }

    #[test]
    fn each_thing_that_must_not_be_is_told() {
        let injected = thrice();
        let mut storm = found(&injected);
        storm.doubles = Ok(vec![Double { first: 0, second: 1, at_ns: 1, how: "held" }]);
        assert_eq!(problems(&storm), "1 moments with two holders of the address");
        let mut storm = found(&injected);
        storm.lines.retain(|line| line.event == "promote" || line.epoch != Some(4));
        assert_eq!(problems(&storm), "two at once, by the hooks");
        let mut storm = found(&injected);
        storm.served[3].to_ns -= 500 * MS;
        assert!(problems(&storm).starts_with("1505 ms without a boss where 1302 ms are promised"));
        // Half a second of it this machine stood still.
        let stall = Stretch { from_ns: 79_000 * MS, to_ns: 79_500 * MS };
        storm.account.stalls.push(stall);
        assert_eq!(problems(&storm), "");
        storm.failure = Some("no boss".to_owned());
        assert_eq!(problems(&storm), "no boss");
    }

    #[test]
    fn a_short_storm_owes_its_part() {
        let once = Fault::ALL;
        let mut storm = found(&once);
        storm.forecast.minutes = 4;
        assert_eq!(problems(&storm), "");
        storm.injected = &once[1..];
        assert_eq!(problems(&storm), "power loss: 0 times, not 1");
        storm.forecast.minutes = 2;
        storm.injected = &once[..17];
        assert_eq!(problems(&storm), "");
        storm.injected = &once[..16];
        assert_eq!(problems(&storm), "16 different faults, not 17");
    }
}
