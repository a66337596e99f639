//! Takes in the connections that others start: proves addresses that are not members', bounds
//! what has not introduced itself, and gives the rest to the link of the peer it proved to be.

use std::net::SocketAddr;
use std::sync::Arc;

use control::identity::Identity;
use quinn::{Connection, Incoming};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::hello::{self, HELLO, WELCOME};
use super::link::{Candidate, Facts};
use super::setback::{REFUSED, Setback};
use super::shared::Shared;
use super::{INTRODUCTION_LIMIT, wait};

/// Takes in connections until the endpoint closes.
pub(super) async fn run(shared: Arc<Shared>) {
    let from_members = Arc::new(Semaphore::new(INTRODUCTIONS_OF_MEMBERS));
    let from_others = Arc::new(Semaphore::new(INTRODUCTIONS_OF_OTHERS));
    let mut introductions = JoinSet::new();
    while let Some(incoming) = shared.endpoint.accept().await {
        while introductions.try_join_next().is_some() {}
        let is_members = shared.is_members_ip(incoming.remote_address().ip());
        if !is_members && incoming.may_retry() && !incoming.remote_address_validated() {
            // Has it prove that it is where it says, before anything is spent on it. Fails only
            // if it has done so, which was just asked.
            let _ = incoming.retry();
            continue;
        }
        let room = if is_members { &from_members } else { &from_others };
        let Ok(permit) = Arc::clone(room).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let shared = Arc::clone(&shared);
        introductions.spawn(async move {
            receive(&shared, incoming).await;
            drop(permit);
        });
    }
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
        let (mut send, mut receive) = connection
            .accept_bi()
            .await
            .map_err(|end| Setback::from_end(&end, certificate.node()))?;
        let hello = hello::read(&mut receive, HELLO).await?;
        shared.check(&hello, &certificate).map_err(Setback::Refused)?;
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

/// Introductions under way at a time, for members' addresses: several per member of the largest
/// cluster.
const INTRODUCTIONS_OF_MEMBERS: usize = 64;
/// And for all others, so that a flood from elsewhere leaves the members' room alone.
const INTRODUCTIONS_OF_OTHERS: usize = 16;
