//! A small disk for a node's state, which can be filled up.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::command::run;
use crate::sweep::PREFIX;

/// A mounted tmpfs; unmounted when this is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one over an empty directory.
    pub(crate) fn mount(at: &Path) -> Result<Self, String> {
        let source = format!("{PREFIX}{}-disk", std::process::id());
        let target = at.display().to_string();
        let options = format!("size={SIZE},mode=0700");
        run("mount", &["-t", "tmpfs", "-o", &options, &source, &target])?;
        Ok(Self { at: at.to_owned() })
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        for block in [SIZE, 4096, 1] {
            // Until the system says that there is no more room, in smaller and smaller steps.
            while ballast.write_all(&vec![0; block]).is_ok() {}
        }
        Ok(())
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        // Not there: it was not full.
        drop(fs::remove_file(self.ballast()));
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let target = self.at.display().to_string();
        // What cannot be unmounted now is swept away by the next test.
        drop(run("umount", &["--lazy", &target]));
    }
}

/// Of a disk, in bytes: some states and their predecessors.
const SIZE: usize = 512 * 1024;
