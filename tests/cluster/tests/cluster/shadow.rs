//! `bossd --shadow`: elects and shows, runs nothing, and never mixes with nodes that act.

use std::ffi::OsString;
use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use bossctl::playground::cluster::Place;
use control::model::Level;
use harness::{Bed, acting, bossctl, bossd, until};

use crate::three;

/// Three places on loopback; those of `shadows` start their bossd with --shadow.
fn places(shadows: &[usize]) -> Vec<Place> {
    // All are held until all are found, so that no two are the same.
    let held: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    let as_shadow = ["/bin/sh", "-c", "exec \"$0\" --shadow \"$@\""].map(OsString::from).to_vec();
    let place = |(index, socket): (usize, &UdpSocket)| Place {
        address: socket.local_addr().expect("bound"),
        launcher: if shadows.contains(&index) { as_shadow.clone() } else { Vec::new() },
    };
    held.iter().enumerate().map(place).collect()
}

#[test]
fn shadows_elect_and_show_and_run_nothing_to_the_end() {
    let mut bed = Bed::prepare_at(&three(), &places(&[0, 1, 2]));
    bed.start_all().expect("started");
    let boss = bed.boss();
    bed.until("a posture that says what it is", |seen| {
        let told = seen.iter().all(|seen| {
            seen.status().is_some_and(|status| {
                let first = status.posture.reasons.first();
                status.shadow
                    && status.posture.level == Level::Degraded
                    && first.is_some_and(|reason| reason.starts_with("SHADOW"))
            })
        });
        told.then_some(())
    });
    let run = |bed: &Bed, args: &[&str]| {
        let node = bed.node(boss.index);
        let mut command = Command::new(bossctl());
        command.arg("--socket").arg(node.socket()).args(args).output().expect("it runs")
    };
    let status = run(&bed, &["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    let error = String::from_utf8_lossy(&status.stderr);
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("SHADOW")), "{text}{error}");
    assert_eq!(status.status.code(), Some(1), "{text}");
    // A job that waits for its turn does not begin.
    assert_eq!(run(&bed, &["wait", "--for", "boss", "--timeout", "200ms"]).status.code(), Some(75));
    let epoch = boss.epoch.to_string();
    assert_eq!(run(&bed, &["assert", "--epoch", &epoch]).status.code(), Some(1));
    for index in 0..3 {
        let file = bed.node(index).dir.join("run/state.json");
        let said = until("the file", || fs::read_to_string(&file).ok());
        assert!(said.contains("\"SHADOW\"") && !said.contains("MASTER"), "{said}");
    }

    let resign = control::interface::Resign { force: None };
    bed.client(boss.index).resign(&resign).expect("two others could");
    let after = bed.boss_after(&boss);
    bed.host_dies(after.index);
    let last = bed.boss_after(&after);
    for index in (0..3).filter(|index| *index != after.index) {
        bed.node(index).stop();
        assert!(bed.gone(index).expect("ended").success());
    }
    let ran = |bed: &Bed| bed.lines().into_iter().filter(|line| line.event != "host-died").count();
    assert_eq!(ran(&bed), 0, "a hook ran");
    // Nor does what comes after it, for a bossd that acts finds no record of anything.
    for index in [after.index, last.index] {
        let node = bed.node(index);
        assert!(!node.dir.join("run/acting").exists());
        let mut command = Command::new(bossd());
        let output = command.arg("--clean-up").arg("--config").arg(node.config()).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(ran(&bed), 0, "a clean-up ran a hook");
}

#[test]
fn a_shadow_among_nodes_that_act_is_refused_and_has_no_say() {
    const GAMMA: usize = 2;
    let mut bed = Bed::prepare_at(&three(), &places(&[GAMMA]));
    bed.start_all().expect("started");
    let boss = bed.until("a boss of the two that act", |seen| {
        acting(seen).filter(|boss| boss.index != GAMMA)
    });
    let line = bed.logged(GAMMA, "is a shadow (bossd --shadow)");
    assert!(line.contains("gamma"), "{line}");
    bed.logged(boss.index, "gamma is a shadow");
    bed.until("a gamma that is alone", |seen| {
        let status = seen[GAMMA].status()?;
        (status.shadow && status.boss.is_none() && status.quorum.connected == 1).then_some(())
    });
    let member = bed.node(boss.index).status().expect("it answers");
    assert!(!member.shadow && !member.member("gamma").expect("a member").connected);
    bed.judge(Some(&boss));
}
