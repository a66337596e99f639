//! Asks each node for its status, over and over, on a thread of its own: one that stands still must
//! not hold up the view of the others. What was heard last is handed out; who acts goes into the
//! timeline as it is heard.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use control::client::{Client, ClientError};
use control::model::{Phase, Status};

use super::boot_ms;
use super::cluster::Cluster;
use super::timeline::Timeline;

/// The threads that ask; they end when this is dropped.
pub(super) struct Watch {
    heard: Arc<Mutex<Heard>>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What was heard so far.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// By the node's place: what it says, and when that was so.
    pub(super) sights: Vec<Option<Sight>>,
    /// Who acted.
    pub(super) timeline: Timeline,
}

/// A node's own word.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// The word.
    pub(super) status: Status,
    /// When that was so, on the boot clock.
    pub(super) at_ms: u64,
}

impl Watch {
    /// Begins to ask all nodes, running or not.
    pub(super) fn start(cluster: &Cluster) -> Self {
        let sights = vec![None; cluster.size()];
        let heard = Arc::new(Mutex::new(Heard { sights, timeline: Timeline::default() }));
        let end = Arc::new(AtomicBool::new(false));
        let threads = (0..cluster.size()).map(|index| {
            let node = cluster.node(index);
            let asker = Asker {
                index,
                name: node.name.clone(),
                socket: node.socket(),
                heard: Arc::clone(&heard),
                end: Arc::clone(&end),
            };
            thread::spawn(move || asker.run())
        });
        Self { threads: threads.collect(), heard, end }
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing to say, and a panic of its own was already printed.
            drop(thread.join());
        }
    }
}

struct Asker {
    index: usize,
    name: String,
    socket: PathBuf,
    heard: Arc<Mutex<Heard>>,
    end: Arc<AtomicBool>,
}

impl Asker {
    fn run(&self) {
        while !self.end.load(Ordering::Relaxed) {
            // On one connection as long as that lasts.
            if let Err(_ended) = self.listen() {
                let mut heard = lock(&self.heard);
                heard.sights[self.index] = None;
                heard.timeline.rests(&self.name);
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn listen(&self) -> Result<(), ClientError> {
        let mut client = Client::connect(&self.socket, PATIENCE)?;
        while !self.end.load(Ordering::Relaxed) {
            let document = client.status()?;
            let status: Status = serde_json::from_value(document)
                .map_err(|error| ClientError::NotUnderstood { why: error.to_string() })?;
            self.note(status);
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }

    fn note(&self, status: Status) {
        let at_ms = boot_ms().saturating_sub(status.age_ms);
        let acts = status.boss.as_ref().filter(|boss| {
            boss.node == status.node
                && boss.phase == Phase::Boss
                && status.this.phase == Phase::Boss
        });
        let mut heard = lock(&self.heard);
        match acts {
            Some(boss) => heard.timeline.acts(&self.name, boss.epoch, at_ms),
            None => heard.timeline.rests(&self.name),
        }
        heard.sights[self.index] = Some(Sight { status, at_ms });
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    // Each change of it is whole.
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How exact the timeline is. An answer costs a daemon some tenths of a millisecond.
pub(super) const LOOK_EVERY_MS: u64 = 25;
const BETWEEN_LOOKS: Duration = Duration::from_millis(LOOK_EVERY_MS);
/// A node on the same host that lives answers within a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(300);
