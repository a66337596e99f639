//! What is known of one peer, shared by its link (which writes it) and the senders (which never
//! wait): the connection in use, the queue of outgoing frames, and what was last said about it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use election::{Incarnation, Moment, Span};
use quinn::Connection;
use tokio::sync::{Notify, watch};

use super::LinkStatus;
use super::cutoff::CutOff;
use super::lines::BETWEEN_LINES;
use super::setback::{ENDED, MALFORMED, REFUSED, Setback};
use crate::clock::now;
use crate::elector::allowance::Allowance;

/// One peer, as the rest of the layer sees it.
pub(super) struct PeerState {
    pub(super) name: String,
    /// As in the member list: a host name or an address, with the port.
    pub(super) address: String,
    /// A sign of life came in: dial now instead of waiting on.
    pub(super) nudged: Notify,
    /// All that was queued has been acknowledged, after [`Mode::Flush`].
    pub(super) flushed: Notify,
    queued: Notify,
    inner: Mutex<Inner>,
}

/// The connection that frames go out on.
pub(super) struct InUse {
    pub(super) connection: Connection,
    pub(super) incarnation: u128,
    /// Tells the writer when to stop.
    pub(super) mode: watch::Sender<Mode>,
}

/// What the writer of a connection is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Send what is queued, as it comes.
    Run,
    /// End after the frame in hand; what is queued belongs to another connection.
    HandOver,
    /// Send what is queued now, then end.
    Flush,
}

/// Which of the two attempts a setback befell. Both sides dial, so both happen in turn, and each
/// is said once per change by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Dialled,
    Accepted,
}

struct Inner {
    in_use: Option<InUse>,
    since: Moment,
    last_error: Option<String>,
    said: [Option<Setback>; 2],
    /// Lines in the log about changes of that.
    lines: Allowance,
    /// It sent what cannot be read, and its link has not seen to it yet.
    garbage: bool,
    cut_off: Option<CutOff>,
    /// The incarnation that the cluster knows.
    known: Option<u128>,
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    dropped: u64,
    resolved: Vec<SocketAddr>,
    /// The id of the connection that was lost last, told to the peer in Hello; 0 for none.
    lost: u64,
}

impl PeerState {
    pub(super) fn new(name: &str, address: &str) -> Self {
        let inner = Inner {
            in_use: None,
            since: now(),
            last_error: None,
            said: [None, None],
            lines: Allowance::new(LINES, BETWEEN_LINES, now()),
            garbage: false,
            cut_off: None,
            known: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            dropped: 0,
            resolved: address.parse().into_iter().collect(),
            lost: 0,
        };
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            nudged: Notify::new(),
            flushed: Notify::new(),
            queued: Notify::new(),
            inner: Mutex::new(inner),
        }
    }

    /// Queues an encoded frame. To a peer that is not connected nothing is sent: what waited for
    /// it would be stale when it returns.
    pub(super) fn push(&self, bytes: Vec<u8>) {
        let mut inner = self.lock();
        if inner.in_use.is_none() {
            inner.dropped += 1;
            return;
        }
        inner.queued_bytes += bytes.len();
        inner.queue.push_back(bytes);
        while inner.queue.len() > QUEUE_FRAMES || inner.queued_bytes > QUEUE_BYTES {
            inner.pop();
            inner.dropped += 1;
        }
        drop(inner);
        self.queued.notify_one();
    }

    /// The next frame, when there is one. Cancelling loses none.
    pub(super) async fn next(&self) -> Vec<u8> {
        loop {
            let queued = self.queued.notified();
            if let Some(bytes) = self.next_now() {
                return bytes;
            }
            queued.await;
        }
    }

    /// The next frame, if there is one.
    pub(super) fn next_now(&self) -> Option<Vec<u8>> {
        self.lock().pop()
    }

    pub(super) fn send_datagram(&self, bytes: Vec<u8>) {
        let mut inner = self.lock();
        // A connection that is just ending, or a path too narrow: a heartbeat is lost, as on any
        // network, and the election counts it as such.
        let sent = inner.in_use.as_ref().map(|it| it.connection.send_datagram(bytes.into()));
        if !matches!(sent, Some(Ok(()))) {
            inner.dropped += 1;
        }
    }

    /// Makes `next` the connection in use; gives back the one that was.
    pub(super) fn connect(&self, next: InUse) -> Option<InUse> {
        let mut inner = self.lock();
        if inner.in_use.is_none() {
            inner.since = now();
        }
        inner.last_error = None;
        inner.said = [None, None];
        inner.in_use.replace(next)
    }

    /// No connection is in use any more, and what waited for it is dropped.
    pub(super) fn disconnect(&self, reason: &str) -> Option<InUse> {
        let mut inner = self.lock();
        inner.since = now();
        inner.last_error = Some(reason.to_owned());
        inner.dropped += inner.queue.len() as u64;
        inner.queue.clear();
        inner.queued_bytes = 0;
        inner.in_use.take()
    }

    /// Notes a setback. When the log is to be told: how many lines were left out before.
    pub(super) fn note(&self, direction: Direction, setback: &Setback) -> Option<u64> {
        let mut inner = self.lock();
        if inner.in_use.is_none() {
            inner.last_error = Some(setback.text(&self.name));
        }
        let said = &mut inner.said[direction as usize];
        let news = said.as_ref() != Some(setback);
        *said = Some(setback.clone());
        if news { inner.lines.take(now()) } else { None }
    }

    /// It sent something that cannot be read: its connection ends, and its link will know why.
    pub(super) fn cut_off(&self, what: &str) {
        let mut inner = self.lock();
        // What came before the cut may still be read after it.
        if let Some(it) = &inner.in_use {
            it.connection.close(MALFORMED, format!("{} sent {what}", self.name).as_bytes());
            inner.keep_out(what);
        }
    }

    /// As [`Self::cut_off`], for a reader that closes its connection itself, next.
    pub(super) fn keep_out(&self, what: &str) {
        self.lock().keep_out(what);
    }

    /// What it sent, once, and for how long it is kept out because of that.
    pub(super) fn take_garbage(&self) -> Option<(String, Span)> {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.garbage) {
            return None;
        }
        inner.cut_off.as_ref().map(|it| (it.what.clone(), it.pause))
    }

    /// How long it is kept out.
    pub(super) fn kept_out(&self, now: Moment) -> Span {
        self.lock().cut_off.as_ref().map_or(Span::ZERO, |it| it.left(now))
    }

    /// Why this peer, with that incarnation, is not let in now.
    pub(super) fn unwelcome(&self, incarnation: u128, now: Moment) -> Option<String> {
        let inner = self.lock();
        if let Some(cut_off) = inner.cut_off.as_ref().filter(|it| it.left(now) > Span::ZERO) {
            return Some(format!("it sent {}, and is let in again after a pause", cut_off.what));
        }
        let in_use = inner.in_use.as_ref()?.incarnation;
        if inner.known == Some(in_use) && incarnation != in_use {
            return Some(format!(
                "it came with another state directory (incarnation {}), while the {} that the \
                 cluster knows is connected; two nodes have one name and certificate: stop one of \
                 them",
                Incarnation(incarnation),
                self.name
            ));
        }
        None
    }

    pub(super) fn set_known(&self, incarnation: Option<u128>) {
        self.lock().known = incarnation;
    }

    /// Has the writer send what is queued and end; false when there is no connection.
    pub(super) fn flush(&self) -> bool {
        self.lock().in_use.as_ref().is_some_and(|it| it.mode.send(Mode::Flush).is_ok())
    }

    /// Ends the connection in use, telling the peer why.
    pub(super) fn close(&self, reason: &str) {
        if let Some(it) = &self.lock().in_use {
            it.connection.close(ENDED, reason.as_bytes());
        }
    }

    /// Ends the connection in use if it is none that `stays`, telling the peer why. Whether it was.
    pub(super) fn end_unless(&self, stays: impl FnOnce(&Connection) -> bool, why: &str) -> bool {
        let inner = self.lock();
        let ended = inner.in_use.as_ref().filter(|it| !stays(&it.connection));
        if let Some(it) = ended {
            it.connection.close(REFUSED, why.as_bytes());
        }
        ended.is_some()
    }

    pub(super) fn set_lost(&self, id: u64) {
        self.lock().lost = id;
    }

    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    pub(super) fn set_resolved(&self, addresses: Vec<SocketAddr>) {
        self.lock().resolved = addresses;
    }

    pub(super) fn has_ip(&self, ip: IpAddr) -> bool {
        self.lock().resolved.iter().any(|known| known.ip().to_canonical() == ip.to_canonical())
    }

    pub(super) fn has_address(&self, address: SocketAddr) -> bool {
        let same = |known: &SocketAddr| {
            known.port() == address.port()
                && known.ip().to_canonical() == address.ip().to_canonical()
        };
        self.lock().resolved.iter().any(same)
    }

    pub(super) fn status(&self) -> LinkStatus {
        let inner = self.lock();
        let in_use = inner.in_use.as_ref();
        let cut_off = inner.cut_off.as_ref().filter(|it| !it.is_forgotten(now()));
        LinkStatus {
            peer: self.name.clone(),
            address: self.address.clone(),
            connected: in_use.is_some(),
            rtt_us: in_use
                .map(|it| u32::try_from(it.connection.rtt().as_micros()).unwrap_or(u32::MAX)),
            since: inner.since,
            last_error: inner.last_error.clone(),
            incarnation: in_use.map(|it| it.incarnation),
            cut_off: cut_off.map(|it| it.what.clone()),
            dropped: inner.dropped,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic aborts the process; nothing can be left half done behind this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// From this moment on, so that it is not let in again before its link has heard.
    fn keep_out(&mut self, what: &str) {
        // A second connection, or what was still on its way: that is one fault.
        if !self.garbage {
            let cut_off = CutOff::now(what.to_owned(), self.cut_off.as_ref(), now());
            self.cut_off = Some(cut_off);
            self.garbage = true;
        }
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let bytes = self.queue.pop_front()?;
        self.queued_bytes -= bytes.len();
        Some(bytes)
    }
}

/// Lines about a peer's setbacks at once: each side says a few when a host goes and comes back.
const LINES: u32 = 16;
/// Frames waiting for one peer: an election has a handful in flight, so more is a peer that does
/// not read.
pub const QUEUE_FRAMES: usize = 256;
/// And their bytes: four of the longest frames.
pub const QUEUE_BYTES: usize = 1024 * 1024;
