//! The package itself: what it puts where, what a first start says, and what a purge leaves.

use std::collections::BTreeSet;

use systemd::{Machine, Site};

use crate::possible;

#[test]
fn an_installed_bossd_that_nobody_has_configured_says_what_to_do_and_a_purge_leaves_nothing() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::booted(&tree, &packages, 1);
    let before = files(site.machine(0));
    let said = site.machine(0).done("dpkg --install /mnt/shared/boss.deb");
    assert!(said.contains("systemctl enable --now bossd"), "{said}");

    let machine = site.machine(0);
    is_in_order(machine);
    // Not started by the installation, and not at the next boot.
    assert_eq!(machine.run("systemctl is-enabled bossd").text.trim(), "disabled");
    assert_eq!(machine.run("systemctl is-active bossd").text.trim(), "inactive");

    let said = site.fail_to_start(0);
    assert!(said.contains("journalctl"), "{said}");
    let machine = site.machine(0);
    let journal = machine.journal();
    for part in ["/etc/boss/tls/ca.crt", "bossctl ca init", "bossctl ca issue"] {
        assert!(journal.contains(part), "no {part} in:\n{journal}");
    }
    has_given_up(machine);

    // On a host of any other name the configuration is what is wrong first.
    machine.done("hostname server7");
    site.fail_to_start(0);
    let machine = site.machine(0);
    let journal = machine.journal();
    assert!(journal.contains("this server is `server7`"), "{journal}");
    assert!(journal.contains("the members are alpha, beta, gamma"), "{journal}");
    has_given_up(machine);

    // What an operator adds goes with the rest.
    machine.done(
        "install -m 0600 /dev/null /etc/boss/tls/node.key
         install -m 0755 /bin/true /etc/boss/hooks.d/50-job
         systemctl enable bossd
         dpkg --purge boss",
    );
    let after = files(machine);
    let left: Vec<_> = after.difference(&before).collect();
    assert!(left.is_empty(), "left: {left:?}");
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(!machine.run("getent passwd boss || getent group boss").success);
    assert_eq!(machine.property("bossd.service", "LoadState"), "not-found");
}

/// What systemd and dpkg say of what was installed.
fn is_in_order(machine: &Machine) {
    let verified = machine.done(
        "dpkg --verify boss; systemd-analyze verify --man=no bossd.service bossd@other.service \
             boss.target boss@other.target",
    );
    assert_eq!(verified.trim(), "");
    let owners = machine.done(
        "stat --format='%n %U:%G %a' /var/lib/boss /run/boss /etc/boss /etc/boss/tls \
         /etc/boss/hooks.d /etc/boss/cluster.toml /usr/sbin/bossd",
    );
    let wanted = "/var/lib/boss boss:boss 700\n/run/boss root:root 755\n/etc/boss root:root 755\n\
                  /etc/boss/tls root:root 700\n/etc/boss/hooks.d root:root 755\n\
                  /etc/boss/cluster.toml root:root 644\n/usr/sbin/bossd root:root 755\n";
    assert_eq!(owners, wanted);
    let catalog = machine.done("journalctl --list-catalog | grep -c ' boss: '");
    assert!(catalog.trim().parse::<u32>().is_ok_and(|count| count > 20), "{catalog}");
    machine.done("test -s /usr/share/bash-completion/completions/bossctl");
    // One example configuration, which is not this host's.
    assert!(!machine.run("bossd --check >/dev/null && test -e /etc/boss/tls/node.key").success);
}

/// One attempt, and no other by itself.
fn has_given_up(machine: &Machine) {
    assert_eq!(machine.property("bossd.service", "ExecMainStatus"), "78");
    assert_eq!(machine.property("bossd.service", "ActiveState"), "failed");
    assert_eq!(machine.property("bossd.service", "NRestarts"), "0");
}

/// All files of the host's own disk, but for what dpkg, systemd and the shell remember.
fn files(machine: &Machine) -> BTreeSet<String> {
    let found = machine.done(
        "find / -xdev -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /tmp -prune \
         -o -path /var/tmp -prune -o -path /var/cache -prune \
         -o -path /var/lib/systemd/deb-systemd-helper-enabled -prune \
         -o -path /etc/.pwd.lock -prune -o -path '/etc/*-' -prune \
         -o -path /var/lib/systemd/catalog -prune -o -print",
    );
    found.lines().map(str::to_owned).collect()
}
