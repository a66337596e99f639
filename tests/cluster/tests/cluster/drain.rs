//! Drains under restarts, partitions and changes of the leader: what was answered holds, what was
//! refused has no effect, and whoever is drained does not become boss.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use control::client::{Client, ClientError};
use control::interface::{Drain, RefusalKind, Switchover, Undrain};
use control::model::{Standing, Status};
use harness::{Acting, Bed, acting, bossctl, until};
use nix::sys::signal::{Signal, kill};

use crate::steps::{
    all_say, drain, drained, leads_and_nobody_acts, lose_power, nobody_acts, quick, refused,
    restart, stop_all, undrain, wall_ahead_ns, whole,
};

/// Another boss than `before`, by its own word: those that are cut off may not know.
fn elsewhere(bed: &mut Bed, before: &Acting) -> Acting {
    bed.until("another boss", |seen| acting(seen).filter(|acting| acting.epoch > before.epoch))
}

fn name(bed: &Bed, index: usize) -> String {
    bed.node(index).name.clone()
}

#[test]
fn a_drain_outlives_the_restart_of_the_node_and_of_all_and_the_loss_of_all() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    let out = (first.index + 1) % 3;
    let node = name(&bed, out);
    let reason = Some("new disk".to_owned());
    let request = Drain { node: Some(node.clone()), reason, ..Drain::default() };
    bed.client(first.index).drain(&request).expect("it is not even boss");
    let is_out = |status: &Status| {
        let reason = drained(status, &node).and_then(|drained| drained.reason.as_deref());
        reason == Some("new disk") && (status.node != node || !status.this.eligible)
    };
    restart(&mut bed, out);
    let first = bed.boss();
    all_say(&mut bed, "drained, after its restart", is_out);
    stop_all(&mut bed);
    bed.start_all().expect("started");
    let second = bed.boss_after(&first);
    lose_power(&mut bed);
    bed.boss_after(&second);
    all_say(&mut bed, "drained, after the loss of all", is_out);
    // The one that is left takes over, though it has a quorum only with the drained one's vote.
    let third = whole(&mut bed);
    bed.host_dies(third.index);
    let fourth = bed.boss_after(&third);
    let effects = bed.judge(Some(&fourth));
    assert!(effects.iter().all(|effect| effect.node != node), "{node} was boss: {effects:?}");
}

#[test]
fn a_drain_asked_where_there_is_no_quorum_is_refused_and_the_one_before_it_stays() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    let (out, other) = ((first.index + 1) % 3, (first.index + 2) % 3);
    drain(&bed, other, &name(&bed, out)).expect("two others could");
    // A follower that is cut off sends the order to a leader that will never answer: it says so as
    // soon as it knows.
    bed.set_isolated(out, true);
    let said = refused(drain(&bed, out, &name(&bed, other)), RefusalKind::TryAgain).text;
    assert!(said.contains("was lost before it answered"), "{said}");
    bed.set_isolated(out, false);
    let first = whole(&mut bed);
    let other = 3 - out - first.index;
    // The boss by itself takes the order, and loses its lease before anybody else has it.
    bed.set_isolated(first.index, true);
    let answer = drain(&bed, first.index, &name(&bed, other));
    assert!(matches!(answer, Err(ClientError::Refused(_))), "{answer:?}");
    let second = elsewhere(&mut bed, &first);
    assert_eq!(second.index, other);
    // By now it knows that it cannot: no leader, no quorum.
    bed.until("a node without a leader", |seen| {
        let status = seen[first.index].status()?;
        let leads = status.this.standing == Standing::Leader;
        let knows = status.members.iter().any(|member| member.leader);
        (!leads && !knows && status.quorum.connected == 1).then_some(())
    });
    for answer in
        [drain(&bed, first.index, &name(&bed, other)), undrain(&bed, first.index, &name(&bed, out))]
    {
        let said = refused(answer, RefusalKind::NoQuorum).text;
        assert!(said.contains("without a quorum nothing can be changed"), "{said}");
    }
    bed.set_isolated(first.index, false);
    bed.agree_on(&second);
    let (out, other) = (name(&bed, out), name(&bed, other));
    all_say(&mut bed, "the first drain and not the second", |status| {
        drained(status, &out).is_some() && drained(status, &other).is_none()
    });
    bed.judge(Some(&second));
}

#[test]
fn a_node_that_is_cut_off_is_drained_and_learns_of_it_when_it_is_back() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    // The boss itself: others cannot make it let go, its lease does.
    bed.set_isolated(first.index, true);
    let second = elsewhere(&mut bed, &first);
    let node = first.name.clone();
    drain(&bed, second.index, &node).expect("two are a quorum");
    nobody_acts_on(&mut bed, first.index);
    assert!(drained(&bed.node(first.index).status().expect("it answers"), &node).is_none());
    bed.set_isolated(first.index, false);
    bed.agree_on(&second);
    all_say(&mut bed, "drained", |status| drained(status, &node).is_some());
    refused(
        bed.client(second.index).switchover(&Switchover { to: node.clone() }),
        RefusalKind::Refused,
    );
    // Cut off again, it is taken back, and learns of that too.
    bed.set_isolated(first.index, true);
    bed.until("a node that is alone", |seen| {
        (seen[first.index].status()?.quorum.connected == 1).then_some(())
    });
    let done = undrain(&bed, second.index, &node).expect("two are a quorum");
    assert_eq!(done.text, format!("{node} is no longer drained"));
    assert!(drained(&bed.node(first.index).status().expect("it answers"), &node).is_some());
    bed.set_isolated(first.index, false);
    all_say(&mut bed, "not drained", |status| drained(status, &node).is_none());
    let boss = until("a switchover that is accepted", || {
        let boss = acting_now(&mut bed)?;
        let switchover = Switchover { to: node.clone() };
        bed.client(boss.index).switchover(&switchover).is_ok().then_some(boss)
    });
    let last = bed.boss_after(&boss);
    assert_eq!(last.name, node);
    bed.judge(Some(&last));
}

#[test]
fn drains_that_are_answered_hold_whoever_leads_meanwhile() {
    const ROUNDS: usize = 4;
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    bed.boss();
    // gamma is drained and taken back in turn, over whichever node answers, while one elector after
    // the other that leads is killed.
    let sockets: Vec<_> = (0..3).map(|index| bed.node(index).socket()).collect();
    let over = AtomicBool::new(false);
    let orders = std::thread::scope(|scope| {
        let operator = scope.spawn(|| {
            let mut orders = 0;
            for round in 0..ROUNDS {
                orders += insist(&sockets, round.is_multiple_of(2));
            }
            over.store(true, Ordering::Release);
            orders
        });
        let mut kills = 0;
        while !over.load(Ordering::Acquire) {
            let Some(boss) = acting_now(&mut bed) else { continue };
            // Once for each round at most: there has to be a leader for a while.
            if let (true, Some(elector)) = (kills < ROUNDS, bed.node(boss.index).elector()) {
                // It may have ended by itself.
                let _ = kill(elector, Signal::SIGKILL);
                kills += 1;
                let killed = boss.epoch;
                until("another boss, or the end", || {
                    let next = acting_now(&mut bed).is_some_and(|boss| boss.epoch > killed);
                    (next || over.load(Ordering::Acquire)).then_some(())
                });
            }
        }
        assert!(kills > 0, "the orders were carried out before anybody was killed");
        operator.join().expect("no panic")
    });
    assert!(orders >= ROUNDS);
    // The last round took it back; a drain at the end holds as well.
    let boss = bed.boss();
    all_say(&mut bed, "not drained", |status| drained(status, "gamma").is_none());
    drain(&bed, (boss.index + 1) % 3, "gamma").expect("two others could");
    all_say(&mut bed, "drained", |status| drained(status, "gamma").is_some());
    let boss = bed.boss();
    assert_ne!(boss.name, "gamma");
    bed.judge(Some(&boss));
}

/// Asks one node after the other until one says that it is done, and looks there whether it is. How
/// often it asked.
fn insist(sockets: &[std::path::PathBuf], out: bool) -> usize {
    let node = || Some("gamma".to_owned());
    let mut asked = 0;
    until("a change that is accepted", || {
        let socket = &sockets[asked % sockets.len()];
        asked += 1;
        let mut client = Client::connect(socket, control::client::PATIENCE).ok()?;
        let answer = if out {
            client.drain(&Drain { node: node(), ..Drain::default() })
        } else {
            client.undrain(&Undrain { node: node() })
        };
        answer.is_ok().then_some(())
    });
    // It is committed: whoever leads now has it, and all will.
    until("a majority that says so", || {
        let says = |socket: &std::path::PathBuf| {
            let mut client = Client::connect(socket, control::client::PATIENCE).ok()?;
            let status: Status = serde_json::from_value(client.status().ok()?).ok()?;
            Some(drained(&status, "gamma").is_some() == out)
        };
        let count = sockets.iter().filter(|socket| says(socket) == Some(true)).count();
        (count >= 2).then_some(())
    });
    asked
}

#[test]
fn with_all_drained_nobody_acts_somebody_administers_and_one_taken_back_is_boss() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    let (one, other) = ((first.index + 1) % 3, (first.index + 2) % 3);
    drain(&bed, first.index, &name(&bed, one)).expect("two others could");
    drain(&bed, first.index, &name(&bed, other)).expect("the boss could");
    let said = refused(drain(&bed, other, &first.name), RefusalKind::NobodyEligible).text;
    assert!(said.contains("it is drained") && said.contains("--force"), "{said}");
    bed.agree_on(&first);
    let force = Drain { node: Some(first.name.clone()), force: Some(true), ..Drain::default() };
    bed.client(other).drain(&force).expect("forced");
    nobody_acts(&mut bed);
    leads_and_nobody_acts(&mut bed);
    bed.judge(None);
    // So it is also after the loss of all, and the drained leader carries out what it is asked.
    lose_power(&mut bed);
    let leader = leads_and_nobody_acts(&mut bed);
    let effects = bed.judge(None);
    assert_eq!(effects.len(), 1, "only the first was ever boss: {effects:?}");
    let back = name(&bed, other);
    undrain(&bed, (leader + 1) % 3, &back).expect("somebody leads");
    let last = bed.boss_after(&first);
    assert_eq!(last.name, back);
    bed.judge(Some(&last));
}

#[test]
fn a_drain_with_an_end_ends_by_itself_and_not_before_whoever_leads_then() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    let (one, other) = ((first.index + 1) % 3, (first.index + 2) % 3);
    // The boss for a while, another node for a while and then, by a second drain, for good.
    let socket = bed.node(first.index).socket();
    let words = ["drain", "--for", "3s", "--reason", "new kernel", "--wait"];
    let run = Command::new(bossctl()).arg("--socket").arg(socket).args(words).output();
    let run = run.expect("it runs");
    let said = String::from_utf8(run.stdout).expect("text");
    assert!(run.status.success(), "{said}");
    assert!(said.contains(&format!("{} is drained until 20", first.name)), "{said}");
    assert!(said.contains(&format!("{} is out of service; ", first.name)), "{said}");
    let second = bed.boss_after(&first);
    let until_s = drained(&bed.node(second.index).status().expect("it answers"), &first.name)
        .and_then(|drained| drained.until_s)
        .expect("it has an end");
    let third = if second.index == one { other } else { one };
    let third = name(&bed, third);
    let brief =
        Drain { node: Some(third.clone()), for_s: Some(1), force: Some(true), reason: None };
    bed.client(second.index).drain(&brief).expect("forced");
    bed.client(first.index).drain(&Drain { for_s: None, ..brief }).expect("forced");
    // The end is in the cluster state: after the loss of all, whoever leads sees to it.
    lose_power(&mut bed);
    let ended_ns = bed.until("the end of the drain", |seen| {
        let over = |seen: &harness::Seen| {
            seen.status().is_some_and(|status| drained(status, &first.name).is_none())
        };
        seen.iter().any(over).then(|| harness::boot_ns() + wall_ahead_ns())
    });
    assert!(ended_ns >= until_s * 1_000_000_000, "ended at {ended_ns}: {until_s} s");
    let boss = bed.boss_after(&second);
    all_say(&mut bed, "one drained for good and the other not", |status| {
        drained(status, &first.name).is_none()
            && drained(status, &third).is_some_and(|drained| drained.until_s.is_none())
    });
    assert_ne!(boss.name, third);
    bed.judge(Some(&boss));
}

/// Waits until this node does not act.
fn nobody_acts_on(bed: &mut Bed, index: usize) {
    bed.until("a node that does not act", |seen| {
        (seen[index].phase() == Some(control::model::Phase::Idle)).then_some(())
    });
}

/// Who acts at this moment.
fn acting_now(bed: &mut Bed) -> Option<Acting> {
    let statuses = bed.statuses();
    let seen: Vec<_> = statuses
        .into_iter()
        .map(|status| {
            status.map_or(harness::Seen::Silent, |status| harness::Seen::Up(Box::new(status)))
        })
        .collect();
    acting(&seen)
}
