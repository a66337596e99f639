//! Why a state directory cannot be used, in words for the person who must put it right: what is
//! wrong with which file, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{PREVIOUS, was_refused};
use crate::elector::schema::state_file::StateFileError;

/// Why a state directory cannot be used. Nothing is changed in any of these cases.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The system refuses.
    #[error("{path}: {what}: {error}. {}", advice(error))]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was to be done.
        what: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// Another daemon has it.
    #[error(
        "{path}: another bossd uses this state directory (pid {pid}). Two instances need two \
         directories ([node] state-directory). If it is an elector that outlived its executor, run \
         `bossd --clean-up` first; when that does not end it, kill -9 {pid}"
    )]
    InUse {
        /// The lock.
        path: PathBuf,
        /// Who holds it, as it said.
        pid: String,
    },
    /// The state file cannot be believed.
    #[error(
        "{path}: {error}. This node gives no vote rather than guess what it had promised; \
         {PREVIOUS} beside it, where there is one, may have forgotten a vote and is not used. {}",
        REMEDY
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: StateFileError,
    },
    /// A later version wrote it.
    #[error("{path}: {error}. Or, if that version is not to be had any more, {}", NEW_LIFE)]
    Newer {
        /// The file.
        path: PathBuf,
        /// In which format.
        error: StateFileError,
    },
    /// The state file is gone, the previous generation is there.
    #[error(
        "{path} is missing, but {PREVIOUS} beside it is there: somebody removed it, or a disk was \
         restored half. The previous generation may have forgotten a vote, so it is not used. {}",
        REMEDY
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// An earlier generation stands in the place of the state file.
    #[error(
        "{path}: it is generation {found}, and {PREVIOUS} beside it is generation {previous}: an \
         older file was put in its place, from a backup or from {PREVIOUS} itself. It may have \
         forgotten a vote, so it is not used. {}",
        REMEDY
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its generation.
        found: u64,
        /// That of the previous one.
        previous: u64,
    },
    /// Somebody else could have written it.
    #[error(
        "{path}: it {problem}, so that another user could change what this node has promised. Make \
         sure that nobody did, then: {remedy}"
    )]
    Open {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The directory was there when this daemon started, and is not any more.
    #[error(
        "{path} holds no state any more: it was removed while bossd was running. This node gives \
         no vote rather than forget what it had promised. Put the directory back if you can; else \
         start bossd again: the node then starts as a new life, which the cluster must re-admit"
    )]
    Vanished {
        /// The directory.
        path: PathBuf,
    },
    /// Another cluster's, or another node's.
    #[error(
        "{path}: it belongs to {found}, this node is {wanted}. Use another state directory \
         ([node] state-directory), or put the right certificates and the right name back"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        wanted: String,
    },
}

/// What always helps, and costs the node its place.
const NEW_LIFE: &str = "move the whole directory away: the node then starts as a new life, which \
                        the cluster must re-admit";

const REMEDY: &str = "Restore the file itself if you can; else move the whole directory away: the \
                      node then starts as a new life, which the cluster must re-admit";

/// What to do about an error of the system.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM | Errno::ENOENT | Errno::ENOTDIR) => {
            "The state directory must be writable by bossd's user ([node] state-directory, user)"
        }
        _ if was_refused(error) => {
            "Make room on the disk, or mount it writable: without its state this node cannot start"
        }
        _ => {
            "Look at the disk and at the kernel's log (dmesg): without its state this node cannot start"
        }
    }
}

/// With what was to be done, and where.
pub(super) fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StateDirError {
    let path = path.to_owned();
    move |error| StateDirError::Io { path, what, error }
}
