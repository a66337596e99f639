//! State directories that are full, read-only, slow, that fail, that are older than they should be,
//! that vanish, and that others could have written (protocol.md 3 and 8).

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use control::interface::{Drain, Undrain};
use control::model::Level;
use harness::{Acting, Bed, Seen, acting, bossd};
use nix::unistd::Uid;

use crate::bad_disk::{Shim, SmallDisk, breaks, has_shown, mends};
use crate::three;

/// Has everybody write: a version with a drain and one without it again. A node that cannot write
/// does not keep the others from it.
fn all_write(bed: &Bed, asked: usize, drained: usize) {
    let node = Some(bed.node(drained).name.clone());
    let reason = Some("so that there is something to write".to_owned());
    let drain = Drain { node: node.clone(), reason, ..Drain::default() };
    // When the boss itself cannot write it gives up, and the order with it.
    let _ = bed.client(asked).drain(&drain);
    let _ = bed.client(asked).undrain(&Undrain { node });
}

fn disk_ok(bed: &mut Bed, index: usize, wanted: bool) {
    bed.until(&format!("disk_ok is {wanted}"), |seen| {
        (seen[index].status()?.this.disk_ok == wanted).then_some(())
    });
}

#[test]
fn a_boss_whose_disk_takes_five_seconds_keeps_its_lease() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let boss = bed.boss();
    breaks(&bed, boss.index, "slow 5");
    all_write(&bed, boss.index, (boss.index + 1) % 3);
    has_shown(&bed, boss.index, "slow begins");
    mends(&bed, boss.index);
    has_shown(&bed, boss.index, "slow ends");
    bed.agree_on(&boss);
    let effects = bed.judge(Some(&boss));
    assert_eq!(effects.last().map(|effect| effect.epoch), Some(boss.epoch), "no hook ran");
}

#[test]
fn a_voter_whose_disk_takes_five_seconds_does_not_hold_the_others_up() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let boss = bed.boss();
    let (slow, other) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    breaks(&bed, slow, "slow 5");
    let node = Some(bed.node(other).name.clone());
    let drain = Drain { node, ..Drain::default() };
    bed.client(boss.index).drain(&drain).expect("two of three are a majority");
    has_shown(&bed, slow, "slow begins");
    mends(&bed, slow);
    has_shown(&bed, slow, "slow ends");
    let name = bed.node(other).name.clone();
    bed.until("the slow one has it too", |seen| {
        seen[slow].status()?.member(&name)?.drained.as_ref().map(drop)
    });
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn after_an_fsync_or_a_rename_that_failed_the_elector_ends_and_the_boss_lets_go() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let mut boss = bed.boss();
    for how in ["fsync", "rename"] {
        let bad = boss.clone();
        let elector = bed.node(bad.index).elector().expect("it runs");
        // Once: it is the next elector that finds the disk well.
        breaks(&bed, bad.index, &format!("{how} 1"));
        all_write(&bed, bad.index, (bad.index + 1) % 3);
        has_shown(&bed, bad.index, how);
        let line = bed.logged(bad.index, "what is on the disk is not known any more (exit 74)");
        assert!(line.contains("state/state"), "the file is named: {line}");
        boss = bed.boss_after(&bad);
        bed.until("another elector serves there", |seen| {
            let status = seen[bad.index].status()?;
            (status.pids.elector != elector.as_raw().cast_unsigned()).then_some(())
        });
        fs::write(bed.node(bad.index).log(), "").expect("emptied for the next");
    }
    bed.judge(Some(&boss));
}

#[test]
fn a_disk_that_goes_on_failing_ends_the_daemon_and_the_others_go_on() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let before = bed.boss();
    breaks(&bed, before.index, "fsync");
    all_write(&bed, before.index, (before.index + 1) % 3);
    let ended = bed.gone(before.index).expect("it ended");
    assert_eq!(ended.code(), Some(70));
    bed.logged(before.index, "bossd gives up (exit 70)");
    bed.logged(before.index, "writing the state anew");
    let after = bed.boss_after(&before);
    mends(&bed, before.index);
    bed.start_node(before.index).expect("started");
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_boss_on_a_disk_that_became_read_only_lets_go_in_order_until_it_can_write() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let before = bed.boss();
    breaks(&bed, before.index, "read-only");
    all_write(&bed, before.index, (before.index + 1) % 3);
    has_shown(&bed, before.index, "read-only");
    let after = bed.boss_after(&before);
    assert_ne!(after.name, before.name);
    bed.until("it says what is wrong", |seen| {
        let status = seen[before.index].status()?;
        let told = status.posture.reasons.iter().any(|reason| reason.contains("look at its disk"));
        (!status.this.disk_ok && told && status.posture.level >= Level::Degraded).then_some(())
    });
    bed.logged(before.index, "the state directory refused a write: Read-only file system");
    // It was no emergency, and no new elector was needed.
    let log = fs::read_to_string(bed.node(before.index).log()).expect("readable");
    assert!(!log.contains("at once") && !log.contains("exit 74"), "{log}");
    mends(&bed, before.index);
    disk_ok(&mut bed, before.index, true);
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_node_starts_on_a_read_only_disk_and_follows_without_a_vote() {
    let shim = Shim::build();
    let mut bed = Bed::start(&shim.under(three()));
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    breaks(&bed, follower, "read-only");
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.logged(follower, "no vote until it can write");
    mends(&bed, follower);
    disk_ok(&mut bed, follower, true);
    bed.judge(Some(&boss));
}

#[test]
fn a_voter_on_a_full_disk_gives_no_vote_until_there_is_room() {
    let shim = Shim::build();
    let mut bed = Bed::prepare(&shim.under(three()));
    let disk = SmallDisk::under(&bed, 1);
    bed.start_all().expect("started");
    let boss = not_on(&mut bed, 1);
    let other = 2 - boss.index;
    disk.fill(&bed, 1);
    all_write(&bed, boss.index, other);
    disk_ok(&mut bed, 1, false);
    bed.logged(1, "the state directory refused a write: No space left on device");
    bed.host_dies(boss.index);
    // The one that is left asks, and asks in vain: what is full promises nothing.
    bed.until("a candidate without a vote", |seen| {
        let status = seen[other].status()?;
        assert_eq!(acting(seen), None, "a boss by a vote that no disk has");
        (status.boss.is_none() && status.this.term > 0 && asks(&seen[other])).then_some(())
    });
    disk.empty(&bed, 1);
    let after = bed.until("a boss once there is room", harness::agreed);
    assert!(after.epoch > boss.epoch);
    disk_ok(&mut bed, 1, true);
    bed.judge(Some(&after));
}

#[test]
fn a_boss_on_a_full_disk_lets_go_in_order_and_another_takes_over() {
    let mut plan = three();
    plan.members[1].priority = 200;
    let shim = Shim::build();
    let mut bed = Bed::prepare(&shim.under(plan));
    let disk = SmallDisk::under(&bed, 1);
    bed.start_all().expect("started");
    let before = on(&mut bed, 1);
    disk.fill(&bed, 1);
    all_write(&bed, 1, 0);
    let after = bed.boss_after(&before);
    assert_ne!(after.index, 1);
    let log = fs::read_to_string(bed.node(1).log()).expect("readable");
    assert!(!log.contains("at once"), "it was no emergency: {log}");
    // Nor does a restart on the full disk make it forget anything.
    bed.node(1).stop();
    assert!(bed.gone(1).expect("ended").success());
    bed.start_node(1).expect("started");
    bed.agree_on(&after);
    bed.logged(1, "no vote until it can write");
    disk.empty(&bed, 1);
    disk_ok(&mut bed, 1, true);
    bed.judge(Some(&after));
}

#[test]
fn an_older_state_file_is_refused_with_what_to_do() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    all_write(&bed, boss.index, (boss.index + 2) % 3);
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    let state = bed.node(follower).dir.join("state");
    let newest = fs::read(state.join("state")).expect("it has one");
    fs::copy(state.join("state.previous"), state.join("state")).expect("put back");
    let line = refused(&mut bed, follower, "an older file was put in its place");
    assert!(line.contains("state/state") && line.contains("new life"), "{line}");
    fs::write(state.join("state"), newest).expect("restored");
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_state_directory_that_is_removed_under_a_boss_ends_the_daemon_in_order() {
    let mut bed = Bed::start(&three());
    let before = bed.boss();
    let state = bed.node(before.index).dir.join("state");
    let aside = bed.node(before.index).dir.join("state-aside");
    fs::rename(&state, &aside).expect("moved away under it");
    all_write(&bed, before.index, (before.index + 1) % 3);
    // What is not there cannot be written: exit 74; and the next elector makes no new life of it.
    let ended = bed.gone(before.index).expect("it ended");
    assert_eq!(ended.code(), Some(65));
    bed.logged(before.index, "it was removed while bossd was running");
    assert!(!state.exists(), "nothing was made in its place");
    let after = bed.boss_after(&before);
    fs::rename(&aside, &state).expect("put back");
    bed.start_node(before.index).expect("started");
    bed.agree_on(&after);
    bed.judge(Some(&after));
}

#[test]
fn a_state_directory_that_others_could_write_is_refused_until_it_is_repaired() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    let state = bed.node(follower).dir.join("state");
    chmod(&state, 0o777);
    let line = refused(&mut bed, follower, "has mode 0777");
    assert!(line.contains(&format!("chmod 700 {}", state.display())), "{line}");
    chmod(&state, 0o700);
    chmod(&state.join("state"), 0o666);
    let line = refused(&mut bed, follower, "has mode 0666");
    assert!(line.contains(&format!("chmod 600 {}", state.join("state").display())), "{line}");
    chmod(&state.join("state"), 0o600);
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn root_gives_the_state_directory_its_owner_and_another_user_says_whose_it_is() {
    if !Uid::effective().is_root() {
        println!(
            "SKIPPED root_gives_the_state_directory_its_owner_and_another_user_says_whose_it_is: \
             it needs root"
        );
        return;
    }
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    let follower = (boss.index + 1) % 3;
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    let dir = bed.node(follower).dir.clone();
    let state = dir.join("state");
    chown(&state, Some(NOBODY), None).expect("as root");
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    assert_eq!(fs::metadata(&state).expect("there").uid(), 0, "given back to the elector's user");
    bed.node(follower).stop();
    assert!(bed.gone(follower).expect("ended").success());
    // And now by a user that may give nothing to anybody: all is its own but the state directory.
    give_all(&dir, NOBODY);
    chmod(bed.dir(), 0o755);
    give_all(&state, 0);
    // It cannot see whether it was boss, and demotes first: by hooks that this user can run.
    let hooks = dir.join("hooks.d");
    fs::rename(&hooks, dir.join("aside")).expect("our own");
    fs::create_dir(&hooks).expect("our own");
    chmod(&hooks, 0o755);
    give_all(&hooks, NOBODY);
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(bossd())
        .arg("--config")
        .arg(bed.node(follower).config())
        .current_dir(&dir)
        .output()
        .expect("setpriv is everywhere");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{said}");
    let wanted = format!("{}: it belongs to root, and bossd runs as nobody", state.display());
    assert!(said.contains(&wanted) && said.contains("chown -R nobody"), "{said}");
    fs::remove_dir(&hooks).expect("our own");
    fs::rename(dir.join("aside"), &hooks).expect("our own");
    give_all(&dir, 0);
    bed.start_node(follower).expect("started");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

const NOBODY: u32 = 65_534;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

fn give_all(path: &Path, user: u32) {
    let given = Command::new("chown").arg("-Rh").arg(user.to_string()).arg(path).status();
    assert!(given.expect("chown is everywhere").success());
}

/// Starts a node that must not start, and gives the line that says why.
fn refused(bed: &mut Bed, index: usize, reason: &str) -> String {
    bed.start_node(index).expect("started");
    assert_eq!(bed.gone(index).expect("ended").code(), Some(65), "{reason}");
    bed.logged(index, reason)
}

fn asks(seen: &Seen) -> bool {
    use control::model::Standing::{Candidate, PreCandidate};
    seen.status().is_some_and(|status| matches!(status.this.standing, Candidate | PreCandidate))
}

/// A boss that is this node.
fn on(bed: &mut Bed, index: usize) -> Acting {
    let name = bed.node(index).name.clone();
    let boss = bed.boss();
    if boss.index == index {
        return boss;
    }
    let to = control::interface::Switchover { to: name };
    bed.client(boss.index).switchover(&to).expect("it can");
    bed.boss_after(&boss)
}

/// A boss that is not this node.
fn not_on(bed: &mut Bed, index: usize) -> Acting {
    let boss = bed.boss();
    if boss.index == index { on(bed, (index + 1) % 3) } else { boss }
}
