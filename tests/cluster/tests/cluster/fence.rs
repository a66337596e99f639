//! `[fence]`: a command that makes sure that a lost boss is off; what its word is worth, who runs it,
//! and for whom.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use bossctl::playground::cluster::Plan;
use control::interface::Resign;
use harness::{Acting, Bed, acting, until};
use nix::sys::signal::{Signal, kill};

use crate::three;

/// So long that nobody who waits for it is taken for one who does not.
const WINDOW: &str = "6s";

fn plan() -> Plan {
    Plan { timing: format!("profile = \"lan\"\nfence-window = \"{WINDOW}\""), ..three() }
}

/// Three nodes with this script as their fence command, which first writes down for whom it runs.
fn start(script: &str, timeout: &str) -> (Bed, Acting) {
    let mut bed = Bed::prepare(&plan());
    let program = bed.dir().join("fence");
    let text = format!(
        "#!/bin/sh\nd=${{0%/*}}\n\
         echo \"$BOSS_NODE $BOSS_TARGET $BOSS_EPOCH $BOSS_TARGET_ADDRESS\" >>\"$d/fenced\"\n{script}\n"
    );
    fs::write(&program, text).expect("our own directory");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("ours");
    for index in 0..bed.size() {
        let file = OpenOptions::new().append(true).open(bed.node(index).dir.join("node.toml"));
        let run = program.display();
        let section = format!("\n[fence]\nrun = [\"{run}\"]\ntimeout = \"{timeout}\"\n");
        file.and_then(|mut file| file.write_all(section.as_bytes())).expect("appended");
    }
    bed.start_all().expect("started");
    let boss = bed.boss();
    (bed, boss)
}

/// Each run: who ran it, for whom, and the epoch.
fn fenced(bed: &Bed) -> Vec<(String, String, String)> {
    let text = fs::read_to_string(bed.dir().join("fenced")).unwrap_or_default();
    let runs = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        assert!(words.len() == 4 && words[3].contains(':'), "{line}");
        (words[0].clone(), words[1].clone(), words[2].clone())
    });
    runs.collect()
}

fn waited(bed: &Bed, boss: &Acting) -> bool {
    let line = bed.logged(boss.index, &format!("became boss, epoch {} ", boss.epoch));
    line.contains("waited out")
}

#[test]
fn a_dead_boss_that_the_fence_command_vouches_for_is_not_waited_for() {
    let (mut bed, first) = start("exit 0", "20s");
    bed.host_dies(first.index);
    let second = bed.boss_after(&first);
    assert!(!waited(&bed, &second));
    let runs = fenced(&bed);
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_ne!(runs[0].0, first.name, "{runs:?}");
    assert_eq!((&runs[0].1, &runs[0].2), (&first.name, &first.epoch.to_string()));
    let ran = bed.index_of(&runs[0].0).expect("a member");
    bed.logged(ran, &format!("{} is surely off, says the fence command", first.name));
    bed.judge(Some(&second));
    // Back again it is a member like any other.
    bed.start_node(first.index).expect("started");
    bed.agree_on(&second);
    bed.judge(Some(&second));
}

#[test]
fn a_command_that_fails_confirms_nothing_is_tried_again_and_told_and_who_is_cut_off_runs_none() {
    let (mut bed, first) = start("exit 1", "20s");
    bed.set_isolated(first.index, true);
    bed.until("the trouble in the status", |seen| {
        let tells = |reason: &String| reason.contains("could not make sure that it is off");
        seen.iter().enumerate().find_map(|(index, seen)| {
            let told = seen.status()?.posture.reasons.iter().any(tells);
            (told && index != first.index).then_some(())
        })
    });
    let second = bed.until("another boss", |seen| {
        acting(seen).filter(|acting| acting.index != first.index && acting.epoch > first.epoch)
    });
    assert!(waited(&bed, &second));
    let runs = fenced(&bed);
    assert!(runs.len() >= 2, "{runs:?}");
    assert!(runs.iter().all(|(by, of, _)| *by != first.name && *of == first.name), "{runs:?}");
    bed.set_isolated(first.index, false);
    bed.agree_on(&second);
    bed.until("nothing to tell any more", |seen| {
        let tells = |reason: &String| reason.contains("could not make sure");
        let told = |seen: &harness::Seen| Some(seen.status()?.posture.reasons.iter().any(tells));
        seen.iter().all(|seen| told(seen) == Some(false)).then_some(())
    });
    bed.judge(Some(&second));
}

#[test]
fn a_command_that_hangs_is_killed_with_its_group_and_the_window_is_waited_out() {
    let (mut bed, first) =
        start("sh -c 'echo $$ >>\"$0/hanging\"; exec sleep 600' \"$d\" & wait", "300ms");
    bed.host_dies(first.index);
    let second = bed.boss_after(&first);
    assert!(waited(&bed, &second));
    let ran = bed.index_of(&fenced(&bed)[0].0).expect("a member");
    bed.logged(ran, "did not end within 300 ms");
    until("the end of all that hung", || {
        let pids = fs::read_to_string(bed.dir().join("hanging")).ok()?;
        let lives = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        (!pids.is_empty() && !pids.lines().any(lives)).then_some(())
    });
    bed.judge(Some(&second));
}

#[test]
fn nobody_is_fenced_whose_daemon_died_or_who_handed_over() {
    let (mut bed, first) = start("exit 0", "20s");
    kill(bed.node(first.index).elector().expect("it runs"), Signal::SIGKILL).expect("killed");
    let second = bed.boss_after(&first);
    kill(bed.node(second.index).executor().expect("it runs"), Signal::SIGKILL).expect("killed");
    bed.gone(second.index);
    let third = bed.boss_after(&second);
    bed.start_node(second.index).expect("started");
    bed.agree_on(&third);
    bed.client(third.index).resign(&Resign { force: None }).expect("others could");
    let fourth = bed.boss_after(&third);
    // A follower whose host is gone is not waited for.
    let follower = (fourth.index + 1) % 3;
    bed.host_dies(follower);
    bed.until("the loss of a follower", |seen| {
        let lost = seen[fourth.index].status()?.quorum.connected == 2;
        lost.then_some(())
    });
    bed.start_node(follower).expect("started");
    bed.agree_on(&fourth);
    assert_eq!(fenced(&bed), []);
    bed.judge(Some(&fourth));
}
