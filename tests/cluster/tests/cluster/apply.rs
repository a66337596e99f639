//! `bossctl apply`: a file's timing and priorities become the cluster's, on all nodes and for good,
//! while the boss stays boss; what cannot be applied changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use control::comparison::Comparison;
use control::model::Status;
use harness::{Bed, bossctl};

use crate::steps::{all_say, quick, stop_all};

/// What bossctl printed, and its status.
struct Said {
    out: String,
    error: String,
    status: Option<i32>,
}

fn apply(bed: &Bed, asked: usize, arguments: &[&str]) -> Said {
    let socket = bed.node(asked).socket();
    let mut command = Command::new(bossctl());
    let output = command.arg("--socket").arg(socket).arg("apply").args(arguments).output();
    let output = output.expect("bossctl runs");
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    }
}

/// Another cluster.toml than that of the nodes: theirs with each of these texts replaced.
pub(crate) fn changed(bed: &Bed, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = fs::read_to_string(bed.node(0).config()).expect("a file");
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replacen(from, to, 1);
    }
    let file = bed.dir().join("other.toml");
    fs::write(&file, text).expect("written");
    file
}

/// Gives a member of the file a higher priority.
fn prefer(file: &Path, name: &str) {
    let text = fs::read_to_string(file).expect("a file");
    let (before, its) = text.split_once(&format!("name = \"{name}\"")).expect("a member");
    let its = its.replacen("priority = 100", "priority = 200", 1);
    fs::write(file, format!("{before}name = \"{name}\"{its}")).expect("written");
}

fn is_applied(status: &Status) -> bool {
    status.timing.fence_ms == 200
        && status.timing.lease_ms == 800
        && status.member("gamma").is_some_and(|gamma| gamma.priority == 200)
}

#[test]
fn a_file_is_applied_by_all_while_the_boss_stays_and_outlives_a_restart() {
    let mut bed = Bed::start(&quick(&["alpha", "beta", "gamma"]));
    let boss = bed.boss();
    let file = changed(
        &bed,
        &[
            ("fence-window = \"400ms\"", "fence-window = \"200ms\""),
            ("lease = \"600ms\"", "lease = \"800ms\""),
        ],
    );
    prefer(&file, "gamma");
    let file = file.to_str().expect("UTF-8");
    let other = (boss.index + 1) % 3;

    let shown = apply(&bed, other, &["--dry-run", "--json", file]);
    let comparison: Comparison = serde_json::from_str(&shown.out).expect("JSON");
    let keys: Vec<_> = comparison.differences.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["member.gamma.priority", "timing.fence-window", "timing.lease"]);
    assert!(comparison.differences.iter().all(|difference| difference.applies));
    assert!(!is_applied(&bed.node(other).status().expect("it answers")), "only shown");

    let said = apply(&bed, other, &[file]);
    assert_eq!(said.status, Some(0), "{}", said.error);
    assert!(said.out.contains("timing.fence-window: 400ms -> 200ms\n"), "{}", said.out);
    assert!(said.out.contains("the cluster has the timing"), "{}", said.out);
    // The files of the nodes say something else now.
    all_say(&mut bed, "the new timing, and that its file differs", |status| {
        is_applied(status) && status.file_differs.contains(&"timing.lease".to_owned())
    });
    for index in 0..3 {
        bed.logged(index, "timing.fence-window is 200ms now; it was 400ms");
    }
    bed.agree_on(&boss);
    assert_eq!(bed.judge(Some(&boss)).len(), 1, "nobody let go for it");
    let again = apply(&bed, other, &[file]);
    assert_eq!(
        (again.status, again.out.trim().ends_with("says what the cluster says")),
        (Some(0), true)
    );

    stop_all(&mut bed);
    bed.start_all().expect("started");
    let after = bed.boss_after(&boss);
    assert_eq!(after.name, "gamma", "by the new priority");
    all_say(&mut bed, "the new timing still", is_applied);
    bed.judge(Some(&after));
}

#[test]
fn what_cannot_be_applied_changes_nothing_and_says_why() {
    let mut bed = Bed::start(&quick(&["alpha", "beta"]));
    let boss = bed.boss();
    let before = bed.node(0).status().expect("it answers").this.state_version;

    let file = changed(&bed, &[("lease = \"600ms\"", "lease = \"100ms\"")]);
    let file = file.to_str().expect("UTF-8");
    let said = apply(&bed, 0, &[file]);
    assert_eq!(said.status, Some(1));
    assert!(said.error.contains("other.toml"), "{}", said.error);
    assert!(said.error.contains("at least four heartbeats"), "{}", said.error);

    changed(
        &bed,
        &[("lease = \"600ms\"", "lease = \"800ms\""), ("name = \"beta\"", "name = \"gamma\"")],
    );
    let said = apply(&bed, boss.index, &[file]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    for part in ["timing.lease: 600ms -> 800ms", "member.beta", "does not change this way"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(said.error.contains("member.beta, member.gamma"), "{}", said.error);

    let said = apply(&bed, 0, &["/nonexistent/cluster.toml"]);
    assert_eq!(said.status, Some(1));
    assert!(said.error.contains("/nonexistent/cluster.toml"), "{}", said.error);
    let after = bed.node(0).status().expect("it answers").this.state_version;
    assert_eq!(after, before, "no version came of it");
    bed.judge(Some(&boss));
}
