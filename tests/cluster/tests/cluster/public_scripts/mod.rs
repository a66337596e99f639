//! Notify scripts of public projects, written for keepalived and run unchanged. Each is fetched for its
//! test alone, from Debian or PyPI, and none is part of this repository. Where a script looks for other
//! programs, each node finds recorders, in a mount namespace of its own.

mod conntrack;
mod tripleo;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use bossctl::playground::cluster::Place;
use harness::{Acting, Bed};
use nix::unistd::Uid;

use crate::keepalived::write_script;
use crate::three;

/// What is in `$1/etc` and so on lies over what is there, for this node alone.
const ENTER: &str = "set -e; root=$1; shift; for at in etc usr/sbin usr/local/sbin; do \
                     if [ -d \"$root/$at\" ]; then mount -t overlay overlay \
                     -o \"lowerdir=$root/$at:/$at\" \"/$at\"; fi; done; exec \"$@\"";

/// Why there can be no such nodes here; None if there can.
fn impossible() -> Option<String> {
    (!Uid::effective().is_root()).then(|| "only root makes mount namespaces".to_owned())
}

/// The files that one node sees in the place of the system's.
struct Root {
    dir: PathBuf,
}

impl Root {
    fn new(dir: PathBuf) -> Self {
        fs::create_dir(&dir).expect("a directory");
        Self { dir }
    }

    /// A program at this absolute path that writes its arguments down as one line, under its name, and
    /// then does `rest`.
    fn recorder(&self, path: &str, rest: &str) {
        let name = path.rsplit('/').next().expect("a name");
        let calls = self.dir.join(name).display().to_string();
        self.file(path, &format!("#!/bin/sh\necho \"$*\" >>{calls}.calls\n{rest}\n"));
    }

    /// An executable file at this absolute path.
    fn file(&self, path: &str, text: &str) {
        let at = self.dir.join(path.trim_start_matches('/'));
        fs::create_dir_all(at.parent().expect("a directory")).expect("made");
        write_script(&at, text);
    }

    /// The calls of the recorder with this name, so far.
    fn calls(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join(format!("{name}.calls")));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// Three nodes, each with its root and these lines in its section `[keepalived]`; once there is a boss.
fn start(roots: &[Root], keepalived: &str) -> (Bed, Acting) {
    let place = |root: &Root| {
        let root = root.dir.to_str().expect("UTF-8");
        let launcher = ["unshare", "--mount", "sh", "-c", ENTER, "sh", root];
        Place { address: free_port(), launcher: launcher.map(Into::into).to_vec() }
    };
    let mut bed = Bed::prepare_at(&three(), &roots.iter().map(place).collect::<Vec<_>>());
    for index in 0..roots.len() {
        let file = OpenOptions::new().append(true).open(bed.node(index).dir.join("node.toml"));
        let lines = format!("[keepalived]\n{keepalived}");
        file.expect("there").write_all(lines.as_bytes()).expect("writable");
    }
    bed.start_all().expect("started");
    let boss = bed.boss();
    bed.agree_on(&boss);
    (bed, boss)
}

fn free_port() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("bound")
}

/// One root for each of three nodes, below `home`.
fn roots(home: &Path) -> Vec<Root> {
    ["alpha", "beta", "gamma"].map(|node| Root::new(home.join(node))).into()
}
