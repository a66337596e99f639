//! A reload, as the elector takes part in it: asks of the control socket go to the executor, which
//! reads the files; what it found is looked at on a thread, then taken in one turn of the loop; the
//! answer goes back to whoever asked.

use std::collections::BTreeMap;

use control::reload::{Change, Effect, Reload};
use election::{Moment, Span};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use super::Driver;
use crate::clock;
use crate::config::{canonical_of, differences};
use crate::elector::control::{Access, ReloadRequest};
use crate::elector::reload::{Before, Prepared, prepare};
use crate::ipc::{Anew, Taken, ToExecutor};
use crate::logging;

/// A database of groups that hangs is not waited for.
const PREPARING: Span = Span::from_secs(4);
/// More than the control socket has connections: of those who gave up the oldest are forgotten.
const WAITING: usize = 256;

/// What came of a look, with the number of the reload that it was for.
pub(super) type Looked = (u64, Result<Box<Prepared>, Vec<String>>);

/// Reloads under way.
pub(super) struct Reloading {
    host_name: String,
    access: watch::Sender<Access>,
    /// The number of the last ask.
    asked: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Reload>>,
    /// The number of the last look, and when it takes too long; None when none is under way.
    looks: u64,
    until: Option<Moment>,
    done: mpsc::UnboundedSender<Looked>,
    looked: mpsc::UnboundedReceiver<Looked>,
}

impl Reloading {
    pub(super) fn new(host_name: String, access: watch::Sender<Access>) -> Self {
        let (done, looked) = mpsc::unbounded_channel();
        Self {
            host_name,
            access,
            asked: 0,
            waiting: BTreeMap::new(),
            looks: 0,
            until: None,
            done,
            looked,
        }
    }

    /// What came of a look.
    pub(super) async fn looked(&mut self) -> Option<Looked> {
        self.looked.recv().await
    }
}

impl Driver {
    /// Somebody asks over the control socket.
    pub(super) fn handle_reload_asked(&mut self, request: ReloadRequest) {
        let ReloadRequest { by, reply } = request;
        info!("reload asked for by {by}");
        let reloading = &mut self.reloading;
        reloading.asked += 1;
        if let Some(reply) = reply {
            reloading.waiting.retain(|_, reply| !reply.is_closed());
            while reloading.waiting.len() >= WAITING {
                reloading.waiting.pop_first();
            }
            reloading.waiting.insert(reloading.asked, reply);
        }
        let ask = reloading.asked;
        self.tell_executor(ToExecutor::Reload { ask });
    }

    /// The executor has read the files.
    pub(super) fn handle_anew(&mut self, anew: Anew) {
        let before = Before {
            config: self.background.shared_config(),
            cluster: self.background.cluster_id(),
            host_name: self.reloading.host_name.clone(),
        };
        self.reloading.looks += 1;
        let (number, done) = (self.reloading.looks, self.reloading.done.clone());
        self.reloading.until = Some(clock::now().plus(PREPARING));
        let thread = std::thread::Builder::new().name("reload".to_owned());
        let started =
            thread.spawn(move || drop(done.send((number, prepare(anew, &before).map(Box::new)))));
        if let Err(error) = started {
            self.answer_executor(Err(vec![format!("no thread could be started: {error}")]));
        }
    }

    /// Ends what takes too long.
    pub(super) fn end_late_look(&mut self) {
        if self.reloading.until.is_some_and(|until| until.over_when_either(clock::now())) {
            self.answer_executor(Err(vec![format!(
                "the files could not be looked at within {PREPARING}: does the database of groups \
                 ([control] operators) answer?"
            )]));
        }
    }

    pub(super) fn handle_looked(&mut self, (number, found): Looked) {
        if self.reloading.until.is_none() || number != self.reloading.looks {
            return;
        }
        let taken = found.and_then(|prepared| self.take(*prepared));
        self.answer_executor(taken);
        self.pictured = None;
    }

    fn answer_executor(&mut self, taken: Result<Taken, Vec<String>>) {
        self.reloading.until = None;
        self.tell_executor(ToExecutor::Taken(taken));
    }

    /// All of it, or nothing.
    fn take(&mut self, prepared: Prepared) -> Result<Taken, Vec<String>> {
        let Prepared { config, canonical, tls, facts, cluster_ids, access, notes } = prepared;
        self.peers.renew(&tls, &cluster_ids).map_err(|error| vec![error.to_string()])?;
        logging::set_level(config.log.level);
        self.reloading.access.send_replace(access);
        let ready = self.background.take(config, canonical, facts);
        self.tell_certificate(None);
        self.heed_readiness(ready);
        Ok(Taken { changes: self.of_cluster(), notes })
    }

    /// In which the file differs from what the cluster has.
    fn of_cluster(&self) -> Vec<Change> {
        let state = self.node.snapshot(clock::now()).state;
        let agreed = canonical_of(self.background.cluster(), &state);
        let (effect, why) = if state.is_unborn() {
            (Effect::Restart, "the cluster has not begun: restart bossd on every node to take it")
        } else {
            (
                Effect::Cluster,
                "the cluster's value counts until `bossctl apply` publishes the file's",
            )
        };
        let differing = differences(&agreed, self.background.file());
        let changes = differing.into_iter().map(|(key, old, new)| Change {
            key,
            old,
            new,
            effect,
            why: Some(why.to_owned()),
        });
        changes.collect()
    }

    /// The reload is over, for these who asked.
    pub(super) fn handle_reloaded(&mut self, asks: &[u64], outcome: &Reload) {
        for ask in asks {
            if let Some(reply) = self.reloading.waiting.remove(ask) {
                // Who has given up hears nothing.
                let _ = reply.send(outcome.clone());
            }
        }
    }
}
