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
    // It ignores TERM, and so does what it has started; systemd would wait for half a minute.
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
cat >/etc/boss/hooks.d/50-forgets <<'EOF'
#!/bin/sh
case $1 in
promote) systemctl start boss.target ;;
demote) exit 1 ;;
esac
EOF
chmod 0755 /etc/boss/hooks.d/50-forgets
systemctl daemon-reload
systemctl enable stubborn",
    );
    let machine = site.machine(first.index);
    assert_eq!(machine.property("stubborn.service", "ActiveState"), "active");
    let cgroup = machine.property("stubborn.service", "ControlGroup");
    loses_its_elector(&site, first.index);
    machine.logged("killing what does not stop in time: stubborn.service");
    machine.logged("the units of boss.target are inactive: stubborn.service");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    assert_eq!(machine.property("stubborn.service", "ActiveState"), "failed");
    let left = machine.run(&format!("cat /sys/fs/cgroup{cgroup}/cgroup.procs"));
    assert!(!left.success || left.text.trim().is_empty(), "{}", left.text);
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
