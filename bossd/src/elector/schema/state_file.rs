//! The state file as text: a header line (format, generation, crc32) and a JSON body
//! (protocol.md 8). Whatever is torn, corrupt, foreign or newer is refused with a reason.

use std::sync::Arc;

use election::{ClusterId, HardState, Incarnation, NodeId, Span, Term};
use serde::{Deserialize, Serialize};

use super::document::{Id, StateDoc, node};

/// The first word of the header.
const MAGIC: &str = "boss-state";
/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// A state file larger than this is not one: the cluster state is at most 64 KiB.
pub const MAX_FILE: u64 = 1024 * 1024;

/// What a state file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Counts the writes.
    pub generation: u64,
    /// Which cluster.
    pub cluster: ClusterId,
    /// Which node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// What must survive a crash.
    pub hard: HardState,
}

/// Why the text is not a state that this node may go on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateFileError {
    /// No header.
    #[error("it does not begin with a {MAGIC} header: it is not a state file, or it is torn")]
    NoHeader,
    /// Written by a later version.
    #[error(
        "it has format {0}, this version reads formats up to {FORMAT}: it was written by a later \
         version of bossd. Install that version again"
    )]
    Newer(u32),
    /// The checksum does not match.
    #[error("its checksum is {found:08x} and should be {wanted:08x}: it is torn or corrupt")]
    Checksum {
        /// Of the body as it is.
        found: u32,
        /// As the header says.
        wanted: u32,
    },
    /// The checksum matches, the content does not make sense.
    #[error("its content does not make sense: {0}")]
    Content(String),
    /// A cluster state of a term that the node, by its own word, has not reached: every one is
    /// written with a term at least as high (A2), so this was put together by somebody.
    #[error(
        "its cluster state is of term {version}, its own term is {own}: bossd never writes such a \
         file, so it was edited or pieced together"
    )]
    Ahead {
        /// The term of the cluster state's version.
        version: u64,
        /// The file's term.
        own: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct FileDoc {
    cluster_id: Id,
    node: String,
    incarnation: Id,
    term: u64,
    voted_for: Option<String>,
    promise_hiwater_ns: u64,
    state: StateDoc,
}

/// The text of a state file.
pub fn render(stored: &Stored) -> String {
    let Stored { generation, cluster, node, incarnation, hard } = stored;
    let HardState { term, voted_for, state, promise_hiwater } = hard;
    let doc = FileDoc {
        cluster_id: Id(cluster.0),
        node: node.to_string(),
        incarnation: Id(incarnation.0),
        term: term.0,
        voted_for: voted_for.as_ref().map(ToString::to_string),
        promise_hiwater_ns: promise_hiwater.as_nanos(),
        state: state.as_ref().into(),
    };
    let body = serde_json::to_string(&doc).expect("plain data is always encodable into memory");
    let header = format!("{MAGIC} {FORMAT} {generation}");
    let crc = checksum(&header, &body);
    format!("{header} {crc:08x}\n{body}\n")
}

/// Of everything but itself: an older file is told by its generation, which must be right too.
pub fn checksum(header: &str, body: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [header, "\n", body] {
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// The state in a text.
pub fn parse(text: &str) -> Result<Stored, StateFileError> {
    let (header, rest) = text.split_once('\n').ok_or(StateFileError::NoHeader)?;
    let mut words = header.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(StateFileError::NoHeader);
    }
    let format: u32 = number(words.next())?;
    if format > FORMAT {
        return Err(StateFileError::Newer(format));
    }
    if format == 0 {
        // There never was one.
        return Err(StateFileError::NoHeader);
    }
    let generation = number(words.next())?;
    let (covered, crc) = header.rsplit_once(' ').ok_or(StateFileError::NoHeader)?;
    let wanted = u32::from_str_radix(crc, 16).map_err(|_| StateFileError::NoHeader)?;
    // As it is written and no other way, so that no damage to it goes unseen.
    if format!("{wanted:08x}") != crc || words.count() != 1 {
        return Err(StateFileError::NoHeader);
    }
    let body = rest.strip_suffix('\n').unwrap_or(rest);
    let found = checksum(covered, body);
    if found != wanted || !rest.ends_with('\n') {
        return Err(StateFileError::Checksum { found, wanted });
    }
    let doc: FileDoc =
        serde_json::from_str(body).map_err(|e| StateFileError::Content(e.to_string()))?;
    let stored = stored(generation, doc).map_err(|e| StateFileError::Content(e.to_string()))?;
    let (version, own) = (stored.hard.state.version.term.0, stored.hard.term.0);
    if version > own {
        return Err(StateFileError::Ahead { version, own });
    }
    Ok(stored)
}

fn number<T: std::str::FromStr>(word: Option<&str>) -> Result<T, StateFileError> {
    word.and_then(|word| word.parse().ok()).ok_or(StateFileError::NoHeader)
}

fn stored(generation: u64, doc: FileDoc) -> Result<Stored, super::SchemaError> {
    let FileDoc { cluster_id, node: name, incarnation, term, voted_for, promise_hiwater_ns, state } =
        doc;
    Ok(Stored {
        generation,
        cluster: ClusterId(cluster_id.0),
        node: node(&name)?,
        incarnation: Incarnation(incarnation.0),
        hard: HardState {
            term: Term(term),
            voted_for: voted_for.as_deref().map(node).transpose()?,
            state: Arc::new(state.try_into()?),
            promise_hiwater: Span::from_nanos(promise_hiwater_ns),
        },
    })
}
