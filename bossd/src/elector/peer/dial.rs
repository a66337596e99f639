//! Dials one peer once: finds its address, connects, introduces this node. When to dial, and what
//! becomes of the connection, is decided in `link`.

use std::net::SocketAddr;

use quinn::Connection;

use super::hello::{self, HELLO, WELCOME};
use super::link::{Candidate, Facts};
use super::setback::{REFUSED, Setback};
use super::shared::Shared;
use super::state::PeerState;
use super::{random, transport};

/// Dials the peer and introduces this node.
pub(super) async fn dial(shared: &Shared, peer: &PeerState) -> Result<Candidate, Setback> {
    let name = &peer.name;
    let address = resolve(shared, peer).await?;
    let server_name = shared.server_name(name);
    let connection = shared
        .endpoint
        .connect_with(transport::client(&shared.tls), address, &server_name)
        .map_err(|error| Setback::Failed(format!("cannot dial {name} at {address}: {error}")))?
        .await
        .map_err(|end| Setback::from_end(&end, name))?;
    let id = random().max(1);
    introduce(shared, peer, &connection, id)
        .await
        .map_err(|setback| {
            if let Setback::Refused(why) = &setback {
                connection.close(REFUSED, why.as_bytes());
            }
            // The connection's own end says more than the stream's.
            match connection.close_reason() {
                Some(end) if !matches!(setback, Setback::Refused(_)) => {
                    Setback::from_end(&end, name)
                }
                _ => setback,
            }
        })
        .map(|welcome| Candidate {
            connection,
            incarnation: welcome.incarnation,
            facts: Facts {
                session: welcome.session,
                id,
                started_by_us: true,
                peer_lost: welcome.lost,
            },
        })
}

async fn introduce(
    shared: &Shared,
    peer: &PeerState,
    connection: &Connection,
    id: u64,
) -> Result<hello::Hello, Setback> {
    let ended = |end| Setback::from_end(&end, &peer.name);
    let certificate = hello::certified(connection)?;
    let (mut send, mut receive) = connection.open_bi().await.map_err(ended)?;
    hello::send(&mut send, HELLO, &shared.hello(id, peer.lost())).await?;
    let welcome = hello::read(&mut receive, WELCOME).await?;
    shared.check(&welcome, &certificate).map_err(Setback::Refused)?;
    Ok(welcome)
}

/// An address of the peer that this node's socket can reach. A host name is looked up at every
/// attempt, and each attempt takes the next of its addresses.
async fn resolve(shared: &Shared, peer: &PeerState) -> Result<SocketAddr, Setback> {
    let address = &peer.address;
    if let Ok(literal) = address.parse() {
        return Ok(literal);
    }
    let unknown = |why: String| {
        Setback::Failed(format!("cannot look up {address}, the address of {}: {why}", peer.name))
    };
    let found: Vec<SocketAddr> = tokio::net::lookup_host(address)
        .await
        .map_err(|error| unknown(error.to_string()))?
        .filter(|found| shared.listens_on_v6 || found.is_ipv4())
        .take(MAX_ADDRESSES)
        .collect();
    peer.set_resolved(found.clone());
    let turn = usize::try_from(random()).unwrap_or(0);
    found
        .get(turn % found.len().max(1))
        .copied()
        .ok_or_else(|| unknown("it has no address of this node's kind (IPv4 or IPv6)".to_owned()))
}

/// Addresses taken of one host name.
const MAX_ADDRESSES: usize = 8;
