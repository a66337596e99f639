//! What is asked of a state directory beyond its file's own checksum: that no older generation
//! stands in the place of the state, and that nobody else could have written it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::error::{StateDirError, io_error};
use super::{PREVIOUS, STATE, TEMPORARY, parse};
use crate::elector::schema::state_file::Stored;

/// The previous generation is never the later one. It is the same one only where a crash came
/// between keeping it and renaming, which leaves [`TEMPORARY`], or as a second name of the file.
/// One that cannot be read proves nothing: a full disk may have cut it off.
pub(super) fn check_generation(directory: &Path, stored: &Stored) -> Result<(), StateDirError> {
    let path = directory.join(STATE);
    let Ok(file) = File::open(directory.join(PREVIOUS)) else { return Ok(()) };
    let same_file = fs::metadata(&path)
        .and_then(|state| Ok(state.ino() == file.metadata()?.ino()))
        .unwrap_or_default();
    let Ok(Ok(previous)) = parse(file) else { return Ok(()) };
    let (found, previous) = (stored.generation, previous.generation);
    let was_copied =
        previous == found && !same_file && directory.join(TEMPORARY).symlink_metadata().is_err();
    if previous > found || was_copied {
        return Err(StateDirError::Older { path, found, previous });
    }
    Ok(())
}

/// The directory, and the state in it, belong to this user alone: what another one could have
/// written is no record of what this node has promised.
pub(super) fn check_open(directory: &Path) -> Result<(), StateDirError> {
    let me = Uid::effective();
    for (path, mode) in [(directory.to_owned(), 0o700), (directory.join(STATE), 0o600)] {
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error(&path, "looking at the owner")(error)),
        };
        let owner = Uid::from_raw(meta.uid());
        let shown = path.display();
        if owner != me {
            let problem = format!("belongs to {}, and bossd runs as {}", named(owner), named(me));
            let remedy = format!("chown -R {} {}", named(me), directory.display());
            return Err(StateDirError::Open { path, problem, remedy });
        }
        if meta.mode() & 0o022 != 0 {
            let problem = format!("has mode {:04o}", meta.mode() & 0o7777);
            let remedy = format!("chmod {mode:o} {shown}");
            return Err(StateDirError::Open { path, problem, remedy });
        }
    }
    Ok(())
}

/// A user by name, where it has one.
fn named(uid: Uid) -> String {
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}
