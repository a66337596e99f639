//! What tests of operations do again and again: a cluster whose window is short, ends and returns of
//! all nodes, and waits for what all of them say.

use control::client::ClientError;
use control::interface::{Done, Drain, Refusal, RefusalKind, Undrain};
use control::model::{Drained, Phase, Standing, Status};
use harness::{Acting, Bed, Seen, agreed};

use bossctl::playground::cluster::Plan;

/// Voters of these names. These tests lose many a boss, and each loss costs the promise and the fence
/// window, so that the window is half that of `lan`; the lease is longer, because a busy machine must
/// not end it.
pub(crate) fn quick(names: &[&str]) -> Plan {
    let timing = "profile = \"lan\"\nlease = \"600ms\"\nfence-window = \"400ms\"".to_owned();
    Plan { timing, ..harness::plan(names) }
}

/// Stops all in order, and waits until nothing of them runs.
pub(crate) fn stop_all(bed: &mut Bed) {
    for index in 0..bed.size() {
        bed.node(index).stop();
    }
    for index in 0..bed.size() {
        assert!(bed.gone(index).expect("ended").success());
    }
}

/// Stops one in order and starts it again.
pub(crate) fn restart(bed: &mut Bed, index: usize) {
    bed.node(index).stop();
    assert!(bed.gone(index).expect("ended").success());
    bed.start_node(index).expect("started");
}

/// The power of all hosts goes, and comes back.
pub(crate) fn lose_power(bed: &mut Bed) {
    for index in 0..bed.size() {
        bed.host_dies(index);
    }
    bed.judge(None);
    bed.start_all().expect("started");
}

/// Waits until every node that runs answers and says this of the cluster.
pub(crate) fn all_say(bed: &mut Bed, what: &str, so: impl Fn(&Status) -> bool) {
    bed.until(what, |seen| {
        let says = |seen: &Seen| match seen {
            Seen::Down => true,
            Seen::Silent => false,
            Seen::Up(status) => so(status),
        };
        seen.iter().all(says).then_some(())
    });
}

/// The drain of a member, as a node sees it.
pub(crate) fn drained<'a>(status: &'a Status, name: &str) -> Option<&'a Drained> {
    status.member(name).and_then(|member| member.drained.as_ref())
}

/// Asks a node to drain another, without force and without an end.
pub(crate) fn drain(bed: &Bed, asked: usize, name: &str) -> Result<Done, ClientError> {
    let node = Some(name.to_owned());
    bed.client(asked).drain(&Drain { node, ..Drain::default() })
}

/// Asks a node to take another back into service.
pub(crate) fn undrain(bed: &Bed, asked: usize, name: &str) -> Result<Done, ClientError> {
    bed.client(asked).undrain(&Undrain { node: Some(name.to_owned()) })
}

/// The refusal that an answer has to be.
#[track_caller]
pub(crate) fn refused(answer: Result<Done, ClientError>, kind: RefusalKind) -> Refusal {
    match answer {
        Err(ClientError::Refused(refusal)) if refusal.kind == kind => refusal,
        other => panic!("{kind:?} is expected: {other:?}"),
    }
}

/// Waits until one node has led for so many renewals of its lease and nobody has acted: nobody is
/// going to. Ten of them take a second, more than promise and window together. Its place.
pub(crate) fn leads_and_nobody_acts(bed: &mut Bed) -> usize {
    const RENEWALS: u32 = 10;
    let (mut count, mut last) = (0, None);
    bed.until("a leader that goes on and on without a boss", |seen| {
        let leader = seen.iter().position(|seen| {
            seen.status().is_some_and(|status| status.this.standing == Standing::Leader)
        })?;
        let acts = |seen: &Seen| !matches!(seen.phase(), None | Some(Phase::Idle | Phase::Waiting));
        assert!(!seen.iter().any(acts), "somebody acts: {seen:?}");
        let this = &seen[leader].status()?.this;
        let now = (leader, this.term, this.lease_left_ms);
        match last {
            Some((index, term, left)) if (index, term) == (leader, this.term) => {
                count += u32::from(this.lease_left_ms > left);
            }
            _ => count = 0,
        }
        last = Some(now);
        (count >= RENEWALS).then_some(leader)
    })
}

/// Waits until the lease of this boss was renewed this often, in the same epoch.
pub(crate) fn renewals(bed: &mut Bed, boss: &Acting, often: u32) {
    let (mut count, mut last) = (0, None);
    bed.until(&format!("{often} renewals of the lease of {}", boss.name), |seen| {
        let status = seen[boss.index].status()?;
        let epoch = status.boss.as_ref().map(|boss| boss.epoch);
        assert_eq!(epoch, Some(boss.epoch), "{} did not stay boss", boss.name);
        let left = status.this.lease_left_ms;
        count += u32::from(left > last);
        last = left;
        (count >= often).then_some(())
    });
}

/// Waits until nobody acts, by their own word.
pub(crate) fn nobody_acts(bed: &mut Bed) {
    all_say(bed, "nobody who acts", |status| {
        matches!(status.this.phase, Phase::Idle | Phase::Waiting)
    });
}

/// Waits for a boss that has just heard all who run: it may be lost without the rest being too few,
/// or hand over to any of them.
pub(crate) fn whole(bed: &mut Bed) -> Acting {
    bed.until("a boss that has just heard all who run", |seen| {
        let boss = agreed(seen)?;
        let status = seen[boss.index].status()?;
        let heard = |seen: &Seen| {
            let name = &seen.status()?.node;
            let last = status.member(name)?.last_seen_ms;
            Some(*name == boss.name || last? < status.timing.lease_ms)
        };
        let up = seen.iter().filter(|seen| !matches!(seen, Seen::Down));
        up.into_iter().all(|seen| heard(seen) == Some(true)).then_some(boss)
    })
}

/// By how much the wall clock is ahead of the one that witnesses go by.
pub(crate) fn wall_ahead_ns() -> u64 {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let wall = u64::try_from(wall.expect("after 1970").as_nanos()).expect("until 2554");
    wall - harness::boot_ns()
}
