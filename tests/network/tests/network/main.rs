//! Tests of boss on hosts of their own. Each has its own network, waits for conditions, and has the
//! hooks' log and the shared address judged at the end. What loopback shows as well is in
//! `tests/cluster`.

mod clock;
mod deaths;
mod disk;
mod handovers;
mod hooks;
mod partitions;
mod phases;
mod terms;
mod watch;
mod weather;

use std::sync::OnceLock;

use control::model::Phase;
use harness::{Acting, Seen, acting, until};
use network::{Options, Site, obstacle, plan};

/// A running site of so many hosts; None, and a word about it, where there cannot be one.
fn site(hosts: usize) -> Option<Site> {
    with(hosts, Options::default())
}

/// The same with more.
fn with(hosts: usize, options: Options) -> Option<Site> {
    allowed().then(|| Site::start(&plan(hosts), options))
}

/// Whether sites can be made here. If not, the calling test is one that was skipped.
fn allowed() -> bool {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    let why = WHY.get_or_init(obstacle);
    if let Some(why) = why {
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        println!("SKIPPED {name}: {why}");
    }
    why.is_none()
}

/// Who acts by its own word, with a later epoch than `before`, whatever the others know of it.
fn successor(site: &mut Site, before: &Acting) -> Acting {
    site.until(&format!("a boss after {before:?}, by its own word"), |seen| {
        // The one before may not have noticed yet that it is over.
        let others = seen.iter().enumerate();
        let others: Vec<Seen> = others
            .map(|(index, seen)| if index == before.index { Seen::Silent } else { seen.clone() })
            .collect();
        acting(&others).or_else(|| acting(seen)).filter(|acting| acting.epoch > before.epoch)
    })
}

/// Waits until a node other than `but` is in this phase; its place and epoch.
fn in_phase(site: &mut Site, phase: Phase, but: Option<usize>) -> Acting {
    site.until(&format!("a node that is {phase:?}"), |seen| {
        seen.iter().enumerate().find_map(|(index, seen)| {
            let status = seen.status().filter(|status| status.this.phase == phase)?;
            let epoch = status.boss.as_ref().map_or(0, |boss| boss.epoch);
            (Some(index) != but).then(|| Acting { index, name: status.node.clone(), epoch })
        })
    })
}

/// Waits until all that run are idle, by their own word.
fn all_idle(site: &mut Site) {
    site.until("nobody who acts", |seen| {
        let idle = |seen: &Seen| match seen {
            Seen::Down => true,
            Seen::Silent => false,
            Seen::Up(status) => status.this.phase == Phase::Idle,
        };
        seen.iter().all(idle).then_some(())
    });
}

/// Waits until a leader's lease was renewed this often while its epoch stayed the same.
fn renewals(site: &mut Site, boss: &Acting, often: u32) {
    let (mut count, mut left) = (0, None);
    site.until(&format!("{often} renewals of the lease of {}", boss.name), |seen| {
        let status = seen[boss.index].status()?;
        let epoch = status.boss.as_ref().map(|boss| boss.epoch);
        assert_eq!(epoch, Some(boss.epoch), "{} did not stay boss", boss.name);
        let now = status.this.lease_left_ms;
        count += u32::from(now > left);
        left = now;
        (count >= often).then_some(())
    });
}

/// All but these.
fn others(site: &Site, but: &[usize]) -> Vec<usize> {
    (0..site.size()).filter(|host| !but.contains(host)).collect()
}

/// Has a boss give up, as soon as another could take over.
fn resign(site: &Site, boss: &Acting) {
    let resign = control::interface::Resign { force: None };
    until("a resignation that is accepted", || site.client(boss.index).resign(&resign).ok());
}
