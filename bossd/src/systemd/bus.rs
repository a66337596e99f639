//! The system's bus: connections that nobody waits for longer than he said. Whoever calls somebody over it
//! gives the call a time ([`within`]), for a bus that stands still says nothing at all, and what it
//! was asked for may happen later, when nobody expects it any more.

use election::{Moment, Span};
use tokio::net::UnixStream;
use zbus::Connection;
use zbus::connection::Builder;

use super::unit;
use crate::clock;

/// What became of a call.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum BusError {
    #[error("{who} does not answer within {patience} ({what})")]
    Silent { who: &'static str, what: &'static str, patience: Span },
    #[error("{who}: {what}: {error}")]
    Failed { who: &'static str, what: &'static str, error: zbus::Error },
    #[error("{who} did not answer a moment ago")]
    Avoided { who: &'static str },
}

impl BusError {
    /// Somebody has answered: the bus is not to blame.
    pub fn is_an_answer(&self) -> bool {
        let Self::Failed { error, .. } = self else { return false };
        matches!(error, zbus::Error::MethodError(..) | zbus::Error::Failure(_))
    }
}

/// A connection that is made when it is needed, kept, and made anew when it has failed.
#[derive(Debug, Default)]
pub struct Bus {
    /// systemd is to say on it what happens to units.
    units: bool,
    state: std::cell::RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// When it failed last.
    failed: Option<Moment>,
}

impl Bus {
    /// Not connected yet.
    pub fn new() -> Self {
        Self { units: false, state: std::cell::RefCell::default() }
    }

    /// The same for one on which units are watched.
    pub fn of_units() -> Self {
        Self { units: true, ..Self::new() }
    }

    /// The connection that there is, or a new one. Who failed a moment ago is not asked again: in an
    /// emergency each wait is time that somebody else needs.
    pub async fn connection(&self, patience: Span) -> Result<Connection, BusError> {
        let avoid = {
            let state = self.state.borrow();
            if let Some(connection) = &state.connection
                && !connection.is_closed()
            {
                return Ok(connection.clone());
            }
            let now = clock::now();
            state.failed.is_some_and(|at| !at.plus(AVOIDED_FOR).over_when_either(now))
        };
        if avoid {
            return Err(BusError::Avoided { who: BUS });
        }
        let made = within(BUS, "connecting", patience, self.connect()).await;
        match made {
            Ok(connection) => {
                self.state.borrow_mut().connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                self.failed();
                Err(error)
            }
        }
    }

    /// Somebody did not get what he asked for: the next one makes a new connection, later.
    pub fn failed(&self) {
        let failed = Some(clock::now());
        *self.state.borrow_mut() = State { connection: None, failed };
    }

    /// A new connection, as whoever this process runs as.
    async fn connect(&self) -> zbus::Result<Connection> {
        // Not by its address: for that zbus connects on a thread, and waits for it.
        let stream = UnixStream::connect(SOCKET).await?;
        let connection = Builder::unix_stream(stream).build().await?;
        if self.units {
            unit::subscribe(&connection).await?;
        }
        Ok(connection)
    }
}

/// Waits for an answer, but no longer than `patience`. What was asked for may still happen.
pub async fn within<T>(
    who: &'static str,
    what: &'static str,
    patience: Span,
    answer: impl Future<Output = zbus::Result<T>>,
) -> Result<T, BusError> {
    tokio::select! {
        // In this order: on a busy host an answer that is there counts when the time is over.
        biased;
        answer = answer => answer.map_err(|error| BusError::Failed { who, what, error }),
        _ = clock::pause(patience) => Err(BusError::Silent { who, what, patience }),
    }
}

/// In words.
pub const BUS: &str = "the system bus";
/// Of every system's bus.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// Long enough for a restart of whoever failed.
const AVOIDED_FOR: Span = Span::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let patience = Span::from_millis(20);
        let begun = clock::now();
        let silent =
            within("nobody", "hello", patience, std::future::pending::<zbus::Result<()>>());
        let text = silent.await.expect_err("nobody answers").to_string();
        assert_eq!(text, "nobody does not answer within 20 ms (hello)");
        assert!(begun.elapsed(clock::now()) >= patience);
    }

    #[tokio::test]
    async fn who_has_failed_is_avoided_for_a_while_and_not_waited_for_again() {
        let bus = Bus::new();
        bus.failed();
        let error = bus.connection(Span::from_secs(3600)).await.expect_err("just failed");
        assert!(matches!(error, BusError::Avoided { .. }), "{error}");
    }
}
