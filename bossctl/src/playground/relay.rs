//! The network between the nodes of a playground: every datagram of one member to another passes
//! here and can be dropped by direction, so that partitions need no root and bossd no switch.
//!
//! ```text
//! node i, port Pi ---> front of j, port Rj ---> pair (i, j), port Sij ---> node j, port Pj
//!                 <---                     <---                       <---
//! ```
//!
//! Member j's address in everybody's file is Rj. The source port Pi tells who sends; j sees i as
//! Sij and answers there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The running relay of one cluster; it ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    fronts: Vec<SocketAddr>,
    cuts: Arc<Cuts>,
    // Its closing is the word to end.
    lifeline: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay between nodes that listen at `nodes`.
    pub fn start(nodes: &[SocketAddr]) -> io::Result<Self> {
        let count = nodes.len();
        let mut sockets = Vec::new();
        for to in 0..count {
            sockets.push(Socket { place: Place::Front { to }, socket: bind()? });
        }
        let fronts = sockets.iter().map(|it| it.socket.local_addr()).collect::<Result<_, _>>()?;
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            // Also for a node and itself, which nobody uses: the index stays simple.
            sockets.push(Socket { place: Place::Pair { from, to }, socket: bind()? });
        }
        let cuts = Arc::new(Cuts::none(count));
        let (lifeline, end) = UnixStream::pair()?;
        let board = Board { nodes: nodes.to_vec(), sockets, cuts: Arc::clone(&cuts), end };
        let thread = thread::Builder::new().name("relay".to_owned()).spawn(move || board.run())?;
        Ok(Self { fronts, cuts, lifeline: Some(lifeline), thread: Some(thread) })
    }

    /// The address of member `to` as all members know it.
    pub fn front(&self, to: usize) -> SocketAddr {
        self.fronts[to]
    }

    /// Drops, or no longer drops, what `from` sends to `to`. The other direction is another cut.
    pub fn set_cut(&self, from: usize, to: usize, cut: bool) {
        self.cuts.flag(from, to).store(cut, Ordering::Relaxed);
    }

    /// Whether what `from` sends to `to` is dropped.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.flag(from, to).load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, and a panic of its own was already printed.
            drop(thread.join());
        }
    }
}

#[derive(Debug)]
struct Cuts {
    count: usize,
    flags: Vec<AtomicBool>,
}

impl Cuts {
    fn none(count: usize) -> Self {
        Self { count, flags: (0..count * count).map(|_| AtomicBool::new(false)).collect() }
    }

    fn flag(&self, from: usize, to: usize) -> &AtomicBool {
        &self.flags[from * self.count + to]
    }
}

/// What a socket of the relay stands for.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The address of a member.
    Front { to: usize },
    /// One member as another sees it.
    Pair { from: usize, to: usize },
}

struct Socket {
    place: Place,
    socket: UdpSocket,
}

struct Board {
    nodes: Vec<SocketAddr>,
    sockets: Vec<Socket>,
    cuts: Arc<Cuts>,
    end: UnixStream,
}

impl Board {
    fn run(&self) {
        let mut datagram = vec![0; LARGEST_DATAGRAM];
        let descriptors = self.sockets.iter().map(|it| it.socket.as_fd()).chain([self.end.as_fd()]);
        let mut polled: Vec<_> = descriptors.map(|it| PollFd::new(it, PollFlags::POLLIN)).collect();
        loop {
            match poll(&mut polled, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let ready = |it: &PollFd<'_>| it.any().unwrap_or(true);
            if polled.last().is_some_and(ready) {
                return;
            }
            for (socket, _) in self.sockets.iter().zip(&polled).filter(|(_, polled)| ready(polled))
            {
                self.pass_on(socket, &mut datagram);
            }
        }
    }

    /// Takes what waits at a socket and sends it on its way.
    fn pass_on(&self, at: &Socket, datagram: &mut [u8]) {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Ok((length, sender)) = at.socket.recv_from(datagram) else { return };
            if let Some((through, to)) = self.route(at.place, sender) {
                // A datagram that the system does not take is one that the network lost.
                drop(self.sockets[through].socket.send_to(&datagram[..length], to));
            }
        }
    }

    /// Through which socket a datagram goes on, and to which node; None: it is dropped.
    fn route(&self, place: Place, sender: SocketAddr) -> Option<(usize, SocketAddr)> {
        let count = self.nodes.len();
        let (from, to, through) = match place {
            Place::Front { to } => {
                let from = self.nodes.iter().position(|node| *node == sender)?;
                (from, to, count + from * count + to)
            }
            // What comes back at a pair is of the one who is seen there by the other.
            Place::Pair { from, to } => (self.nodes[to] == sender).then_some((to, from, to))?,
        };
        let cut = self.cuts.flag(from, to).load(Ordering::Relaxed);
        (!cut).then(|| (through, self.nodes[to]))
    }
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The largest that UDP has.
const LARGEST_DATAGRAM: usize = 65_536;
/// So that one busy pair does not keep the others waiting.
const DATAGRAMS_PER_TURN: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Pair {
        nodes: Vec<UdpSocket>,
        relay: Relay,
    }

    fn pair() -> Pair {
        let nodes: Vec<_> =
            (0..2).map(|_| UdpSocket::bind("127.0.0.1:0").expect("bound")).collect();
        for node in &nodes {
            node.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        }
        let addresses: Vec<_> = nodes.iter().map(|it| it.local_addr().expect("bound")).collect();
        Pair { nodes, relay: Relay::start(&addresses).expect("started") }
    }

    impl Pair {
        fn receive(&self, at: usize) -> (Vec<u8>, SocketAddr) {
            let mut bytes = [0; 64];
            let (length, from) = self.nodes[at].recv_from(&mut bytes).expect("received");
            (bytes[..length].to_vec(), from)
        }
    }

    #[test]
    fn a_datagram_and_its_answer_find_their_way() {
        let pair = pair();
        pair.nodes[0].send_to(b"ping", pair.relay.front(1)).expect("sent");
        let (ping, seen_as) = pair.receive(1);
        assert_eq!(ping, b"ping");
        pair.nodes[1].send_to(b"pong", seen_as).expect("sent");
        assert_eq!(pair.receive(0), (b"pong".to_vec(), pair.relay.front(1)));
    }

    #[test]
    fn a_cut_is_of_one_direction_and_counts_for_answers_too() {
        let pair = pair();
        pair.relay.set_cut(1, 0, true);
        assert!(pair.relay.is_cut(1, 0) && !pair.relay.is_cut(0, 1));
        pair.nodes[0].send_to(b"there", pair.relay.front(1)).expect("sent");
        let (_, seen_as) = pair.receive(1);
        pair.nodes[1].send_to(b"lost answer", seen_as).expect("sent");
        pair.nodes[1].send_to(b"lost", pair.relay.front(0)).expect("sent");
        // So many take two whole turns of the relay's loop and a bit: what was sent before the
        // first of them has been looked at when the last has arrived.
        for _ in 0..=2 * DATAGRAMS_PER_TURN {
            pair.nodes[0].send_to(b"again", pair.relay.front(1)).expect("sent");
            assert_eq!(pair.receive(1).0, b"again");
        }
        pair.relay.set_cut(1, 0, false);
        pair.nodes[1].send_to(b"healed", seen_as).expect("sent");
        assert_eq!(pair.receive(0).0, b"healed");
    }

    #[test]
    fn strangers_are_not_relayed() {
        let pair = pair();
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("bound");
        stranger.send_to(b"stranger", pair.relay.front(1)).expect("sent");
        pair.nodes[0].send_to(b"friend", pair.relay.front(1)).expect("sent");
        assert_eq!(pair.receive(1).0, b"friend");
    }
}
