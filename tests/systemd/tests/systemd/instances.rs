//! A second cluster on the same hosts, `bossd@NAME.service`: configuration, directories, socket and
//! target of its own, and nothing of the first is touched.

use harness::until;
use systemd::{NAMES, Site};

use crate::possible;

#[test]
fn a_second_instance_beside_the_first_has_all_of_its_own_and_neither_knows_of_the_other() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, boss) = Site::started(&tree, &packages);
    let issue = "bossctl ca init --dir /mnt/shared/ca2 web &&
         for node in alpha beta gamma; do
             bossctl ca issue --dir /mnt/shared/ca2 --out /mnt/shared/web-$node $node || exit 1
         done
         sed -e 's/\"test\"/\"web\"/' -e 's/:26770/:26780/' /mnt/shared/cluster.toml >/mnt/shared/web.toml";
    site.machine(0).done(issue);
    site.at_once(|machine| {
        let name = machine.name();
        machine.done(&format!(
            "mkdir -m 0700 /etc/boss/web.tls && cp /mnt/shared/web-{name}/* /etc/boss/web.tls/ &&
             mkdir /etc/boss/web.d &&
             cp /mnt/shared/web.toml /etc/boss/web.toml"
        ));
        // A unit that follows the boss of this cluster, and not that of the first.
        machine.done(
            "printf '[Unit]\\nPartOf=boss@web.target\\n[Service]\\nExecStart=/bin/sleep infinity\\n\
                 [Install]\\nWantedBy=boss@web.target\\n' >/etc/systemd/system/web-job.service
             systemctl enable --quiet web-job",
        );
    });

    // With the directories of the first: one attempt, which says so.
    let machine = site.machine(0);
    assert!(!machine.run("systemctl start bossd@web").success);
    let journal = || machine.done("journalctl --no-pager --output=cat --unit=bossd@web.service");
    assert!(journal().contains("another bossd of this instance is running"), "{}", journal());
    assert_eq!(machine.property("bossd@web.service", "ExecMainStatus"), "75");
    assert_eq!(machine.property("bossd@web.service", "NRestarts"), "0");
    site.agree_on(&boss);

    site.at_once(|machine| {
        machine.done(
            "cat >>/etc/boss/web.toml <<'END'
[node]
state-directory = \"/var/lib/boss@web\"
run-directory = \"/run/boss@web\"
[control]
socket = \"/run/boss@web/control.sock\"
[tls]
ca = \"/etc/boss/web.tls/ca.crt\"
certificate = \"/etc/boss/web.tls/node.crt\"
key = \"/etc/boss/web.tls/node.key\"
[hooks]
directory = \"/etc/boss/web.d\"
END
             bossd --check /etc/boss/web.toml &&
             systemctl enable --quiet --now bossd@web",
        );
        machine.done(&format!("{ASK} status; test $? -lt 64"));
    });
    let runs = |site: &Site| -> Vec<bool> {
        let active = |host| site.machine(host).run("systemctl is-active web-job").success;
        (0..NAMES.len()).map(active).collect()
    };
    let one = |site: &Site| {
        until("the job of the second cluster runs on one host", || {
            let runs = runs(site);
            (runs.iter().filter(|runs| **runs).count() == 1)
                .then(|| runs.iter().position(|runs| *runs).unwrap_or_default())
        })
    };
    let web = one(&site);
    let owners = site.machine(web).done(
        "stat --format='%n %U:%G %a' /var/lib/boss@web /run/boss@web /run/boss@web/control.sock",
    );
    let wanted = "/var/lib/boss@web boss:boss 700\n/run/boss@web root:root 755\n\
                  /run/boss@web/control.sock root:boss 660\n";
    assert_eq!(owners, wanted);

    // Each can be moved, stopped and killed by itself.
    site.machine(web).done(&format!("{ASK} drain --wait"));
    let next = one(&site);
    assert_ne!(next, web);
    site.agree_on(&boss);
    site.machine(boss.index).done("bossctl drain --wait && bossctl undrain");
    let second = site.boss_after(&boss);
    assert_eq!(one(&site), next);
    site.machine(next).done("systemctl kill --kill-who=main --signal=KILL bossd@web");
    let machine = site.machine(next);
    until("the second instance was started anew", || {
        (machine.property("bossd@web.service", "NRestarts") == "1").then_some(())
    });
    // Perhaps on the same host again, which is back so soon.
    one(&site);
    let said = machine.done("journalctl --no-pager --output=cat --unit=bossd@web.service");
    assert!(said.contains("demoting first"), "{said}");
    assert_eq!(machine.property("bossd.service", "NRestarts"), "0");
    site.agree_on(&second);

    // All of both goes with a purge.
    site.count_out(second.index);
    let machine = site.machine(second.index);
    machine.done("dpkg --purge boss");
    let left = machine.run(
        "ls -d /etc/boss* /var/lib/boss* /run/boss* /etc/systemd/system/*.wants/boss* \
         /etc/systemd/system/boss*.wants 2>/dev/null",
    );
    assert_eq!(left.text, "");
    let third = site.boss_after(&second);
    site.judge(Some(&third));
}

const ASK: &str = "bossctl --socket /run/boss@web/control.sock";
