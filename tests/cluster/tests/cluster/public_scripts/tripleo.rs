//! `keepalived_vip_change.sh` of TripleO, OpenStack's installer, which keepalived calls with
//! `INSTANCE`, a name, the state and the priority: a server that has become MASTER routes the virtual
//! addresses to itself, any other one does not. It comes with tripleo-image-elements from PyPI, under
//! the Apache License 2.0. Its routes are those of a network namespace for each node; it also finds a
//! recorder for logger, to which it tells its arguments, and one for a tool that knows the own address.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use control::interface::Resign;
use harness::{python, until};

use super::{Root, impossible, roots, start};

/// Where the package has it.
const SCRIPT: &str = "share/tripleo-image-elements/keepalived/bin/keepalived_vip_change.sh";
const VIRTUAL: &str = "10.0.0.100";

/// A network namespace, for as long as this lives.
struct Network(Child);

impl Network {
    /// None where it cannot be made.
    fn new() -> Option<Self> {
        let script = "ip link set lo up && echo up && exec cat >/dev/null";
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take()?).read_line(&mut line);
        let network = Self(child);
        (said.is_ok() && line == "up\n").then_some(network)
    }

    fn path(&self) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string()).join("ns/net")
    }

    /// Whether the virtual address is routed to this server.
    fn has_route(&self) -> bool {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display()));
        command.args(["ip", "route", "show", "table", "local", VIRTUAL]);
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        !output.stdout.is_empty()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its standard input ends.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What the script has told logger: the arguments that it got.
fn told(root: &Root, script: &Path) -> Vec<String> {
    let started = format!("Started {} ", script.display());
    let calls = root.calls("logger").into_iter();
    calls.filter_map(|call| call.strip_prefix(&started).map(str::to_owned)).collect()
}

#[test]
fn the_script_of_tripleo_runs_unchanged() {
    const NAME: &str = "the_script_of_tripleo_runs_unchanged";
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/tripleo.txt");
    let fetched = match impossible() {
        None => python::environment("tripleo", &requirements),
        Some(why) => Err(why),
    };
    let networks: Option<Vec<_>> = (0..3).map(|_| Network::new()).collect();
    let (fetched, networks) = match (fetched, networks) {
        (Ok(fetched), Some(networks)) => (fetched, networks),
        (Err(why), _) => return println!("SKIPPED {NAME}: {why}"),
        (_, None) => return println!("SKIPPED {NAME}: no network namespace, or no ip(8)"),
    };
    let home = tempfile::tempdir().expect("a directory");
    let roots = roots(home.path());
    for (root, network) in roots.iter().zip(&networks) {
        let real = format!("exec nsenter --net={} /sbin/ip \"$@\"", network.path().display());
        root.recorder("/usr/local/sbin/ip", &real);
        root.recorder("/usr/local/sbin/logger", "");
        root.recorder("/usr/local/sbin/os-apply-config", "echo 127.0.0.1");
        root.file("/etc/keepalived/virtual_ips", &format!("{VIRTUAL}\n"));
    }
    let script = fetched.join(SCRIPT);
    let lines = format!("instance = \"VI_1\"\nnotify = \"{}\"\n", script.display());
    let (mut bed, boss) = start(&roots, &lines);
    let only = |index: usize| {
        until(&format!("the route on node {index} alone"), || {
            (0..3).all(|it| networks[it].has_route() == (it == index)).then_some(())
        });
    };
    let telling = |index: usize, states: &[&str]| {
        let wanted: Vec<_> = states.iter().map(|it| format!("INSTANCE VI_1 {it} 100")).collect();
        until(&format!("{states:?} on node {index}"), || {
            (told(&roots[index], &script) == wanted).then_some(())
        });
    };
    only(boss.index);
    let third = (0..3).find(|it| *it != boss.index).expect("one of three");
    telling(boss.index, &["MASTER"]);
    telling(third, &["BACKUP"]);
    bed.client(boss.index).resign(&Resign { force: None }).expect("two others could");
    let second = bed.boss_after(&boss);
    bed.agree_on(&second);
    only(second.index);
    telling(boss.index, &["MASTER", "BACKUP"]);
    telling(second.index, &["BACKUP", "MASTER"]);
    // A boss that stops lets go, and then tells that it is gone.
    bed.node(second.index).stop();
    assert!(bed.gone(second.index).expect("ended").success());
    telling(second.index, &["BACKUP", "MASTER", "BACKUP", "STOP"]);
    let last = bed.boss_after(&second);
    only(last.index);
    bed.judge(Some(&last));
}
