//! Takes in the connections that others start, as far as the gate lets them; has each introduce
//! itself, and gives it to the link of the peer it proved to be.

use std::net::SocketAddr;
use std::sync::Arc;

use control::identity::Identity;
use quinn::{Connection, Incoming};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::gate::{Gate, Knock, Verdict};
use super::hello::{self, HELLO, WELCOME};
use super::link::{Candidate, Facts};
use super::setback::{REFUSED, Setback};
use super::shared::Shared;
use super::{INTRODUCTION_LIMIT, wait};
use crate::clock::now;

/// Takes in connections until the endpoint closes.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut gate = Gate::new(now());
    // As many as are under way, which the gate bounds.
    let (over, mut left) = mpsc::unbounded_channel();
    let mut introductions = JoinSet::new();
    while let Some(incoming) = shared.endpoint.accept().await {
        while introductions.try_join_next().is_some() {}
        while let Ok(knock) = left.try_recv() {
            gate.leave(knock);
        }
        let knock = knock(&shared, &incoming);
        match gate.judge(knock, now()) {
            Verdict::Enter => {
                let (shared, over) = (Arc::clone(&shared), over.clone());
                introductions.spawn(async move {
                    receive(&shared, incoming).await;
                    // Fails only when this layer ends.
                    let _ = over.send(knock);
                });
            }
            // Fails only if it has proved its address, which the gate asked.
            Verdict::Prove => drop(incoming.retry()),
            Verdict::TurnAway => {
                shared.lines.turned_away(knock);
                incoming.refuse();
            }
        }
    }
}

fn knock(shared: &Shared, incoming: &Incoming) -> Knock {
    let ip = incoming.remote_address().ip();
    let proved = incoming.remote_address_validated() || !incoming.may_retry();
    Knock { ip, is_members: shared.is_members_ip(ip), proved }
}

async fn receive(shared: &Shared, incoming: Incoming) {
    let address = incoming.remote_address();
    let mut guest = Guest { address, certificate: None };
    let outcome = tokio::select! {
        outcome = guest.introduce(shared, incoming) => outcome,
        () = wait(INTRODUCTION_LIMIT) => Err(Setback::Failed("it did not introduce itself".to_owned())),
    };
    let name = guest.certificate.as_ref().map(|it| it.node().to_owned());
    match outcome {
        Ok(candidate) => shared.offer(&name.unwrap_or_default(), candidate).await,
        Err(setback) => shared.report_guest(name.as_deref(), address, &setback).await,
    }
}

/// Somebody at the door.
struct Guest {
    address: SocketAddr,
    /// Whom its certificate names, once that is proved.
    certificate: Option<Identity>,
}

impl Guest {
    async fn introduce(
        &mut self,
        shared: &Shared,
        incoming: Incoming,
    ) -> Result<Candidate, Setback> {
        let whom = self.address.to_string();
        let connection = incoming.await.map_err(|end| Setback::from_end(&end, &whom))?;
        match self.welcome(shared, &connection).await {
            Ok((hello, facts)) => {
                Ok(Candidate { connection, incarnation: hello.incarnation, facts })
            }
            Err(Setback::Refused(why)) => {
                connection.close(REFUSED, why.as_bytes());
                Err(Setback::Refused(why))
            }
            // The connection's own end says more than the stream's.
            Err(setback) => {
                Err(connection.close_reason().map_or(setback, |end| Setback::from_end(&end, &whom)))
            }
        }
    }

    async fn welcome(
        &mut self,
        shared: &Shared,
        connection: &Connection,
    ) -> Result<(hello::Hello, Facts), Setback> {
        let certificate = self.certificate.insert(hello::certified(connection)?).clone();
        // Whoever cannot be a peer is not listened to.
        shared.check_guest(&certificate).map_err(Setback::Refused)?;
        let (mut send, mut receive) = connection
            .accept_bi()
            .await
            .map_err(|end| Setback::from_end(&end, certificate.node()))?;
        let hello = hello::read(&mut receive, HELLO).await?;
        shared.check(&hello, &certificate).map_err(Setback::Refused)?;
        shared.check_welcome(certificate.node(), hello.incarnation).map_err(Setback::Refused)?;
        let welcome = shared.hello(hello.connection, shared.lost(certificate.node()));
        hello::send(&mut send, WELCOME, &welcome).await?;
        let facts = Facts {
            session: hello.session,
            id: hello.connection,
            started_by_us: false,
            peer_lost: hello.lost,
        };
        Ok((hello, facts))
    }
}
