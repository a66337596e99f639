//! The wall clock of one host, stepped: a small library (`wall_clock.c`) stands between bossd and the
//! system there and adds what a file says to the time of day. The clocks that count from the boot, by
//! which leases are held, are left alone, and so is every timer, as a step of the real clock would
//! leave them. (libfaketime shifts the timers of every clock: one that is armed for a moment in days
//! is no test of a step.)

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What stands before the command of a program whose clock is to be stepped.
pub(crate) fn launcher(step: &Step) -> Vec<OsString> {
    let pair = |name: &str, value: &Path| {
        let mut pair = OsString::from(name);
        pair.push("=");
        pair.push(value);
        pair
    };
    let library = Path::new(concat!(env!("OUT_DIR"), "/wall_clock.so"));
    vec!["env".into(), pair("LD_PRELOAD", library), pair("BOSS_TEST_WALL_CLOCK", &step.path)]
}

/// How wrong the clock is; the file is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Step {
    /// What the library reads, whenever somebody asks for the time.
    path: PathBuf,
    file: File,
}

impl Step {
    /// A clock that is right, by a file of this name among the temporary ones.
    pub(crate) fn none(name: &str) -> Self {
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path);
        let step = Self { path, file: file.expect("a temporary file") };
        step.set(0);
        step
    }

    /// In seconds.
    pub(crate) fn set(&self, seconds: i64) {
        // Eight bytes of one page: whoever reads them sees the old ones or the new ones.
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).expect("a temporary file");
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // What cannot be removed now is swept away by the next test.
        drop(fs::remove_file(&self.path));
    }
}
