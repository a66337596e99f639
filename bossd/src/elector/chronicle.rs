//! When each boss was seen to act: the cluster state remembers epochs, names and causes, and no
//! times, for no clock is compared between hosts. This node notes them with its own clocks as it
//! looks, from the start of its elector on. For people; nothing is decided by it.

use std::collections::BTreeMap;

use control::history::{Entry, History};
use election::{ClusterState, Moment};

use crate::ipc::transition_id;

/// What was seen of the bosses since this elector began.
#[derive(Debug, Clone)]
pub struct Chronicle {
    /// The wall clock's seconds when it began to look.
    since_s: u64,
    seen: BTreeMap<u64, Seen>,
    /// The epoch that acted when it last looked.
    acting: Option<u64>,
    /// Since when no boss has been known; None if one is, or if it did not see that begin.
    without: Option<Moment>,
    looked: bool,
}

/// One epoch, as seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    wall_s: u64,
    first: Moment,
    last: Moment,
    from_start: bool,
    without_ms: Option<u64>,
}

impl Chronicle {
    /// Nothing seen yet.
    pub fn new(wall_s: u64) -> Self {
        let (seen, acting, without) = (BTreeMap::new(), None, None);
        Self { since_s: wall_s, seen, acting, without, looked: false }
    }

    /// Looks once: the epoch of the boss that acts, if this node knows of one. What the cluster
    /// `state` has forgotten is forgotten here.
    pub fn look(&mut self, now: Moment, wall_s: u64, acting: Option<u64>, state: &ClusterState) {
        let before = std::mem::replace(&mut self.acting, acting);
        if let Some(seen) = before.and_then(|epoch| self.seen.get_mut(&epoch)) {
            // It acted until it was found not to.
            seen.last = now;
        }
        match acting {
            Some(epoch) if before != acting => {
                let without_ms = match (before, self.without) {
                    // One followed the other between two looks.
                    (Some(_), _) => Some(0),
                    (None, since) => since.map(|since| since.elapsed(now).as_millis()),
                };
                let from_start = self.looked;
                let new = Seen { wall_s, first: now, last: now, from_start, without_ms };
                // One that was out of sight for a while keeps its beginning.
                self.seen.entry(epoch).or_insert(new).last = now;
                self.without = None;
            }
            None if before.is_some() => self.without = Some(now),
            _ => {}
        }
        self.looked = true;
        if let Some(oldest) = state.history.first() {
            self.seen = self.seen.split_off(&oldest.epoch.0);
        }
    }

    /// The history as it is to be shown now.
    pub fn tell(&self, now: Moment, cluster: &str, node: &str, state: &ClusterState) -> History {
        let entries = state.history.iter().rev().map(|entry| {
            let epoch = entry.epoch.0;
            let acts = self.acting == Some(epoch);
            let seen = self.seen.get(&epoch);
            let until = |seen: &Seen| if acts { now } else { seen.last };
            Entry {
                epoch,
                node: entry.node.to_string(),
                cause: entry.cause.to_string(),
                transition: transition_id(entry.node.as_str(), epoch, "promote"),
                acts,
                seen_s: seen.map(|seen| seen.wall_s),
                from_start: seen.is_some_and(|seen| seen.from_start),
                acted_ms: seen.map(|seen| seen.first.elapsed(until(seen)).as_millis()),
                without_boss_ms: seen.and_then(|seen| seen.without_ms),
            }
        });
        History {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            looks_since_s: self.since_s,
            entries: entries.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use election::{
        Address, Cause, Epoch, HistoryEntry, Kind, Member, Members, NodeId, Policy, Profile, Span,
        Timing,
    };

    use super::*;

    /// A state with these epochs, by alpha and beta in turn.
    fn state(epochs: &[u64]) -> ClusterState {
        let member = |port| Member {
            address: Address::Host("localhost".to_owned(), port),
            kind: Kind::Voter,
            priority: 100,
            incarnation: None,
            joined: 0,
            drained: None,
        };
        let members = [("alpha", member(1)), ("beta", member(2))];
        let members = Members::new(members.map(|(name, m)| (NodeId::new(name), m)));
        let timing = Timing::of(Profile::Lan);
        let mut state = ClusterState::unborn(members.expect("valid"), timing, Policy::default());
        let entry = |(at, epoch): (usize, &u64)| HistoryEntry {
            epoch: Epoch(*epoch),
            node: NodeId::new(["alpha", "beta"][at % 2]),
            cause: if at == 0 { Cause::Elected } else { Cause::Handover },
        };
        state.history = epochs.iter().enumerate().map(entry).collect();
        state
    }

    fn at(ms: u64) -> Moment {
        Moment::default().plus(Span::from_millis(ms))
    }

    const WALL: u64 = 1_790_000_000;

    #[test]
    fn what_was_seen_from_its_start_to_its_end_has_all_its_times() {
        let mut chronicle = Chronicle::new(WALL);
        let state = state(&[7, 8, 9]);
        chronicle.look(at(0), WALL, Some(7), &state);
        chronicle.look(at(5_000), WALL + 5, None, &state);
        chronicle.look(at(5_900), WALL + 5, Some(9), &state);
        let told = chronicle.tell(at(7_900), "web", "beta", &state);
        let golden: History =
            serde_json::from_str(include_str!("../../../control/tests/history.json"))
                .expect("the golden document");
        assert_eq!(told, golden);
    }

    #[test]
    fn one_that_followed_at_once_left_no_time_without_a_boss() {
        let mut chronicle = Chronicle::new(WALL);
        let state = state(&[7, 8]);
        chronicle.look(at(0), WALL, Some(7), &state);
        chronicle.look(at(10), WALL, Some(8), &state);
        let told = chronicle.tell(at(20), "web", "beta", &state);
        assert_eq!(told.entries[0].without_boss_ms, Some(0));
        assert_eq!(told.entries[1].acted_ms, Some(10));
    }

    #[test]
    fn nothing_is_made_up_of_what_was_before_the_first_look() {
        let mut chronicle = Chronicle::new(WALL);
        let state = state(&[7, 8]);
        chronicle.look(at(0), WALL, None, &state);
        chronicle.look(at(10), WALL, Some(8), &state);
        let told = chronicle.tell(at(20), "web", "beta", &state);
        let (now, before) = (&told.entries[0], &told.entries[1]);
        assert!(now.from_start && now.acts);
        // When the time without a boss began was not seen.
        assert_eq!(now.without_boss_ms, None);
        assert_eq!((before.seen_s, before.acted_ms, before.acts), (None, None, false));
    }

    #[test]
    fn one_that_was_out_of_sight_keeps_its_beginning() {
        let mut chronicle = Chronicle::new(WALL);
        let state = state(&[7]);
        for (ms, acting) in [(0, None), (1_000, Some(7)), (2_000, None), (3_000, Some(7))] {
            chronicle.look(at(ms), WALL, acting, &state);
        }
        let told = chronicle.tell(at(4_000), "web", "beta", &state);
        assert_eq!(told.entries[0].acted_ms, Some(3_000));
    }

    #[test]
    fn it_holds_no_more_than_the_cluster_remembers() {
        let mut chronicle = Chronicle::new(WALL);
        for epoch in 0..1_000 {
            let first = epoch.max(64) - 64;
            let known: Vec<u64> = (first..=epoch).collect();
            chronicle.look(at(epoch), WALL, Some(epoch), &state(&known));
        }
        assert!(chronicle.seen.len() <= 65, "{}", chronicle.seen.len());
    }
}
