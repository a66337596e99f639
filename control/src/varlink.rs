//! Varlink's framing: JSON messages that each end with a NUL byte, calls one way and replies the
//! other, and the errors that every Varlink service shares. No IO: bytes are pushed in and
//! messages taken out, so that the daemon (tokio) and the client (blocking) use the same code.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest call that the daemon takes, without its NUL. The longest real call is a drain with
/// its reason, far below a kilobyte.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The longest reply that is sent or taken: a status with hundreds of observers has its place.
pub const MAX_REPLY: usize = 1024 * 1024;

/// A method call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The full name, `io.boss.Cluster.GetStatus`.
    pub method: String,
    /// The parameters, an object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// The caller takes several replies.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The caller wants no reply at all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub oneway: bool,
    /// The caller wants to speak something else afterwards, which nothing here offers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub upgrade: bool,
}

/// A reply, or an error in place of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The reply's parameters, or the error's.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// Another reply to the same call follows.
    #[serde(default, skip_serializing_if = "is_false")]
    pub continues: bool,
    /// The full name of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Call {
    /// A plain call of `method`.
    pub fn new(method: &str, parameters: Value) -> Self {
        Self { method: method.to_owned(), parameters, more: false, oneway: false, upgrade: false }
    }
}

impl Reply {
    /// The last, or only, reply to a call.
    pub fn last(parameters: Value) -> Self {
        Self { parameters, continues: false, error: None }
    }
}

/// An error reply: its full name and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// `org.varlink.service.MethodNotFound`, `io.boss.Cluster.NotPermitted`.
    pub name: String,
    /// An object with the error's fields.
    pub parameters: Value,
}

impl Fault {
    /// The service has no such interface.
    pub fn interface_not_found(interface: &str) -> Self {
        Self::of_service("InterfaceNotFound", json!({ "interface": interface }))
    }

    /// The interface has no such method.
    pub fn method_not_found(method: &str) -> Self {
        Self::of_service("MethodNotFound", json!({ "method": method }))
    }

    /// A parameter is missing, unknown or of the wrong kind; `parameter` says which and how.
    pub fn invalid_parameter(parameter: &str) -> Self {
        Self::of_service("InvalidParameter", json!({ "parameter": parameter }))
    }

    fn of_service(name: &str, parameters: Value) -> Self {
        Self { name: format!("org.varlink.service.{name}"), parameters }
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self { parameters: fault.parameters, continues: false, error: Some(fault.name) }
    }
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// There was no NUL within the bound.
    #[error("a message is longer than {max} bytes")]
    TooLong {
        /// The bound in bytes.
        max: usize,
    },
    /// The bytes before the NUL are not what was expected.
    #[error("a message is not a Varlink message: {0}")]
    NotVarlink(#[from] serde_json::Error),
}

/// Cuts a stream of bytes into messages. It holds one message and what was read with it, and
/// gives up at the bound, so that a peer cannot make it grow.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// No NUL is among these first bytes.
    searched: usize,
    max: usize,
}

impl Decoder {
    /// A decoder of messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { buffer: Vec::new(), searched: 0, max }
    }

    /// Takes what was read. Take out all messages before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing was pushed that was not taken out.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole message, without its NUL; None until more is pushed.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let nul = self.buffer[self.searched..].iter().position(|byte| *byte == 0);
        let end = nul.map_or(self.buffer.len(), |at| self.searched + at);
        if end > self.max {
            return Err(FrameError::TooLong { max: self.max });
        }
        if nul.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let rest = self.buffer.split_off(end + 1);
        let mut message = std::mem::replace(&mut self.buffer, rest);
        message.truncate(end);
        self.searched = 0;
        Ok(Some(message))
    }
}

/// One message with its NUL, at most `max` bytes without it. JSON writes a NUL inside a string as
/// an escape, so the one at the end is the only one.
pub fn encode<T: Serialize>(message: &T, max: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = serde_json::to_vec(message)?;
    if bytes.len() > max {
        return Err(FrameError::TooLong { max });
    }
    bytes.push(0);
    Ok(bytes)
}

/// What a message says.
pub fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(message)?)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| decoder.next_message().expect("within the bound")).collect()
    }

    #[test]
    fn a_message_that_comes_byte_by_byte_is_one_message() {
        let call = Call::new("io.boss.Cluster.GetStatus", json!({ "a": "b\0c" }));
        let bytes = encode(&call, MAX_MESSAGE).expect("short");
        let mut decoder = Decoder::new(MAX_MESSAGE);
        for byte in &bytes[..bytes.len() - 1] {
            decoder.push(&[*byte]);
            assert!(decoder.next_message().expect("within the bound").is_none());
        }
        decoder.push(&[0]);
        let message = decoder.next_message().expect("within the bound").expect("whole");
        assert_eq!(decode::<Call>(&message).expect("a call"), call);
        assert!(all(&mut decoder).is_empty());
    }

    #[test]
    fn pipelined_messages_come_out_in_order_and_the_rest_waits() {
        let mut decoder = Decoder::new(16);
        decoder.push(b"one\0two\0\0thr");
        assert_eq!(all(&mut decoder), [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
        decoder.push(b"ee\0");
        assert_eq!(all(&mut decoder), [b"three".to_vec()]);
    }

    #[test]
    fn a_message_may_be_as_long_as_the_bound_and_no_longer() {
        let mut decoder = Decoder::new(4);
        decoder.push(b"1234\x0012345\0");
        assert_eq!(decoder.next_message().expect("at the bound"), Some(b"1234".to_vec()));
        assert!(matches!(decoder.next_message(), Err(FrameError::TooLong { max: 4 })));

        let mut decoder = Decoder::new(4);
        decoder.push(b"1234");
        assert_eq!(decoder.next_message().expect("at the bound"), None);
        decoder.push(b"5");
        assert!(matches!(decoder.next_message(), Err(FrameError::TooLong { max: 4 })));

        assert!(matches!(encode(&"123", 4), Err(FrameError::TooLong { max: 4 })));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_call() {
        for garbage in ["", "{", "[]", "{\"method\":7}", "{\"more\":true}", "\u{1}\u{2}"] {
            assert!(decode::<Call>(garbage.as_bytes()).is_err(), "{garbage:?}");
        }
        let deep = "[".repeat(10_000);
        assert!(decode::<Call>(format!("{{\"method\":\"a\",\"x\":{deep}").as_bytes()).is_err());
    }

    #[test]
    fn what_is_default_is_not_written() {
        let call = encode(&Call::new("a.B", Value::Null), MAX_MESSAGE).expect("short");
        assert_eq!(call, b"{\"method\":\"a.B\"}\0");
        let reply = encode(&Reply::last(json!({})), MAX_REPLY).expect("short");
        assert_eq!(reply, b"{\"parameters\":{}}\0");
    }
}
