//! The kinds of events that have a MESSAGE_ID in the journal, each with an entry in the catalog
//! (packaging/systemd/boss.catalog), and the election's notes as lines of the log. For
//! `journalctl -x`, and for whoever wants to be told of one kind: `journalctl MESSAGE_ID=...`.

use election::{ExecutorAlarm, Level, NodeId, Note};
use tracing::{debug, info, warn};

/// Writes one line per event of the election, its kind and its figures beside it.
pub fn tell(me: &NodeId, note: &Note) {
    let (boss_epoch, boss_term, boss_rule) = (epoch(note), term(note), note.rule());
    match (note.level(), kind(note)) {
        (Level::Debug, _) => debug!("{me} {note}"),
        (Level::Info, None) => info!("{me} {note}"),
        (Level::Info, Some(message_id)) => {
            info!(message_id, boss_epoch, boss_term, boss_rule, "{me} {note}");
        }
        (Level::Warn, None) => warn!("{me} {note}"),
        (Level::Warn, Some(message_id)) => {
            warn!(message_id, boss_epoch, boss_term, boss_rule, "{me} {note}");
        }
    }
}

/// The kind of a note that is a transition or wants attention.
fn kind(note: &Note) -> Option<&'static str> {
    Some(match note {
        Note::BecameLeader { .. } => LEADER,
        Note::Following { .. } => FOLLOWS,
        Note::SteppedDown { .. } => STEPPED_DOWN,
        Note::WaitingForFence { .. } => WAITS_FOR_FENCE,
        Note::BecameBoss { .. } => BECAME_BOSS,
        Note::PromoteFailed { .. } => PROMOTE_FAILED,
        Note::Demoting { .. } => LETS_GO,
        Note::Fencing { .. } => LETS_GO_AT_ONCE,
        Note::HandingOver { .. } => HANDS_OVER,
        Note::HandoverFailed { .. } => HANDOVER_FAILED,
        Note::HeldOff { .. } => HELD_OFF,
        Note::HoldOffEnded { .. } => HOLD_OFF_ENDED,
        Note::UnknownIncarnation { .. } => OTHER_STATE,
        Note::NotReadmitted { .. } => NOT_READMITTED,
        Note::CorruptTerm { .. } => CORRUPT_TERM,
        Note::DiskRefused => DISK_REFUSED,
        Note::DiskRecovered => DISK_RECOVERED,
        Note::LettingGoFailed { .. } => LETTING_GO_FAILED,
        Note::LeaseViolated { .. } => LEASE_VIOLATED,
        // Steps of an election, for who traces it; the executor tells when its hooks begin and end.
        Note::RefusedVote { .. }
        | Note::Voted { .. }
        | Note::AttemptFailed { .. }
        | Note::Yielded { .. }
        | Note::WindowClosed { .. }
        | Note::Promoting { .. }
        | Note::Idle { .. }
        | Note::PromiseEnded { .. }
        | Note::Unpromised { .. }
        | Note::Disbelieved { .. }
        | Note::Ignored { .. }
        | Note::Refreshing { .. }
        | Note::Refreshed { .. }
        | Note::Committed { .. } => return None,
    })
}

fn epoch(note: &Note) -> Option<u64> {
    match note {
        Note::BecameBoss { epoch, .. }
        | Note::PromoteFailed { epoch }
        | Note::Demoting { epoch, .. }
        | Note::Fencing { epoch, .. }
        | Note::LettingGoFailed { epoch } => Some(epoch.0),
        _ => None,
    }
}

fn term(note: &Note) -> Option<u64> {
    match note {
        Note::BecameLeader { term, .. }
        | Note::Following { term, .. }
        | Note::SteppedDown { term, .. }
        | Note::CorruptTerm { term, .. }
        | Note::LeaseViolated { term, .. } => Some(term.0),
        _ => None,
    }
}

/// The kind of what the executor's machine raises an alarm for.
pub fn alarm(alarm: &ExecutorAlarm) -> (&'static str, u64) {
    match alarm {
        ExecutorAlarm::DemoteFailed(epoch) => (DEMOTE_FAILED, epoch.0),
        ExecutorAlarm::LettingGoFailed(epoch) => (LETTING_GO_FAILED, epoch.0),
        ExecutorAlarm::FenceOverrun(epoch) => (FENCE_OVERRUN, epoch.0),
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $id:literal;)+) => {
        $($(#[$doc])+ pub const $name: &str = $id;)+

        /// All of them.
        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $id)),+];
    };
}

kinds! {
    /// The elector of a node has begun.
    STARTED = "eb6a266dda7a4dacb8a3741f512e9223";
    /// The elector has left in order.
    LEFT = "c7132f876b9a4aa5860b2156d2363d4c";
    /// This node won a term.
    LEADER = "0cc7b6c2c12f46c4803fb44fe861ed9e";
    /// This node follows a leader.
    FOLLOWS = "39787679ba9246ce9d6d79df98f61e0b";
    /// This leader is none any more.
    STEPPED_DOWN = "d6b74e9bb1aa464c89bcf732ded418d2";
    /// A leader waits until its predecessor has surely let go.
    WAITS_FOR_FENCE = "dea7de93286a457abe591fe84bcd3865";
    /// This node is boss, its promote hooks have succeeded.
    BECAME_BOSS = "f9f036a21dc94de08c8f992fd56ae826";
    /// Another node is boss.
    NEW_BOSS = "3d16858ea287458780dac1140569cfd3";
    /// The promote hooks begin.
    PROMOTING = "9fc6b97e20534cfe8748ce9850c07ca2";
    /// The promote hooks have succeeded.
    PROMOTED = "1f53e6a4d2fa48e0955709381cdcceb5";
    /// The promote hooks failed.
    PROMOTE_FAILED = "a3d5a466a88a401694a438d6bb7b606a";
    /// The boss lets go in order.
    LETS_GO = "2c593454af094647aa9af964edb8e2f5";
    /// The boss lets go at once.
    LETS_GO_AT_ONCE = "ccfb8c1ffd704842a38ed27a04008505";
    /// The demote hooks begin.
    LETTING_GO = "500e3eeaaff648379f2c13b54b0b91fd";
    /// The demote hooks have ended.
    LET_GO = "f2d017ce69544374834ba0fd407712b8";
    /// The boss announces anew what it holds.
    REASSERT = "e412ee330890482590f0086800a46546";
    /// The successor was told to take over.
    HANDS_OVER = "9622b1e99e5b4e76ba913c59d6bb70d0";
    /// Nobody took over.
    HANDOVER_FAILED = "55d4a5f26a464ef9946d1ead57d4e229";
    /// A node is left out for a while.
    HELD_OFF = "da6d1da6713e4432b04f1022f0d88a09";
    /// A node is not left out any more.
    HOLD_OFF_ENDED = "58a27d4335954c99b1d1e6fb9132ed82";
    /// Drains or the pause have changed.
    DRAINS = "da0135a942e541a5992fa1f1ea810aa8";
    /// The service stops.
    STOPPING = "d459302ac3e040c394b112594887afea";
    /// The last run may have left something standing.
    CLEANS_UP = "93b05a7101cf48019c6297df5755d174";
    /// The elector has ended.
    ELECTOR_ENDED = "119ee11260f743a2a24ec7667e9f02d0";
    /// The elector says nothing.
    ELECTOR_HANGS = "b1ad7326102d4deabb97d77bfd27395f";
    /// The elector keeps ending.
    GIVES_UP = "71787e90090b44e5ace77ca157be32e1";
    /// Hooks that cannot be trusted or read.
    HOOKS_REFUSED = "02fce0311f1e4dd1a800769066f41085";
    /// They are in order again.
    HOOKS_IN_ORDER = "e97f6073ac774d6aa63facf167615e5e";
    /// Demote hooks failed; the escalation begins.
    DEMOTE_FAILED = "c0c657ddb54e4b06b329a105916662b9";
    /// The escalation failed as well.
    LETTING_GO_FAILED = "31238be65b1046b28db420eec4413570";
    /// The escalation has ended the units that follow the boss.
    UNITS_ENDED = "cd541ea2a665440a8c1c3e65e4517b50";
    /// The escalation reboots this host.
    REBOOTS = "b2329f5c50064ed1b605ad561bfb368c";
    /// The boss hands over before this host sleeps.
    SLEEPS = "0169f24c91924c25939d5cc8679ec243";
    /// The fence command vouches that a lost peer is off.
    FENCED = "d49718ef63914c7ea83dc9fd9b62af9b";
    /// It does not, or its word does not count.
    FENCE_FAILED = "ae753f4fe8e5480eb7e41d2a1a8b3486";
    /// Letting go took longer than the fence window.
    FENCE_OVERRUN = "8fb1165283c64199aeba7f8909ef92e9";
    /// The election's loop was late.
    LOOP_STOOD_STILL = "cb10e515e1884fa090ca746b92020716";
    /// A member with another state directory.
    OTHER_STATE = "ee0ca8f6f4b0432eb65b3073fab2648d";
    /// This node's own state directory is new.
    NOT_READMITTED = "2eeb87c513d94f0bac2943c8c5665699";
    /// A member with an impossible term.
    CORRUPT_TERM = "b54828c0173845968ae3e84c6b6e55cc";
    /// The state directory takes no writes.
    DISK_REFUSED = "98e8ee34fc844dfbae0279be83c15c50";
    /// It does again.
    DISK_RECOVERED = "b743bc0195274b62b19676d2d9087c55";
    /// Another node leads while the lease lives.
    LEASE_VIOLATED = "281946d2c61b471b9525842e91728150";
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The subject and the text of each entry, by its id.
    fn catalog() -> BTreeMap<&'static str, (&'static str, &'static str)> {
        let text = include_str!("../../packaging/systemd/boss.catalog");
        let mut entries = BTreeMap::new();
        for entry in text.split("\n-- ").skip(1) {
            let (id, rest) = entry.split_once('\n').expect("a line with the id");
            let (head, body) = rest.split_once("\n\n").expect("an empty line after the head");
            let subject = head.lines().find_map(|line| line.strip_prefix("Subject: "));
            let before = entries.insert(id, (subject.expect("a subject"), body.trim()));
            assert_eq!(before, None, "{id} twice");
        }
        entries
    }

    #[test]
    fn every_kind_has_an_entry_in_the_catalog_and_every_entry_a_kind() {
        let known: BTreeSet<_> = ALL.iter().map(|(_, id)| *id).collect();
        assert_eq!(known.len(), ALL.len(), "two kinds with one id");
        assert_eq!(catalog().keys().copied().collect::<BTreeSet<_>>(), known);
        for (id, (subject, body)) in catalog() {
            assert!(id.len() == 32 && id.bytes().all(|b| b"0123456789abcdef".contains(&b)), "{id}");
            assert!(!subject.is_empty() && !body.is_empty(), "{id} says nothing");
        }
    }

    #[test]
    fn what_the_catalog_asks_for_is_a_field_of_ours() {
        let fields = ["BOSS_EPOCH", "BOSS_TERM", "BOSS_TRANSITION"];
        for (id, (subject, body)) in catalog() {
            for text in [subject, body] {
                for asked in text.split('@').skip(1).step_by(2) {
                    assert!(fields.contains(&asked), "{id}: @{asked}@");
                }
            }
        }
    }

    #[test]
    fn what_is_loud_has_a_kind() {
        let epoch = election::Epoch(1);
        let (node, term) = (NodeId::new("a"), election::Term(1));
        let reason = election::Reason::LeaseOver;
        let loud = [
            Note::PromoteFailed { epoch },
            Note::Fencing { epoch, reason },
            Note::NotReadmitted { known: None },
            Note::CorruptTerm { node: node.clone(), term },
            Note::DiskRefused,
            Note::LettingGoFailed { epoch },
            Note::LeaseViolated { by: node, term },
        ];
        for note in loud {
            assert_eq!(note.level(), Level::Warn, "{note}");
            assert!(kind(&note).is_some(), "{note}");
        }
    }
}
