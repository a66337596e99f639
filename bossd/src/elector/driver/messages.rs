//! What peers say, on its way into the node: decoded, or told apart into what a later release added
//! and what no release would send.

use election::{Envelope, Incarnation, Message, NodeId, Span};
use tracing::{debug, warn};

use super::Driver;
use crate::clock;
use crate::elector::allowance::Allowance;
use crate::elector::forward::confirm;
use crate::elector::peer::Frame;
use crate::elector::schema::SchemaError;
use crate::elector::schema::wire::{self, Sender};

/// Lines about messages that are ignored.
pub(super) fn ignored_lines() -> Allowance {
    Allowance::new(IGNORED_LINES, BETWEEN_IGNORED, clock::now())
}

impl Driver {
    pub(super) fn handle_frame(&mut self, peer: &str, incarnation: u128, frame: &Frame) {
        let known = self.take_certificate(peer, frame);
        let known = known.and_then(|known| Ok(known || self.handle_forwarded(peer, frame)?));
        match known {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return self.handle_unreadable(peer, frame, &error),
        }
        let sender = Sender {
            cluster: self.background.cluster_id(),
            node: NodeId::new(peer),
            incarnation: Incarnation(incarnation),
        };
        match wire::decode(frame, sender) {
            Ok(envelope) if self.is_against_what_is_heard(peer, &envelope) => {}
            Ok(envelope) => self.node.handle_message(clock::now(), &envelope),
            Err(error) => self.handle_unreadable(peer, frame, &error),
        }
    }

    /// A word that a host is off, of which this node hears: somebody vouched for what is not so, on a
    /// node that is cut off from it. It is lost here like any other message may be (V7).
    fn is_against_what_is_heard(&self, peer: &str, envelope: &Envelope) -> bool {
        let Message::Confirmed { node, .. } = &envelope.message else { return false };
        let Some(why) = confirm::heard(&self.node.snapshot(clock::now()), node) else {
            return false;
        };
        warn!("{peer} says that {node} is off, which is ignored: {why}");
        true
    }

    /// What a later release added is ignored. What this one should know, and cannot read, is a peer
    /// that has gone wrong: it is cut off.
    fn handle_unreadable(&mut self, peer: &str, frame: &Frame, error: &SchemaError) {
        let kind = frame.kind;
        if !frame.is_of_later() && !matches!(error, SchemaError::UnknownKind(_)) {
            debug!("{peer}, kind {kind}: {error}");
            let why = match error {
                // What the decoder stumbled over helps nobody: the body is not what it says.
                SchemaError::Encoding(_) => "it cannot be decoded".to_owned(),
                error => error.to_string(),
            };
            self.peers.cut_off(peer, &format!("a message of kind {kind} that is none: {why}"));
        } else if let Some(missed) = self.ignored.take(clock::now()) {
            warn!("a message from {peer} is ignored: {error} ({missed} more before it)");
        }
    }

    fn handle_forwarded(&mut self, peer: &str, frame: &Frame) -> Result<bool, SchemaError> {
        self.forwards.take_frame(peer, frame, &mut self.node, &self.peers, &self.background)
    }
}

/// Lines at once about messages that only a later release knows: one for each of its kinds,
const IGNORED_LINES: u32 = 8;
/// and then one in this time.
const BETWEEN_IGNORED: Span = Span::from_secs(60);
