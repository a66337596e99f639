//! The wall clock of one host, stepped: libfaketime stands between bossd and the system there and
//! adds what a file says to the time of day. The clocks that count from the boot, by which leases
//! are held, are left alone, as a step of the real clock would leave them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The library, where it is installed.
pub(crate) fn library() -> Result<PathBuf, String> {
    let below = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|it| it.path());
    let directories = below(Path::new("/usr/lib")).chain([PathBuf::from("/usr/lib")]);
    let mut candidates = directories.map(|dir| dir.join("faketime/libfaketimeMT.so.1"));
    candidates
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| "there is no libfaketime (package faketime)".to_owned())
}

/// What stands before the command of a program whose clock is to be stepped.
pub(crate) fn launcher(library: &Path, step: &Step) -> Vec<OsString> {
    let pair = |name: &str, value: &Path| {
        let mut pair = OsString::from(name);
        pair.push("=");
        pair.push(value);
        pair
    };
    vec![
        "env".into(),
        pair("LD_PRELOAD", library),
        pair("FAKETIME_TIMESTAMP_FILE", &step.file),
        "FAKETIME_NO_CACHE=1".into(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        // Waits are for a time that passes, not for one that is shown.
        "FAKETIME_DONT_RESET=1".into(),
    ]
}

/// How wrong the clock is; the file is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Step {
    /// What the library reads.
    pub(crate) file: PathBuf,
}

impl Step {
    /// A clock that is right, by a file of this name among the temporary ones.
    pub(crate) fn none(name: &str) -> Self {
        let step = Self { file: std::env::temp_dir().join(name) };
        step.set(0);
        step
    }

    /// In seconds.
    pub(crate) fn set(&self, seconds: i64) {
        // Renamed into its place: the library never reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}s\n")).expect("a temporary file");
        fs::rename(&new, &self.file).expect("a temporary file");
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // What cannot be removed now is swept away by the next test.
        drop(fs::remove_file(&self.file));
    }
}
