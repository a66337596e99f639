//! The frame: a kind, a version and a body that is opaque here, as bytes on a stream and in a
//! datagram. Owns the limits that are checked before anything is read; what bodies mean is the
//! business of `elector/schema`.
//!
//! ```text
//! stream    length u32 | kind u16 | major u8 | minor u8 | body     length counts what follows it
//! datagram               kind u16 | major u8 | minor u8 | body     all numbers big-endian
//! ```

use quinn::{ReadExactError, RecvStream};

/// One message between two electors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the body is. Kinds are append-only; who does not know one counts and ignores it.
    pub kind: u16,
    /// The minor version of the sender's protocol, for bodies that grew.
    pub minor: u8,
    /// The body.
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame of this release's minor version.
    pub fn new(kind: u16, body: Vec<u8>) -> Self {
        Self { kind, minor: PROTOCOL_MINOR, body }
    }

    /// Whether a later release wrote it, whose additions this one cannot know.
    pub fn is_of_later(&self) -> bool {
        self.minor > PROTOCOL_MINOR
    }

    /// As bytes for a stream.
    pub fn to_stream(&self) -> Result<Vec<u8>, FrameError> {
        let size = HEADER + self.body.len();
        if size > MAX_FRAME {
            return Err(FrameError::TooLong { size, limit: MAX_FRAME });
        }
        let length = u32::try_from(size).expect("MAX_FRAME fits into 32 bits");
        let mut bytes = Vec::with_capacity(LENGTH + size);
        bytes.extend_from_slice(&length.to_be_bytes());
        self.put(&mut bytes);
        Ok(bytes)
    }

    /// As bytes for a datagram.
    pub fn to_datagram(&self) -> Result<Vec<u8>, FrameError> {
        let size = HEADER + self.body.len();
        if size > MAX_DATAGRAM {
            return Err(FrameError::TooLong { size, limit: MAX_DATAGRAM });
        }
        let mut bytes = Vec::with_capacity(size);
        self.put(&mut bytes);
        Ok(bytes)
    }

    /// Reads a datagram.
    pub fn from_datagram(bytes: &[u8]) -> Result<Self, FrameError> {
        let (header, body) =
            bytes.split_first_chunk().ok_or(FrameError::TooShort { size: bytes.len() })?;
        let (kind, minor) = parse_header(*header)?;
        Ok(Self { kind, minor, body: body.to_vec() })
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&[PROTOCOL_MAJOR, self.minor]);
        bytes.extend_from_slice(&self.body);
    }
}

/// Reads the next frame of at most `limit` bytes; `None` when the sender finished the stream.
pub(super) async fn read(
    stream: &mut RecvStream,
    limit: usize,
) -> Result<Option<Frame>, FrameError> {
    let mut length = [0; LENGTH];
    match stream.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // The length is judged before a byte of memory is set aside for it.
    let size = announced(length, limit)?;
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let (kind, minor) = parse_header(header)?;
    let mut body = vec![0; size - HEADER];
    stream.read_exact(&mut body).await?;
    Ok(Some(Frame { kind, minor, body }))
}

/// The size that the first bytes on a stream announce for the frame after them, from the kind on.
/// More than `limit` and less than a header are refused.
pub fn announced(bytes: [u8; LENGTH], limit: usize) -> Result<usize, FrameError> {
    let size = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if size > limit {
        return Err(FrameError::TooLong { size, limit });
    }
    if size < HEADER {
        return Err(FrameError::TooShort { size });
    }
    Ok(size)
}

fn parse_header(
    [kind_high, kind_low, major, minor]: [u8; HEADER],
) -> Result<(u16, u8), FrameError> {
    if major != PROTOCOL_MAJOR {
        return Err(FrameError::Version { major, minor });
    }
    Ok((u16::from_be_bytes([kind_high, kind_low]), minor))
}

/// Why a frame can be neither sent nor read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than what its carrier takes.
    #[error("a frame of {size} bytes, and the limit is {limit}")]
    TooLong {
        /// Its size, from the kind on.
        size: usize,
        /// The limit of the stream or datagram.
        limit: usize,
    },
    /// Too short for its header.
    #[error("a frame of {size} bytes, which is shorter than its header")]
    TooShort {
        /// Its size.
        size: usize,
    },
    /// The sender speaks another protocol.
    #[error(
        "protocol version {major}.{minor}, and this bossd speaks \
         {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}: run releases of bossd whose first number is the same"
    )]
    Version {
        /// The sender's major version.
        major: u8,
        /// The sender's minor version.
        minor: u8,
    },
    /// The stream ended in the middle of a frame.
    #[error("a frame that ends after {read} bytes of what it announced")]
    Truncated {
        /// How much of the part had come.
        read: usize,
    },
    /// The connection ended; its own reason says why.
    #[error("the connection ended")]
    Ended,
}

impl From<ReadExactError> for FrameError {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::FinishedEarly(read) => Self::Truncated { read },
            ReadExactError::ReadError(_) => Self::Ended,
        }
    }
}

/// The protocol that this release speaks. Another major is refused, another minor is not.
pub const PROTOCOL_MAJOR: u8 = 1;
/// Grows with every addition that older releases may ignore.
pub const PROTOCOL_MINOR: u8 = 0;
/// The longest frame on a stream, from the kind on: a cluster state (64 KiB) four times over.
pub const MAX_FRAME: usize = 256 * 1024;
/// The longest datagram: what QUIC carries in a packet of 1,200 bytes, which every path takes.
pub const MAX_DATAGRAM: usize = 1_162;
/// How many bytes announce a frame's size.
pub const LENGTH: usize = 4;
const HEADER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_on_the_wire_are_these() {
        let frame = Frame { kind: 0x0102, minor: 3, body: vec![9, 8] };
        assert_eq!(frame.to_stream(), Ok(vec![0, 0, 0, 6, 1, 2, 1, 3, 9, 8]));
        assert_eq!(frame.to_datagram(), Ok(vec![1, 2, 1, 3, 9, 8]));
        assert_eq!(Frame::from_datagram(&[1, 2, 1, 3, 9, 8]), Ok(frame));
    }

    #[test]
    fn a_frame_over_the_limit_is_not_sent() {
        let fits = |body| Frame::new(1, vec![0; body]);
        assert!(fits(MAX_DATAGRAM - HEADER).to_datagram().is_ok());
        assert!(fits(MAX_DATAGRAM - HEADER + 1).to_datagram().is_err());
        assert!(fits(MAX_FRAME - HEADER).to_stream().is_ok());
        assert!(fits(MAX_FRAME - HEADER + 1).to_stream().is_err());
    }

    #[test]
    fn a_length_over_the_limit_or_under_the_header_is_refused_before_reading() {
        assert_eq!(announced([0, 0, 1, 0], 256), Ok(256));
        assert!(matches!(announced([0, 0, 1, 1], 256), Err(FrameError::TooLong { .. })));
        assert!(matches!(announced([255; 4], MAX_FRAME), Err(FrameError::TooLong { .. })));
        assert!(matches!(announced([0, 0, 0, 3], 256), Err(FrameError::TooShort { .. })));
        assert!(matches!(Frame::from_datagram(&[0, 1, 1]), Err(FrameError::TooShort { .. })));
    }

    #[test]
    fn another_major_is_refused_naming_both_versions() {
        let error = Frame::from_datagram(&[0, 1, 2, 7]).expect_err("major 2");
        assert!(error.to_string().contains("2.7") && error.to_string().contains("1.0"), "{error}");
    }
}
