//! The certificates and the key on the disk: read whole or not at all, and looked at again and again
//! under a running daemon, so that a file that the next start could not use is told before that.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use election::{Moment, Span};
use nix::fcntl::OFlag;
use rustls_pki_types::UnixTime;
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::config::{Config, TlsConfig};
use crate::elector::peer::{TlsError, TlsFile, TlsMaterial};

/// A chain of certificates has some kilobytes; and three of these fit into one frame to the elector.
const LONGEST_FILE: u64 = 256 * 1024;
/// How often they are looked at.
const EVERY: Span = Span::from_secs(5);

/// The three files, or why they cannot be read, for each that cannot.
pub(super) fn read(tls: &TlsConfig) -> Result<TlsMaterial, Vec<TlsError>> {
    let mut problems = Vec::new();
    let mut take = |path: &Path| match read_file(path) {
        Ok(pem) => TlsFile { path: path.to_owned(), pem },
        Err(why) => {
            problems.push(TlsError::Unreadable { path: path.to_owned(), why });
            TlsFile { path: path.to_owned(), pem: Vec::new() }
        }
    };
    let material =
        TlsMaterial { ca: take(&tls.ca), certificate: take(&tls.certificate), key: take(&tls.key) };
    // A key that every user of the host can read proves nothing.
    if fs::metadata(&tls.key).is_ok_and(|key| key.mode() & 0o007 != 0) {
        problems.push(TlsError::OpenKey { path: tls.key.clone() });
    }
    if problems.is_empty() { Ok(material) } else { Err(problems) }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    // Who has put a pipe there must not hold anybody up.
    let open = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = open.map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err("it is not a plain file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err("it is larger than 256 KiB".to_owned());
    }
    Ok(bytes)
}

/// Why the files could not be used that lie there now; None if they could. That the time of those
/// that are in use is over is told by their dates.
fn trouble(config: &Config, in_use: &TlsMaterial) -> Option<String> {
    let found = match read(&config.tls) {
        Ok(found) if found == *in_use => return None,
        Ok(found) => found,
        Err(problems) => return problems.first().map(ToString::to_string),
    };
    let (cluster, node) = (&config.cluster.name, config.node.name.as_str());
    found.check(cluster, node, UnixTime::now()).err().map(|error| error.to_string())
}

/// Why the files on the disk could not be used; None when they could again.
pub(super) struct Trouble(pub(super) Option<String>);

/// Looks every few seconds, on a thread: a disk that hangs must not hold the permit's loop up.
#[derive(Default)]
pub(super) struct TlsWatch {
    looking: Option<oneshot::Receiver<Option<String>>>,
    next: Moment,
    known: Option<String>,
}

impl TlsWatch {
    /// What has changed since it was told, if anything has.
    pub(super) fn look(
        &mut self,
        now: Moment,
        config: &Config,
        in_use: &TlsMaterial,
    ) -> Option<Trouble> {
        let Some(looking) = &mut self.looking else {
            if self.next.over_when_either(now) {
                self.start(now, config, in_use);
            }
            return None;
        };
        match looking.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => {
                self.looking = None;
                None
            }
            Ok(found) => {
                self.looking = None;
                self.tell(found)
            }
        }
    }

    /// What is known, for an elector that starts.
    pub(super) fn known(&self) -> Option<String> {
        self.known.clone()
    }

    /// Other files are in use, and sound.
    pub(super) fn renewed(&mut self) -> Option<Trouble> {
        self.looking = None;
        self.tell(None)
    }

    fn start(&mut self, now: Moment, config: &Config, in_use: &TlsMaterial) {
        self.next = now.plus(EVERY);
        let (found, looking) = oneshot::channel();
        let (config, in_use) = (config.clone(), in_use.clone());
        let thread = std::thread::Builder::new().name("certificates".to_owned());
        // One that cannot be started is tried again.
        let started = thread.spawn(move || drop(found.send(trouble(&config, &in_use))));
        self.looking = started.is_ok().then_some(looking);
    }

    fn tell(&mut self, found: Option<String>) -> Option<Trouble> {
        if found == self.known {
            return None;
        }
        if let Some(why) = &found {
            error!("{why}. Those in use stay; the next start would fail");
        } else {
            info!("the certificates on the disk can be used again");
        }
        self.known.clone_from(&found);
        Some(Trouble(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_cannot_be_read_is_named_and_a_pipe_or_a_flood_holds_nobody_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let tls = TlsConfig { ca: at("ca.crt"), certificate: at("node.crt"), key: at("node.key") };
        let problems = read(&tls).expect_err("none is there");
        assert_eq!(problems.len(), 3, "{problems:?}");
        nix::unistd::mkfifo(&tls.ca, nix::sys::stat::Mode::from_bits_truncate(0o600))
            .expect("ours");
        fs::write(&tls.certificate, vec![b'a'; 300 * 1024]).expect("ours");
        fs::write(&tls.key, "a key").expect("ours");
        let mode = |mode| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&tls.key, fs::Permissions::from_mode(mode)).expect("ours");
        };
        mode(0o644);
        let told: Vec<_> =
            read(&tls).expect_err("all three").iter().map(ToString::to_string).collect();
        for (text, words) in told.iter().zip(["plain file", "256 KiB", "chmod 600"]) {
            assert!(text.contains(words), "{text}");
        }
        mode(0o600);
        assert_eq!(read(&tls).expect_err("two are left").len(), 2);
    }
}
