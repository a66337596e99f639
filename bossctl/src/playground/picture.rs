//! What the full screen shows, as plain values: of the cluster as a whole, of each node by its own
//! word and by that of the one who acts, and what happened. Nothing is asked and nothing is drawn
//! here.

use control::model::{Boss, Kind, Member, Phase, Posture, Quorum, Standing, Status};

use super::feeds::LogLine;
use super::timeline::Entry;
use super::watch::Sight;

/// One picture.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// The time of day.
    pub(super) now: String,
    /// What the cluster as a whole is; None if no node answers.
    pub(super) whole: Option<Whole>,
    /// The nodes in their order.
    pub(super) rows: Vec<Row>,
    /// The place of the chosen one.
    pub(super) chosen: usize,
    /// Who acted, the oldest first.
    pub(super) reigns: Vec<Reign>,
    /// For how long nobody has acted, if somebody has and nobody does.
    pub(super) nobody_for_ms: Option<u64>,
    /// Calls of hooks, the oldest first.
    pub(super) calls: Vec<String>,
    /// Lines of logs, the oldest first.
    pub(super) log: Vec<LogLine>,
    /// What keys came to, the oldest first.
    pub(super) said: Vec<String>,
    /// The keys are explained instead of what happened.
    pub(super) help: bool,
}

/// The cluster, as the one who acts sees it, else the first that answers.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// Who sees it.
    pub(super) seer: String,
    /// The verdict.
    pub(super) posture: Posture,
    /// The boss.
    pub(super) boss: Option<Boss>,
    /// The votes.
    pub(super) quorum: Quorum,
    /// Nobody new becomes boss.
    pub(super) paused: bool,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) state: State,
    /// By its own word, if it answers.
    pub(super) own: Option<Own>,
    /// By the word of the seer, if there is one and it is another node.
    pub(super) link: Option<Link>,
    /// What else there is to it, in a word each.
    pub(super) notes: Vec<String>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, and has not answered yet or does not now.
    Silent,
    /// All of it stands still.
    Frozen,
    /// It does not run.
    Ended,
    /// Its own word.
    Up(Phase),
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// Its part in the election.
    pub(super) standing: Standing,
    /// Its term.
    pub(super) term: u64,
    /// What is left of its lease, and the whole of it, in milliseconds.
    pub(super) lease_ms: Option<(u64, u64)>,
}

/// How a node is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// It can be talked to.
    pub(super) connected: bool,
    /// The latest round trip.
    pub(super) rtt_us: Option<u64>,
    /// How long ago it was last heard of.
    pub(super) seen_ms: Option<u64>,
}

/// One of those who acted, with times of day.
#[derive(Clone, Debug)]
pub(super) struct Reign {
    /// Since when.
    pub(super) from: String,
    /// Until when; None: it still does.
    pub(super) until: Option<String>,
    /// For how long, in milliseconds.
    pub(super) for_ms: u64,
    /// The rest of it.
    pub(super) entry: Entry,
}

/// What the playground knows of a node without asking it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hands {
    /// Its name.
    pub(super) name: String,
    /// Its main process lives.
    pub(super) running: bool,
    /// It was frozen by a key.
    pub(super) frozen: bool,
    /// It was cut off by a key.
    pub(super) isolated: bool,
    /// How it ended, in a few words.
    pub(super) ended: Option<String>,
}

/// Whose word about the cluster is taken: that of the one who acts, else of one that is not cut off.
pub(super) fn seer(sights: &[Option<Sight>], hands: &[Hands]) -> Option<usize> {
    let status = |at: usize| sights[at].as_ref().map(|sight| &sight.status);
    let answering: Vec<_> = (0..sights.len())
        .filter(|at| status(*at).is_some() && hands[*at].running && !hands[*at].frozen)
        .collect();
    let acts = |at: &&usize| status(**at).is_some_and(|it| it.this.phase == Phase::Boss);
    let connected = |at: &&usize| !hands[**at].isolated;
    let found = answering.iter().find(acts).or_else(|| answering.iter().find(connected));
    found.or(answering.first()).copied()
}

/// The cluster in the words of that node.
pub(super) fn whole(status: &Status) -> Whole {
    Whole {
        seer: status.node.clone(),
        posture: status.posture.clone(),
        boss: status.boss.clone(),
        quorum: status.quorum,
        paused: status.paused.is_some(),
    }
}

/// A node as a row: `sight` is its own word, `seer` that of the node whose word is taken.
pub(super) fn row(hands: &Hands, sight: Option<&Sight>, seer: Option<&Status>, now_ms: u64) -> Row {
    let state = match sight {
        _ if !hands.running => State::Ended,
        _ if hands.frozen => State::Frozen,
        None => State::Silent,
        Some(sight) => State::Up(sight.status.this.phase),
    };
    let member = seer.and_then(|seer| seer.member(&hands.name));
    let other = seer.filter(|seer| seer.node != hands.name);
    let answers = matches!(state, State::Up(_));
    Row {
        name: hands.name.clone(),
        state,
        own: sight.filter(|_| answers).map(|sight| own(sight, now_ms)),
        link: other.and(member).map(|member| Link {
            connected: member.connected,
            rtt_us: member.rtt_us,
            seen_ms: member.last_seen_ms,
        }),
        notes: notes(hands, member),
    }
}

fn own(sight: &Sight, now_ms: u64) -> Own {
    let Status { this, timing, .. } = &sight.status;
    // It was taken a moment ago, and runs on.
    let passed = now_ms.saturating_sub(sight.at_ms);
    let left = this.lease_left_ms.map(|left| left.saturating_sub(passed));
    Own {
        standing: this.standing,
        term: this.term,
        lease_ms: left.map(|left| (left, timing.lease_ms)),
    }
}

fn notes(hands: &Hands, member: Option<&Member>) -> Vec<String> {
    let mut notes = Vec::new();
    if hands.isolated {
        notes.push("cut".to_owned());
    }
    if let Some(ended) = hands.ended.as_ref().filter(|_| !hands.running) {
        notes.push(ended.clone());
    }
    let Some(member) = member else { return notes };
    if member.drained.is_some() {
        notes.push("drained".to_owned());
    }
    if let Some(held_off) = &member.held_off {
        notes.push(format!("held {}s", held_off.left_ms.div_ceil(1_000)));
    }
    if member.hooks_ok == Some(false) {
        notes.push("hooks refused".to_owned());
    }
    if member.kind != Kind::Voter {
        notes.push(if member.kind == Kind::Witness { "witness" } else { "observer" }.to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A follower that is asked, beta; alpha is the boss, gamma is lost and drained.
    fn sight() -> Sight {
        let golden = include_str!("../../../control/tests/status.json");
        Sight { status: serde_json::from_str(golden).expect("golden"), at_ms: 1_000 }
    }

    fn hands(name: &str) -> Hands {
        Hands { name: name.to_owned(), running: true, ..Hands::default() }
    }

    #[test]
    fn a_row_is_the_nodes_own_word_and_the_seers() {
        let beta = sight();
        let row = row(&hands("gamma"), None, Some(&beta.status), 1_000);
        assert_eq!((row.state, row.own.is_none()), (State::Silent, true));
        let link = row.link.expect("beta sees it");
        assert_eq!((link.connected, link.seen_ms), (false, Some(95_000)));
        assert_eq!(row.notes, ["drained", "witness"]);
    }

    #[test]
    fn a_lease_runs_on_between_two_looks() {
        let mut boss = sight();
        boss.status.this.phase = Phase::Boss;
        boss.status.this.lease_left_ms = Some(380);
        for (now_ms, left) in [(1_000, 380), (1_080, 300), (9_000, 0)] {
            let row = row(&hands("beta"), Some(&boss), Some(&boss.status), now_ms);
            assert_eq!(row.own.expect("it answers").lease_ms, Some((left, 400)));
            assert!(row.link.is_none(), "nobody sees itself over a link");
        }
    }

    #[test]
    fn what_the_hands_did_goes_before_what_was_heard_last() {
        let beta = sight();
        let frozen = Hands { frozen: true, isolated: true, ..hands("beta") };
        let shown = row(&frozen, Some(&beta), None, 1_000);
        assert_eq!((shown.state, shown.own.is_none()), (State::Frozen, true));
        assert_eq!(shown.notes, ["cut"]);
        let ended = Some("status 75".to_owned());
        let ended = Hands { running: false, ended, ..hands("beta") };
        let shown = row(&ended, Some(&beta), None, 1_000);
        assert_eq!((shown.state, shown.notes), (State::Ended, vec!["status 75".to_owned()]));
    }

    #[test]
    fn the_one_who_acts_is_believed_first_and_one_that_is_cut_off_last() {
        let mut boss = sight();
        boss.status.this.phase = Phase::Boss;
        let follower = || Some(sight());
        let free = [hands("alpha"), hands("beta"), hands("gamma")];
        assert_eq!(seer(&[follower(), Some(boss.clone()), None], &free), Some(1));
        let mut cut = free.clone();
        cut[0].isolated = true;
        assert_eq!(seer(&[follower(), follower(), None], &cut), Some(1));
        assert_eq!(seer(&[follower(), None, None], &cut), Some(0));
        cut[1].frozen = true;
        assert_eq!(seer(&[None, Some(boss), None], &cut), None);
    }
}
