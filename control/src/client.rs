//! The client of the control socket: blocking, with timeouts, and without a runtime, because a
//! command line that costs two milliseconds is one that scripts may call. It asks and understands
//! answers; what they mean for the caller is the caller's business.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::interface::{self, Done, Refusal};
use crate::preview::PreviewOrder;
use crate::varlink::{self, Call, Decoder, FrameError, MAX_MESSAGE, MAX_REPLY, Reply};

/// How long a reply may take. The daemon gives a command ten seconds, and says so itself.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "bossd is not there: {socket}: {source}. Start it with `systemctl start bossd`, or give \
         its socket with --socket"
    )]
    NotThere {
        /// The socket's path.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket's permissions keep us out.
    #[error("not permitted: {socket} is for root and its group; join the group or use sudo")]
    Denied {
        /// The socket's path.
        socket: PathBuf,
    },
    /// The daemon listens and says nothing.
    #[error(
        "bossd at {socket} does not answer within {} s: look at `journalctl -u bossd`",
        limit.as_secs()
    )]
    Silent {
        /// The socket's path.
        socket: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// The daemon ended, or dropped us.
    #[error("bossd at {socket} closed the connection ({why}): try again")]
    Closed {
        /// The socket's path.
        socket: PathBuf,
        /// At end of file, or with an error.
        why: String,
    },
    /// The daemon says no, and why.
    #[error("{0}")]
    Refused(Refusal),
    /// The daemon speaks another version, or is none.
    #[error(
        "bossd and bossctl do not understand each other ({why}): `bossctl version` and `bossd \
         --version` should agree"
    )]
    NotUnderstood {
        /// What was not understood.
        why: String,
    },
}

/// A connection to one daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    socket: PathBuf,
    patience: Duration,
    decoder: Decoder,
}

impl Client {
    /// Connects to the daemon at `socket`; each reply may then take `patience`.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self, ClientError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::Denied { socket: socket.to_owned() },
            _ => ClientError::NotThere { socket: socket.to_owned(), source },
        };
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        stream.set_write_timeout(Some(patience)).map_err(failed)?;
        let decoder = Decoder::new(MAX_REPLY);
        Ok(Self { stream, socket: socket.to_owned(), patience, decoder })
    }

    /// The status document as the daemon sent it, for [`crate::model::Status`] or to be printed.
    pub fn status(&mut self) -> Result<Value, ClientError> {
        self.document(interface::GET_STATUS, &Value::Null, "status")
    }

    /// The explanation document of `node`, or of the node that is asked, as the daemon sent it.
    pub fn explanation(&mut self, node: Option<&str>) -> Result<Value, ClientError> {
        let parameters = interface::Explain { node: node.map(str::to_owned) };
        self.document(interface::EXPLAIN, &parameters, "explanation")
    }

    /// The history document, as the daemon sent it.
    pub fn history(&mut self) -> Result<Value, ClientError> {
        self.document(interface::GET_HISTORY, &Value::Null, "history")
    }

    /// The hooks document, as the daemon sent it.
    pub fn hooks(&mut self) -> Result<Value, ClientError> {
        self.document(interface::GET_HOOKS, &Value::Null, "hooks")
    }

    /// The plan document of an event, as the daemon sent it.
    pub fn plan(&mut self, event: &str) -> Result<Value, ClientError> {
        let parameters = interface::PlanHooks { event: event.to_owned() };
        self.document(interface::PLAN_HOOKS, &parameters, "plan")
    }

    /// The comparison of a cluster.toml with the cluster, as the daemon sent it.
    pub fn compare(&mut self, parameters: &interface::Apply) -> Result<Value, ClientError> {
        self.document(interface::COMPARE, parameters, "comparison")
    }

    /// Publishes the cluster-wide part of a cluster.toml.
    pub fn apply(&mut self, parameters: &interface::Apply) -> Result<Done, ClientError> {
        self.call(interface::APPLY, parameters)
    }

    /// The preview document of an order, as the leader foresees it.
    pub fn preview(&mut self, parameters: &PreviewOrder) -> Result<Value, ClientError> {
        self.document(interface::PREVIEW_ORDER, parameters, "preview")
    }

    /// Shows `look` one status after the other, at least one a second, until it breaks off.
    pub fn watch<B>(
        mut self,
        mut look: impl FnMut(&crate::model::Status) -> ControlFlow<B>,
    ) -> Result<B, ClientError> {
        let mut call = Call::new(interface::GET_STATUS, Value::Null);
        call.more = true;
        self.send(&call)?;
        loop {
            let reply = self.receive()?;
            let continues = reply.continues;
            let reply: interface::StatusReply = understand(reply)?;
            if let ControlFlow::Break(found) = look(&reply.status) {
                return Ok(found);
            }
            if !continues {
                return Err(self.closed("the last status was sent"));
            }
        }
    }

    /// Takes a node out of service.
    pub fn drain(&mut self, parameters: &interface::Drain) -> Result<Done, ClientError> {
        self.call(interface::DRAIN, parameters)
    }

    /// Takes a node back into service.
    pub fn undrain(&mut self, parameters: &interface::Undrain) -> Result<Done, ClientError> {
        self.call(interface::UNDRAIN, parameters)
    }

    /// Has nobody new become boss.
    pub fn pause(&mut self, parameters: &interface::Pause) -> Result<Done, ClientError> {
        self.call(interface::PAUSE, parameters)
    }

    /// Ends a pause.
    pub fn resume(&mut self) -> Result<Done, ClientError> {
        self.call(interface::RESUME, &interface::Resume::default())
    }

    /// Ends the hold-off of a node.
    pub fn clear(&mut self, parameters: &interface::Clear) -> Result<Done, ClientError> {
        self.call(interface::CLEAR, parameters)
    }

    /// Has the boss give up.
    pub fn resign(&mut self, parameters: &interface::Resign) -> Result<Done, ClientError> {
        self.call(interface::RESIGN, parameters)
    }

    /// Has the boss hand over to a given node.
    pub fn switchover(&mut self, parameters: &interface::Switchover) -> Result<Done, ClientError> {
        self.call(interface::SWITCHOVER, parameters)
    }

    /// Has the cluster take a node for dead.
    pub fn confirm_dead(
        &mut self,
        parameters: &interface::ConfirmDead,
    ) -> Result<Done, ClientError> {
        self.call(interface::CONFIRM_DEAD, parameters)
    }

    /// Has the node read its files anew: what came of it, as the daemon sent it; null without `wait`.
    pub fn reload(&mut self, wait: bool) -> Result<Value, ClientError> {
        let parameters = interface::Reload { wait: Some(wait) };
        self.document(interface::RELOAD, &parameters, "reload")
    }

    /// Calls `method` and reads its one reply.
    pub fn call<P, R>(&mut self, method: &str, parameters: &P) -> Result<R, ClientError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        let parameters = serde_json::to_value(parameters).map_err(FrameError::from)?;
        self.send(&Call::new(method, parameters))?;
        understand(self.receive()?)
    }

    /// The one field of the reply to `method`, as it came: what a later daemon adds is kept.
    fn document<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        field: &str,
    ) -> Result<Value, ClientError> {
        let mut reply: Value = self.call(method, parameters)?;
        match reply.get_mut(field) {
            Some(document) => Ok(document.take()),
            None => Err(ClientError::NotUnderstood { why: format!("a reply without {field}") }),
        }
    }

    fn send(&mut self, call: &Call) -> Result<(), ClientError> {
        let bytes = varlink::encode(call, MAX_MESSAGE)?;
        match self.stream.write_all(&bytes) {
            // A daemon that is full answers and closes before it reads: the answer is there.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| self.failed(&error)),
        }
    }

    fn receive(&mut self) -> Result<Reply, ClientError> {
        let mut chunk = [0_u8; 8192];
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(varlink::decode(&message)?);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(self.closed("end of file")),
                Ok(count) => self.decoder.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::Silent { socket: self.socket.clone(), limit: self.patience }
            }
            _ => self.closed(&error.to_string()),
        }
    }

    fn closed(&self, why: &str) -> ClientError {
        ClientError::Closed { socket: self.socket.clone(), why: why.to_owned() }
    }
}

/// The reply's parameters, or the error that it is.
fn understand<R: DeserializeOwned>(reply: Reply) -> Result<R, ClientError> {
    match reply.error {
        Some(name) => Err(match Refusal::from_fault(&name, &reply.parameters) {
            Some(refusal) => ClientError::Refused(refusal),
            None => ClientError::NotUnderstood { why: format!("{name} {}", reply.parameters) },
        }),
        None => Ok(serde_json::from_value(reply.parameters).map_err(FrameError::from)?),
    }
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        Self::NotUnderstood { why: error.to_string() }
    }
}
