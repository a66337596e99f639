//! The throw-away directory of a cluster: made under a fixed pattern, held by a lock for as long as
//! its owner lives, and removed at the end with all that runs from it. What a crashed owner left is
//! found by the next one, because its lock is free.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::unistd::{geteuid, mkdtemp};

use super::{PlaygroundError, processes};

/// A directory of our own, and the lock on it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    // Held, never read: the system lets go of it with the process, however that ends.
    _lock: File,
}

impl Directory {
    /// Makes one where temporary files go.
    pub fn create() -> Result<Self, PlaygroundError> {
        Self::create_in(&std::env::temp_dir())
    }

    fn create_in(parent: &Path) -> Result<Self, PlaygroundError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| PlaygroundError::Directory { path, source }
        };
        if parent.as_os_str().len() > LONGEST_PARENT {
            return Err(PlaygroundError::LongPath { path: parent.to_owned() });
        }
        let path = mkdtemp(&parent.join(format!("{PATTERN}XXXXXX")))
            .map_err(io::Error::from)
            .map_err(failed(parent))?;
        // Locked before it has its name, so that nobody ever sees it free.
        let early = path.join("lock.new");
        let lock = File::create_new(&early).map_err(failed(&early))?;
        lock.lock().map_err(failed(&early))?;
        fs::rename(&early, path.join(LOCK)).map_err(failed(&path))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Ends what runs from the directory of a playground, and removes it.
pub(super) fn remove(path: &Path) {
    processes::kill(path);
    // What cannot be removed now is a leftover for the next one.
    drop(fs::remove_dir_all(path));
}

/// Ends and removes what crashed owners of this user left; says which directories those were.
pub fn remove_leftovers() -> Vec<PathBuf> {
    remove_leftovers_in(&std::env::temp_dir())
}

fn remove_leftovers_in(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let candidates = entries.flatten().filter(|entry| is_pattern(&entry.file_name()));
    candidates.map(|entry| entry.path()).filter(|path| remove_if_left(path)).collect()
}

fn is_pattern(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PATTERN.as_bytes())
}

/// Removes the directory if it is ours and its owner is gone.
fn remove_if_left(path: &Path) -> bool {
    // Not through a link, and not what another user put there under our pattern.
    let ours = |meta: &fs::Metadata| meta.is_dir() && meta.uid() == geteuid().as_raw();
    let Some(meta) = path.symlink_metadata().ok().filter(ours) else { return false };
    let free = match File::open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => is_older_than(&meta, UNLOCKED_GRACE),
    };
    if free {
        processes::kill(path);
    }
    free && fs::remove_dir_all(path).is_ok()
}

fn is_older_than(meta: &fs::Metadata, age: Duration) -> bool {
    let changed = meta.modified().ok();
    changed.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|it| it > age)
}

/// How the names of all these directories begin.
pub const PATTERN: &str = "boss-playground-";
const LOCK: &str = "lock";
/// The path of a socket has 107 bytes, and `boss-playground-123456/epsilon/run/control.sock` has to
/// fit behind the parent's.
const LONGEST_PARENT: usize = 55;
/// A directory without a lock is one that is being made, or one whose maker died in between.
const UNLOCKED_GRACE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_owner_keeps_its_directory_and_a_dropped_one_removes_it() {
        let parent = tempfile::tempdir().expect("a directory");
        let mine = Directory::create_in(parent.path()).expect("made");
        assert_eq!(remove_leftovers_in(parent.path()), Vec::<PathBuf>::new());
        let path = mine.path().to_owned();
        assert!(path.join(LOCK).exists());
        drop(mine);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crashed_owner_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a directory");
        let left = parent.path().join(format!("{PATTERN}abc123"));
        let fresh = parent.path().join(format!("{PATTERN}fresh1"));
        let other = parent.path().join("something-else");
        for dir in [&left, &fresh, &other] {
            fs::create_dir(dir).expect("made");
        }
        fs::write(left.join(LOCK), "").expect("written");
        assert_eq!(remove_leftovers_in(parent.path()), vec![left]);
        assert!(fresh.exists() && other.exists());
    }

    #[test]
    fn a_parent_that_leaves_no_room_for_a_socket_is_refused() {
        let long = PathBuf::from(format!("/{}", "x".repeat(LONGEST_PARENT)));
        assert!(matches!(Directory::create_in(&long), Err(PlaygroundError::LongPath { .. })));
    }
}
