//! A cluster of installed hosts in everyday life: starts, planned stops, reboots, wrong files.

use harness::until;
use systemd::Site;

use crate::possible;

#[test]
fn three_installed_hosts_elect_one_and_a_stop_and_a_reboot_of_the_boss_are_planned() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    // In words, for systemctl status.
    for host in 0..3 {
        let wanted = if host == first.index {
            format!("leader; boss, epoch {}; quorum: ", first.epoch)
        } else {
            format!("follower; {} is boss, epoch {}; quorum: ", first.name, first.epoch)
        };
        until(&format!("the status {wanted:?}"), || {
            let status = site.machine(host).property("bossd.service", "StatusText");
            status.starts_with(&wanted).then_some(())
        });
    }
    has_fields(&site, first.index, &first.name, first.epoch);

    site.stop(first.index);
    let second = site.boss_after(&first);
    // Nobody had to wait for the fence window.
    site.nobody_waited(&second);
    assert_eq!(site.machine(first.index).property("bossd.service", "Result"), "success");
    site.start(first.index);
    site.agree_on(&second);

    site.reboot(second.index);
    let third = site.boss_after(&second);
    site.nobody_waited(&third);
    site.agree_on(&third);
    site.judge(Some(&third));
}

#[test]
fn a_configuration_that_is_wrong_keeps_bossd_from_starting_and_says_where_and_one_try_is_enough() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, boss) = Site::started(&tree, &packages);
    let other = site.others(boss.index)[0];
    site.machine(other).done("sed -i 's/hold-off/hold-of/' /etc/boss/cluster.toml");
    // What runs goes on, and a reload takes nothing and says so.
    assert!(!site.machine(other).run("systemctl reload bossd").success);
    assert_eq!(site.machine(other).property("bossd.service", "ActiveState"), "active");
    site.agree_on(&boss);
    site.stop(other);
    site.fail_to_start(other);
    let machine = site.machine(other);
    let journal = machine.journal();
    assert!(journal.contains("/etc/boss/cluster.toml:4:1"), "{journal}");
    assert!(journal.contains("hold-off"), "the key that was meant is named: {journal}");
    assert_eq!(machine.property("bossd.service", "NRestarts"), "0");
    machine.done("sed -i 's/hold-of /hold-off /' /etc/boss/cluster.toml");
    site.start(other);
    site.machine(other).done("systemctl reload bossd");
    site.agree_on(&boss);
    site.judge(Some(&boss));
}

#[test]
fn hooks_that_run_inside_of_bossds_unit_work_with_the_drop_in_for_them() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| {
        machine.done(
            "mkdir -p /etc/systemd/system/bossd.service.d
             cp /usr/share/doc/boss/examples/direct.conf /etc/systemd/system/bossd.service.d/
             printf '[hooks]\\nrunner = \"direct\"\\n' >/etc/boss/node.toml
             systemctl daemon-reload",
        );
        crate::hook_units::install(machine, "20-work", crate::hook_units::WORK);
    });
    for host in 0..3 {
        site.start(host);
    }
    let first = site.boss();
    let machine = site.machine(first.index);
    assert!(machine.done("bossctl hooks list").contains("as children of bossd"));
    machine.done("ip address show dev lo | grep 192.0.2.7 && test -e /srv/boss");
    assert!(!machine.run("journalctl --unit='boss-hook-*' --grep=worked").success);
    machine.logged("worked");
    machine.done("bossctl drain --wait");
    let second = site.boss_after(&first);
    assert!(!site.machine(first.index).run("test -e /srv/boss").success);
    site.judge(Some(&second));
}

/// The journal has the transition with its fields, and explains it.
fn has_fields(site: &Site, host: usize, name: &str, epoch: u64) {
    let machine = site.machine(host);
    let lines = machine.done(&format!(
        "journalctl --no-pager --output=json BOSS_TRANSITION={name}-{epoch}-promote \
         SYSLOG_IDENTIFIER=bossd"
    ));
    let lines: Vec<serde_json::Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let with = |field: &str| lines.iter().filter(|line| line.get(field).is_some()).count();
    assert!(with("MESSAGE_ID") >= 2, "{lines:?}");
    assert!(with("BOSS_EVENT") >= 1, "{lines:?}");
    let explained = machine.done("journalctl --no-pager --catalog --unit=bossd.service");
    assert!(explained.contains(&format!("This node is the boss, epoch {epoch}")), "{explained}");
}
