//! Scripts that were written for keepalived, under real daemons: the general one in the shape that
//! keepalived's manual shows, which keeps a state file for others to read, and one with a word for
//! each state, as many how-tos have it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use control::interface::Resign;
use harness::{Bed, until};

use crate::three;

const GENERAL: &str = r#"#!/bin/sh
kind=$1 name=$2 state=$3 priority=$4
here=$(dirname "$0")
case "$state" in
MASTER | BACKUP | FAULT) echo "$kind $name $state $priority" >"$here/state" ;;
STOP) echo stopped >"$here/state" ;;
*) exit 1 ;;
esac
"#;
const WORDS: &str = r#"#!/bin/sh
case "$1" in
master | backup | fault) echo "$1" >>"$(dirname "$0")/changes" ;;
*) exit 1 ;;
esac
"#;

/// By another process: the kernel starts no script that a fork beside us could write.
pub(crate) fn write_script(path: &Path, text: &str) {
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "umask 022; cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut pipe = writer.stdin.take().expect("piped");
    pipe.write_all(text.as_bytes()).expect("it reads");
    drop(pipe);
    assert!(writer.wait().expect("ours").success());
}

#[test]
fn a_cluster_moves_with_scripts_that_were_written_for_keepalived() {
    let mut bed = Bed::prepare(&three());
    for index in 0..3 {
        let node = bed.node(index);
        let scripts = node.dir.join("keepalived");
        fs::create_dir(&scripts).expect("a directory");
        write_script(&scripts.join("notify.sh"), GENERAL);
        write_script(&scripts.join("words.sh"), WORDS);
        let path = |name: &str| scripts.join(name).display().to_string();
        let lines = format!(
            "[keepalived]\ninstance = \"VI_1\"\nnotify = \"{general}\"\n\
             notify-master = \"{words} master\"\nnotify-backup = \"{words} backup\"\n",
            general = path("notify.sh"),
            words = path("words.sh"),
        );
        let file = OpenOptions::new().append(true).open(node.dir.join("node.toml"));
        file.expect("there").write_all(lines.as_bytes()).expect("writable");
    }
    bed.start_all().expect("started");
    let boss = bed.boss();
    bed.agree_on(&boss);
    let file = |index: usize, name: &str| bed.node(index).dir.join("keepalived").join(name);
    let read = |index, name| fs::read_to_string(file(index, name)).unwrap_or_default();
    let state = |index: usize, wanted: &str| {
        until(&format!("{wanted} in the state file"), || {
            (read(index, "state") == format!("{wanted}\n")).then_some(())
        });
    };
    for index in 0..3 {
        let wanted = if index == boss.index { "MASTER" } else { "BACKUP" };
        state(index, &format!("INSTANCE VI_1 {wanted} 100"));
    }
    bed.client(boss.index).resign(&Resign { force: None }).expect("two others could");
    let next = until("another MASTER", || {
        (0..3).find(|index| *index != boss.index && read(*index, "state").contains("MASTER"))
    });
    state(boss.index, "INSTANCE VI_1 BACKUP 100");
    assert_eq!(read(boss.index, "changes"), "master\nbackup\n");
    assert_eq!(read(next, "changes"), "backup\nmaster\n");
    let second = bed.boss_after(&boss);
    assert_eq!(second.index, next);

    // One that others could change keeps a node from becoming boss, as a hook does.
    let follower = boss.index;
    let script = bed.node(follower).dir.join("keepalived/notify.sh");
    fs::set_permissions(&script, Permissions::from_mode(0o777)).expect("ours");
    bed.until("a node that is not eligible", |seen| {
        let this = &seen[follower].status()?.this;
        this.why_not.as_ref().filter(|why| why.contains("notify.sh")).map(|_| ())
    });
    bed.node(next).stop();
    until("the end is told", || {
        let state = bed.node(next).dir.join("keepalived/state");
        (fs::read_to_string(state).ok()? == "stopped\n").then_some(())
    });
    let third = bed.boss_after(&second);
    assert_ne!(third.index, follower);
    bed.judge(Some(&third));
}
