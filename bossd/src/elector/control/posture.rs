//! The verdict on a cluster: SAFE, DEGRADED or UNSAFE, each with its reasons, judged from the
//! status document alone. Whoever shows a status ([`present`]) judges it at that moment, so that
//! a picture that has become old says so.

mod certificate;

use control::model::{
    DemoteTime, Drained, HeldOff, Kind, Level, Member, Paused, Phase, Posture, Status, Taken,
};
use election::{Moment, Span};

pub use certificate::EXPIRES_SOON_DAYS;
use certificate::certificates;

use Level::{Degraded, Unsafe};

/// The election thread renews the picture at least once a second. One that is older than this
/// means that the thread is stuck, or gets no processor.
pub const STALE_AFTER: Span = Span::from_secs(5);

/// The status as it is to be shown now: distances in time moved on by its age, and judged.
#[must_use]
pub fn present(status: &Status, now: Moment) -> Status {
    let age_ms = age(status.taken, now).as_millis();
    let mut shown = status.clone();
    shown.age_ms = age_ms;
    for left in [&mut shown.this.lease_left_ms, &mut shown.this.promise_left_ms] {
        *left = left.map(|left| left.saturating_sub(age_ms));
    }
    if let Some(boss) = &mut shown.boss {
        boss.since_ms = boss.since_ms.map(|since| since.saturating_add(age_ms));
    }
    for member in &mut shown.members {
        member.last_seen_ms = member.last_seen_ms.map(|seen| seen.saturating_add(age_ms));
        if let Some(held_off) = &mut member.held_off {
            held_off.left_ms = held_off.left_ms.saturating_sub(age_ms);
        }
    }
    shown.posture = judge(&shown);
    shown
}

/// The age by the clock that ran more: an old picture must not look new.
fn age(taken: Taken, now: Moment) -> Span {
    let boot = now.boot.saturating_sub(taken.boot_ns);
    let raw = now.raw.saturating_sub(taken.raw_ns);
    Span::from_nanos(boot.max(raw))
}

/// The verdict on a status.
#[must_use]
pub fn judge(status: &Status) -> Posture {
    let mut found = Vec::new();
    shadow(status, &mut found);
    freshness(status, &mut found);
    quorum(status, &mut found);
    boss(status, &mut found);
    found.extend(status.alarms.iter().map(|alarm| (alarm.level, alarm.text.clone())));
    successors(status, &mut found);
    for member in &status.members {
        out_of_service(member, &mut found);
    }
    this_node(status, &mut found);
    certificates(status, &mut found);

    // A stable sort: within a level the order above is the order of weight.
    found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let level = found.first().map_or(Level::Safe, |(level, _)| *level);
    Posture { level, reasons: found.into_iter().map(|(_, reason)| reason).collect() }
}

type Found = Vec<(Level, String)>;

/// Never SAFE: whoever waits for that before a job begins must not be told so.
fn shadow(status: &Status, found: &mut Found) {
    if status.shadow {
        found.push((
            Degraded,
            "SHADOW: this cluster elects and shows, and runs no hook: nobody does the job because \
             of it; start bossd without --shadow for that"
                .to_owned(),
        ));
    }
}

fn freshness(status: &Status, found: &mut Found) {
    if status.age_ms > STALE_AFTER.as_millis() {
        let age = Span::from_millis(status.age_ms);
        found.push((
            Unsafe,
            format!("the election thread has said nothing for {age}: all of this may be over"),
        ));
    }
}

fn quorum(status: &Status, found: &mut Found) {
    let quorum = status.quorum;
    let voters: Vec<&Member> = status.members.iter().filter(|member| member.voter).collect();
    let lost = names(voters.iter().copied().filter(|member| !member.connected));
    let figures = format!(
        "{} of {} voters connected, {} needed",
        quorum.connected, quorum.voters, quorum.needed
    );
    if quorum.connected < quorum.needed {
        found.push((Unsafe, format!("no quorum: {figures}; lost: {lost}")));
        return;
    }
    match quorum.voters {
        0 | 1 => found.push((
            Degraded,
            "one voter: no failover; three servers, or two and a witness, survive a loss"
                .to_owned(),
        )),
        2 => found.push((
            Degraded,
            "two voters survive no loss: add a witness (kind = \"witness\") on any third machine"
                .to_owned(),
        )),
        _ if quorum.connected == quorum.needed => {
            found
                .push((Degraded, format!("{figures}: no further voter may be lost; lost: {lost}")));
        }
        _ if quorum.connected < quorum.voters => {
            found.push((Degraded, format!("{figures}; lost: {lost}")));
        }
        _ => {}
    }
}

fn boss(status: &Status, found: &mut Found) {
    let Some(boss) = &status.boss else {
        let why = status.paused.as_ref().map(|paused| {
            let reason = in_brackets(paused.reason.as_ref());
            format!(", and while paused{reason} nobody becomes boss: `bossctl resume` ends it")
        });
        found.push((Unsafe, format!("no boss{}", why.unwrap_or_default())));
        return;
    };
    let changing = |how: &str| format!("{} {how}, epoch {}", boss.node, boss.epoch);
    match boss.phase {
        Phase::Boss => {}
        Phase::Promoting => found.push((Degraded, changing("is being promoted"))),
        Phase::Demoting => found.push((Degraded, changing("lets go in order"))),
        Phase::Fencing => found.push((Unsafe, changing("lost its lease and lets go"))),
        Phase::Idle | Phase::Waiting => {
            found.push((Unsafe, changing("is elected and does not act yet")));
        }
    }
    if let Some(Paused { reason, until_s: _ }) = &status.paused {
        let reason = in_brackets(reason.as_ref());
        found.push((
            Degraded,
            format!(
                "paused{reason}: if the boss is lost, nobody takes over; `bossctl resume` ends it"
            ),
        ));
    }
}

/// Whether anybody could take over from the boss that acts. With one voter that was said already.
fn successors(status: &Status, found: &mut Found) {
    let Some(boss) = &status.boss else { return };
    let could = |member: &&Member| {
        member.kind == Kind::Voter
            && member.voter
            && member.connected
            && member.drained.is_none()
            && member.held_off.is_none()
            && member.hooks_ok != Some(false)
            && member.name != boss.node
    };
    if status.quorum.voters > 1 && !status.members.iter().any(|member| could(&member)) {
        found.push((Degraded, format!("nobody could take over from {}", boss.node)));
    }
}

fn out_of_service(member: &Member, found: &mut Found) {
    let name = &member.name;
    if let Some(Drained { reason, until_s: _ }) = &member.drained {
        let reason = in_brackets(reason.as_ref());
        found.push((
            Degraded,
            format!("{name} is drained{reason}: `bossctl undrain {name}` takes it back"),
        ));
    }
    if let Some(HeldOff { left_ms, failures: _, cause }) = &member.held_off {
        let left = Span::from_millis(*left_ms);
        found.push((
            Degraded,
            format!("{name} is held off for {left} more: {cause}; `bossctl clear {name}` ends it"),
        ));
    }
    if member.hooks_ok == Some(false) {
        found.push((Degraded, format!("{name} cannot run its hooks: see its journal")));
    }
}

fn this_node(status: &Status, found: &mut Found) {
    let this = &status.this;
    let node = &status.node;
    if !this.disk_ok {
        found.push((
            Degraded,
            format!("{node} cannot write its state file and does not vote: look at its disk"),
        ));
    }
    found.extend(
        slow_demote(node, &this.demotes, this.urgent_demote_ms).map(|text| (Degraded, text)),
    );
    // What a drain, a hold-off, hooks and the disk explain was said already.
    let unexplained = status.member(node).is_some_and(|member| {
        member.kind == Kind::Voter
            && member.drained.is_none()
            && member.held_off.is_none()
            && member.hooks_ok != Some(false)
            && this.disk_ok
            && status.paused.is_none()
    });
    if !this.eligible && unexplained {
        let why = this.why_not.as_deref().unwrap_or("no reason was given");
        found.push((Degraded, format!("{node} could not become boss: {why}")));
    }
    if !status.file_differs.is_empty() {
        found.push((
            Degraded,
            format!(
                "cluster.toml of {node} differs from the cluster in {}; the cluster's values count",
                status.file_differs.join(", ")
            ),
        ));
    }
}

/// Whether the demote hooks of `node` would miss an emergency, which leaves them `room_ms` together.
///
/// Judged by the latest demote of each. A planned one that took its time says nothing about a hook
/// that has kept within an emergency before, for in that it is told to hurry.
#[must_use]
pub fn slow_demote(node: &str, demotes: &[DemoteTime], room_ms: u64) -> Option<String> {
    const REMEDY: &str = "make its demote faster, at least with BOSS_URGENT=1, or give it more \
                          time: fence-window in [timing]";
    if let Some(failed) = demotes.iter().find(|time| time.urgent && !time.ok) {
        let (hook, took) = (&failed.hook, Span::from_millis(failed.last_ms));
        return Some(format!(
            "{hook} of {node} did not let go in its last urgent demote ({took}): {REMEDY}"
        ));
    }
    let takes = |time: &DemoteTime| match time.urgent_ms {
        Some(urgent) if !time.urgent => urgent.min(time.last_ms),
        _ => time.last_ms,
    };
    let all = demotes.iter().map(takes).fold(0, u64::saturating_add);
    let slowest = demotes.iter().max_by_key(|time| takes(time))?;
    if all <= room_ms {
        return None;
    }
    let (hook, took) = (&slowest.hook, Span::from_millis(takes(slowest)));
    let (all, room) = (Span::from_millis(all), Span::from_millis(room_ms));
    Some(format!(
        "the hooks of {node} took {all} to let go, of it {hook} {took}, and an emergency leaves them \
         {room}: {REMEDY}"
    ))
}

fn in_brackets(reason: Option<&String>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

fn names<'a>(members: impl Iterator<Item = &'a Member>) -> String {
    let names: Vec<&str> = members.map(|member| member.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use control::model::Alarm;

    use super::*;

    /// Three voters, all well: beta answers, alpha is boss, gamma is a witness.
    fn well() -> Status {
        let golden = include_str!("../../../../control/tests/status.json");
        let mut status: Status = serde_json::from_str(golden).expect("the golden document");
        status.quorum.connected = 3;
        status.alarms.clear();
        status.file_differs.clear();
        status.shadow = false;
        (status.this.eligible, status.this.why_not) = (true, None);
        for member in &mut status.members {
            member.connected = true;
            member.drained = None;
            member.held_off = None;
        }
        status
    }

    fn paused() -> Paused {
        Paused { reason: Some("upgrade".to_owned()), until_s: None }
    }

    #[track_caller]
    fn expect(status: &Status, level: Level, reason: &str) {
        let posture = judge(status);
        assert_eq!(posture.level, level, "{posture:?}");
        assert!(posture.reasons[0].contains(reason), "{posture:?}");
    }

    #[test]
    fn a_cluster_that_is_well_is_safe_and_has_nothing_to_say() {
        assert_eq!(judge(&well()), Posture { level: Level::Safe, reasons: vec![] });
    }

    #[test]
    fn without_quorum_or_boss_it_is_unsafe() {
        let mut status = well();
        status.quorum.connected = 1;
        status.members[0].connected = false;
        status.members[2].connected = false;
        expect(&status, Unsafe, "no quorum: 1 of 3 voters connected, 2 needed; lost: alpha, gamma");

        let mut status = well();
        status.boss = None;
        expect(&status, Unsafe, "no boss");
        status.paused = Some(paused());
        expect(&status, Unsafe, "while paused (upgrade) nobody becomes boss: `bossctl resume`");
    }

    #[test]
    fn a_boss_that_does_not_act_is_unsafe_and_one_that_changes_is_degraded() {
        let mut status = well();
        for (phase, level) in [
            (Phase::Waiting, Unsafe),
            (Phase::Fencing, Unsafe),
            (Phase::Promoting, Degraded),
            (Phase::Demoting, Degraded),
        ] {
            status.boss.as_mut().expect("alpha").phase = phase;
            expect(&status, level, "alpha");
        }
    }

    #[test]
    fn a_picture_that_is_old_is_unsafe_whatever_it_says() {
        let mut status = well();
        let taken = Moment { boot: 50_000_000_000, raw: 10_000_000_000 };
        status.taken = Taken { boot_ns: taken.boot, raw_ns: taken.raw };
        status.this.lease_left_ms = Some(300);

        let soon = present(&status, taken.plus(Span::from_millis(120)));
        assert_eq!((soon.age_ms, soon.this.lease_left_ms), (120, Some(180)));
        assert_eq!(soon.posture.level, Level::Safe);

        let suspended = Moment { boot: taken.boot + 6_000_000_000, raw: taken.raw };
        let late = present(&status, suspended);
        assert_eq!((late.age_ms, late.this.lease_left_ms), (6_000, Some(0)));
        expect(&late, Unsafe, "said nothing for 6000 ms");
    }

    #[test]
    fn few_voters_are_degraded_with_the_advice() {
        let mut status = well();
        (status.quorum.voters, status.quorum.needed, status.quorum.connected) = (2, 2, 2);
        status.members.pop();
        expect(&status, Degraded, "add a witness");
        (status.quorum.voters, status.quorum.needed, status.quorum.connected) = (1, 1, 1);
        status.members.remove(0);
        status.boss.as_mut().expect("a boss").node = "beta".to_owned();
        expect(&status, Degraded, "no failover");
        assert_eq!(judge(&status).reasons.len(), 1);
    }

    #[test]
    fn a_lost_voter_is_degraded_even_with_votes_to_spare() {
        let mut status = well();
        status.members[2].connected = false;
        status.quorum.connected = 2;
        expect(&status, Degraded, "no further voter may be lost; lost: gamma");
        status.quorum.voters = 5;
        status.quorum.needed = 3;
        status.quorum.connected = 4;
        expect(&status, Degraded, "4 of 5 voters connected, 3 needed; lost: gamma");
    }

    #[test]
    fn without_a_successor_it_is_degraded_and_the_reason_is_named_too() {
        let mut status = well();
        status.members[1].drained = Some(Drained { reason: Some("disk".into()), until_s: None });
        expect(&status, Degraded, "nobody could take over from alpha");
        assert!(judge(&status).reasons[1].contains("beta is drained (disk)"));
    }

    #[test]
    fn odd_states_are_degraded_each_with_its_reason() {
        type Change = fn(&mut Status);
        let cases: [(Change, &str); 5] = [
            (|status| status.paused = Some(paused()), "paused (upgrade): if the boss is lost"),
            (|status| status.this.disk_ok = false, "cannot write its state file"),
            (|status| status.file_differs = vec!["timing.lease".into()], "timing.lease"),
            (|status| status.members[0].hooks_ok = Some(false), "alpha cannot run its hooks"),
            (
                |status| {
                    status.this.eligible = false;
                    status.this.why_not = Some("check nginx fails".into());
                },
                "check nginx fails",
            ),
        ];
        for (change, reason) in cases {
            let mut status = well();
            change(&mut status);
            expect(&status, Degraded, reason);
        }
    }

    #[test]
    fn hooks_that_let_go_too_slowly_for_an_emergency_are_degraded_with_the_slowest_and_the_remedies()
     {
        let mut status = well();
        let time = &mut status.this.demotes[1];
        assert!((time.last_ms, time.urgent_ms) == (2_140, Some(310)), "slow, but not in a hurry");
        time.urgent_ms = None;
        expect(&status, Degraded, "the hooks of beta took 2154 ms to let go, of it 20-database");
        let said = judge(&status).reasons.concat();
        assert!(said.contains("leaves them 750 ms"), "{said}");
        assert!(said.contains("BOSS_URGENT=1") && said.contains("fence-window"), "{said}");
        // Each of them would be in time, both together are not.
        for time in &mut status.this.demotes {
            (time.last_ms, time.urgent_ms) = (400, Some(400));
        }
        expect(&status, Degraded, "took 800 ms to let go");
        status.this.demotes[0].last_ms = 100;
        assert_eq!(judge(&status).level, Level::Safe);
        (status.this.demotes[0].urgent, status.this.demotes[0].ok) = (true, false);
        expect(&status, Degraded, "10-address of beta did not let go in its last urgent demote");
    }

    #[test]
    fn a_shadow_is_never_safe_and_says_what_it_is_first() {
        let mut status = well();
        status.shadow = true;
        status.paused = Some(paused());
        expect(&status, Degraded, "SHADOW: this cluster elects and shows, and runs no hook");
    }

    #[test]
    fn an_alarm_has_its_own_level_and_the_worst_comes_first() {
        let mut status = well();
        status.paused = Some(paused());
        status.alarms = vec![Alarm { level: Unsafe, text: "letting go failed on alpha".into() }];
        expect(&status, Unsafe, "letting go failed");
        assert_eq!(judge(&status).reasons.len(), 2);
    }
}
