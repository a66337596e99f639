//! A notify script of a public project, run unchanged: `primary-backup.sh` of conntrack-tools, which was
//! written for keepalived. It comes with Debian's package conntrackd and is fetched for this test alone,
//! for its licence is the GPL. Where it looks for conntrackd, in /usr/sbin, each node finds a program
//! that writes down how it was called.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use bossctl::playground::cluster::Place;
use control::interface::Resign;
use harness::{Bed, until};
use nix::unistd::Uid;

use crate::three;

/// Where the package has it.
const SCRIPT: &str = "usr/share/doc/conntrackd/examples/sync/primary-backup.sh";
const PRIMARY: [&str; 4] = ["-c", "-f", "-R", "-B"];
const BACKUP: [&str; 3] = ["-s", "-t", "-n"];
/// In a mount namespace of its own a node sees the recorder, and all else that is in /usr/sbin.
const ENTER: &str = "mount -t overlay overlay -o \"lowerdir=$1:/usr/sbin\" /usr/sbin && shift && \
                     exec \"$@\"";

/// Why it cannot be had here; None if it is in `directory` now.
fn fetch(directory: &Path) -> Option<String> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(directory).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("{program}: {error}")),
        }
    };
    if !Uid::effective().is_root() {
        return Some("only root makes mount namespaces".to_owned());
    }
    let download = || run("apt-get", &["download", "conntrackd"]);
    let fetched = download().or_else(|_| run("apt-get", &["update"]).and_then(|()| download()));
    let unpacked = fetched.and_then(|()| run("sh", &["-c", "dpkg -x conntrackd_*.deb ."]));
    unpacked.err()
}

/// A directory with a conntrackd that writes its arguments to `calls` there.
fn recorder(at: &Path) -> PathBuf {
    fs::create_dir(at).expect("a directory");
    let text = format!("#!/bin/sh\necho \"$@\" >>{}\n", at.join("calls").display());
    crate::keepalived::write_script(&at.join("conntrackd"), &text);
    at.to_owned()
}

fn free_port() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("bound")
}

/// The last option of each call so far.
fn calls(recorder: &Path) -> Vec<String> {
    let text = fs::read_to_string(recorder.join("calls")).unwrap_or_default();
    let last = |line: &str| {
        let (config, option) = line.rsplit_once(' ')?;
        assert_eq!(config, "-C /etc/conntrackd/conntrackd.conf", "as the script calls it");
        Some(option.to_owned())
    };
    text.lines().filter_map(last).collect()
}

#[test]
fn a_public_script_for_keepalived_runs_unchanged() {
    let home = tempfile::tempdir().expect("a directory");
    if let Some(why) = fetch(home.path()) {
        println!("SKIPPED a_public_script_for_keepalived_runs_unchanged: {why}");
        return;
    }
    let script = home.path().join(SCRIPT);
    let recorders: Vec<_> =
        ["alpha", "beta", "gamma"].map(|node| recorder(&home.path().join(node))).into();
    let place = |recorder: &PathBuf| {
        let recorder = recorder.to_str().expect("UTF-8");
        let launcher = ["unshare", "--mount", "sh", "-c", ENTER, "sh", recorder];
        Place { address: free_port(), launcher: launcher.map(Into::into).to_vec() }
    };
    let mut bed = Bed::prepare_at(&three(), &recorders.iter().map(place).collect::<Vec<_>>());
    for index in 0..3 {
        let lines = format!(
            "[keepalived]\nnotify-master = \"{0} primary\"\nnotify-backup = \"{0} backup\"\n\
             notify-fault = \"{0} fault\"\n",
            script.display()
        );
        let file = OpenOptions::new().append(true).open(bed.node(index).dir.join("node.toml"));
        file.expect("there").write_all(lines.as_bytes()).expect("writable");
    }
    bed.start_all().expect("started");
    let boss = bed.boss();
    bed.agree_on(&boss);
    let ends_with = |index: usize, wanted: &[&str]| {
        until(&format!("{wanted:?} on node {index}"), || {
            let calls = calls(&recorders[index]);
            let last = calls.len().saturating_sub(wanted.len());
            (calls[last..] == *wanted).then_some(())
        });
    };
    for index in 0..3 {
        ends_with(index, if index == boss.index { &PRIMARY } else { &BACKUP });
    }
    bed.client(boss.index).resign(&Resign { force: None }).expect("two others could");
    let second = bed.boss_after(&boss);
    bed.agree_on(&second);
    ends_with(second.index, &PRIMARY);
    ends_with(boss.index, &BACKUP);
    bed.judge(Some(&second));
}
