//! The state directory: the lock that keeps a second daemon out, the state file with its previous
//! generation, the reset secret, and the storage thread that makes writes durable beside the
//! election (protocol.md 8). It never guesses: what it cannot believe it refuses, with the reason.

pub mod authorities;
mod check;
mod error;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use election::{ClusterId, ClusterState, HardState, Incarnation, NodeId, Span, Write, Written};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::clock;
use crate::elector::schema::state_file::{self, MAX_FILE, StateFileError, Stored};
use check::{check_generation, check_open};
pub use error::StateDirError;
use error::io_error;

const STATE: &str = "state";
const PREVIOUS: &str = "state.previous";
const TEMPORARY: &str = "state.new";
const LOCK: &str = "lock";
const RESET_SECRET: &str = "reset-secret";

/// Who this directory should belong to.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The cluster, by its name and each authority that ca.crt holds. Never empty; a new life is of
    /// the first.
    pub clusters: Vec<ClusterId>,
    /// This member.
    pub node: NodeId,
}

/// An open state directory, locked against a second daemon.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    stored: Stored,
    reset_secret: [u8; 32],
    // Held for as long as the directory is in use.
    lock: Flock<File>,
}

/// Whether a directory without a state is the beginning of a new life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It is: this is the daemon's start.
    AnyLife,
    /// An elector of this daemon has served with it: what is missing was removed.
    TheSameLife,
}

impl StateDir {
    /// Opens or, when it is empty and may be, creates the state of a new life of this node.
    pub fn open(
        path: &Path,
        owner: &Owner,
        unborn: &ClusterState,
        expect: Expect,
    ) -> Result<Self, StateDirError> {
        if expect == Expect::TheSameLife && !path.join(STATE).exists() && !holds_previous(path) {
            return Err(StateDirError::Vanished { path: path.to_owned() });
        }
        create_directory(path)?;
        check_open(path)?;
        let lock = lock(path)?;
        let found = read(path)?;
        let is_new = found.is_none();
        let stored = match found {
            Some(stored) => check_owner(path, stored, owner)?,
            None => Stored {
                generation: 0,
                cluster: owner.clusters[0],
                node: owner.node.clone(),
                incarnation: Incarnation(uuid::Uuid::new_v4().as_u128()),
                hard: HardState::unborn(unborn.clone()),
            },
        };
        let reset_secret = reset_secret(path)?;
        let mut dir = Self { path: path.to_owned(), stored, reset_secret, lock };
        if is_new {
            dir.begin()?;
        } else {
            dir.confirm()?;
        }
        if dir.stored.hard.state.is_unborn() {
            // Nobody has agreed on the cluster-wide part yet: the file is what counts.
            dir.stored.hard.state = std::sync::Arc::new(unborn.clone());
        }
        Ok(dir)
    }

    /// What it holds.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The secret that makes this node's QUIC resets recognisable to its peers.
    pub fn reset_secret(&self) -> [u8; 32] {
        self.reset_secret
    }

    /// A new life: its incarnation is durable before anybody hears of it, the directory's own
    /// name in its parent included.
    fn begin(&mut self) -> Result<(), StateDirError> {
        let hard = self.stored.hard.clone();
        self.write(hard)
            .map_err(|(_, error)| io_error(&self.path, "writing the first state")(error))?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all()) {
            // Not ours to read: whoever made the directory answers for it.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                Err(io_error(&self.path, "making the directory durable")(error))
            }
            _ => Ok(()),
        }
    }

    /// Another life: what was read may be no more than a copy in memory, left by a write whose
    /// fsync failed (exit 74) and which the disk never got. It is written anew before this node
    /// acts on it: a vote that only the memory knew would be given twice after a power loss.
    fn confirm(&mut self) -> Result<(), StateDirError> {
        let hard = self.stored.hard.clone();
        match self.write(hard) {
            Ok(()) => Ok(()),
            // Full or read-only: nothing can be written, but what is there can be made sure of.
            Err((true, refused)) => {
                tracing::warn!("{}: {refused}: no vote until it can write", self.path.display());
                let synced = File::open(self.path.join(STATE))
                    .and_then(|state| state.sync_all())
                    .and_then(|()| File::open(&self.path)?.sync_all());
                synced.map_err(io_error(&self.path, "making the state durable"))
            }
            Err((false, error)) => Err(io_error(&self.path, "writing the state anew")(error)),
        }
    }

    /// Makes `hard` durable. The bool of an error says whether the old state certainly stands.
    fn write(&mut self, hard: HardState) -> Result<(), (bool, io::Error)> {
        let next = Stored { generation: self.stored.generation + 1, hard, ..self.stored.clone() };
        let temporary = self.path.join(TEMPORARY);
        let current = self.path.join(STATE);
        let file = write_temporary(&temporary, &state_file::render(&next))
            .map_err(|error| (was_refused(&error), error))?;
        // From here on an error is final, for what is on the disk is not known any more; but a
        // previous generation that cannot be kept leaves the current one as it is.
        file.sync_all().map_err(|error| (false, error))?;
        keep_previous(&current, &self.path.join(PREVIOUS)).map_err(|e| (was_refused(&e), e))?;
        fs::rename(&temporary, &current).map_err(|error| (false, error))?;
        let directory = File::open(&self.path).map_err(|error| (false, error))?;
        directory.sync_all().map_err(|error| (false, error))?;
        self.stored = next;
        Ok(())
    }
}

/// The epoch of this node's own claim in the state file under `path`, if there is one: what the
/// executor asks at its start (X5). A directory without a state has no claim; one that cannot be
/// believed is an error, which the elector will tell in full.
pub fn own_claim(path: &Path) -> Result<Option<election::Epoch>, StateDirError> {
    let stored = match read(path) {
        Ok(stored) => stored,
        Err(StateDirError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(stored.and_then(|stored| {
        let held = stored.hard.state.claim.held_by(&stored.node, stored.incarnation);
        held.map(|held| held.epoch)
    }))
}

fn create_directory(path: &Path) -> Result<(), StateDirError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(io_error(path, "creating the directory"))
}

fn lock(path: &Path) -> Result<Flock<File>, StateDirError> {
    let path = path.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path);
    // On a read-only disk one that is there can be locked all the same: this node then follows.
    let file =
        file.or_else(|error| if was_refused(&error) { File::open(&path) } else { Err(error) });
    let mut file = file.map_err(io_error(&path, "opening the lock"))?;
    let give_up = clock::now().plus(LEAVING);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // For whoever finds it locked; a line that is not there harms nothing.
                let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
                return Ok(lock);
            }
            Err((back, Errno::EWOULDBLOCK)) if !give_up.over_when_either(clock::now()) => {
                std::thread::sleep(BETWEEN_TRIES);
                file = back;
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                return Err(StateDirError::InUse { path, pid: pid.trim().to_owned() });
            }
            Err((_, errno)) => return Err(io_error(&path, "locking")(errno.into())),
        }
    }
}

/// An elector whose executor died may be about to leave: its lock is waited for this long.
const LEAVING: Span = Span::from_secs(2);
const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_millis(20);

/// None when the directory has never held a state.
fn read(directory: &Path) -> Result<Option<Stored>, StateDirError> {
    let path = directory.join(STATE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if holds_previous(directory) {
                Err(StateDirError::Missing { path })
            } else {
                Ok(None)
            };
        }
        Err(error) => return Err(io_error(&path, "opening")(error)),
    };
    let stored = parse(file).map_err(io_error(&path, "reading"))?;
    let stored = stored.map_err(|error| match error {
        // Nothing is wrong with it: what is wrong is the version that reads it.
        StateFileError::Newer(_) => StateDirError::Newer { path, error },
        error => StateDirError::Unusable { path, error },
    })?;
    check_generation(directory, &stored)?;
    Ok(Some(stored))
}

fn parse(file: File) -> io::Result<Result<Stored, StateFileError>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    // What is not UTF-8 fails the checksum, with a text that says so.
    Ok(state_file::parse(&String::from_utf8_lossy(&bytes)))
}

fn holds_previous(directory: &Path) -> bool {
    directory.join(PREVIOUS).exists()
}

fn check_owner(directory: &Path, stored: Stored, owner: &Owner) -> Result<Stored, StateDirError> {
    let known = authorities::read(directory, stored.cluster);
    if owner.clusters.iter().any(|id| known.contains(id)) && stored.node == owner.node {
        return Ok(stored);
    }
    let found = format!("{} of cluster {:?}", stored.node, stored.cluster);
    let wanted = format!("{} of cluster {:?}", owner.node, owner.clusters[0]);
    Err(StateDirError::Foreign { path: directory.join(STATE), found, wanted })
}

fn reset_secret(directory: &Path) -> Result<[u8; 32], StateDirError> {
    let path = directory.join(RESET_SECRET);
    if let Ok(bytes) = fs::read(&path)
        && let Ok(secret) = <[u8; 32]>::try_from(bytes)
    {
        return Ok(secret);
    }
    let mut secret = [0_u8; 32];
    for half in secret.chunks_mut(16) {
        half.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    // Losing it only costs the peers a second to notice a restart: no fsync.
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(&secret));
    written.map_err(io_error(&path, "writing the reset secret"))?;
    Ok(secret)
}

fn write_temporary(path: &Path, text: &str) -> io::Result<File> {
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// The previous generation stays beside the current one, for a person to look at: a second name
/// of it, or a copy where a file cannot have two.
fn keep_previous(current: &Path, previous: &Path) -> io::Result<()> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::remove_file(previous) {
        Err(error) if !missing(&error) => return Err(error),
        _ => {}
    }
    match fs::hard_link(current, previous) {
        Err(error) if !missing(&error) => fs::copy(current, previous).map(|_| ()),
        // There is none before the first write.
        _ => Ok(()),
    }
}

/// Disk full, quota, read-only: nothing was promised to the disk yet, so the old state stands.
fn was_refused(error: &io::Error) -> bool {
    let known = [Errno::ENOSPC, Errno::EDQUOT, Errno::EROFS];
    error.raw_os_error().is_some_and(|raw| known.contains(&Errno::from_raw(raw)))
}

/// What the storage thread reports.
#[derive(Debug)]
pub enum StorageEvent {
    /// A write ended, one way or the other.
    Done {
        /// For the core.
        written: Written,
        /// How long it took.
        took: Span,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// What is on the disk is not known any more: the elector must end (exit 74).
    Broken(String),
}

/// The storage thread: writes beside the election's loop, so that a slow disk does not end a
/// lease.
#[derive(Debug)]
pub struct Storage {
    writes: mpsc::Sender<Write>,
}

impl Storage {
    /// Takes the directory over; events come on `events`, one per write.
    pub fn spawn(
        mut dir: StateDir,
        events: tokio::sync::mpsc::UnboundedSender<StorageEvent>,
    ) -> io::Result<Self> {
        // The core has at most one write outstanding, so neither channel can grow.
        let (writes, orders) = mpsc::channel::<Write>();
        std::thread::Builder::new().name("storage".into()).spawn(move || {
            for Write { generation, hard } in orders {
                let begun = clock::now();
                let event = match dir.write(hard) {
                    Ok(()) => done(generation, true, begun, None),
                    Err((true, error)) => done(generation, false, begun, Some(error.to_string())),
                    Err((false, error)) => {
                        let path = dir.path.join(STATE);
                        StorageEvent::Broken(format!("{}: {error}", path.display()))
                    }
                };
                if events.send(event).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { writes })
    }

    /// Hands one write over.
    pub fn write(&self, write: Write) {
        // The thread ends only after Broken, and then the elector is ending too.
        let _ = self.writes.send(write);
    }
}

fn done(
    generation: u64,
    durable: bool,
    begun: election::Moment,
    refused: Option<String>,
) -> StorageEvent {
    let took = begun.elapsed(clock::now());
    StorageEvent::Done { written: Written { generation, durable }, took, refused }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Named, so that nobody takes the lock for unused: it is released here.
        let _ = &self.lock;
    }
}

#[cfg(test)]
mod tests;
