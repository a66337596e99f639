//! Before this host sleeps the boss hands over: a lease does not outlive a sleep, and whoever finds
//! that out when he wakes has acted for a moment longer than he may. logind is asked to wait for
//! that, which it does for some seconds. Without logind nothing of this happens.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use election::Span;
use tokio::sync::mpsc;
use tracing::{debug, info};

use crate::clock;
use crate::systemd::bus::{Bus, BusError, within};
use crate::systemd::sleep::{Watch, delay};

/// An answer of logind, which may have to be started first.
const PATIENCE: Span = Span::from_secs(10);
/// Before logind is looked for again.
const AGAIN: Span = Span::from_secs(60);
/// Who takes part.
const LOGIND: &str = "logind";

/// What logind said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// This host is about to sleep.
    Sleeps,
    /// It has woken, or will not sleep after all.
    Woke,
}

/// The lock, while it is held: to drop it lets the sleep go on.
type Lock = Rc<RefCell<Option<OwnedFd>>>;

/// What is known of a sleep.
pub(super) struct Sleep {
    said: mpsc::UnboundedReceiver<Said>,
    lock: Lock,
    /// One is about to begin, and what acts here is let go first.
    waits: Option<Waits>,
}

/// What a sleep waits for.
#[derive(Debug, Default)]
struct Waits {
    /// The elector has handed over as far as it can.
    handed_over: bool,
}

impl Sleep {
    /// Looks for logind from now on, in a task of its own.
    pub(super) fn watched() -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let lock = Lock::default();
        tokio::task::spawn_local(look_for_logind(say, lock.clone()));
        Self { said, lock, waits: None }
    }

    /// Of a process that does not last.
    pub(super) fn unwatched() -> Self {
        Self { said: mpsc::unbounded_channel().1, lock: Lock::default(), waits: None }
    }

    /// The next word of logind; pending for ever where there is none.
    pub(super) async fn next(&mut self) -> Said {
        match self.said.recv().await {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }

    /// The sleep has to wait until nothing acts here.
    pub(super) fn wait(&mut self) {
        self.waits = Some(Waits::default());
    }

    /// The elector has nothing more to hand over.
    pub(super) fn handed_over(&mut self) {
        if let Some(waits) = &mut self.waits {
            waits.handed_over = true;
        }
    }

    /// Lets a sleep that waits go on if it may: nothing acts, and nobody has to be told of it.
    pub(super) fn go_on_if_due(&mut self, is_idle: bool, has_elector: bool) {
        let due =
            self.waits.as_ref().is_some_and(|waits| is_idle && (waits.handed_over || !has_elector));
        if due {
            info!("nothing of this node acts any more: the host may sleep");
            self.go_on();
        }
    }

    /// Lets a sleep go on.
    pub(super) fn go_on(&mut self) {
        self.waits = None;
        self.lock.borrow_mut().take();
    }

    /// Awake: the next sleep has to wait again.
    pub(super) fn woke(&mut self) {
        self.waits = None;
    }
}

async fn look_for_logind(say: mpsc::UnboundedSender<Said>, lock: Lock) {
    let bus = Bus::new();
    let mut told = false;
    while !say.is_closed() {
        let Err(error) = attend(&bus, &say, &lock).await else { continue };
        bus.failed();
        lock.borrow_mut().take();
        if std::mem::replace(&mut told, true) {
            debug!("no logind: {error}");
        } else {
            info!("before this host sleeps nothing is handed over: {error}");
        }
        let _ = clock::pause(AGAIN).await;
    }
}

/// Listens until the connection is over.
async fn attend(bus: &Bus, say: &mpsc::UnboundedSender<Said>, lock: &Lock) -> Result<(), BusError> {
    let connection = bus.connection(PATIENCE).await?;
    listen(&connection, say, lock).await
}

async fn listen(
    connection: &zbus::Connection,
    say: &mpsc::UnboundedSender<Said>,
    lock: &Lock,
) -> Result<(), BusError> {
    let mut watch = within(LOGIND, "listening", PATIENCE, Watch::begin(connection)).await?;
    let take = || within(LOGIND, "asking it to wait", PATIENCE, delay(connection));
    *lock.borrow_mut() = Some(take().await?);
    debug!("a sleep of this host waits until the boss has handed over");
    while let Some(sleeps) = watch.next().await {
        if sleeps {
            let _ = say.send(Said::Sleeps);
        } else {
            *lock.borrow_mut() = Some(take().await?);
            let _ = say.send(Said::Woke);
        }
    }
    let error =
        zbus::Error::InputOutput(std::sync::Arc::new(std::io::ErrorKind::ConnectionAborted.into()));
    Err(BusError::Failed { who: LOGIND, what: "listening", error })
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    use zbus::connection::Builder;
    use zbus::object_server::SignalEmitter;
    use zbus::zvariant;

    use super::*;

    /// A logind of which the test has the other end of each lock.
    struct Logind {
        locks: std::sync::Mutex<Vec<UnixStream>>,
    }

    #[zbus::interface(name = "org.freedesktop.login1.Manager")]
    impl Logind {
        fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zvariant::OwnedFd {
            assert_eq!((what, who, mode), ("sleep", "bossd", "delay"));
            assert!(why.contains("boss"), "systemd-inhibit --list shows it: {why}");
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            ours.set_nonblocking(true).expect("ours");
            self.locks.lock().expect("no holder panics").push(ours);
            std::os::fd::OwnedFd::from(theirs).into()
        }

        #[zbus(signal)]
        async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
    }

    /// Whether the lock of this number is held.
    async fn held(server: &zbus::Connection, number: usize) -> bool {
        let logind = server.object_server().interface::<_, Logind>("/org/freedesktop/login1");
        let logind = logind.await.expect("it serves");
        let logind = logind.get().await;
        let locks = logind.locks.lock().expect("no holder panics");
        let read = (&locks[number]).read(&mut [0]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    async fn says(server: &zbus::Connection, sleeps: bool) {
        let emitter = SignalEmitter::new(server, "/org/freedesktop/login1").expect("a path");
        Logind::prepare_for_sleep(&emitter, sleeps).await.expect("said");
    }

    #[tokio::test]
    async fn a_sleep_waits_for_the_lock_which_is_dropped_once_and_taken_anew_afterwards() {
        let (here, there) = tokio::net::UnixStream::pair().expect("a pair");
        let logind = Logind { locks: std::sync::Mutex::default() };
        let server = Builder::unix_stream(there)
            .server(zbus::Guid::generate())
            .expect("a guid")
            .p2p()
            .serve_at("/org/freedesktop/login1", logind)
            .expect("a path")
            .build();
        let client = Builder::unix_stream(here).p2p().build();
        let (server, client) = tokio::join!(server, client);
        let (server, client) = (server.expect("served"), client.expect("connected"));
        let (say, said) = mpsc::unbounded_channel();
        let lock = Lock::default();
        let mut sleep = Sleep { said, lock: lock.clone(), waits: None };
        let scenario = async {
            while lock.borrow().is_none() {
                tokio::task::yield_now().await;
            }
            assert!(held(&server, 0).await);
            says(&server, true).await;
            assert_eq!(sleep.next().await, Said::Sleeps);
            sleep.wait();
            sleep.go_on_if_due(false, true);
            sleep.go_on_if_due(true, true);
            assert!(held(&server, 0).await, "the successor has not been told yet");
            sleep.handed_over();
            sleep.go_on_if_due(false, true);
            assert!(held(&server, 0).await, "something acts still");
            sleep.go_on_if_due(true, true);
            assert!(!held(&server, 0).await);
            says(&server, false).await;
            assert_eq!(sleep.next().await, Said::Woke);
            sleep.woke();
            assert!(held(&server, 1).await, "for the next sleep");
            // With no elector there is nobody to hand over.
            says(&server, true).await;
            assert_eq!(sleep.next().await, Said::Sleeps);
            sleep.wait();
            sleep.go_on_if_due(true, false);
            assert!(!held(&server, 1).await);
        };
        tokio::select! {
            () = scenario => {}
            ended = listen(&client, &say, &lock) => panic!("{ended:?}"),
        }
    }
}
