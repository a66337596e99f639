//! Whether there were ever two at once, by what the witnesses wrote. A node's effect lasts from the
//! start of its promote to the end of its demote, or to the death of its host, which only the
//! harness writes and only when it killed all of it. Pure.

use std::fmt;

/// What the harness writes when it has killed a whole host.
pub const HOST_DIED: &str = "host-died";

/// One line of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Whose.
    pub node: String,
    /// For what the hook was called, or [`HOST_DIED`].
    pub event: String,
    /// None where the hook was told none.
    pub epoch: Option<u64>,
    /// Whether the hook began or was done.
    pub edge: Edge,
}

/// Where in a hook's run a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// First thing.
    Start,
    /// Last thing.
    End,
}

/// One node's effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose.
    pub node: String,
    /// The epoch of its promote.
    pub epoch: u64,
    /// When its promote began.
    pub from_ns: u64,
    /// When its demote was done; None: it stands.
    pub to_ns: Option<u64>,
}

/// What must never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A line that no witness writes.
    #[error("line {number} is of no witness: {text}")]
    Unreadable {
        /// Counted from 1.
        number: usize,
        /// The line.
        text: String,
    },
    /// Two at once.
    #[error("two at once: {first} and {second}")]
    Overlap {
        /// The one that began first.
        first: Effect,
        /// The other.
        second: Effect,
    },
    /// An epoch that does not grow.
    #[error("the epoch did not grow: {before}, then {after}")]
    Epoch {
        /// The earlier promote.
        before: Effect,
        /// The later one.
        after: Effect,
    },
    /// A node that announced what it did not hold, or did not hold any more.
    #[error("{node} was told to reassert epoch {epoch:?} at {at_ns}, outside of any such effect")]
    Reasserted {
        /// Which.
        node: String,
        /// What it was told.
        epoch: Option<u64>,
        /// When.
        at_ns: u64,
    },
    /// An effect that nobody ended, of a node that is not boss.
    #[error("still standing: {0}, which is not the boss")]
    Open(Effect),
    /// The boss's promote hooks never ran, or were taken back.
    #[error("{0} is the boss, and its hooks show no effect")]
    NoEffect(String),
}

/// Reads the witnesses' log.
pub fn parse(log: &str) -> Result<Vec<Line>, Violation> {
    let unreadable = |(index, text): (usize, &str)| Violation::Unreadable {
        number: index + 1,
        text: text.into(),
    };
    log.lines().enumerate().map(|it| parse_line(it.1).ok_or_else(|| unreadable(it))).collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let words: Vec<_> = line.split(' ').collect();
    let [at_ns, node, event, epoch, edge] = *words.as_slice() else { return None };
    let epoch = if epoch == "-" { None } else { Some(epoch.parse().ok()?) };
    let edge = match edge {
        "start" => Edge::Start,
        "end" => Edge::End,
        _ => return None,
    };
    let (node, event) = (node.to_owned(), event.to_owned());
    Some(Line { at_ns: at_ns.parse().ok()?, node, event, epoch, edge })
}

/// Judges a log; `acting` is who is boss now, and the only one whose effect may stand.
pub fn judge(lines: &[Line], acting: Option<&str>) -> Result<Vec<Effect>, Violation> {
    let effects = effects(lines);
    for line in lines.iter().filter(|line| line.event == "reassert") {
        let covers = |effect: &&Effect| {
            effect.node == line.node
                && Some(effect.epoch) == line.epoch
                && effect.from_ns < line.at_ns
                && effect.to_ns.is_none_or(|end| line.at_ns < end)
        };
        if !effects.iter().any(|effect| covers(&effect)) {
            let (node, epoch, at_ns) = (line.node.clone(), line.epoch, line.at_ns);
            return Err(Violation::Reasserted { node, epoch, at_ns });
        }
    }
    for pair in effects.windows(2) {
        let [before, after] = pair else { continue };
        if after.epoch <= before.epoch {
            return Err(Violation::Epoch { before: before.clone(), after: after.clone() });
        }
    }
    for (index, first) in effects.iter().enumerate() {
        // In the order of their starts, so this is all there is to an overlap.
        let overlaps = |later: &&Effect| first.to_ns.is_none_or(|end| later.from_ns < end);
        if let Some(second) = effects[index + 1..].iter().find(overlaps) {
            let (first, second) = (first.clone(), second.clone());
            return Err(Violation::Overlap { first, second });
        }
    }
    let standing = effects.iter().find(|effect| effect.to_ns.is_none());
    match (standing, acting) {
        (Some(effect), acting) if acting != Some(effect.node.as_str()) => {
            Err(Violation::Open(effect.clone()))
        }
        (None, Some(acting)) => Err(Violation::NoEffect(acting.to_owned())),
        _ => Ok(effects),
    }
}

/// The effects in the order in which they began.
fn effects(lines: &[Line]) -> Vec<Effect> {
    let mut lines: Vec<_> = lines.iter().collect();
    // Each is written a moment after its time was read, so they may lie in another order.
    lines.sort_by_key(|line| line.at_ns);
    let mut effects: Vec<Effect> = Vec::new();
    for line in lines {
        match (line.event.as_str(), line.edge) {
            ("promote", Edge::Start) => effects.push(Effect {
                node: line.node.clone(),
                // A promote without an epoch can never grow on another.
                epoch: line.epoch.unwrap_or(0),
                from_ns: line.at_ns,
                to_ns: None,
            }),
            ("demote" | HOST_DIED, Edge::End) => {
                for effect in effects.iter_mut().filter(|effect| ends(line, effect)) {
                    effect.to_ns = Some(line.at_ns);
                }
            }
            _ => {}
        }
    }
    effects
}

/// A demote without an epoch is one after a crash, and takes back whatever there is. One of another
/// epoch takes back nothing: the hooks would not know what they undo.
fn ends(line: &Line, effect: &Effect) -> bool {
    let is_its = line.epoch.is_none_or(|epoch| epoch == effect.epoch);
    line.node == effect.node && effect.to_ns.is_none() && is_its
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, epoch, from_ns, to_ns } = self;
        let to = to_ns.map_or("now".to_owned(), |to| to.to_string());
        write!(f, "{node} in epoch {epoch} from {from_ns} to {to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(log: &str, acting: Option<&str>) -> Result<usize, Violation> {
        judge(&parse(log)?, acting).map(|effects| effects.len())
    }

    const GOOD: &str = "\
        100 alpha promote 5 start\n110 alpha promote 5 end\n120 beta follow 5 start\n\
        121 beta follow 5 end\n200 alpha demote 5 start\n210 alpha demote 5 end\n\
        220 beta promote 7 start\n230 beta promote 7 end\n300 beta host-died - end\n\
        400 gamma promote 9 start\n410 gamma promote 9 end\n";

    #[test]
    fn one_after_the_other_with_growing_epochs_is_fine() {
        assert_eq!(verdict(GOOD, Some("gamma")), Ok(3));
        assert_eq!(verdict("", None), Ok(0));
    }

    #[test]
    fn an_overlap_of_a_nanosecond_is_seen() {
        let log = GOOD.replace("220 beta", "209 beta");
        assert!(matches!(verdict(&log, Some("gamma")), Err(Violation::Overlap { .. })));
    }

    #[test]
    fn an_overlap_with_one_that_is_not_the_next_is_seen() {
        let log = "1 alpha promote 1 start\n2 beta promote 2 start\n3 beta demote 2 end\n\
                   4 gamma promote 3 start\n5 gamma demote 3 end\n6 alpha demote 1 end\n";
        assert!(matches!(verdict(log, None), Err(Violation::Overlap { .. })));
    }

    #[test]
    fn a_second_promote_before_the_demote_of_the_first_is_an_overlap_with_oneself() {
        let log = "1 alpha promote 1 start\n2 alpha promote 2 start\n";
        assert!(matches!(verdict(log, Some("alpha")), Err(Violation::Overlap { .. })));
    }

    #[test]
    fn an_equal_or_falling_epoch_is_seen() {
        for epoch in [5, 4] {
            let log = GOOD.replace(" 7 ", &format!(" {epoch} "));
            assert!(
                matches!(verdict(&log, Some("gamma")), Err(Violation::Epoch { .. })),
                "{epoch}"
            );
        }
    }

    #[test]
    fn an_effect_that_stands_is_seen_unless_it_is_the_boss() {
        assert!(matches!(verdict(GOOD, None), Err(Violation::Open(_))));
        assert!(matches!(verdict(GOOD, Some("alpha")), Err(Violation::Open(_))));
        let log = GOOD.replace("host-died - end", "host-died - start");
        assert!(matches!(verdict(&log, Some("gamma")), Err(Violation::Overlap { .. })));
    }

    #[test]
    fn what_is_reasserted_must_be_held() {
        let held = GOOD.replace("200 alpha", "150 alpha reassert 5 start\n200 alpha");
        assert_eq!(verdict(&held, Some("gamma")), Ok(3));
        for wrong in ["150 beta reassert 5", "150 alpha reassert 4", "211 alpha reassert 5"] {
            let log = GOOD.replace("200 alpha", &format!("{wrong} start\n200 alpha"));
            let verdict = verdict(&log, Some("gamma"));
            assert!(matches!(verdict, Err(Violation::Reasserted { .. })), "{wrong}: {verdict:?}");
        }
    }

    #[test]
    fn a_boss_without_an_effect_is_seen() {
        let log = "1 alpha promote 1 start\n2 alpha demote 1 end\n";
        assert_eq!(verdict(log, Some("alpha")), Err(Violation::NoEffect("alpha".to_owned())));
    }

    #[test]
    fn a_demote_that_began_but_did_not_end_ends_nothing() {
        let log = GOOD.replace("210 alpha demote 5 end\n", "");
        assert!(matches!(verdict(&log, Some("gamma")), Err(Violation::Overlap { .. })));
    }

    #[test]
    fn a_demote_of_another_node_or_epoch_ends_nothing_and_one_without_an_epoch_all() {
        for other in ["210 gamma demote 5 end", "210 alpha demote 4 end"] {
            let log = GOOD.replace("210 alpha demote 5 end", other);
            assert!(matches!(verdict(&log, Some("gamma")), Err(Violation::Overlap { .. })));
        }
        let log = GOOD.replace("210 alpha demote 5 end", "210 alpha demote - end");
        assert_eq!(verdict(&log, Some("gamma")), Ok(3));
    }

    #[test]
    fn lines_count_by_their_time_not_by_their_place() {
        let mut lines: Vec<_> = GOOD.lines().collect();
        lines.reverse();
        assert_eq!(verdict(&lines.join("\n"), Some("gamma")), Ok(3));
    }

    #[test]
    fn a_line_that_no_witness_writes_is_refused() {
        for wrong in ["x", "1 a promote 1 middle", "1 a promote x start", "1 a promote 1"] {
            assert!(matches!(verdict(wrong, None), Err(Violation::Unreadable { number: 1, .. })));
        }
    }
}
