//! Disks that go bad under real daemons: a small C file, built here and preloaded into bossd, that
//! delays or fails what a node does with its state file, as a file in the node's directory says;
//! and small file systems that are really full.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bossctl::playground::cluster::Plan;
use harness::{Bed, until};

/// What is preloaded, and the program that preloads it.
pub(crate) struct Shim {
    dir: tempfile::TempDir,
}

impl Shim {
    /// Builds it. A compiler is there wherever bossd was built: its cryptography needs one.
    pub(crate) fn build() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/shim/disk.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .arg(dir.path().join("disk.so"))
            .arg(source)
            .status()
            .expect("a C compiler");
        assert!(built.success(), "cc cannot build the shim");
        Self { dir }
    }

    /// The plan with a bossd whose disk can be made bad.
    pub(crate) fn under(&self, mut plan: Plan) -> Plan {
        let wrapper = self.dir.path().join("bossd");
        let (shim, bossd) = (self.dir.path().join("disk.so"), plan.bossd.display().to_string());
        let script = format!("#!/bin/sh\nLD_PRELOAD='{}' exec '{bossd}' \"$@\"\n", shim.display());
        fs::write(&wrapper, script).expect("our own directory");
        fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).expect("our own file");
        plan.bossd = wrapper;
        plan
    }
}

/// From now on that is what a node's disk does; the words are in `shim/disk.c`.
pub(crate) fn breaks(bed: &Bed, index: usize, how: &str) {
    let at = bed.node(index).dir.join("disk-fault");
    let new = at.with_extension("new");
    fs::write(&new, how).expect("our own directory");
    fs::rename(&new, &at).expect("our own directory");
}

/// It is well again.
pub(crate) fn mends(bed: &Bed, index: usize) {
    fs::remove_file(bed.node(index).dir.join("disk-fault")).expect("it was bad");
}

/// Waits until a bad disk has shown itself.
pub(crate) fn has_shown(bed: &Bed, index: usize, how: &str) {
    let log = bed.node(index).dir.join("disk-fault.log");
    until(&format!("{how:?} in {}", log.display()), || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        said.lines().any(|line| line == how).then_some(())
    });
}

/// The disk of a node's state, which can be filled: a file system of a few pages, gone when dropped;
/// without the right to mount one, the shim that says so.
pub(crate) struct SmallDisk {
    at: PathBuf,
    mounted: bool,
}

impl SmallDisk {
    /// Under the state of a node that does not run yet, and whose bossd has the shim.
    pub(crate) fn under(bed: &Bed, index: usize) -> Self {
        let at = bed.node(index).dir.join("state");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=700", "boss-test"]).arg(&at);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("no right to mount a file system: what is full is played by the shim");
        }
        Self { at, mounted }
    }

    /// Not a byte is free any more.
    pub(crate) fn fill(&self, bed: &Bed, index: usize) {
        if !self.mounted {
            return breaks(bed, index, "full");
        }
        let mut size = 256 * 1024;
        let mut file = fs::File::create(self.at.join("filler")).expect("room for a name");
        while size > 0 {
            // In ever smaller pieces, until not even one byte finds room.
            match file.write(&vec![0; size]) {
                Ok(written) if written > 0 => {}
                _ => size /= 2,
            }
        }
    }

    /// There is room again.
    pub(crate) fn empty(&self, bed: &Bed, index: usize) {
        if !self.mounted {
            return mends(bed, index);
        }
        fs::remove_file(self.at.join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: the daemons above may still hold files of it.
            let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        }
    }
}
