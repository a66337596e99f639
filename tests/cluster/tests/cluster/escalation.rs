//! `on-fence-failure = "stop-units"` as far as it needs no systemd: what the executor asks of
//! systemctl, in which order, and what it makes of the answers. `tests/systemd` has the real thing.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bossctl::playground::cluster::Place;
use harness::{Acting, Bed, acting};
use nix::sys::signal::{Signal, kill};
use tempfile::TempDir;

use crate::hooks_under_fire::{does, jobs};

/// Stands in for systemctl: `units` is what ConsistsOf has; polite.service ends when it is stopped,
/// stubborn.service when it is killed. Each call is written down.
const SYSTEMCTL: &str = r#"#!/bin/sh
d=${0%/*}
echo "$*" >>"$d/asked"
case "$1" in
show)
    case "$*" in
    *ConsistsOf*) cat "$d/units" ;;
    *)
        shift
        for unit; do
            case $unit in --*) continue ;; esac
            state=active
            if [ -e "$d/ended-$unit" ]; then state=inactive; fi
            printf 'Id=%s\nActiveState=%s\n\n' "$unit" "$state"
        done ;;
    esac ;;
stop) : >"$d/ended-polite.service" ;;
kill) : >"$d/ended-stubborn.service" ;;
esac
"#;

fn start(units: &str) -> (Bed, Acting, TempDir) {
    let at = tempfile::tempdir().expect("a directory");
    let program = at.path().join("systemctl");
    fs::write(&program, SYSTEMCTL).expect("ours");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("ours");
    fs::write(at.path().join("units"), units).expect("ours");
    let held: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    let path = format!("PATH={}:$PATH exec \"$0\" \"$@\"", at.path().display());
    let launcher: Vec<_> = ["/bin/sh", "-c", &path].map(OsString::from).to_vec();
    let place = |socket: &UdpSocket| Place {
        address: socket.local_addr().expect("bound"),
        launcher: launcher.clone(),
    };
    let places: Vec<_> = held.iter().map(place).collect();
    drop(held);
    let mut bed = Bed::prepare_at(&jobs(), &places);
    for index in 0..bed.size() {
        // [hooks] is its last section.
        let file = OpenOptions::new().append(true).open(bed.node(index).dir.join("node.toml"));
        let line = b"on-fence-failure = \"stop-units\"\n";
        file.and_then(|mut file| file.write_all(line)).expect("appended");
    }
    bed.start_all().expect("started");
    let boss = bed.boss();
    (bed, boss, at)
}

fn asked(at: &Path) -> Vec<String> {
    let text = fs::read_to_string(at.join("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The boss loses its elector, and its demote hook fails.
fn cannot_let_go(bed: &Bed, boss: &Acting) {
    does(bed, boss.index, "demote", "exit 1\n");
    kill(bed.node(boss.index).elector().expect("it runs"), Signal::SIGKILL).expect("killed");
}

#[test]
fn the_units_of_the_boss_are_stopped_then_killed_and_when_all_are_gone_nobody_waits() {
    let (mut bed, first, at) = start("polite.service stubborn.service\n");
    cannot_let_go(&bed, &first);
    bed.logged(first.index, "the units of boss.target are inactive: polite.service, stubborn");
    let second = bed.boss_after(&first);
    let line = bed.logged(second.index, &format!("became boss, epoch {} ", second.epoch));
    assert!(!line.contains("waited out"), "{line}");
    let asked = asked(at.path());
    let place = |what: &str| {
        asked.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what}: {asked:?}"))
    };
    let stopped = place("stop --no-block boss.target polite.service stubborn.service");
    // Only what had not ended by itself.
    assert!(stopped < place("kill --signal=SIGKILL stubborn.service"), "{asked:?}");
    bed.judge(Some(&second));
}

#[test]
fn without_a_unit_to_stop_nothing_was_let_go_and_the_claim_stands() {
    let (mut bed, first, at) = start("\n");
    cannot_let_go(&bed, &first);
    bed.logged(first.index, "boss.target has no unit: nothing could be stopped");
    bed.logged(first.index, "its effects may still stand on this node");
    let second =
        bed.until("another boss", |seen| acting(seen).filter(|acting| acting.epoch > first.epoch));
    let line = bed.logged(second.index, &format!("became boss, epoch {} ", second.epoch));
    assert!(line.contains("waited out"), "{line}");
    assert!(asked(at.path()).iter().all(|line| line.starts_with("show ")));
    bed.judge(Some(&second));
}
