//! Processes and hosts that die: what was promoted is let go by the unit's clean-up, and the next boss
//! does not wait.

use harness::until;
use systemd::Site;

use crate::possible;

#[test]
fn a_boss_that_loses_its_power_is_replaced_and_starts_again_with_its_host() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    site.power_off(first.index);
    let second = site.boss_after(&first);
    site.power_on(first.index);
    site.agree_on(&second);
    site.judge(Some(&second));
}

#[test]
fn an_executor_that_is_killed_is_cleaned_up_after_and_the_next_boss_does_not_wait() {
    let Some((tree, packages)) = possible() else { return };
    let (site, first) = Site::started(&tree, &packages);
    site.machine(first.index).done("systemctl kill --kill-who=main --signal=KILL bossd");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    let machine = site.machine(first.index);
    assert!(machine.journal().contains("demoting first"), "{}", machine.journal());
    assert_eq!(machine.property("bossd.service", "NRestarts"), "1");
    site.judge(Some(&second));
}

#[test]
fn an_elector_that_is_killed_is_started_anew_by_its_executor_and_nobody_waits() {
    let Some((tree, packages)) = possible() else { return };
    let (site, first) = Site::started(&tree, &packages);
    let machine = site.machine(first.index);
    let before = machine.property("bossd.service", "MainPID");
    machine.done("pkill -KILL -f '^/usr/sbin/bossd --elector'");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    assert_eq!(machine.property("bossd.service", "MainPID"), before);
    assert_eq!(machine.property("bossd.service", "NRestarts"), "0");
    site.judge(Some(&second));
}

#[test]
fn a_frozen_executor_of_the_boss_is_killed_by_the_watchdog_and_cleaned_up_after() {
    let Some((tree, packages)) = possible() else { return };
    let (site, first) = Site::started(&tree, &packages);
    let machine = site.machine(first.index);
    // Short while something acts, and long where nothing does.
    let short = watchdog_ms(&site, first.index);
    assert!(short < 400, "{short} ms");
    for host in site.others(first.index) {
        assert_eq!(watchdog_ms(&site, host), 10_000);
    }
    machine.done("systemctl kill --kill-who=main --signal=STOP bossd");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    assert!(machine.journal().contains("demoting first"), "{}", machine.journal());
    let manager = machine.done("journalctl --no-pager --boot --output=cat _PID=1");
    assert!(manager.contains("Watchdog timeout"), "{manager}");
    site.judge(Some(&second));
}

#[test]
fn both_processes_killed_at_once_are_cleaned_up_after() {
    let Some((tree, packages)) = possible() else { return };
    let (site, first) = Site::started(&tree, &packages);
    site.machine(first.index).done("systemctl kill --kill-who=all --signal=KILL bossd");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    site.judge(Some(&second));
}

#[test]
fn a_boss_whose_files_are_broken_when_it_is_killed_is_cleaned_up_after_by_what_it_ran_with() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    let machine = site.machine(first.index);
    machine.done("echo '[clutser]' >/etc/boss/cluster.toml");
    machine.done("systemctl kill --kill-who=main --signal=KILL bossd");
    machine.logged("let go of epoch");
    site.count_out(first.index);
    let second = site.boss_after(&first);
    let machine = site.machine(first.index);
    until("one attempt to start that ends with 78", || {
        (machine.property("bossd.service", "ExecMainStatus") == "78").then_some(())
    });
    site.judge(Some(&second));
}

/// What the watchdog of a running bossd is set to.
fn watchdog_ms(site: &Site, host: usize) -> u64 {
    let text = site.machine(host).property("bossd.service", "WatchdogUSec");
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(0));
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("{text}"));
    let ms = match unit {
        "s" => number * 1000.0,
        "ms" => number,
        _ => panic!("{text}"),
    };
    // Whole milliseconds, far below what a float can hold.
    format!("{ms:.0}").parse().unwrap_or_else(|_| panic!("{text}"))
}
