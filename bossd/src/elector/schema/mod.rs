//! Mirrors of the core's types for the wire and the disk. The core has no serde; each mirror is
//! converted with exhaustive destructuring, so that a new field fails to compile where it must be
//! thought about. What comes from outside is checked here: a mirror that does not make sense never
//! becomes a core type.

pub mod document;
mod settings;
pub mod state_file;
pub mod wire;

pub use settings::SettingsDoc;

/// Why bytes from a peer or a disk are not what they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not the encoding.
    #[error("it cannot be decoded: {0}")]
    Encoding(String),
    /// A kind of message that this version does not know.
    #[error("kind {0} is unknown to this version")]
    UnknownKind(u16),
    /// Decoded, but with a value that cannot be.
    #[error("{field} cannot be {value}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
    },
}

impl SchemaError {
    fn value(field: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Value { field, value: value.to_string() }
    }
}
