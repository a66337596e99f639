//! The link to one peer: dials it, decides which of several connections stays, and tells the
//! driver of its coming and going. One task per peer, only owner of that decision.
//!
//! ```text
//! back-off -> dial -> Hello, Welcome --+
//!                                      +-> consider -> adopt | hand over | replace | drain
//! accept -> Hello, Welcome ------------+
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use election::{Moment, Span};
use quinn::Connection;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::channel::Channel;
use super::dial::dial;
use super::setback::{REFUSED, SURPLUS, Setback};
use super::shared::Shared;
use super::state::{Direction, InUse, Mode, PeerState};
use super::{INTRODUCTION_LIMIT, PeerEvent, wait};
use crate::clock::now;

/// A connection whose Hello and Welcome were exchanged and found good.
pub(super) struct Candidate {
    pub(super) connection: Connection,
    pub(super) incarnation: u128,
    pub(super) facts: Facts,
}

/// What decides between two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// The life of the peer's process.
    pub(super) session: u64,
    /// The connection's id.
    pub(super) id: u64,
    pub(super) started_by_us: bool,
    /// The id of the last connection that the peer lost.
    pub(super) peer_lost: u64,
}

/// What a new connection means beside the one in use.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The old one leads nowhere any more: put the new one in its place.
    Replace(&'static str),
    /// Both work: the new one stays, the old one is drained.
    HandOver,
    /// Both work: the old one stays, the new one is drained.
    Surplus,
}

/// Decides between the connection in use and a new one; both sides come to the same answer.
fn choose(current: Facts, new: Facts, we_are_lower: bool) -> Choice {
    if new.session != current.session {
        return Choice::Replace("it restarted");
    }
    if new.peer_lost == current.id {
        return Choice::Replace("it lost the connection");
    }
    if new.started_by_us == current.started_by_us {
        // Nobody dials twice but for want of a connection.
        return Choice::HandOver;
    }
    if new.started_by_us == we_are_lower { Choice::HandOver } else { Choice::Surplus }
}

/// The link's task.
pub(super) struct Link {
    shared: Arc<Shared>,
    peer: Arc<PeerState>,
    inbox: mpsc::Receiver<Candidate>,
    current: Option<Current>,
    /// The channels of the current connection and of those being drained.
    channels: JoinSet<(u64, String)>,
    waiting: Option<Pending<()>>,
    dialling: Option<Pending<Result<Candidate, Setback>>>,
    backoff: Backoff,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Current {
    facts: Facts,
    since: Moment,
}

enum Step {
    Candidate(Candidate),
    Ended(u64, String),
    Dial,
    Dialled(Result<Candidate, Setback>),
    Nothing,
}

impl Link {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Arc<PeerState>,
        inbox: mpsc::Receiver<Candidate>,
    ) -> Self {
        Self {
            shared,
            peer,
            inbox,
            current: None,
            channels: JoinSet::new(),
            waiting: None,
            dialling: None,
            backoff: Backoff::new(),
        }
    }

    /// Keeps the peer connected for as long as this node runs.
    pub(super) async fn run(mut self) {
        self.dial();
        loop {
            match self.next().await {
                Step::Candidate(candidate) => self.consider(candidate).await,
                Step::Ended(id, reason) => self.ended(id, reason).await,
                Step::Dial => self.dial(),
                Step::Dialled(Ok(candidate)) => {
                    self.dialling = None;
                    self.consider(candidate).await;
                }
                Step::Dialled(Err(setback)) => {
                    self.dialling = None;
                    self.dial_failed(&setback).await;
                }
                Step::Nothing => {}
            }
        }
    }

    async fn next(&mut self) -> Step {
        tokio::select! {
            Some(candidate) = self.inbox.recv() => Step::Candidate(candidate),
            Some(ended) = self.channels.join_next() => match ended {
                Ok((id, reason)) => Step::Ended(id, reason),
                // Aborted, when its connection was replaced.
                Err(_) => Step::Nothing,
            },
            outcome = when_there(&mut self.dialling) => Step::Dialled(outcome),
            () = when_there(&mut self.waiting) => Step::Dial,
        }
    }

    fn dial(&mut self) {
        self.waiting = None;
        if self.current.is_none() && self.peer.kept_out(now()) > Span::ZERO {
            return self.redial();
        }
        if self.current.is_none() && self.dialling.is_none() {
            let (shared, peer) = (Arc::clone(&self.shared), Arc::clone(&self.peer));
            self.dialling = Some(Box::pin(async move {
                tokio::select! {
                    outcome = dial(&shared, &peer) => outcome,
                    () = wait(INTRODUCTION_LIMIT) => Err(Setback::Failed(format!(
                        "{} took too long to introduce itself", peer.name
                    ))),
                }
            }));
        }
    }

    async fn dial_failed(&mut self, setback: &Setback) {
        let address = self.peer.address.clone();
        self.shared.report(&self.peer, Direction::Dialled, address, setback).await;
        if self.current.is_none() {
            self.redial();
        }
    }

    fn redial(&mut self) {
        let delay = self.backoff.next().max(self.peer.kept_out(now()));
        let peer = Arc::clone(&self.peer);
        self.waiting = Some(Box::pin(async move {
            tokio::select! {
                () = wait(delay) => {}
                () = peer.nudged.notified() => {}
            }
        }));
    }

    async fn consider(&mut self, new: Candidate) {
        if new.connection.close_reason().is_some() {
            debug!("{}: a connection ended before it was used", self.peer.name);
            if self.current.is_none() && self.dialling.is_none() && self.waiting.is_none() {
                self.redial();
            }
            return;
        }
        let unwelcome = self.peer.unwelcome(new.incarnation, now());
        // Its handshake may have begun before the authority was changed.
        let unwelcome = unwelcome.or_else(|| {
            let trusted = self.shared.trusts(&new.connection);
            (!trusted).then(|| DISTRUSTED.to_owned())
        });
        if let Some(why) = unwelcome {
            debug!("{}: {why}", self.peer.name);
            new.connection.close(REFUSED, why.as_bytes());
            if self.current.is_none() && self.dialling.is_none() && self.waiting.is_none() {
                self.redial();
            }
            return;
        }
        let we_are_lower = self.shared.settings.me < self.peer.name;
        match self.current.as_ref().map(|it| choose(it.facts, new.facts, we_are_lower)) {
            None => self.adopt(new).await,
            Some(Choice::Replace(why)) => {
                self.lose(&format!("{}: {why}", self.peer.name)).await;
                self.adopt(new).await;
            }
            Some(Choice::HandOver) => self.hand_over(new),
            Some(Choice::Surplus) => self.drain(new),
        }
    }

    /// The peer is connected: first the driver learns of it, then frames are read.
    async fn adopt(&mut self, new: Candidate) {
        self.waiting = None;
        self.current = Some(Current { facts: new.facts, since: now() });
        let mode = self.use_connection(&new);
        let (peer, incarnation) = (self.peer.name.clone(), new.incarnation);
        info!("{peer} connected at {}", new.connection.remote_address());
        self.shared.emit(PeerEvent::Connected { peer, incarnation }).await;
        self.carry(new, mode);
    }

    /// Two connections, one peer: what is queued from now on goes to the new one, and the old
    /// one is read to its end.
    fn hand_over(&mut self, new: Candidate) {
        let since = self.current.as_ref().map_or_else(now, |it| it.since);
        self.current = Some(Current { facts: new.facts, since });
        let mode = self.use_connection(&new);
        self.carry(new, mode);
    }

    /// The new connection is one too many; the peer may have sent something on it all the same.
    fn drain(&mut self, new: Candidate) {
        let (mode, told) = watch::channel(Mode::HandOver);
        drop(mode);
        self.carry(new, told);
    }

    fn use_connection(&mut self, new: &Candidate) -> watch::Receiver<Mode> {
        let (mode, told) = watch::channel(Mode::Run);
        let connection = new.connection.clone();
        let in_use = InUse { connection, incarnation: new.incarnation, mode };
        if let Some(old) = self.peer.connect(in_use) {
            // The old channel may have ended at this very moment, then nobody listens.
            let _ = old.mode.send(Mode::HandOver);
        }
        told
    }

    fn carry(&mut self, new: Candidate, mode: watch::Receiver<Mode>) {
        let id = new.facts.id;
        let channel = Channel {
            connection: new.connection,
            incarnation: new.incarnation,
            peer: Arc::clone(&self.peer),
            events: self.shared.events.clone(),
        };
        self.channels.spawn(async move { (id, channel.carry(mode).await) });
    }

    async fn ended(&mut self, id: u64, reason: String) {
        if let Some((what, pause)) = self.peer.take_garbage() {
            return self.cut_off(&what, pause).await;
        }
        let Some(current) = self.current.as_ref().filter(|it| it.facts.id == id) else {
            debug!("{}: a surplus connection ended: {reason}", self.peer.name);
            return;
        };
        let lasted = current.since.elapsed(now()) >= STABLE;
        self.lose(&reason).await;
        // Dialled at once, but only a connection that lasted starts the back-off anew: two nodes
        // that cut each other off would else do so as fast as they can.
        if lasted {
            self.backoff = Backoff::new();
        }
        if self.backoff.first() {
            self.dial();
        } else {
            self.redial();
        }
    }

    /// The peer sent what cannot be read: on whichever connection it did, all of it is over.
    async fn cut_off(&mut self, what: &str, pause: Span) {
        let peer = self.peer.name.clone();
        warn!(
            "{peer} sent {what}: cut off, and not let in again for {pause}. Its bossd is broken or \
             not what runs there: compare `bossctl version` here and there, restart bossd on \
             {peer}, and if its key may be in other hands remove it from the cluster"
        );
        if self.current.is_some() {
            self.lose(&format!("{peer} sent {what}")).await;
        }
        self.redial();
    }

    async fn lose(&mut self, reason: &str) {
        self.channels.abort_all();
        if let Some(current) = self.current.take() {
            self.peer.set_lost(current.facts.id);
        }
        if let Some(old) = self.peer.disconnect(reason) {
            old.connection.close(SURPLUS, b"replaced");
        }
        let peer = self.peer.name.clone();
        info!("{peer} lost: {reason}");
        self.shared.emit(PeerEvent::Lost { peer, reason: reason.to_owned() }).await;
    }
}

/// The outcome of what is pending, for ever nothing if nothing is.
async fn when_there<T>(pending: &mut Option<Pending<T>>) -> T {
    match pending {
        Some(pending) => pending.await,
        None => std::future::pending().await,
    }
}

/// Why a connection is ended whose certificate is no longer trusted.
pub(super) const DISTRUSTED: &str =
    "its certificate is from an authority that ca.crt here no longer holds";
/// A connection that lasted so long was a success.
const STABLE: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: Facts = Facts { session: 1, id: 10, started_by_us: false, peer_lost: 0 };
    const OURS: Facts = Facts { session: 1, id: 11, started_by_us: true, peer_lost: 0 };

    #[test]
    fn of_two_connections_the_one_that_the_lower_name_started_stays() {
        assert_eq!(choose(THEIRS, OURS, true), Choice::HandOver);
        assert_eq!(choose(OURS, THEIRS, true), Choice::Surplus);
        assert_eq!(choose(THEIRS, OURS, false), Choice::Surplus);
        assert_eq!(choose(OURS, THEIRS, false), Choice::HandOver);
    }

    #[test]
    fn a_connection_of_another_process_or_of_a_peer_that_lost_ours_replaces() {
        let restarted = Facts { session: 2, ..THEIRS };
        assert_eq!(choose(OURS, restarted, true), Choice::Replace("it restarted"));
        let lost = Facts { peer_lost: OURS.id, ..THEIRS };
        assert_eq!(choose(OURS, lost, true), Choice::Replace("it lost the connection"));
    }

    #[test]
    fn who_dials_again_has_lost_the_first() {
        assert_eq!(choose(THEIRS, Facts { id: 12, ..THEIRS }, true), Choice::HandOver);
    }
}
