//! Every process stopped and killed in every phase of the boss's life.

use control::model::{Level, Phase};
use harness::{Acting, boot_ns, until};
use network::{Firewall, Site, Target};
use nix::sys::signal::{Signal, kill};

use crate::{in_phase, resign, site};

#[test]
fn processes_stopped_and_killed_while_waiting() {
    each(|site, boss| {
        site.power_off(boss.index);
        in_phase(site, Phase::Waiting, None)
    });
}

#[test]
fn processes_stopped_and_killed_while_promoting() {
    each(|site, boss| {
        for host in 0..site.size() {
            site.hold(host, "promote", true);
        }
        let before: Vec<_> = (0..site.size()).map(|host| site.at_gate(host, "promote")).collect();
        resign(site, boss);
        until("a promote at the gate", || {
            let host = (0..site.size()).find(|host| site.at_gate(*host, "promote") > before[*host]);
            host.map(|index| acting(site, index))
        })
    });
}

#[test]
fn processes_stopped_and_killed_while_boss() {
    each(|_, boss| boss.clone());
}

#[test]
fn processes_stopped_and_killed_while_demoting() {
    each(|site, boss| {
        let before = site.at_gate(boss.index, "demote");
        site.hold(boss.index, "demote", true);
        resign(site, boss);
        until("a demote at the gate", || {
            (site.at_gate(boss.index, "demote") > before).then_some(())
        });
        boss.clone()
    });
}

#[test]
fn processes_stopped_and_killed_while_letting_go_in_an_emergency() {
    each(|site, boss| {
        let before = site.at_gate(boss.index, "demote");
        site.hold(boss.index, "demote", true);
        site.set_firewall(Firewall::open(site.size()).isolate(boss.index));
        until("an urgent demote at the gate", || {
            (site.at_gate(boss.index, "demote") > before).then_some(())
        });
        boss.clone()
    });
}

/// Brings a node into a phase and does something to its processes there, each of it in turn; then
/// there must be a boss that all agree on, and never two.
fn each(mut bring: impl FnMut(&mut Site, &Acting) -> Acting) {
    let Some(mut site) = site(3) else { return };
    let mut boss = site.boss();
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        for target in [Target::Elector, Target::Executor, Target::Both] {
            println!("{signal} for {target:?}, boss {boss:?}");
            let struck = bring(&mut site, &boss);
            let pids = site.signal(struck.index, target, signal);
            assert!(!pids.is_empty(), "there is nothing to {signal}");
            for host in 0..site.size() {
                for event in ["promote", "demote"] {
                    site.hold(host, event, false);
                }
            }
            if signal == Signal::SIGSTOP {
                frozen();
                for pid in pids {
                    // Ended meanwhile by its other half.
                    let _ = kill(pid, Signal::SIGCONT);
                }
            }
            boss = restored(&mut site, &boss);
        }
    }
    site.judge(Some(&boss));
}

/// Heals the network, starts what has ended, and waits for a boss.
fn restored(site: &mut Site, before: &Acting) -> Acting {
    for host in 0..site.size() {
        site.lan().set_plug(host, true).expect("plugged in");
        if failed(site, host) {
            // It says what is to be done about it: look, and start bossd again.
            site.node(host).stop();
            site.gone(host);
        }
        // An elector whose executor is gone cleans up and ends by itself before this does.
        site.revive(host);
    }
    site.heal();
    site.until("a boss, the same or a later one", |seen| {
        harness::agreed(seen).filter(|acting| acting.epoch >= before.epoch)
    })
}

/// Whether a node says that it could not let go: a hook's time was over before the host went on.
fn failed(site: &Site, host: usize) -> bool {
    let status = site.node(host).status();
    status.is_ok_and(|status| status.alarms.iter().any(|alarm| alarm.level == Level::Unsafe))
}

/// Longer than a lease, and shorter than what the next boss waits at least: with both processes of
/// a host frozen for longer than that, nothing there could let go in time.
fn frozen() {
    const LEASE_AND_MORE_NS: u64 = 500_000_000;
    let until_ns = boot_ns() + LEASE_AND_MORE_NS;
    until("the freeze is over", || (boot_ns() >= until_ns).then_some(()));
}

fn acting(site: &Site, index: usize) -> Acting {
    Acting { index, name: site.node(index).name.clone(), epoch: 0 }
}
