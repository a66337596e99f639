//! A real service of Debian's follows the boss by `boss.target`, with no script. A hook before it asks
//! at each promote whether any other host still serves: exclusivity judged by the service itself.

use harness::{Acting, until};
use systemd::{Machine, NAMES, Site};

use crate::possible;

#[test]
fn nginx_follows_the_boss_and_nobody_starts_it_before_the_one_before_has_ended() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| with_nginx(machine));
    let first = site.start_all();
    serves_only(&site, &first);

    // It is enabled for the boot as well, as the package has it: that is told, with what to do.
    let told = degraded(site.machine(0), "multi-user.target starts it as well");
    assert!(told.contains("systemctl disable nginx.service"), "{told}");
    site.at_once(|machine| {
        machine.done(
            "systemctl disable --quiet nginx.service
             systemctl add-wants --quiet boss.target nginx.service",
        );
    });
    for (host, name) in NAMES.iter().enumerate() {
        until(&format!("{name} is SAFE"), || {
            site.machine(host).run("bossctl status").success.then_some(())
        });
    }
    let listed = site.machine(0).done("bossctl hooks list");
    assert!(listed.contains("boss.target"), "{listed}");

    // In order: half a second in which it still serves, and nobody else begins.
    site.machine(first.index).done("bossctl drain --wait && bossctl undrain");
    let second = site.boss_after(&first);
    site.nobody_waited(&second);
    serves_only(&site, &second);
    let took = letting_go_ms(site.machine(first.index));
    assert!(took >= 500.0, "boss.target let go after {took} ms");

    // Where nobody is boss it must not run, whoever started it.
    site.machine(first.index).done("systemctl start nginx");
    let told = degraded(site.machine(first.index), "active although this node is not the boss");
    assert!(told.contains("systemctl stop nginx.service"), "{told}");
    site.machine(first.index).done("systemctl stop nginx");

    // In an emergency it is killed: half a second is more than there is.
    site.machine(second.index).done("systemctl kill --kill-who=main --signal=KILL bossd");
    let third = site.boss_after(&second);
    site.nobody_waited(&third);
    serves_only(&site, &third);

    // One that cannot be started is no boss.
    let other = site.others(third.index)[0];
    site.machine(other).done("echo nonsense >>/etc/nginx/nginx.conf");
    let ask = format!("bossctl switchover --to {}", NAMES[other]);
    site.machine(third.index).done(&ask);
    site.machine(other).logged("nginx.service could not be started");
    let fourth = site.boss_after(&third);
    assert_ne!(fourth.index, other);
    serves_only(&site, &fourth);
    site.machine(other).done("sed -i '$d' /etc/nginx/nginx.conf && nginx -t");

    // The host's own end stops it before bossd, which then has nothing left to stop.
    site.reboot(fourth.index);
    let fifth = site.boss_after(&fourth);
    site.nobody_waited(&fifth);
    serves_only(&site, &fifth);
    site.judge(Some(&fifth));
    let violations = site.machine(0).run("cat /mnt/shared/violations");
    assert!(!violations.success, "{}", violations.text);
}

/// nginx as Debian has it, but for what the manual says to do, an end that takes half a second, and
/// the hook that looks at the others.
fn with_nginx(machine: &Machine) {
    let script = "#!/bin/bash\n\
         [ \"$1\" = promote ] || exit 0\n\
         for host in 1 2 3; do\n\
         \x20   [ \"$(ip -brief -4 address | grep -c \"10.77.0.$host/\")\" = 0 ] || continue\n\
         \x20   if timeout 1 bash -c \"</dev/tcp/10.77.0.$host/80\" 2>/dev/null; then\n\
         \x20       echo \"$BOSS_NODE $BOSS_EPOCH: 10.77.0.$host serves\" >>/mnt/shared/violations\n\
         \x20       exit 1\n\
         \x20   fi\n\
         done\n";
    let hook = "/etc/boss/hooks.d/05-nobody-serves";
    std::fs::write(machine.path(hook), script).expect("the machine's own disk");
    machine.done(&format!(
        "chmod 0755 {hook}
         rm /etc/systemd/system/nginx.service
         mkdir -p /etc/systemd/system/nginx.service.d
         printf '[Unit]\\nPartOf=boss.target\\n[Service]\\nExecStop=\\n\
             ExecStop=/bin/sh -c \"sleep 0.5; kill -QUIT $MAINPID\"\\n' \
             >/etc/systemd/system/nginx.service.d/boss.conf
         systemctl daemon-reload
         systemctl add-wants --quiet boss.target nginx.service"
    ));
}

/// The longest time that a call of the target's hook took, in milliseconds.
fn letting_go_ms(machine: &Machine) -> f64 {
    let journal = machine.journal();
    let told = journal.lines().filter_map(|line| line.split_once("boss.target succeeded after "));
    let times = told.filter_map(|(_, took)| {
        let (number, unit) = took.trim().split_once(' ')?;
        let number: f64 = number.parse().ok()?;
        Some(if unit.starts_with("ms") { number } else { number * 1_000.0 })
    });
    times.fold(0.0, f64::max)
}

/// nginx runs where the boss is, and nowhere else.
fn serves_only(site: &Site, boss: &Acting) {
    for (host, name) in NAMES.iter().enumerate() {
        let machine = site.machine(host);
        let runs = machine.run("systemctl is-active nginx").success;
        assert_eq!(runs, host == boss.index, "{name} while {} is boss", boss.name);
        let serves = machine.run("bash -c '</dev/tcp/127.0.0.1/80'").success;
        assert_eq!(serves, host == boss.index, "{name} while {} is boss", boss.name);
    }
}

/// Waits until status is DEGRADED for this reason; the whole of what it says.
fn degraded(machine: &Machine, reason: &str) -> String {
    until(&format!("{} says {reason:?}", machine.name()), || {
        let said = machine.run("bossctl status --json");
        let found: serde_json::Value = serde_json::from_str(&said.text).ok()?;
        let posture = found["posture"].to_string();
        (posture.contains(reason) && posture.contains("degraded")).then_some(posture)
    })
}
