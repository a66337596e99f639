//! Who acted from when to when, by what the nodes themselves said at moments that are given here,
//! and how long nobody did in between. Pure: milliseconds of one clock go in, entries come out.

/// How many are remembered.
const MOST: usize = 64;

/// All that was seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    reigns: Vec<Reign>,
}

/// One node under one epoch.
#[derive(Clone, Debug)]
struct Reign {
    node: String,
    epoch: u64,
    from_ms: u64,
    /// The last moment at which it said so itself.
    last_ms: u64,
    over: bool,
}

/// One of those who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who.
    pub(super) node: String,
    /// Under which epoch.
    pub(super) epoch: u64,
    /// Since when.
    pub(super) from_ms: u64,
    /// Until when; None: it still does.
    pub(super) until_ms: Option<u64>,
    /// What lay between the one before and this one.
    pub(super) before: Before,
}

/// What lay before somebody acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It is the first that was seen.
    First,
    /// Nobody acted for so long, in milliseconds.
    Nobody(u64),
    /// Another one still acted, for so long: the promise is broken.
    Another(u64),
}

impl Timeline {
    /// At that moment the node acted under that epoch.
    pub(super) fn acts(&mut self, node: &str, epoch: u64, at_ms: u64) {
        let same = |reign: &&mut Reign| reign.node == node && reign.epoch == epoch;
        if let Some(reign) = self.reigns.iter_mut().rev().find(same) {
            // A word from before is no news: of a node that stood still, say.
            if at_ms > reign.last_ms {
                (reign.last_ms, reign.over) = (at_ms, false);
            }
            return;
        }
        self.rests(node);
        let node = node.to_owned();
        self.reigns.push(Reign { node, epoch, from_ms: at_ms, last_ms: at_ms, over: false });
        let surplus = self.reigns.len().saturating_sub(MOST);
        self.reigns.drain(..surplus);
    }

    /// The node does not act, or says nothing any more: it acted until it last said so.
    pub(super) fn rests(&mut self, node: &str) {
        for reign in self.reigns.iter_mut().filter(|reign| reign.node == node) {
            reign.over = true;
        }
    }

    /// Who acted, the oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |(at, reign): (usize, &Reign)| Entry {
            node: reign.node.clone(),
            epoch: reign.epoch,
            from_ms: reign.from_ms,
            until_ms: reign.over.then_some(reign.last_ms),
            before: before(&self.reigns[..at], reign.from_ms),
        };
        self.reigns.iter().enumerate().map(entry).collect()
    }

    /// For how long nobody has acted, if somebody has and nobody does.
    pub(super) fn nobody_for_ms(&self, now_ms: u64) -> Option<u64> {
        if self.reigns.iter().any(|reign| !reign.over) {
            return None;
        }
        let last = self.reigns.iter().map(|reign| reign.last_ms).max()?;
        Some(now_ms.saturating_sub(last))
    }
}

fn before(earlier: &[Reign], from_ms: u64) -> Before {
    let Some(last) = earlier.iter().map(|reign| reign.last_ms).max() else { return Before::First };
    if last > from_ms { Before::Another(last - from_ms) } else { Before::Nobody(from_ms - last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(node: &str, epoch: u64, from_ms: u64, until_ms: Option<u64>, before: Before) -> Entry {
        Entry { node: node.to_owned(), epoch, from_ms, until_ms, before }
    }

    #[test]
    fn a_gap_lies_between_the_last_word_of_one_and_the_first_of_the_next() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.nobody_for_ms(50), None);
        timeline.rests("beta");
        timeline.acts("alpha", 7, 100);
        timeline.acts("alpha", 7, 125);
        assert_eq!(timeline.nobody_for_ms(140), None);
        timeline.rests("alpha");
        assert_eq!(timeline.nobody_for_ms(225), Some(100));
        timeline.acts("beta", 9, 1_225);
        let alpha = entry("alpha", 7, 100, Some(125), Before::First);
        let beta = entry("beta", 9, 1_225, None, Before::Nobody(1_100));
        assert_eq!(timeline.entries(), [alpha, beta]);
    }

    #[test]
    fn two_at_once_are_told_with_the_time_that_they_shared() {
        let mut timeline = Timeline::default();
        timeline.acts("alpha", 7, 100);
        timeline.acts("beta", 9, 150);
        timeline.acts("alpha", 7, 180);
        timeline.rests("alpha");
        timeline.acts("beta", 9, 400);
        assert_eq!(timeline.entries()[1], entry("beta", 9, 150, None, Before::Another(30)));
    }

    #[test]
    fn a_late_word_of_a_node_that_stood_still_changes_nothing() {
        let mut timeline = Timeline::default();
        timeline.acts("alpha", 7, 100);
        timeline.rests("alpha");
        timeline.acts("beta", 9, 900);
        timeline.acts("alpha", 7, 90);
        assert_eq!(timeline.entries()[0], entry("alpha", 7, 100, Some(100), Before::First));
        // A further epoch of the same node ends the one before.
        timeline.acts("beta", 11, 1_000);
        assert_eq!(timeline.entries()[1].until_ms, Some(900));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut timeline = Timeline::default();
        for epoch in 0..200 {
            timeline.acts("alpha", epoch, epoch * 10);
        }
        assert_eq!(timeline.entries().len(), MOST);
    }
}
