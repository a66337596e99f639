//! What elector and executor say to each other over a socket pair: length-prefixed postcard
//! frames, in order, one channel per life of an elector (X2). The end of the channel is itself a
//! message: it means that the other process is gone.

use std::io;

use control::hooks::{HookFile, RunnerInUse};
use control::model::DemoteTime;
use control::reload::{Change, Reload};
use election::{Epoch, Moment, Permit, Reason, Span, Word};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::config::Sources;
use crate::elector::peer::TlsMaterial;

/// The largest frame: a start-up carries two files of at most 1 MiB each and three PEM files.
const MAX_FRAME: usize = 4 * 1024 * 1024;
/// How many messages may wait for a process that does not read. Orders and words are few; what is
/// said again and again ([`Sender::send_if_idle`]) leaves [`KEPT_FREE`] of it to them.
const WAITING: usize = 4096;
/// A process that stood still for an hour must still find each order that it was given meanwhile.
const KEPT_FREE: usize = 2048;

/// From the executor to the elector.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToElector {
    /// First of all: everything that an unprivileged process could not read by itself.
    Start(Box<StartUp>),
    /// The permit machine's word.
    Word(WordDoc),
    /// Whether the hooks are in order; the reason when they are not.
    Ready(Result<(), String>),
    /// Something an operator must know; shown in status. None ends it.
    Alarm(Option<String>),
    /// The daemon stops: let go and hand over.
    Leave,
    /// How long the hooks took to let go, anew after each demote.
    Demotes(Vec<DemoteTime>),
    /// Which hooks there are, after the start and at each change.
    Hooks(Vec<HookFile>),
    /// The files were read anew and are sound as far as the executor can tell: to be taken whole, or
    /// not at all.
    Reload(Box<Anew>),
    /// What came of a reload, for those who asked.
    Reloaded {
        /// The numbers of their [`ToExecutor::Reload`].
        asks: Vec<u64>,
        /// The answer.
        outcome: Reload,
    },
    /// Why the certificates as they lie on the disk now could not be used; None when they could.
    TlsTrouble(Option<String>),
    /// This host is about to sleep: hand over, and say when nothing more is to be done.
    Sleep,
    /// What came of a [`ToExecutor::Fence`].
    Fenced {
        /// Its number.
        run: u64,
        /// Surely off, or why that is not known.
        outcome: Result<(), String>,
    },
    /// What is wrong with the units that follow the boss; None when nothing is.
    UnitTrouble(Option<String>),
}

/// The files of a reload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Anew {
    /// As read.
    pub sources: Sources,
    /// As read.
    pub tls: TlsMaterial,
}

/// What an elector adds to the answer about a reload that it has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// In which the file differs from the cluster.
    pub changes: Vec<Change>,
    /// What to know beside that.
    pub notes: Vec<String>,
}

/// What an elector begins with.
#[derive(Debug, Serialize, Deserialize)]
pub struct StartUp {
    /// The files as the executor read and checked them at its start.
    pub sources: Sources,
    /// Those of the last reload that was taken.
    pub reloaded: Option<Sources>,
    /// Elect and show only (`bossd --shadow`).
    pub shadow: bool,
    /// For a member that is named after its host.
    pub host_name: String,
    /// The authority, the certificate and the key.
    pub tls: TlsMaterial,
    /// X5: "idle, last epoch N".
    pub last_epoch: u64,
    /// Whether the hooks are in order.
    pub ready: Result<(), String>,
    /// An elector of this daemon has served before: a state directory without a state is not a
    /// beginning then.
    pub served: bool,
    /// How long the hooks took to let go.
    pub demotes: Vec<DemoteTime>,
    /// How the executor starts them.
    pub runner: RunnerInUse,
    /// The executor's process id, for status.
    pub executor_pid: u32,
    /// The elector has the rights to clean up after an executor that died, and nobody else will.
    pub cleans_up: bool,
}

/// From the elector to the executor.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToExecutor {
    /// Peers may connect, the control socket answers.
    Serving,
    /// Promote, under this permit.
    Promote {
        /// Leave to act.
        permit: PermitDoc,
        /// For the hooks.
        facts: HookFacts,
    },
    /// The lease was renewed.
    Extend {
        /// Whose permit.
        epoch: u64,
        /// Its new end.
        until: MomentDoc,
    },
    /// Let go in order.
    Demote {
        /// What to let go.
        epoch: u64,
        /// For the hooks.
        facts: HookFacts,
    },
    /// Let go at once.
    Revoke {
        /// What to let go.
        epoch: u64,
        /// For the hooks.
        facts: HookFacts,
    },
    /// Another node is boss.
    Follow {
        /// For the hooks.
        facts: HookFacts,
    },
    /// One line for the service manager.
    Status(String),
    /// The elector has left in order and ends.
    Left,
    /// Still boss after a member came back: what the hooks hold is to be announced anew.
    Reassert {
        /// Of the boss.
        epoch: u64,
        /// For the hooks.
        facts: HookFacts,
    },
    /// The boss that the elector knows of, for those who ask the executor; said again and again.
    Known {
        /// Its name, address and epoch.
        boss: Option<(String, String, u64)>,
        /// Until when it may be believed.
        until: MomentDoc,
    },
    /// Somebody asks for a reload.
    Reload {
        /// Repeated in the answer.
        ask: u64,
    },
    /// The elector has taken the files of a reload; or all that is wrong with them, and nothing of
    /// it was taken.
    Taken(Result<Taken, Vec<String>>),
    /// A member is lost: have the fence command make sure that its host is off.
    Fence(FenceOrder),
    /// The answer to [`ToElector::Sleep`].
    MaySleep,
}

/// For whom the fence command is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceOrder {
    /// Repeated in the answer.
    pub run: u64,
    /// The lost member.
    pub target: String,
    /// Its address in the member list.
    pub address: String,
    /// The epoch of its claim, if one stands.
    pub epoch: Option<u64>,
}

/// What hooks are told of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookFacts {
    /// The fencing token, when there is a boss.
    pub epoch: Option<u64>,
    /// The term.
    pub term: u64,
    /// The boss.
    pub current: Option<String>,
    /// Its address.
    pub current_address: Option<String>,
    /// The boss before.
    pub previous: Option<String>,
    /// Why.
    pub reason: String,
    /// This node's priority.
    pub priority: u8,
    /// All members.
    pub members: Vec<String>,
}

/// [`Moment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MomentDoc {
    boot: u64,
    raw: u64,
}

/// [`Permit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitDoc {
    epoch: u64,
    until: MomentDoc,
    fence_ns: u64,
}

/// [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordDoc {
    /// [`Word::Promoted`].
    Promoted(u64),
    /// [`Word::PromoteFailed`].
    PromoteFailed(u64),
    /// [`Word::Idle`].
    Idle(u64),
    /// [`Word::Stuck`].
    Stuck(u64),
}

impl From<Moment> for MomentDoc {
    fn from(Moment { boot, raw }: Moment) -> Self {
        Self { boot, raw }
    }
}

impl From<MomentDoc> for Moment {
    fn from(MomentDoc { boot, raw }: MomentDoc) -> Self {
        Self { boot, raw }
    }
}

impl From<Permit> for PermitDoc {
    fn from(Permit { epoch, until, fence }: Permit) -> Self {
        Self { epoch: epoch.0, until: until.into(), fence_ns: fence.as_nanos() }
    }
}

impl From<PermitDoc> for Permit {
    fn from(PermitDoc { epoch, until, fence_ns }: PermitDoc) -> Self {
        let fence = Span::from_nanos(fence_ns);
        Self { epoch: Epoch(epoch), until: until.into(), fence }
    }
}

impl From<Word> for WordDoc {
    fn from(word: Word) -> Self {
        match word {
            Word::Promoted { epoch } => Self::Promoted(epoch.0),
            Word::PromoteFailed { epoch } => Self::PromoteFailed(epoch.0),
            Word::Idle { epoch } => Self::Idle(epoch.0),
            Word::Stuck { epoch } => Self::Stuck(epoch.0),
        }
    }
}

impl From<WordDoc> for Word {
    fn from(doc: WordDoc) -> Self {
        match doc {
            WordDoc::Promoted(epoch) => Self::Promoted { epoch: Epoch(epoch) },
            WordDoc::PromoteFailed(epoch) => Self::PromoteFailed { epoch: Epoch(epoch) },
            WordDoc::Idle(epoch) => Self::Idle { epoch: Epoch(epoch) },
            WordDoc::Stuck(epoch) => Self::Stuck { epoch: Epoch(epoch) },
        }
    }
}

/// One id for a transition in log, hooks, history and both processes: the node, the epoch that it
/// is about, and what happens. Each but `reassert` happens at most once per epoch and node.
pub fn transition_id(node: &str, epoch: u64, event: &str) -> String {
    format!("{node}-{epoch}-{event}")
}

/// Why a boss lets go, in the words that hooks get.
pub fn reason_text(reason: Reason) -> String {
    reason.to_string()
}

/// The sending side: never waits.
#[derive(Debug, Clone)]
pub struct Sender<T> {
    queue: mpsc::Sender<T>,
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver<T> {
    stream: OwnedReadHalf,
    of: std::marker::PhantomData<T>,
}

/// Both sides of one end of a channel. Needs a running runtime: a task writes what is queued.
pub fn channel<Out, In>(
    stream: std::os::unix::net::UnixStream,
) -> io::Result<(Sender<Out>, Receiver<In>)>
where
    Out: Serialize + Send + 'static,
{
    stream.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(stream)?.into_split();
    let (queue, waiting) = mpsc::channel(WAITING);
    tokio::spawn(write_all(write, waiting));
    Ok((Sender { queue }, Receiver { stream: read, of: std::marker::PhantomData }))
}

async fn write_all<T: Serialize>(mut stream: OwnedWriteHalf, mut waiting: mpsc::Receiver<T>) {
    while let Some(message) = waiting.recv().await {
        let frame = to_frame(&message);
        // An error means that the other process is gone: the receiving side says so.
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The message as it goes over the channel.
pub fn to_frame<T: Serialize>(message: &T) -> Vec<u8> {
    let body = crate::elector::schema::wire::to_bytes(message);
    let length = u32::try_from(body.len()).expect("far below MAX_FRAME");
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

/// The next message of `stream`; None at its end, or when what came is not one.
pub async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Option<T> {
    let length = usize::try_from(stream.read_u32_le().await.ok()?).ok()?;
    if length > MAX_FRAME {
        return None;
    }
    let mut body = vec![0_u8; length];
    stream.read_exact(&mut body).await.ok()?;
    postcard::from_bytes(&body).ok()
}

impl<T> Sender<T> {
    /// Queues a message. False when it was dropped: the other process does not read, or is gone.
    pub fn send(&self, message: T) -> bool {
        self.queue.try_send(message).is_ok()
    }

    /// Queues what will soon be said again, unless the queue is half full: what comes once must
    /// find room. An extension that is dropped ends the permit at worst.
    pub fn send_if_idle(&self, message: T) {
        if self.queue.capacity() > KEPT_FREE {
            let _ = self.send(message);
        }
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// The next message; None at the channel's end, or when what came is not one. Not safe to
    /// cancel: run it in a task of its own ([`Receiver::into_queue`]).
    async fn next(&mut self) -> Option<T> {
        read(&mut self.stream).await
    }

    /// The first message, awaited alone.
    pub async fn first(&mut self) -> Option<T> {
        self.next().await
    }

    /// The messages as a queue that ends with the channel.
    pub fn into_queue(mut self) -> mpsc::Receiver<T>
    where
        T: Send + 'static,
    {
        let (queue, messages) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(message) = self.next().await {
                if queue.send(message).await.is_err() {
                    return;
                }
            }
        });
        messages
    }
}
