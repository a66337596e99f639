//! Why a connection did not come about or did not last, in words for the operator. Turns QUIC's
//! and rustls' errors into texts that stay the same from attempt to attempt, so that each is said
//! once per change.

use quinn::{ApplicationClose, ConnectionError, VarInt};

/// What came between two electors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setback {
    /// This node will not have the other.
    Refused(String),
    /// The other will not have this node.
    RefusedByPeer(String),
    /// Neither: silence, a restart, a reset.
    Failed(String),
}

impl Setback {
    /// The sentence, where `peer` is who it happened with.
    pub(super) fn text(&self, peer: &str) -> String {
        match self {
            Self::Refused(why) => format!("refused {peer}: {why}"),
            Self::RefusedByPeer(why) => format!("{peer} refuses this node: {why}"),
            Self::Failed(why) => why.clone(),
        }
    }

    /// What a connection's end means.
    pub(super) fn from_end(error: &ConnectionError, peer: &str) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => from_close(close, peer),
            ConnectionError::ConnectionClosed(close) => {
                let reason = readable(&close.reason);
                match certificate_trouble(&reason) {
                    Some(why) => Self::RefusedByPeer(format!("the certificate of this node {why}")),
                    None => Self::Failed(ended(peer, &reason)),
                }
            }
            ConnectionError::TransportError(error) => match certificate_trouble(&error.reason) {
                Some(why) => Self::Refused(format!("its certificate {why}")),
                None => Self::Failed(format!("the connection to {peer} broke: {error}")),
            },
            ConnectionError::Reset => Self::Failed(format!("{peer} restarted")),
            ConnectionError::TimedOut => Self::Failed(format!(
                "no answer from {peer}; is bossd running there, and UDP let through both ways?"
            )),
            ConnectionError::VersionMismatch => {
                Self::Failed(format!("{peer} speaks another version of QUIC"))
            }
            ConnectionError::LocallyClosed => Self::Failed("closed by this node".to_owned()),
            ConnectionError::CidsExhausted => Self::Failed("out of connection ids".to_owned()),
        }
    }
}

fn from_close(close: &ApplicationClose, peer: &str) -> Setback {
    let reason = readable(&close.reason);
    if close.error_code == REFUSED {
        Setback::RefusedByPeer(reason)
    } else {
        Setback::Failed(ended(peer, &reason))
    }
}

fn ended(peer: &str, reason: &str) -> String {
    // What QUIC sends for a process that ended without a word has no reason.
    if reason.is_empty() {
        format!("{peer} ended the connection")
    } else {
        format!("{peer} ended the connection: {reason}")
    }
}

/// What the verifier said about a certificate, without the seconds that change each time, and
/// what to do. The words looked for are those of the pinned rustls; a test holds them.
fn certificate_trouble(reason: &str) -> Option<&'static str> {
    const TROUBLES: [(&str, &str); 8] = [
        ("not valid yet", "is not valid yet: check the clock of both servers (timedatectl)"),
        (
            "certificate expired",
            "has expired: issue a new one with `bossctl ca issue NODE`, or check the clock of both servers",
        ),
        ("UnknownIssuer", FOREIGN),
        ("BadSignature", FOREIGN),
        (
            "not valid for name",
            "is for another name than the member list has at this address: check the addresses in cluster.toml and which node.crt lies there",
        ),
        ("extended key usage", "is not for both directions: issue it with `bossctl ca issue NODE`"),
        ("no certificates", "was not shown: install node.crt and node.key"),
        ("BadEncoding", "cannot be read: issue it with `bossctl ca issue NODE`"),
    ];
    TROUBLES.iter().find(|(said, _)| reason.contains(said)).map(|(_, why)| *why)
}

/// A text from the network as it may stand in a log: no control characters, never long.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_REASON)
        .collect()
}

const FOREIGN: &str = "is not from this cluster's authority: ca.crt must be the same on every node, and node.crt issued by it";
/// The longest reason taken from the network: QUIC's packets carry hardly more.
const MAX_REASON: usize = 1_200;

/// The codes that a connection is closed with.
pub(super) const ENDED: VarInt = VarInt::from_u32(0);
pub(super) const REFUSED: VarInt = VarInt::from_u32(1);
pub(super) const MALFORMED: VarInt = VarInt::from_u32(2);
pub(super) const SURPLUS: VarInt = VarInt::from_u32(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_the_network_are_bounded_and_hold_no_control_characters() {
        assert_eq!(readable(b"a\x1b[31m\nb"), "a [31m b");
        assert_eq!(readable(&[b'x'; 5_000]).len(), MAX_REASON);
    }

    #[test]
    fn a_certificate_of_the_future_points_at_the_clock_and_never_at_changing_seconds() {
        let said = "invalid peer certificate: certificate not valid yet: verification time 5";
        assert!(certificate_trouble(said).is_some_and(|why| why.contains("clock")));
        assert_eq!(certificate_trouble("something else"), None);
    }
}
