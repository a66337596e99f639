//! Writes the file beside the executor's loop, which waits for no disk but at a transition: what is
//! posted is written by a thread, the newest only; what is settled is on its place when the call
//! returns, and nothing posted before comes after it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::warn;

use super::{remove, temporary};

/// The thread, and what it is given.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slot: Mutex<Slot>,
    wake: Condvar,
    file: Mutex<File>,
}

/// The newest text that waits.
#[derive(Debug, Default)]
struct Slot {
    text: Option<Vec<u8>>,
    /// Counts what was posted and settled.
    number: u64,
    closed: bool,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// The number of what was written last.
    number: u64,
    /// The log was told that it cannot be written.
    failing: bool,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(path: PathBuf) -> io::Result<Self> {
        let file = Mutex::new(File { path, number: 0, failing: false });
        let (slot, wake) = (Mutex::new(Slot::default()), Condvar::new());
        let shared = Arc::new(Shared { slot, wake, file });
        let threads = shared.clone();
        thread::Builder::new().name("state.json".to_owned()).spawn(move || threads.write_all())?;
        Ok(Self { shared })
    }

    /// To be written soon, unless something newer comes first.
    pub(super) fn post(&self, text: Vec<u8>) {
        let mut slot = lock(&self.shared.slot);
        slot.number += 1;
        slot.text = Some(text);
        self.shared.wake.notify_one();
    }

    /// Written when it returns, or the file is gone; an error means that an older text may stand.
    pub(super) fn settle(&self, text: &[u8]) -> io::Result<()> {
        let number = {
            let mut slot = lock(&self.shared.slot);
            slot.number += 1;
            slot.text = None;
            slot.number
        };
        lock(&self.shared.file).write(number, text)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.slot).closed = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    /// The thread.
    fn write_all(&self) {
        loop {
            let mut slot = lock(&self.slot);
            while slot.text.is_none() && !slot.closed {
                slot = self.wake.wait(slot).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(text) = slot.text.take() else { return };
            let number = slot.number;
            drop(slot);
            // What cannot be written was told to the log, and runs out.
            drop(lock(&self.file).write(number, &text));
        }
    }
}

impl File {
    /// Replaces the file; if that fails, removes it, so that it says nothing old.
    fn write(&mut self, number: u64, text: &[u8]) -> io::Result<()> {
        if number < self.number {
            return Ok(());
        }
        self.number = number;
        match self.replace(text) {
            Ok(()) => {
                self.failing = false;
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!("{}: {error}: readers see no boss", self.path.display());
                }
                remove(&self.path)
            }
        }
    }

    /// Never torn: whole, then renamed. Not synced, for it means nothing after a reboot.
    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let new = temporary(&self.path);
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
        // For every user of the host, whatever the umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text)?;
        fs::rename(&new, &self.path)
    }
}

/// A thread that panicked ends the process; what it held is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_stands_and_nothing_posted_before_comes_after_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.json");
        let writer = Writer::start(path.clone()).expect("a thread");
        for round in 0..200 {
            for _ in 0..3 {
                writer.post(b"posted".to_vec());
            }
            writer.settle(format!("{round}").as_bytes()).expect("written");
            let read = fs::read_to_string(&path).expect("there");
            assert_eq!(read, round.to_string());
        }
        drop(writer.shared.file.lock().expect("no panic"));
        assert_eq!(fs::read_to_string(&path).expect("there"), "199");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.json");
        let writer = Writer::start(path.clone()).expect("a thread");
        writer.settle(b"MASTER").expect("written");
        // In the way of the text that is not yet whole.
        fs::create_dir(temporary(&path)).expect("a directory");
        writer.settle(b"BACKUP").expect("nothing is said any more");
        assert!(!path.exists());
        fs::remove_dir(temporary(&path)).expect("ours");
        fs::create_dir(&path).expect("a directory that cannot be removed as a file");
        fs::create_dir(temporary(&path)).expect("a directory");
        writer.settle(b"BACKUP").expect_err("something may stand there");
    }
}
