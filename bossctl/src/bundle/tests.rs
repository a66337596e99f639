//! Bundles are what tar takes them for, and are installed whole, or not at all.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

fn bundle(config: Option<&str>) -> Bundle {
    Bundle {
        ca: "authority\n".to_owned(),
        certificate: "certificate\n".to_owned(),
        key: "key\n".to_owned(),
        config: config.map(str::to_owned),
    }
}

fn modes(below: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut todo = vec![below.to_owned()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).expect("a directory").flatten() {
            let meta = entry.metadata().expect("there");
            let name = entry.path().strip_prefix(below).expect("below").display().to_string();
            found.push((name, meta.permissions().mode() & 0o7777));
            if meta.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn all_modes() -> Vec<(String, u32)> {
    [
        ("cluster.toml", 0o644),
        ("tls", 0o700),
        ("tls/ca.crt", 0o644),
        ("tls/node.crt", 0o644),
        ("tls/node.key", 0o600),
    ]
    .map(|(name, mode)| (name.to_owned(), mode))
    .to_vec()
}

#[test]
fn a_bundle_is_read_as_it_was_written_and_tar_reads_it_too() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("alpha.bundle");
    // A whole block, and one byte more.
    for config in [None, Some("a".repeat(512)), Some("b".repeat(513))] {
        drop(fs::remove_file(&path));
        let made = bundle(config.as_deref());
        made.write(&path).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(Bundle::read(&path).expect("a bundle") == made);
    }
    assert!(bundle(None).write(&path).is_err(), "one that is there is not overwritten");
    let to = home.path().join("to");
    fs::create_dir(&to).expect("a directory");
    let tar = Command::new("tar").arg("-C").arg(&to).arg("-xpf").arg(&path).status();
    assert!(tar.expect("tar is everywhere").success());
    assert_eq!(fs::read_to_string(to.join("tls/node.key")).expect("there"), "key\n");
    let key = modes(&to).into_iter().find(|(name, _)| name == "tls/node.key");
    assert_eq!(key.map(|(_, mode)| mode), Some(0o600));
}

#[test]
fn what_is_no_bundle_is_refused_with_the_reason() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("alpha.bundle");
    bundle(Some("x")).write(&path).expect("written");
    let whole = fs::read(&path).expect("there");
    let mut damaged = whole.clone();
    damaged[3] ^= 1;
    let stranger = tar::archive(&[("../passwd", 0o644, b"root")]);
    for (bytes, words) in [
        (&whole[..700], "ends too early"),
        (&whole[..512], "ends too early"),
        (&damaged, "damaged"),
        (&stranger, "../passwd"),
        (&tar::archive(&[("tls/ca.crt", 0o644, b"x")]), "no tls/node.crt"),
        (&[], "ends too early"),
    ] {
        fs::write(&path, bytes).expect("writable");
        let told = Bundle::read(&path).expect_err(words).to_string();
        assert!(told.contains(words) && told.contains("--bundle"), "{words}: {told}");
    }
}

#[test]
fn it_is_installed_with_its_modes_over_the_example_and_the_same_again_is_no_problem() {
    let home = tempfile::tempdir().expect("a directory");
    let to = home.path().join("boss");
    fs::create_dir_all(to.join("tls")).expect("a directory");
    let example = include_str!("../../../etc/cluster.toml");
    fs::write(to.join("cluster.toml"), example).expect("writable");
    let made = bundle(Some("[cluster]\n"));
    for _ in 0..2 {
        let installed = install(&made, &to, false).expect("installed");
        assert_eq!(installed.files.len(), 4);
        assert_eq!(modes(&to), all_modes());
        assert_eq!(fs::read_to_string(to.join("cluster.toml")).expect("there"), "[cluster]\n");
    }
}

#[test]
fn nothing_that_is_there_is_replaced_without_force_and_nothing_is_changed_then() {
    let home = tempfile::tempdir().expect("a directory");
    let to = home.path();
    install(&bundle(Some("[cluster]\n")), to, false).expect("installed");
    fs::write(to.join("tls/keep.txt"), "mine").expect("writable");
    let other = Bundle { key: "another\n".to_owned(), ..bundle(Some("[cluster]\nname = 1\n")) };
    for wanted in [other.clone(), Bundle { config: None, ..other.clone() }] {
        let told = install(&wanted, to, false).expect_err("another key").to_string();
        assert!(told.contains("node.key is there already") && told.contains("--force"), "{told}");
    }
    let config = Bundle { key: "key\n".to_owned(), ..other.clone() };
    let told = install(&config, to, false).expect_err("another file").to_string();
    assert!(told.contains("cluster.toml is there already"), "{told}");
    assert_eq!(fs::read_to_string(to.join("tls/node.key")).expect("there"), "key\n");
    assert_eq!(fs::read_to_string(to.join("cluster.toml")).expect("there"), "[cluster]\n");

    install(&other, to, true).expect("forced");
    assert_eq!(fs::read_to_string(to.join("tls/node.key")).expect("there"), "another\n");
    assert_eq!(fs::read_to_string(to.join("tls/keep.txt")).expect("kept"), "mine");
    assert!(!to.join(".bundle.new").exists());
}

#[test]
fn one_that_was_killed_in_the_middle_is_finished_by_the_same_again() {
    let home = tempfile::tempdir().expect("a directory");
    let to = home.path();
    let made = bundle(Some("[cluster]\n"));
    // Killed while it put everything together: half a key, which counts for nothing.
    fs::create_dir_all(to.join(".bundle.new/tls")).expect("a directory");
    fs::write(to.join(".bundle.new/tls/node.key"), "ke").expect("writable");
    install(&made, to, false).expect("installed");
    assert_eq!(modes(to), all_modes());
    // Killed between the two renames.
    fs::remove_dir_all(to.join("tls")).expect("there");
    install(&made, to, false).expect("installed");
    assert_eq!(modes(to), all_modes());
}
