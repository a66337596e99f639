//! A bundle: all that one server needs to become a node, in one file that `bossctl ca issue --bundle`
//! makes and `bossctl install-bundle` installs. It is a tar archive of what belongs below /etc/boss,
//! so that one can look into it, and install it without bossctl:
//!
//! ```text
//! tar -C /etc/boss -xpf alpha.bundle
//! ```

mod install;
mod tar;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use install::{Installed, install};

/// What a bundle holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The authority's certificate, in PEM form.
    pub ca: String,
    /// The node's.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// cluster.toml, if it was named.
    pub config: Option<String>,
}

/// Why there is no bundle, or it is not installed.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is none that we made.
    #[error(
        "{} is no bundle: {why}; make another with `bossctl ca issue NODE --bundle FILE`, and copy it \
         whole",
        path.display()
    )]
    NoBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something else is there.
    #[error(
        "{} is there already and says something else: nothing was installed. To replace it: --force",
        path.display()
    )]
    Exists {
        /// What.
        path: PathBuf,
    },
    /// It cannot be put there.
    #[error(
        "cannot write {}: {source}; do the same again as root, with room on the disk, or name another \
         directory with --to: each file is as it was, or as it is to be",
        path.display()
    )]
    Write {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Bundle {
    /// Writes it into a file that is not there yet, for nobody else to read.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut files = vec![
            (CA, PUBLIC, self.ca.as_bytes()),
            (CERTIFICATE, PUBLIC, self.certificate.as_bytes()),
            (KEY, SECRET, self.key.as_bytes()),
        ];
        if let Some(config) = &self.config {
            files.push((CONFIG, PUBLIC, config.as_bytes()));
        }
        let made = tar::archive(&files);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(SECRET).open(path)?;
        let written = file.write_all(&made).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a bundle is none.
            drop(fs::remove_file(path));
        }
        written
    }

    /// Reads what [`Bundle::write`] wrote.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let no_bundle = |why: String| BundleError::NoBundle { path: path.to_owned(), why };
        let failed = |source| BundleError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(MAX_BUNDLE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BUNDLE {
            return Err(no_bundle(format!("it is larger than {MAX_BUNDLE} bytes")));
        }
        let files = tar::files(&bytes).map_err(no_bundle)?;
        let unknown = |name: &&String| ![CA, CERTIFICATE, KEY, CONFIG].contains(&name.as_str());
        if let Some(name) = files.keys().find(unknown) {
            return Err(no_bundle(format!("it holds {name}, which no bundle does")));
        }
        let text = |name: &str| {
            let bytes = files.get(name)?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        let needed = |name: &str| text(name).ok_or_else(|| no_bundle(format!("it has no {name}")));
        Ok(Self {
            ca: needed(CA)?,
            certificate: needed(CERTIFICATE)?,
            key: needed(KEY)?,
            config: text(CONFIG),
        })
    }
}

// By hand, so that a key is never printed.
impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("config", &self.config).finish_non_exhaustive()
    }
}

const CA: &str = "tls/ca.crt";
const CERTIFICATE: &str = "tls/node.crt";
const KEY: &str = "tls/node.key";
const CONFIG: &str = "cluster.toml";
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;
/// bossd takes a configuration of at most 1 MiB, and certificates of less.
const MAX_BUNDLE: u64 = 2 * 1024 * 1024;

#[cfg(test)]
mod tests;
