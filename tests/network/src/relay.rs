//! A detour for what bossd sends, on which datagrams are late, doubled and overtaken. The relay has
//! an address for each host: what host i sends to host j is sent to j's address there, and goes on
//! to j from i's. The firewall leads datagrams in and puts the addresses right again, so bossd
//! knows nothing of it ([`crate::Firewall::with_detour`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use harness::boot_ns;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::lan::{Lan, PORT, address, front, listen};
use crate::random::Random;

/// What happens to datagrams on the detour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// How late each is, in milliseconds.
    pub delay_ms: u64,
    /// How many of a hundred arrive twice.
    pub twice: u64,
    /// How many of a hundred are overtaken: held for another [`Weather::hold_ms`].
    pub overtaken: u64,
    /// In milliseconds.
    pub hold_ms: u64,
}

/// The relay; it ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    weather: Mutex<Weather>,
    passed: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
    end: AtomicBool,
}

impl Relay {
    /// Starts it, with fine weather.
    pub fn start(lan: &Lan, seed: u64) -> Result<Self, String> {
        let sockets = lan.relay().within(|| {
            let bind = |host| {
                let socket = UdpSocket::bind((front(host), PORT))?;
                socket.set_nonblocking(true).map(|()| socket)
            };
            (0..lan.size()).map(bind).collect::<Result<Vec<_>, _>>()
        })?;
        let sockets = sockets.map_err(|error| format!("no socket for the relay: {error}"))?;
        let shared = Arc::<Shared>::default();
        let board = Board {
            sockets,
            shared: Arc::clone(&shared),
            waiting: BinaryHeap::new(),
            random: Random::new(seed),
            count: 0,
        };
        let spawned = thread::Builder::new().name("relay".to_owned()).spawn(move || board.run());
        let thread = spawned.map_err(|error| format!("no thread: {error}"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is to happen from now on.
    pub fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// How many datagrams went this way so far, how many of them twice, how many were overtaken.
    pub fn counts(&self) -> (u64, u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.shared.passed), load(&self.shared.doubled), load(&self.shared.overtaken))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of its own was printed.
            drop(thread.join());
        }
    }
}

/// A datagram that waits for its time. In this order: when, and how many came before it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due_ns: u64,
    count: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

struct Board {
    sockets: Vec<UdpSocket>,
    shared: Arc<Shared>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    random: Random,
    count: u64,
}

impl Board {
    fn run(mut self) {
        let mut bytes = vec![0; LARGEST_DATAGRAM];
        while !self.shared.end.load(Ordering::Relaxed) {
            self.wait();
            for to in 0..self.sockets.len() {
                for _ in 0..DATAGRAMS_PER_TURN {
                    // Also what a host without bossd lets us know: nobody listens.
                    let Ok((length, sender)) = self.sockets[to].recv_from(&mut bytes) else {
                        break;
                    };
                    if let Some(from) = self.host_at(sender) {
                        self.take(from, to, &bytes[..length]);
                    }
                }
            }
            self.send_due();
        }
    }

    fn wait(&self) {
        let now = boot_ns();
        let next = self.waiting.peek().map_or(LONGEST_WAIT_NS, |Reverse(first)| {
            first.due_ns.saturating_sub(now).min(LONGEST_WAIT_NS)
        });
        let timeout = u8::try_from(next.div_ceil(1_000_000)).unwrap_or(u8::MAX);
        let polled = self.sockets.iter().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN));
        // Interrupted or not: what there is to do is looked at next.
        let _ = poll(&mut polled.collect::<Vec<_>>(), PollTimeout::from(timeout));
    }

    fn host_at(&self, sender: SocketAddr) -> Option<usize> {
        let of = |host: &usize| IpAddr::V4(address(*host)) == sender.ip();
        (0..self.sockets.len()).find(of)
    }

    fn take(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let weather = *self.shared.weather.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.passed.fetch_add(1, Ordering::Relaxed);
        let mut copies = 1;
        if self.random.chance(weather.twice) {
            self.shared.doubled.fetch_add(1, Ordering::Relaxed);
            copies = 2;
        }
        for _ in 0..copies {
            let mut late_ms = weather.delay_ms;
            if self.random.chance(weather.overtaken) {
                self.shared.overtaken.fetch_add(1, Ordering::Relaxed);
                late_ms += weather.hold_ms;
            }
            self.count += 1;
            let (due_ns, count) = (boot_ns() + late_ms * 1_000_000, self.count);
            let waiting = Waiting { due_ns, count, from, to, bytes: bytes.to_owned() };
            self.waiting.push(Reverse(waiting));
        }
        // A relay that is flooded loses what has waited longest, as a router would.
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop();
        }
    }

    fn send_due(&mut self) {
        let now = boot_ns();
        while self.waiting.peek().is_some_and(|Reverse(first)| first.due_ns <= now) {
            let Some(Reverse(due)) = self.waiting.pop() else { return };
            // What the system does not take is lost on the way.
            drop(self.sockets[due.from].send_to(&due.bytes, listen(due.to)));
        }
    }
}

const LARGEST_DATAGRAM: usize = 65_536;
/// So that one busy pair does not keep the others waiting.
const DATAGRAMS_PER_TURN: u32 = 64;
/// A second of a busy cluster.
const MOST_WAITING: usize = 4_096;
/// How often it looks whether it is to end.
const LONGEST_WAIT_NS: u64 = 50_000_000;
