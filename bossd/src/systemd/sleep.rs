//! What logind says before the host sleeps and after it has woken, and the lock that has it wait a
//! little before it does.

use std::os::fd::OwnedFd;
use std::pin::Pin;

use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::zvariant;
use zbus::{Connection, MatchRule, MessageStream};

const LOGIND: &str = "org.freedesktop.login1";
const AT: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";

/// Has logind wait with every sleep until the lock is dropped, or for as long as InhibitDelayMaxSec=
/// of logind.conf says.
pub async fn delay(bus: &Connection) -> zbus::Result<OwnedFd> {
    let why = "The boss hands over before this host sleeps";
    let body = ("sleep", "bossd", why, "delay");
    let answer = bus.call_method(Some(LOGIND), AT, Some(MANAGER), "Inhibit", &body).await?;
    Ok(answer.body().deserialize::<zvariant::OwnedFd>()?.into())
}

/// Listens for what comes.
#[derive(Debug)]
pub struct Watch {
    stream: MessageStream,
}

impl Watch {
    /// Begins to listen.
    pub async fn begin(bus: &Connection) -> zbus::Result<Self> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(LOGIND)?
            .interface(MANAGER)?
            .member("PrepareForSleep")?
            .path(AT)?
            .build();
        Ok(Self { stream: MessageStream::for_match_rule(rule, bus, None).await? })
    }

    /// True before a sleep, false after it; None when the connection is over. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<bool> {
        loop {
            let next = std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await;
            let Ok(message) = next? else { return None };
            // Anybody may send something to us alone; what logind says it says to all.
            if message.header().destination().is_some() {
                continue;
            }
            if let Ok(begins) = message.body().deserialize() {
                return Some(begins);
            }
        }
    }
}
