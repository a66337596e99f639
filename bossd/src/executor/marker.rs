//! The marker in the run directory (X5): "acting" before the first effect of a promote, "idle"
//! after the last effect is gone. It outlives both processes and is never deleted, so that
//! whoever starts next knows whether something may still stand.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use election::{Epoch, Marker, Permit, Span};
use serde::{Deserialize, Serialize};

/// The marker of one instance.
#[derive(Debug)]
pub struct MarkerFile {
    path: PathBuf,
    boot_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Content {
    Acting { epoch: u64, until_boot_ns: u64, until_raw_ns: u64, fence_ns: u64, boot_id: String },
    Idle { epoch: u64, boot_id: String },
}

impl MarkerFile {
    /// The marker `acting` in the run directory.
    pub fn new(run_directory: &Path) -> Self {
        // Without /proc there is no boot id; the marker then says so and works all the same.
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { path: run_directory.join("acting"), boot_id: boot_id.trim().to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the run before left. The epoch of an earlier boot counts like one of this boot: what
    /// hooks did may have outlived the reboot.
    pub fn read(&self) -> Marker {
        match fs::read(&self.path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(Content::Acting { epoch, fence_ns, .. }) => {
                    Marker::Acting { epoch: Epoch(epoch), fence: Span::from_nanos(fence_ns) }
                }
                Ok(Content::Idle { epoch, .. }) => Marker::Idle { epoch: Epoch(epoch) },
                Err(_) => Marker::Unreadable,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Marker::Missing,
            Err(_) => Marker::Unreadable,
        }
    }

    /// Whether effects may stand that began since this host has booted. A record that cannot be read
    /// is taken for one: a boot empties the run directory.
    pub fn acted_since_boot(&self) -> bool {
        let Ok(bytes) = fs::read(&self.path) else { return false };
        match serde_json::from_slice(&bytes) {
            Ok(Content::Acting { boot_id, .. }) => boot_id == self.boot_id,
            Ok(Content::Idle { .. }) => false,
            Err(_) => true,
        }
    }

    /// Effects of this permit may stand from now on.
    pub fn write_acting(&self, permit: Permit) -> io::Result<()> {
        self.write(&Content::Acting {
            epoch: permit.epoch.0,
            until_boot_ns: permit.until.boot,
            until_raw_ns: permit.until.raw,
            fence_ns: permit.fence.as_nanos(),
            boot_id: self.boot_id.clone(),
        })
    }

    /// Nothing of this epoch or an earlier one stands.
    pub fn write_idle(&self, epoch: Epoch) -> io::Result<()> {
        self.write(&Content::Idle { epoch: epoch.0, boot_id: self.boot_id.clone() })
    }

    /// Durable when it returns: it must survive the death of every process. (A reboot empties the
    /// run directory, and ends what it speaks of.)
    fn write(&self, content: &Content) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).open(&temporary)?;
        serde_json::to_writer(&mut file, content)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use election::Moment;

    use super::*;

    #[test]
    fn a_marker_comes_back_as_it_was_written_and_garbage_is_unreadable() {
        let directory = tempfile::tempdir().expect("a directory");
        let marker = MarkerFile::new(directory.path());
        assert_eq!(marker.read(), Marker::Missing);
        let fence = Span::from_millis(800);
        let permit = Permit { epoch: Epoch(7), until: Moment::default(), fence };
        marker.write_acting(permit).expect("writable");
        assert_eq!(marker.read(), Marker::Acting { epoch: Epoch(7), fence });
        assert!(marker.acted_since_boot());
        let later = MarkerFile { path: marker.path.clone(), boot_id: "another".to_owned() };
        assert!(!later.acted_since_boot());
        marker.write_idle(Epoch(7)).expect("writable");
        assert!(!marker.acted_since_boot());
        assert_eq!(marker.read(), Marker::Idle { epoch: Epoch(7) });
        for garbage in ["", "{", "{\"state\":\"boss\"}", "acting"] {
            fs::write(marker.path(), garbage).expect("writable");
            assert_eq!(marker.read(), Marker::Unreadable, "{garbage:?}");
        }
    }
}
