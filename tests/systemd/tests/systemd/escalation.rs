//! `on-fence-failure` on real hosts: the units of boss.target are ended, or the host reboots by force,
//! when the demote hooks do not let go.

use systemd::Site;

use crate::possible;

/// Says in `/etc/boss` what follows, installs what each host needs, and starts bossd everywhere.
fn started(site: &mut Site, means: &str, prepare: &str) -> harness::Acting {
    let section = format!("[hooks]\\non-fence-failure = \"{means}\"\\n");
    site.at_once(|machine| {
        machine.done(&format!(
            "printf '{section}' >>/etc/boss/cluster.toml
             {prepare}
             bossd --check"
        ));
    });
    site.at_once(|machine| drop(machine.done("systemctl enable bossd")));
    for host in 0..3 {
        site.start(host);
    }
    site.boss()
}

/// The boss has to let go at once.
fn loses_its_elector(site: &Site, host: usize) {
    site.machine(host).done("pkill -KILL -f '^/usr/sbin/bossd --elector'");
}

#[test]
fn a_service_that_does_not_stop_is_killed_within_the_fence_window_and_the_next_boss_does_not_wait()
{
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    // It ignores TERM, and so does what it has started; systemd would wait for half a minute. bossd's
    // own hook kills it before the escalation sees that it is gone; that it kills by itself, too, is
    // in `tests/cluster`.
    let first = started(
        &mut site,
        "stop-units",
        "cat >/etc/systemd/system/stubborn.service <<'EOF'
[Unit]
PartOf=boss.target
[Service]
ExecStart=/bin/sh -c 'trap \"\" TERM; (while :; do sleep 1; done) & while :; do sleep 1; done'
TimeoutStopSec=30s
[Install]
WantedBy=boss.target
EOF
cat >/etc/boss/hooks.d/05-back <<'EOF'
#!/bin/sh
# After boss.target was let go of, which is in an emergency by force: as somebody who does not know.
[ \"$1\" != demote ] || { systemctl start stubborn; exit 1; }
EOF
chmod 0755 /etc/boss/hooks.d/05-back
systemctl daemon-reload
systemctl enable stubborn",
    );
    let machine = site.machine(first.index);
    assert_eq!(machine.property("stubborn.service", "ActiveState"), "active");
    loses_its_elector(&site, first.index);
    machine.logged("the units of boss.target are inactive: stubborn.service");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    // On no other host than the boss's, which may be the same again.
    let runs = |host| site.machine(host).run("systemctl is-active stubborn").success;
    assert_eq!([0, 1, 2].map(runs), [0, 1, 2].map(|host| host == second.index));
    let journal = machine.journal();
    assert!(!journal.contains("took longer than the fence window"), "{journal}");
    site.judge(Some(&second));
}

#[test]
fn a_host_whose_demote_hook_fails_reboots_by_force_and_not_again_when_it_fails_after_the_boot() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    let first = started(
        &mut site,
        "reboot",
        // What its unit keeps it from otherwise.
        "mkdir -p /etc/systemd/system/bossd.service.d
         cp /usr/share/doc/boss/examples/reboot.conf /etc/systemd/system/bossd.service.d/
         systemctl daemon-reload
         printf '#!/bin/sh\\ntest \"$1\" != demote\\n' >/etc/boss/hooks.d/60-fails
         chmod 0755 /etc/boss/hooks.d/60-fails",
    );
    loses_its_elector(&site, first.index);
    site.reboots_by_itself(first.index);
    let machine = site.machine(first.index);
    machine.logged("not rebooting: nothing was promoted since this host has booted");
    site.count_out(first.index);
    let second = site.boss_after(&first);
    // It is up all the time, and a bossd that can let go takes part again.
    let machine = site.machine(first.index);
    machine.run("systemctl stop bossd");
    machine.done("rm /etc/boss/hooks.d/60-fails && systemctl reset-failed bossd");
    site.start(first.index);
    site.agree_on(&second);
    site.judge(Some(&second));
}

#[test]
fn a_command_that_makes_sure_has_the_rights_that_bossd_itself_has_not() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    let means = "command\"\\nescalation-command = [\"/usr/local/sbin/isolate\"]\\n\
                 escalation-timeout = \"300ms";
    let first = started(
        &mut site,
        means,
        "cat >/etc/boss/hooks.d/60-forgets <<'EOF'
#!/bin/sh
case $1 in
promote) ip address add 192.0.2.9/32 dev lo ;;
demote) exit 1 ;;
esac
EOF
cat >/usr/local/sbin/isolate <<'EOF'
#!/bin/sh
ip address del 192.0.2.9/32 dev lo
EOF
chmod 0755 /etc/boss/hooks.d/60-forgets /usr/local/sbin/isolate",
    );
    let machine = site.machine(first.index);
    assert!(machine.done("ip address show dev lo").contains("192.0.2.9"));
    loses_its_elector(&site, first.index);
    machine.logged("escalation-command /usr/local/sbin/isolate ended: exit status: 0");
    assert!(!machine.done("ip address show dev lo").contains("192.0.2.9"));
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    site.judge(Some(&second));
}
