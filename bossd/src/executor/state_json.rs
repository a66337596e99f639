//! `state.json` in the run directory: who is boss, for scripts that ask without a daemon. What it
//! says holds until `valid_until` on the boot clock and no longer, so that a daemon that is dead,
//! frozen or late is never believed. It says MASTER only while this node acts under a permit, never
//! beyond that permit's end, and is surely taken back before the word "idle" (X6): by then another
//! node may be boss.

mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use election::{Moment, Span};
use serde::Serialize;
use tracing::warn;

use super::hooks::plan::HookState;
use crate::clock;
use crate::config::Config;
use writer::Writer;

/// For how long a word without a boss is valid: the loop turns at least once a second.
const LIVES: Span = Span::from_secs(3);

/// A boss that this node knows of, and until when it may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownBoss {
    /// Its name.
    pub(super) name: String,
    /// Its address.
    pub(super) address: String,
    /// Its epoch.
    pub(super) epoch: u64,
    /// Until when.
    pub(super) until: Moment,
}

/// What the file says, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    state: HookState,
    boss: Option<(String, String, u64)>,
    until: Moment,
}

/// The file of one instance.
#[derive(Debug)]
pub(super) struct StateJson {
    cluster: String,
    node: String,
    boot_id: String,
    /// A shadow's: whoever asks it must do nothing.
    shadow: bool,
    writer: Option<Writer>,
    said: Option<Said>,
    /// The file may say MASTER: always so at first, for it may be another life's.
    may_say_master: bool,
}

/// The document, one field a line in this order: scripts look for them.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    cluster: &'a str,
    node: &'a str,
    state: &'static str,
    epoch: Option<u64>,
    boss: Option<&'a str>,
    boss_address: Option<&'a str>,
    boot_id: &'a str,
    valid_until: f64,
}

impl StateJson {
    /// The file `state.json` in the run directory. Where `/proc/uptime` does not tell the boot
    /// clock, as in some containers, readers would believe it for too long: there is none then.
    pub(super) fn start(config: &Config) -> io::Result<Self> {
        let path = config.node.run_directory.join("state.json");
        let writer = if uptime_is_boot_clock() {
            Some(Writer::start(path)?)
        } else {
            warn!("/proc/uptime is not the boot clock here: there is no {}", path.display());
            remove(&path)?;
            None
        };
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            cluster: config.cluster.name.clone(),
            node: config.node.name.to_string(),
            boot_id: boot_id.trim().to_owned(),
            shadow: config.node.shadow,
            writer,
            said: None,
            may_say_master: true,
        })
    }

    /// This node acts: says so until the permit's end. Called at every turn; most change nothing.
    pub(super) fn say_master(&mut self, now: Moment, address: &str, epoch: u64, until: Moment) {
        let boss = Some((self.node.clone(), address.to_owned(), epoch));
        self.say(now, Said { state: HookState::Master, boss, until });
    }

    /// This node does not act; another may, as the elector said last.
    pub(super) fn say_backup(&mut self, now: Moment, known: Option<&KnownBoss>) {
        let known =
            known.filter(|boss| boss.name != self.node && !boss.until.over_when_either(now));
        let said = match known {
            Some(KnownBoss { name, address, epoch, until }) => Said {
                state: HookState::Backup,
                boss: Some((name.clone(), address.clone(), *epoch)),
                until: *until,
            },
            None => Said { state: HookState::Backup, boss: None, until: now.plus(LIVES) },
        };
        self.say(now, said);
    }

    /// Before "idle" is said: the file does not say MASTER when this returns. Waits for the disk,
    /// as the marker does. An error means that it may.
    pub(super) fn take_back(&mut self, now: Moment) -> io::Result<()> {
        let until = now.plus(LIVES);
        self.settle(now, Said { state: HookState::Backup, boss: None, until })
    }

    /// The daemon ends: from now on the file is not valid.
    pub(super) fn end(&mut self, now: Moment) -> io::Result<()> {
        self.may_say_master = true;
        self.settle(now, Said { state: HookState::Stop, boss: None, until: now })
    }

    fn settle(&mut self, now: Moment, said: Said) -> io::Result<()> {
        if !std::mem::take(&mut self.may_say_master) {
            return Ok(());
        }
        let text = self.text(now, &said);
        let settled = self.writer.as_ref().map_or(Ok(()), |writer| writer.settle(&text));
        let settled = settled.map_err(|error| {
            io::Error::new(error.kind(), format!("state.json beside it may say MASTER: {error}"))
        });
        self.may_say_master = settled.is_err();
        self.said = Some(said);
        settled
    }

    fn say(&mut self, now: Moment, said: Said) {
        if !self.is_news(now, &said) {
            return;
        }
        self.may_say_master |= said.state == HookState::Master;
        let text = self.text(now, &said);
        if let Some(writer) = &self.writer {
            writer.post(text);
        }
        self.said = Some(said);
    }

    /// Something else, or a quarter of its time is gone: enough is always left for a reader.
    fn is_news(&self, now: Moment, said: &Said) -> bool {
        let Some(last) = &self.said else { return true };
        let same = last.state == said.state && last.boss == said.boss;
        let whole = said.until.left_until_either(now);
        let left = last.until.left_until_either(now);
        !same || left.plus(whole.part(4)) <= whole
    }

    fn text(&self, now: Moment, said: &Said) -> Vec<u8> {
        let boss = said.boss.as_ref();
        let document = Document {
            version: 1,
            cluster: &self.cluster,
            node: &self.node,
            state: if self.shadow { SHADOW } else { said.state.as_str() },
            epoch: boss.map(|(_, _, epoch)| *epoch),
            boss: boss.map(|(name, _, _)| name.as_str()),
            boss_address: boss.map(|(_, address, _)| address.as_str()),
            boot_id: &self.boot_id,
            valid_until: on_boot_clock(now, said.until),
        };
        let mut text = serde_json::to_vec_pretty(&document).expect("plain data is JSON");
        text.push(b'\n');
        text
    }
}

/// A moment as `/proc/uptime` would tell it: seconds, rounded down to a hundredth as there. It is over
/// when either clock has reached it, and a reader has only one.
fn on_boot_clock(now: Moment, until: Moment) -> f64 {
    let boot = now.boot + until.left_until_either(now).as_nanos();
    (boot / HUNDREDTH_NS) as f64 / 100.0
}

fn uptime_is_boot_clock() -> bool {
    let told = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = told.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok());
    let boot = clock::now().boot / 1_000_000_000;
    seconds.is_some_and(|seconds| seconds.abs_diff(boot) <= 1)
}

/// Removes a file that may not be there. A disk that is read-only says so before it looks.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if path.symlink_metadata().is_ok() => Err(error),
        _ => Ok(()),
    }
}

/// The same with another ending, for what is not yet whole.
fn temporary(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

/// In the place of the state: no script that waits for MASTER, or does something without one, knows it.
const SHADOW: &str = "SHADOW";
const HUNDREDTH_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests;
