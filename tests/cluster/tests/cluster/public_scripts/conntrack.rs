//! `primary-backup.sh` of conntrack-tools, with a word for each state. It comes with Debian's package
//! conntrackd, under the GPL. Where it looks for conntrackd each node finds a recorder.

use std::path::Path;
use std::process::Command;

use control::interface::Resign;
use harness::until;

use super::{Root, impossible, roots, start};

/// Where the package has it.
const SCRIPT: &str = "usr/share/doc/conntrackd/examples/sync/primary-backup.sh";
const PRIMARY: [&str; 4] = ["-c", "-f", "-R", "-B"];
const BACKUP: [&str; 3] = ["-s", "-t", "-n"];

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
    let download = || run("apt-get", &["download", "conntrackd"]);
    let fetched = download().or_else(|_| run("apt-get", &["update"]).and_then(|()| download()));
    let unpacked = fetched.and_then(|()| run("sh", &["-c", "dpkg -x conntrackd_*.deb ."]));
    unpacked.err()
}

/// The last option of each call so far.
fn calls(root: &Root) -> Vec<String> {
    let last = |line: String| {
        let (config, option) = line.rsplit_once(' ')?;
        assert_eq!(config, "-C /etc/conntrackd/conntrackd.conf", "as the script calls it");
        Some(option.to_owned())
    };
    root.calls("conntrackd").into_iter().filter_map(last).collect()
}

#[test]
fn the_script_of_conntrack_tools_runs_unchanged() {
    let home = tempfile::tempdir().expect("a directory");
    if let Some(why) = impossible().or_else(|| fetch(home.path())) {
        println!("SKIPPED the_script_of_conntrack_tools_runs_unchanged: {why}");
        return;
    }
    let script = home.path().join(SCRIPT);
    let roots = roots(home.path());
    for root in &roots {
        root.recorder("/usr/sbin/conntrackd", "");
    }
    let lines = format!(
        "notify-master = \"{0} primary\"\nnotify-backup = \"{0} backup\"\n\
         notify-fault = \"{0} fault\"\n",
        script.display()
    );
    let (mut bed, boss) = start(&roots, &lines);
    let ends_with = |index: usize, wanted: &[&str]| {
        until(&format!("{wanted:?} on node {index}"), || {
            let calls = calls(&roots[index]);
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
