//! The server of the control socket, on a thread of its own: it takes connections, cuts them into
//! calls, and answers one after the other. Everything that a client could make long is bounded:
//! how many connect, how much they say, and how long they take to say it or to listen. What is read
//! is answered in [`answers`], what the election thread is asked for in [`hand_over`].

mod answers;
mod hand_over;

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use control::interface::{Refusal, RefusalKind};
use control::preview::PreviewReply;
use control::varlink::{self, Call, Decoder, Fault, FrameError, MAX_MESSAGE, MAX_REPLY, Reply};
use election::{Moment, Span};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::methods::{self, Asked};
use super::permissions::{Access, Rights, groups_of};
use super::{Caller, Doors};
use crate::clock::{Alarm, now, pause};
use crate::elector::picture::Picture;

/// How many connections may be open: each costs two descriptors and up to two megabytes.
const CONNECTIONS: usize = 64;
/// Of these, how many only root and the daemon's own user may fill: readers cannot lock them out.
const RESERVED: usize = 8;
/// How much is read at once.
const CHUNK: usize = 4096;
/// How many look-ups in the user database may hang at once.
const LOOK_UPS: usize = 4;
/// The pause after the system refused a connection (no descriptors left, most likely).
const ACCEPT_PAUSE: Span = Span::from_millis(100);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a client: the whole of its next call, or the whole of a reply. Then it is dropped.
    pub stall: Span,
    /// For the election thread: the answer to a command. Then the client is told to try again.
    pub command: Span,
    /// For the user database. Then the caller counts as being in its primary group alone.
    pub look_up: Span,
    /// The least time between two statuses of a stream: the picture changes with every heartbeat.
    pub stream_pause: Span,
    /// The most time between two statuses of a stream, so that the client knows that we live.
    pub stream_quiet: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stall: Span::from_secs(10),
            command: Span::from_secs(10),
            look_up: Span::from_secs(3),
            stream_pause: Span::from_millis(50),
            stream_quiet: Span::from_secs(1),
        }
    }
}

/// Serves `listener` on a thread of its own until the receiver of `commands` is gone.
///
/// The thread ends with an error only if the system has no descriptors or memory to begin with.
pub fn spawn(
    listener: UnixListener,
    access: watch::Receiver<Access>,
    limits: Limits,
    pictures: watch::Receiver<Arc<Picture>>,
    doors: Doors,
) -> io::Result<thread::JoinHandle<io::Result<()>>> {
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .max_blocking_threads(LOOK_UPS)
            .build()?
            .block_on(serve(listener, access, limits, pictures, doors))
    })
}

/// Serves `listener` until the receiver of `commands` is gone.
pub async fn serve(
    listener: UnixListener,
    access: watch::Receiver<Access>,
    limits: Limits,
    pictures: watch::Receiver<Arc<Picture>>,
    doors: Doors,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let desk = Arc::new(Desk { access, limits, pictures, doors });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(&desk, stream, &mut connections),
                Err(error) => {
                    tracing::warn!("a control connection was refused by the system: {error}");
                    pause(ACCEPT_PAUSE).await?;
                }
            },
            Some(_) = connections.join_next() => {}
            // The election thread has ended: there is nothing to tell any more.
            () = desk.doors.commands.closed() => return Ok(()),
        }
    }
}

/// What every connection needs.
struct Desk {
    access: watch::Receiver<Access>,
    limits: Limits,
    pictures: watch::Receiver<Arc<Picture>>,
    doors: Doors,
}

/// Gives the connection a task of its own, or turns it away.
fn admit(desk: &Arc<Desk>, stream: UnixStream, connections: &mut JoinSet<()>) {
    let credentials = match stream.peer_cred() {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::warn!("a control connection without credentials was closed: {error}");
            return;
        }
    };
    let caller = Caller { uid: credentials.uid(), pid: credentials.pid() };
    let room =
        if desk.access.borrow().owns(caller.uid) { CONNECTIONS } else { CONNECTIONS - RESERVED };
    if connections.len() >= room {
        turn_away(&stream, caller);
        return;
    }
    let desk = Arc::clone(desk);
    connections.spawn(async move {
        let ended = match Connection::new(desk, stream, caller, credentials.gid()) {
            Ok(mut connection) => connection.converse().await.err(),
            Err(error) => Some(End::Io(error)),
        };
        if let Some(end) = ended {
            tracing::debug!("control connection of {caller} closed: {end}");
        }
    });
}

/// Says why without waiting: what the socket does not take at once is lost.
fn turn_away(stream: &UnixStream, caller: Caller) {
    tracing::warn!("control connection of {caller} turned away: too many are open");
    let full = Refusal::new(RefusalKind::TryAgain, "too many control connections are open");
    if let Ok(bytes) = varlink::encode(&Reply::from(Fault::from(full)), MAX_REPLY) {
        drop(stream.try_write(&bytes));
    }
}

/// Why a connection ends before the client ends it.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client stalled")]
    Stalled,
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the client left")]
    Closed,
    #[error("bossd is ending")]
    Ending,
}

/// One client and what is known about it.
struct Connection {
    desk: Arc<Desk>,
    stream: UnixStream,
    caller: Caller,
    primary_group: u32,
    /// Who may do what; a reload can change it.
    access: watch::Receiver<Access>,
    /// Looked up when first needed, and after such a change.
    rights: Option<Rights>,
    decoder: Decoder,
    alarm: Alarm,
}

impl Connection {
    fn new(
        desk: Arc<Desk>,
        stream: UnixStream,
        caller: Caller,
        primary_group: u32,
    ) -> io::Result<Self> {
        let decoder = Decoder::new(MAX_MESSAGE);
        let alarm = Alarm::new()?;
        let access = desk.access.clone();
        Ok(Self { desk, stream, caller, primary_group, access, rights: None, decoder, alarm })
    }

    /// Answers call after call until the client closes.
    async fn converse(&mut self) -> Result<(), End> {
        while let Some(message) = self.next_message().await? {
            let call: Call = varlink::decode(&message)?;
            let silent = call.oneway;
            let last = match self.answer(call).await? {
                Ok(parameters) => Reply::last(parameters),
                Err(fault) => Reply::from(fault),
            };
            if !silent {
                self.send(&last).await?;
            }
        }
        Ok(())
    }

    /// The last reply to a call, or its error.
    async fn answer(&mut self, call: Call) -> Result<Result<Value, Fault>, End> {
        let silent = call.oneway;
        let asked = match methods::understand(call) {
            Ok(asked) => asked,
            Err(fault) => return Ok(Err(fault)),
        };
        let needed = asked.needs();
        if self.rights(needed).await < needed {
            if let Some(what) = asked.change() {
                tracing::info!("{what} asked for by {}: not permitted", self.caller);
            }
            let text = self.access.borrow().needed_for(needed);
            return Ok(Err(Refusal::new(RefusalKind::NotPermitted, text).into()));
        }
        match asked {
            Asked::Fixed(reply) => Ok(Ok(reply)),
            Asked::StatusStream if !silent => {
                self.stream_status().await?;
                Ok(Ok(self.status()))
            }
            Asked::Status | Asked::StatusStream => Ok(Ok(self.status())),
            Asked::Explanation { node } => Ok(self.explanation(node.as_deref())),
            Asked::History => Ok(Ok(self.history())),
            Asked::Hooks => Ok(Ok(self.hooks())),
            Asked::Plan(event) => Ok(Ok(self.plan(event))),
            Asked::Comparison(asked) => Ok(self.comparison(&asked)),
            Asked::Apply(asked) => self.apply(asked).await,
            Asked::Reload { wait } => self.reload(wait).await,
            Asked::Preview(order) => Ok(match self.preview(order).await? {
                Ok(preview) => Ok(serde_json::to_value(PreviewReply { preview }).expect("JSON")),
                Err(refusal) => Err(refusal.into()),
            }),
            Asked::Change(command) => self.changed(command).await,
        }
    }

    /// The rights of the caller, looked up only as far as `needed` makes it necessary.
    async fn rights(&mut self, needed: Rights) -> Rights {
        if self.access.has_changed().unwrap_or(false) {
            self.access.mark_unchanged();
            self.rights = None;
        }
        if let Some(rights) = self.rights {
            return rights;
        }
        let (uid, primary) = (self.caller.uid, self.primary_group);
        let plain = self.access.borrow().decide(uid, &[primary]);
        if plain >= needed {
            return plain;
        }
        // The user database may be a directory service that hangs: not on this thread.
        let look_up = tokio::task::spawn_blocking(move || groups_of(uid, primary));
        let groups = tokio::select! {
            groups = look_up => groups.unwrap_or_default(),
            _ = pause(self.desk.limits.look_up) => {
                tracing::warn!("the groups of uid {uid} could not be looked up in time");
                return plain;
            }
        };
        let rights = self.access.borrow().decide(uid, &groups);
        self.rights = Some(rights);
        rights
    }

    /// Sends the status at every change, neither too often nor too rarely, until the client calls
    /// something else. What follows is the last one.
    async fn stream_status(&mut self) -> Result<(), End> {
        let mut status = self.desk.pictures.clone();
        let Limits { stream_pause, stream_quiet, .. } = self.desk.limits;
        while self.decoder.is_empty() {
            status.mark_unchanged();
            self.send(&Reply { continues: true, ..Reply::last(self.status()) }).await?;
            let sent = now();
            self.listen_until(sent.plus(stream_pause), std::future::pending()).await?;
            self.listen_until(sent.plus(stream_quiet), async {
                status.changed().await.map_err(|_| End::Ending)
            })
            .await?;
        }
        Ok(())
    }

    /// Waits for `event`, for the moment, or for the client to say something, which it keeps.
    async fn listen_until(
        &mut self,
        moment: Moment,
        event: impl Future<Output = Result<(), End>>,
    ) -> Result<(), End> {
        if !self.decoder.is_empty() {
            return Ok(());
        }
        let mut chunk = [0_u8; CHUNK];
        self.alarm.set(moment)?;
        tokio::select! {
            fired = self.alarm.fired() => Ok(fired?),
            happened = event => happened,
            read = self.stream.read(&mut chunk) => match read? {
                0 => Err(End::Closed),
                count => {
                    self.decoder.push(&chunk[..count]);
                    Ok(())
                }
            },
        }
    }

    /// The next call; None when the client has closed. The whole of it must come in time: one
    /// byte now and then does not keep a place.
    async fn next_message(&mut self) -> Result<Option<Vec<u8>>, End> {
        let deadline = now().plus(self.desk.limits.stall);
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(Some(message));
            }
            let mut chunk = [0_u8; CHUNK];
            let read = self.stream.read(&mut chunk);
            match before(&self.alarm, deadline, read).await?? {
                0 => return Ok(None),
                count => self.decoder.push(&chunk[..count]),
            }
        }
    }

    async fn send(&mut self, reply: &Reply) -> Result<(), End> {
        let bytes = varlink::encode(reply, MAX_REPLY)?;
        let written = self.stream.write_all(&bytes);
        Ok(within(&self.alarm, self.desk.limits.stall, written).await??)
    }
}

async fn within<T>(alarm: &Alarm, span: Span, work: impl Future<Output = T>) -> Result<T, End> {
    before(alarm, now().plus(span), work).await
}

/// What `work` gives, or that it came to nothing by the deadline.
async fn before<T>(
    alarm: &Alarm,
    deadline: Moment,
    work: impl Future<Output = T>,
) -> Result<T, End> {
    alarm.set(deadline)?;
    tokio::select! {
        biased;
        done = work => Ok(done),
        fired = alarm.fired() => {
            fired?;
            Err(End::Stalled)
        }
    }
}
