//! What keeps bossd from coming back: a step before it that fails, and a state file that a later
//! version wrote. Both are said once, clearly, and neither keeps what stood from being let go.

use harness::until;
use systemd::Site;

use crate::possible;

#[test]
fn a_boss_whose_next_start_fails_lets_go_and_its_unit_gives_up_until_it_is_put_right() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    let machine = site.machine(first.index);
    machine.done(
        "mkdir -p /etc/systemd/system/bossd.service.d
         printf '[Service]\\nExecStartPre=/bin/sh -c \"echo no such disk; exit 3\"\\n' \
             >/etc/systemd/system/bossd.service.d/pre.conf
         systemctl daemon-reload
         systemctl kill --kill-who=main --signal=KILL bossd",
    );
    site.count_out(first.index);
    let second = site.boss_after(&first);
    let machine = site.machine(first.index);
    until("the unit has given up", || {
        (machine.property("bossd.service", "ActiveState") == "failed").then_some(())
    });
    // As often as the unit says, the one that was refused counted, and not for ever.
    let restarts = machine.property("bossd.service", "NRestarts");
    assert!(restarts.parse::<u32>().is_ok_and(|count| count <= 21), "{restarts}");
    assert!(machine.journal().contains("no such disk"), "{}", machine.journal());
    machine.logged("let go of epoch");
    site.judge(Some(&second));

    machine.done(
        "rm /etc/systemd/system/bossd.service.d/pre.conf
         systemctl daemon-reload
         systemctl reset-failed bossd",
    );
    site.start(first.index);
    site.agree_on(&second);
    site.judge(Some(&second));
}

#[test]
fn an_older_version_refuses_the_state_of_a_newer_one_once_and_says_what_to_install() {
    let Some((tree, packages)) = possible() else { return };
    let (mut site, first) = Site::started(&tree, &packages);
    let host = site.others(first.index)[0];
    site.machine(host).done("dpkg --install /mnt/shared/boss-later.deb");
    site.stop(host);
    // As that version would have written it, if its format were a later one.
    let machine = site.machine(host);
    let header = machine.done("head -c 13 /var/lib/boss/state");
    let (magic, format) = header.trim().rsplit_once(' ').expect("a header");
    let later = format!("{magic} {}", format.parse::<u32>().expect("a number") + 1);
    machine.done(&format!("sed -i '1s/^{}/{later}/' /var/lib/boss/state", header.trim()));
    let said = machine.done("dpkg --install /mnt/shared/boss.deb 2>&1");
    assert!(said.contains("downgrading"), "{said}");

    site.fail_to_start(host);
    let machine = site.machine(host);
    let journal = machine.journal();
    for part in ["/var/lib/boss/state", "written by a later version", "Install that version again"]
    {
        assert!(journal.contains(part), "no {part} in:\n{journal}");
    }
    assert!(!journal.contains("Restore the file"), "nothing is wrong with the file: {journal}");
    assert_eq!(machine.property("bossd.service", "ExecMainStatus"), "65");
    assert_eq!(machine.property("bossd.service", "ActiveState"), "failed");
    assert_eq!(machine.property("bossd.service", "NRestarts"), "0");
    site.agree_on(&first);

    // That version again, and it goes on where it was.
    let machine = site.machine(host);
    machine.done(&format!(
        "dpkg --install /mnt/shared/boss-later.deb
         sed -i '1s/^{later}/{}/' /var/lib/boss/state
         systemctl reset-failed bossd",
        header.trim()
    ));
    site.start(host);
    site.agree_on(&first);
    site.judge(Some(&first));
}
