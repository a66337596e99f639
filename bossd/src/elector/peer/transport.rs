//! The QUIC endpoint and its limits: one UDP socket per node, small windows and queues (the
//! defaults are for the web), and what makes a restarted node be noticed at once.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{
    ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use super::frame::MAX_FRAME;
use super::tls::Tls;

/// Binds the node's one endpoint.
pub(super) fn bind(listen: SocketAddr, reset_secret: &[u8; 32], tls: &Tls) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(listen)?;
    let config = endpoint_config(reset_secret);
    Endpoint::new(config, Some(server(tls)), socket, Arc::new(TokioRuntime))
}

/// The configuration of the connections that others start from now on.
pub(super) fn server(tls: &Tls) -> ServerConfig {
    let mut server = ServerConfig::with_crypto(Arc::clone(&tls.live().server) as _);
    server
        .transport_config(transport())
        .migration(false)
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER * MAX_INCOMING as u64);
    server
}

/// The configuration of a connection that this node starts.
pub(super) fn client(tls: &Tls) -> ClientConfig {
    let mut client = ClientConfig::new(Arc::clone(&tls.live().client) as _);
    client.transport_config(transport());
    client
}

/// With a fixed reset key AND connection ids that the next process recognises as its own, a
/// restarted node answers its predecessor's packets with a reset. Without either, its peers would
/// find out by the idle timeout.
fn endpoint_config(reset_secret: &[u8; 32]) -> EndpointConfig {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, reset_secret);
    let reset_key = hmac::sign(&secret, b"boss stateless reset");
    let ids = hmac::sign(&secret, b"boss connection ids");
    let id_key =
        u64::from_be_bytes(*ids.as_ref().first_chunk().expect("an HMAC-SHA256 has 32 bytes"));
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, reset_key.as_ref());
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    config
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().expect("a second fits")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(STREAMS)
        .max_concurrent_uni_streams(STREAMS)
        .stream_receive_window(WINDOW)
        .receive_window(WINDOW)
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        // Packets of 1,200 bytes pass everywhere and the traffic is small: nothing to discover.
        .mtu_discovery_config(None)
        .enable_segmentation_offload(false);
    Arc::new(transport)
}

/// After this silence QUIC itself gives a connection up. It is never the failure detector: that is
/// the election's, which is faster.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Three keep-alives fit into the idle timeout, so two may be lost.
pub const KEEP_ALIVE: Duration = Duration::from_millis(300);
/// Sets the first retransmission of a handshake, at three times this: servers are near each other.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// One stream for Hello and Welcome, one of frames in each direction.
const STREAMS: VarInt = VarInt::from_u32(1);
/// Two of the longest frames: the next is on its way while one is read.
const WINDOW: VarInt = VarInt::from_u32(512 * 1024);
const _: () = assert!(WINDOW.into_inner() >= 2 * MAX_FRAME as u64);
/// About fourteen full datagrams. A reader that is further behind wants the newest only.
const DATAGRAM_BUFFER: usize = 16 * 1024;
/// Handshakes that wait for the accept loop, which takes them at once.
const MAX_INCOMING: usize = 64;
/// What may come in of one such handshake meanwhile: its certificate chain and some.
const INCOMING_BUFFER: u64 = 16 * 1024;
