//! Carries frames over one established connection, both ways, until it ends, is drained or says
//! something that cannot be read. Which connection is used at all is decided in `link`.

use std::convert::Infallible;
use std::sync::Arc;

use election::Span;
use quinn::Connection;
use tokio::sync::{mpsc, watch};

use super::frame::{self, Frame, FrameError, MAX_FRAME};
use super::setback::{MALFORMED, SURPLUS, Setback};
use super::state::{Mode, PeerState};
use super::{PeerEvent, wait};

/// One connection with what its frames need.
pub(super) struct Channel {
    pub(super) connection: Connection,
    pub(super) incarnation: u128,
    pub(super) peer: Arc<PeerState>,
    pub(super) events: mpsc::Sender<PeerEvent>,
}

impl Channel {
    /// Runs until the connection is of no more use; returns why.
    pub(super) async fn carry(self, mode: watch::Receiver<Mode>) -> String {
        // The stream is read to its end even when the connection is closed already, so only a
        // datagram that cannot be read may end this early.
        let both = async {
            tokio::try_join!(self.read_stream(), self.write_stream(mode.clone())).map(|_| ())
        };
        let outcome = tokio::select! {
            outcome = both => outcome,
            () = drained_too_long(mode.clone()) => Ok(()),
            Err(error) = self.read_datagrams() => Err(error),
        };
        let peer = &self.peer.name;
        if let Err(error) = outcome {
            self.peer.keep_out(&error.to_string());
            let text = format!("{peer} sent {error}");
            self.connection.close(MALFORMED, text.as_bytes());
            return text;
        }
        // Asked for before closing, which would put itself in its place.
        if let Some(end) = self.connection.close_reason() {
            return Setback::from_end(&end, peer).text(peer);
        }
        self.connection.close(SURPLUS, b"no longer needed");
        "ended by this node".to_owned()
    }

    /// Hands on what the peer's stream brings; ends with the stream or the connection.
    async fn read_stream(&self) -> Result<(), FrameError> {
        let Ok(mut stream) = self.connection.accept_uni().await else { return Ok(()) };
        loop {
            match frame::read(&mut stream, MAX_FRAME).await {
                Ok(Some(frame)) => self.hand_on(frame).await,
                Ok(None) | Err(FrameError::Ended) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands on datagrams; never ends but with one that cannot be read.
    async fn read_datagrams(&self) -> Result<Infallible, FrameError> {
        while let Ok(bytes) = self.connection.read_datagram().await {
            self.hand_on(Frame::from_datagram(&bytes)?).await;
        }
        std::future::pending().await
    }

    async fn hand_on(&self, frame: Frame) {
        let (peer, incarnation) = (self.peer.name.clone(), self.incarnation);
        // Fails when the driver is gone, and with it the reason to read.
        let _ = self.events.send(PeerEvent::Received { peer, incarnation, frame }).await;
    }

    /// Sends what is queued until told otherwise; ends with the connection.
    async fn write_stream(&self, mut mode: watch::Receiver<Mode>) -> Result<(), FrameError> {
        let Ok(mut stream) = self.connection.open_uni().await else { return Ok(()) };
        let last = loop {
            let bytes = tokio::select! {
                biased;
                last = told_to_end(&mut mode) => break last,
                _ = self.connection.closed() => return Ok(()),
                bytes = self.peer.next() => bytes,
            };
            if stream.write_all(&bytes).await.is_err() {
                return Ok(());
            }
        };
        while last == Mode::Flush
            && let Some(bytes) = self.peer.next_now()
        {
            if stream.write_all(&bytes).await.is_err() {
                return Ok(());
            }
        }
        let _ = stream.finish();
        // Ends when all is acknowledged, or the connection is gone.
        let _ = stream.stopped().await;
        if last == Mode::Flush {
            self.peer.flushed.notify_one();
        }
        Ok(())
    }
}

/// Ends when a connection is still being drained after [`DRAIN_LIMIT`].
async fn drained_too_long(mut mode: watch::Receiver<Mode>) {
    if told_to_end(&mut mode).await == Mode::Flush {
        // The whole layer is being closed, and that has its own limit.
        std::future::pending::<()>().await;
    }
    wait(DRAIN_LIMIT).await;
}

/// Waits until the writer is to end, and how.
async fn told_to_end(mode: &mut watch::Receiver<Mode>) -> Mode {
    match mode.wait_for(|mode| *mode != Mode::Run).await {
        Ok(mode) => *mode,
        // Whoever would tell is gone: the connection is in use no more.
        Err(_) => Mode::HandOver,
    }
}

/// How long the two sides of a surplus connection may take to read each other out.
const DRAIN_LIMIT: Span = Span::from_secs(1);
