//! The address that only the boss may hold, watched from outside all the time: a client asks for it
//! and every host that holds it answers with its place, and each host is looked at directly.
//! Neither knows anything of bossd. What they find is judged by [`crate::owners`].

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::boot_ns;

use crate::lan::{Handle, Lan, SHARED, Space};
use crate::owners::{Answers, Double, Looks};

/// The watch over the address; it ends when this is dropped.
#[derive(Debug)]
pub struct SharedAddress {
    seen: Arc<Mutex<Seen>>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A stretch of time, on `CLOCK_BOOTTIME` in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its begin.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
}

#[derive(Debug, Default)]
struct Seen {
    doubles: Vec<Double>,
    // Who answered, newest last; one entry for as long as it is the same.
    served: Vec<(usize, Stretch)>,
    holders: Vec<usize>,
    stalls: Vec<Stretch>,
    questions: u64,
    looks: u64,
    broken: Option<String>,
}

impl SharedAddress {
    /// Starts to watch.
    pub fn watch(lan: &Lan) -> Result<Self, String> {
        let mut watch = Self {
            seen: Arc::default(),
            end: Arc::default(),
            threads: Vec::with_capacity(lan.size() + 2),
        };
        for host in 0..lan.size() {
            let socket = bind(lan.host(host), (Ipv4Addr::UNSPECIFIED, QUESTIONS))?;
            watch.spawn("answer", move |end, _| answer(&socket, host, end))?;
        }
        let socket = bind(lan.client(), (Ipv4Addr::UNSPECIFIED, 0))?;
        watch.spawn("ask", move |end, seen| ask(&socket, end, seen))?;
        let hosts: Result<Vec<_>, _> = (0..lan.size()).map(|host| lan.host(host).again()).collect();
        let hosts = hosts?;
        watch.spawn("look", move |end, seen| look(&hosts, end, seen))?;
        Ok(watch)
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&AtomicBool, &Mutex<Seen>) + Send + 'static,
    ) -> Result<(), String> {
        let (end, seen) = (Arc::clone(&self.end), Arc::clone(&self.seen));
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || run(&end, &seen));
        self.threads.push(spawned.map_err(|error| format!("no thread: {error}"))?);
        Ok(())
    }

    /// All moments at which two hosts held it. An error if nobody could watch.
    pub fn doubles(&self) -> Result<Vec<Double>, String> {
        let seen = lock(&self.seen);
        seen.broken.clone().map_or_else(|| Ok(seen.doubles.clone()), Err)
    }

    /// The hosts that hold it, by the latest look at each.
    pub fn holders(&self) -> Vec<usize> {
        lock(&self.seen).holders.clone()
    }

    /// Who answered the client last, if that was a moment ago.
    pub fn answering(&self) -> Option<usize> {
        let (host, stretch) = *lock(&self.seen).served.last()?;
        (boot_ns().saturating_sub(stretch.to_ns) < MOMENT_NS).then_some(host)
    }

    /// When the client was answered, and by which host.
    pub fn served(&self) -> Vec<(usize, Stretch)> {
        lock(&self.seen).served.clone()
    }

    /// When this very machine stood still, or had no processor for us.
    pub fn stalls(&self) -> Vec<Stretch> {
        lock(&self.seen).stalls.clone()
    }

    /// How often the client asked, and how often hosts were looked at.
    pub fn effort(&self) -> (u64, u64) {
        let seen = lock(&self.seen);
        (seen.questions, seen.looks)
    }
}

impl Drop for SharedAddress {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of its own was printed.
            drop(thread.join());
        }
    }
}

/// A host's answers: to whoever reaches it at an address that it holds, with its place.
fn answer(socket: &UdpSocket, host: usize, end: &AtomicBool) {
    let mut bytes = [0; 16];
    while !end.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut bytes) else { continue };
        let mut reply = bytes[..length].to_vec();
        reply.extend_from_slice(&(host as u64).to_be_bytes());
        // Lost if the plug is out.
        drop(socket.send_to(&reply, client));
    }
}

/// The client: one question after the other, each to every host at once.
fn ask(socket: &UdpSocket, end: &AtomicBool, seen: &Mutex<Seen>) {
    let mut answers = Answers::default();
    let mut before = boot_ns();
    for question in 1.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        // A full queue loses it, as a network may.
        drop(socket.send_to(&u64::to_be_bytes(question), (SHARED, QUESTIONS)));
        let until = boot_ns() + ASK_NS;
        loop {
            match receive(socket) {
                Received::Answer(question, host) => {
                    let other = answers.answer(question, host);
                    let mut seen = lock(seen);
                    seen.serve(host, boot_ns());
                    if let Some(first) = other {
                        seen.double(Double {
                            first,
                            second: host,
                            at_ns: boot_ns(),
                            how: "answered",
                        });
                    }
                }
                Received::Nothing => {}
                Received::Broken(why) => lock(seen).broken = Some(why),
            }
            if boot_ns() >= until {
                break;
            }
        }
        let now = boot_ns();
        let mut seen = lock(seen);
        seen.questions = question;
        if now - before > STALL_NS {
            seen.stalls.push(Stretch { from_ns: before, to_ns: now });
        }
        before = now;
    }
}

enum Received {
    Answer(u64, usize),
    Nothing,
    Broken(String),
}

fn receive(socket: &UdpSocket) -> Received {
    let mut bytes = [0; 16];
    match socket.recv_from(&mut bytes) {
        Ok((16, _)) => {
            let (question, host) = bytes.split_at(8);
            let number = |half: &[u8]| half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            Received::Answer(number(question), usize::try_from(number(host)).unwrap_or(usize::MAX))
        }
        Ok(_) => Received::Nothing,
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                Received::Nothing
            }
            // What the network says about an earlier question.
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::ConnectionRefused => Received::Nothing,
            _ => Received::Broken(format!("the client cannot receive: {error}")),
        },
    }
}

/// Looks at one host after the other, inside: an address can be bound to where it is, and only
/// there.
fn look(hosts: &[Handle], end: &AtomicBool, seen: &Mutex<Seen>) {
    let mut looks = Looks::new(hosts.len());
    while !end.load(Ordering::Relaxed) {
        for (host, space) in hosts.iter().enumerate() {
            let has = match space.enter().map(|()| UdpSocket::bind((SHARED, 0))) {
                Ok(Ok(_)) => true,
                Ok(Err(error)) if error.kind() == ErrorKind::AddrNotAvailable => false,
                Ok(Err(error)) => return broken(seen, &format!("cannot look at {host}: {error}")),
                Err(error) => return broken(seen, &error),
            };
            if let Some(first) = looks.look(host, has) {
                let double = Double { first, second: host, at_ns: boot_ns(), how: "held" };
                lock(seen).double(double);
            }
        }
        let mut seen = lock(seen);
        seen.holders = looks.holders();
        seen.looks += 1;
        drop(seen);
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn broken(seen: &Mutex<Seen>, why: &str) {
    lock(seen).broken = Some(why.to_owned());
}

impl Seen {
    fn double(&mut self, double: Double) {
        // The first say it all.
        if self.doubles.len() < MOST_DOUBLES {
            self.doubles.push(double);
        }
    }

    fn serve(&mut self, host: usize, at_ns: u64) {
        match self.served.last_mut() {
            Some((last, stretch)) if *last == host && at_ns - stretch.to_ns < MOMENT_NS => {
                stretch.to_ns = at_ns;
            }
            _ => self.served.push((host, Stretch { from_ns: at_ns, to_ns: at_ns })),
        }
    }
}

fn bind(space: &Space, at: (Ipv4Addr, u16)) -> Result<UdpSocket, String> {
    let bound = space.within(|| UdpSocket::bind(at))?;
    let limited = bound.and_then(|socket| {
        let patience = if at.1 == 0 { Duration::from_nanos(ASK_NS) } else { LOOK_AT_THE_END };
        socket.set_read_timeout(Some(patience)).map(|()| socket)
    });
    limited.map_err(|error| format!("no socket in {}: {error}", space.name()))
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where hosts answer.
const QUESTIONS: u16 = 7_070;
/// Between two questions.
const ASK_NS: u64 = 4_000_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);
/// An answer is as good as the next for this long.
const MOMENT_NS: u64 = 60_000_000;
/// A loop of 4 ms that takes this long did not have the processor.
const STALL_NS: u64 = 20_000_000;
/// How often a thread that waits for a question looks whether it is to end.
const LOOK_AT_THE_END: Duration = Duration::from_millis(50);
const MOST_DOUBLES: usize = 64;
