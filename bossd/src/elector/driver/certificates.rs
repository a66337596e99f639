//! Members tell each other until when their certificates are valid: at each connection, and when a
//! reload has put another one in place. The handshake shows it too, but connections outlive a
//! renewal, and what theirs had shown would go on being warned of.

use serde::{Deserialize, Serialize};

use super::Driver;
use crate::elector::peer::Frame;
use crate::elector::schema::SchemaError;
use crate::elector::schema::wire::{kind, to_bytes};

/// The body of a frame of [`kind::CERTIFICATE`].
#[derive(Debug, Serialize, Deserialize)]
struct CertificateDoc {
    /// Until when the sender's certificate is valid, in seconds since 1970.
    not_after_s: i64,
}

impl Driver {
    /// To a peer that has just been connected, or to all.
    pub(super) fn tell_certificate(&self, to: Option<&str>) {
        let Some(not_after_s) = self.background.certificate_end() else { return };
        let frame = Frame::new(kind::CERTIFICATE, to_bytes(&CertificateDoc { not_after_s }));
        for (name, _) in self.background.config().cluster.state.members.iter() {
            if to.is_none_or(|to| to == name.as_str()) {
                // Who is not connected hears it when it is.
                drop(self.peers.send(name.as_str(), &frame));
            }
        }
    }

    /// What a peer says of its own. False when the frame is about something else.
    pub(super) fn take_certificate(
        &mut self,
        peer: &str,
        frame: &Frame,
    ) -> Result<bool, SchemaError> {
        if frame.kind != kind::CERTIFICATE {
            return Ok(false);
        }
        let read = postcard::from_bytes(&frame.body);
        let CertificateDoc { not_after_s } =
            read.map_err(|error| SchemaError::Encoding(error.to_string()))?;
        if self.background.is_member(peer) {
            self.background.set_certificate_end(peer, not_after_s);
        }
        Ok(true)
    }
}
