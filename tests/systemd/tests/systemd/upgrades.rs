//! Upgrades of a running cluster.

use systemd::Site;

use crate::possible;

#[test]
fn an_upgrade_leaves_the_running_boss_alone_and_the_cluster_is_rolled_as_it_says() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    let pid = |site: &Site| site.machine(first.index).property("bossd.service", "MainPID");
    let before = pid(&site);
    site.at_once(|machine| {
        let said = machine.done("dpkg --install /mnt/shared/boss-later.deb");
        for part in ["bossctl drain --wait", "systemctl restart bossd.service", "bossctl undrain"] {
            assert!(said.contains(part), "{said}");
        }
    });
    assert_eq!(pid(&site), before);
    site.agree_on(&first);
    // A process that dies now is started anew in the version that runs.
    site.machine(first.index).done("pkill -KILL -f '^/usr/sbin/bossd --elector'");
    let mut boss = site.boss_after(&first);
    assert_eq!(pid(&site), before);

    for host in 0..3 {
        let machine = site.machine(host);
        machine.done("bossctl drain --wait --reason upgrade");
        machine.done("systemctl restart bossd.service");
        machine.done("bossctl wait --for follower --timeout 20s");
        machine.done("bossctl undrain");
        let now = site.boss();
        assert!(now.epoch >= boss.epoch);
        boss = now;
    }
    assert_ne!(pid(&site), before);
    site.judge(Some(&boss));
}
