//! Hooks as units: they are free to do anything while bossd is locked down, the journal knows them,
//! nothing of theirs survives, and letting go needs no bus.

use std::fs;

use harness::until;
use systemd::{Machine, Site};

use crate::possible;

/// Does what bossd itself may not: an address, a file, a unit. And leaves somebody behind.
pub(crate) const WORK: &str = r#"#!/bin/sh
case "$1" in
promote)
    ip address replace 192.0.2.7/32 dev lo && echo here >/srv/boss || exit 1
    systemctl start my-job
    setsid sh -c 'sleep 4711 & sleep 4711' </dev/null >/dev/null 2>&1 &
    echo worked; env >/srv/environment; cat >/srv/facts ;;
demote)
    systemctl stop my-job
    ip address del 192.0.2.7/32 dev lo 2>/dev/null
    rm -f /srv/boss ;;
esac
"#;

/// A promote that does not end, with somebody who has left its session, where /run/slow is.
const SLOW: &str = r#"#!/bin/sh
[ "$1" = promote ] && [ -e /run/slow ] || exit 0
setsid sh -c 'env -i sleep 4711 & sleep 4711' &
echo begun
sleep 4711
"#;

/// Puts a hook where bossd finds it.
pub(crate) fn install(machine: &Machine, name: &str, text: &str) {
    let path = format!("/etc/boss/hooks.d/{name}");
    fs::write(machine.path(&path), text).expect("our own disk");
    machine.done(&format!("chmod 755 {path}"));
    machine.done(
        "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/my-job.service
         systemctl daemon-reload",
    );
}

#[test]
fn a_hook_may_do_anything_in_a_unit_that_the_journal_knows_and_leaves_nobody_behind() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| install(machine, "20-work", WORK));
    for host in 0..3 {
        site.start(host);
    }
    let first = site.boss();
    let machine = site.machine(first.index);
    machine.done("ip address show dev lo | grep 192.0.2.7 && test -e /srv/boss");
    machine.done("systemctl is-active my-job");
    assert!(!machine.run("pgrep -f '^sleep 4711'").success, "it was left behind");
    let journal = machine.done("journalctl --no-pager --output=cat --unit='boss-hook-*'");
    assert!(journal.lines().any(|line| line == "worked"), "{journal}");
    let unit = format!("boss-hook-20-work-promote-{}-*", first.epoch);
    machine.done(&format!("journalctl --no-pager --unit='{unit}' | grep worked"));
    assert!(machine.done("bossctl hooks list").contains("each in a unit of its own"));

    // The environment is that of a child of bossd, and so is the standard input.
    let names: Vec<String> =
        machine.done("cut -d= -f1 /srv/environment | sort").lines().map(str::to_owned).collect();
    let strangers: Vec<_> = names
        .iter()
        // The shell's own.
        .filter(|name| !name.starts_with("BOSS_") && !["PATH", "PWD"].contains(&name.as_str()))
        .collect();
    assert!(strangers.is_empty() && names.len() > 15, "{names:?}");
    machine.done("grep '\"event\":\"promote\"' /srv/facts");

    let analysis = machine.done("systemd-analyze security --no-pager bossd.service");
    assert!(score(&analysis) <= 3.0, "{analysis}");

    machine.done("bossctl drain --wait");
    let second = site.boss_after(&first);
    let machine = site.machine(first.index);
    assert!(!machine.run("ip address show dev lo | grep 192.0.2.7").success);
    assert!(!machine.run("systemctl is-active my-job").success);
    no_units(machine);
    site.judge(Some(&second));
}

#[test]
fn an_executor_that_is_killed_in_the_middle_of_a_promote_leaves_nothing_of_its_unit() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| install(machine, "20-slow", SLOW));
    for host in 0..3 {
        site.start(host);
    }
    let first = site.boss();
    for host in site.others(first.index) {
        site.machine(host).done("touch /run/slow");
    }
    site.machine(first.index).done("bossctl resign");
    let slow = until("a promote that does not end", || {
        let begun = |host: &usize| site.machine(*host).run("pgrep -f '^sleep 4711'").success;
        site.others(first.index).into_iter().find(begun)
    });
    let machine = site.machine(slow);
    machine.done("rm /run/slow && systemctl kill --kill-who=main --signal=KILL bossd");
    machine.logged("hooks of the last run still run");
    machine.logged("let go of epoch");
    // What was begun before the clean-up is over when the clean-up has let go.
    assert!(!machine.run("pgrep -f '^sleep 4711'").success);
    site.at_once(|machine| drop(machine.done("rm -f /run/slow")));
    let second = site.boss_after(&first);
    no_units(site.machine(slow));
    site.judge(Some(&second));
}

#[test]
fn a_boss_whose_bus_is_gone_or_stands_still_lets_go_in_time() {
    let Some((tree, packages)) = possible() else { return };
    let (site, mut boss) = Site::started(&tree, &packages);
    let away = "systemctl stop dbus.socket dbus.service";
    let frozen = "pkill -STOP -x dbus-daemon";
    for (what, back) in
        [(away, "systemctl start dbus.socket dbus.service"), (frozen, "pkill -CONT -x dbus-daemon")]
    {
        let machine = site.machine(boss.index);
        machine.done(what);
        // Letting go at once: what the elector permitted ends with it.
        machine.done("pkill -KILL -f '^/usr/sbin/bossd --elector'");
        let next = site.boss_after(&boss);
        site.nobody_waited(&next);
        let machine = site.machine(boss.index);
        let journal = machine.journal();
        assert!(journal.contains("10-witness demote: the system bus"), "{what}: {journal}");
        machine.done(back);
        boss = next;
    }
    site.judge(Some(&boss));
}

#[test]
fn where_systemd_does_not_answer_at_all_bossd_runs_the_demote_itself() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| {
        // The witness writes there, and here it runs in the sandbox.
        machine.done(
            "mkdir -p /etc/systemd/system/bossd.service.d
             printf '[Service]\\nReadWritePaths=/mnt/shared\\n' \
                 >/etc/systemd/system/bossd.service.d/witness.conf
             systemctl daemon-reload",
        );
    });
    for host in 0..3 {
        site.start(host);
    }
    let first = site.boss();
    let machine = site.machine(first.index);
    machine.done("systemctl stop dbus.socket dbus.service && mv /usr/bin/systemd-run /root");
    machine.done("pkill -KILL -f '^/usr/sbin/bossd --elector'");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    let machine = site.machine(first.index);
    machine.logged("10-witness: bossd runs it itself");
    site.judge(Some(&second));
}

#[test]
fn the_key_may_be_a_credential_of_the_unit() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| {
        machine.done(
            "mkdir -p /etc/systemd/system/bossd.service.d
             mv /etc/boss/tls/node.key /root/alone.key
             printf '[Service]\\nLoadCredential=node.key:/root/alone.key\\n' \
                 >/etc/systemd/system/bossd.service.d/key.conf
             systemctl daemon-reload",
        );
    });
    for host in 0..3 {
        site.start(host);
    }
    let boss = site.boss();
    site.judge(Some(&boss));
}

/// Of what has ended nothing is left to list.
fn no_units(machine: &Machine) {
    until("no unit of a hook is left", || {
        let list = "systemctl list-units --all --no-legend 'boss-hook-*'";
        machine.done(list).trim().is_empty().then_some(())
    });
}

/// The last line of systemd-analyze.
fn score(analysis: &str) -> f64 {
    let line = analysis.lines().rev().find(|line| line.contains("Overall exposure level"));
    let words = line.map(|line| line.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
    words.iter().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{analysis}"))
}
