//! A network: a bridge in a namespace of its own, and one namespace with an address for each host,
//! for the client that asks for the shared address and for the relay. Nothing of it is in the
//! namespace of the test, so removing the namespaces removes all of it. Their names hold the
//! process id of the test, by which the next one finds what a killed one left ([`crate::sweep`]).
//!
//! ```text
//! host 0 eth0 --- port0 \
//! host 1 eth0 --- port1 -- bridge -- client eth0, relay eth0
//! ```

use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::command::{run, run_all, run_with};
use crate::firewall::Firewall;
use crate::sweep;

/// The network of one test.
#[derive(Debug)]
pub struct Lan {
    hosts: Vec<Space>,
    bridge: Space,
    client: Space,
    relay: Space,
}

/// A network namespace.
#[derive(Debug)]
pub struct Space {
    name: String,
    file: File,
}

impl Lan {
    /// Makes it, with all plugs in.
    pub fn new(hosts: usize) -> Result<Self, String> {
        sweep::sweep();
        let prefix = format!("{}{}-{}", sweep::PREFIX, id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let space = |what: &str| Space::new(format!("{prefix}-{what}"));
        let lan = Self {
            bridge: space("bridge")?,
            client: space("client")?,
            relay: space("relay")?,
            hosts: (0..hosts).map(|host| space(&format!("h{host}"))).collect::<Result<_, _>>()?,
        };
        lan.connect()?;
        Ok(lan)
    }

    fn connect(&self) -> Result<(), String> {
        let mut text =
            "link add bridge type bridge mcast_snooping 0\nlink set bridge up\n".to_owned();
        let ends = self.hosts.iter().enumerate().map(|(host, space)| (port(host), space));
        let others = [("client".to_owned(), &self.client), ("relay".to_owned(), &self.relay)];
        for (port, space) in ends.chain(others) {
            let peer = &space.name;
            let _ = writeln!(text, "link add {port} type veth peer name eth0 netns {peer}");
            let _ = writeln!(text, "link set {port} master bridge up");
        }
        self.bridge.ip(&text)?;
        let up = "link set lo up\nlink set eth0 up\n";
        for (host, space) in self.hosts.iter().enumerate() {
            space.ip(&format!("{up}address add {}/24 dev eth0\n", address(host)))?;
        }
        // What the client sends to the shared address reaches every host, whatever the neighbours
        // believe about whose it is: two that hold it cannot hide behind ARP.
        self.client.ip(&format!(
            "{up}address add {CLIENT}/24 dev eth0\n\
             neighbour add {SHARED} lladdr ff:ff:ff:ff:ff:ff dev eth0 nud permanent\n"
        ))?;
        let mut text = up.to_owned();
        for host in 0..self.hosts.len() {
            let _ = writeln!(text, "address add {}/24 dev eth0", front(host));
        }
        self.relay.ip(&text)
    }

    /// How many hosts there are.
    pub fn size(&self) -> usize {
        self.hosts.len()
    }

    /// A host by its place.
    pub fn host(&self, host: usize) -> &Space {
        &self.hosts[host]
    }

    /// Where the shared address is asked for.
    pub fn client(&self) -> &Space {
        &self.client
    }

    /// Where datagrams go that are to be delayed.
    pub fn relay(&self) -> &Space {
        &self.relay
    }

    /// Pulls the plug of a host, or puts it in again.
    pub fn set_plug(&self, host: usize, plugged: bool) -> Result<(), String> {
        let state = if plugged { "up" } else { "down" };
        self.bridge.ip(&format!("link set {} {state}\n", port(host)))
    }

    /// Lets through what these rules let through, and nothing else.
    pub fn set_firewall(&self, firewall: &Firewall) -> Result<(), String> {
        let of = |host: usize| {
            let words = ["netns", "exec", self.hosts[host].name(), "nft", "-f", "-"];
            (words.map(str::to_owned).to_vec(), firewall.rules(host))
        };
        run_all("ip", &(0..self.size()).map(of).collect::<Vec<_>>())
    }

    /// Takes the shared address from a host, as the loss of its memory would.
    pub fn forget_shared(&self, host: usize) -> Result<(), String> {
        self.hosts[host].ip(&format!("address flush dev eth0 to {SHARED}\n"))
    }
}

impl Space {
    fn new(name: String) -> Result<Self, String> {
        run("ip", &["netns", "add", &name])?;
        let path = PathBuf::from("/run/netns").join(&name);
        let opened = File::open(&path);
        let file = opened.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { name, file })
    }

    /// Another handle of it; the namespace goes with the first one.
    pub(crate) fn again(&self) -> Result<Handle, String> {
        let file = self.file.try_clone().map_err(|error| format!("{}: {error}", self.name))?;
        Ok(Handle { file })
    }

    /// Its name, for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lines for `ip`, carried out here.
    pub fn ip(&self, lines: &str) -> Result<(), String> {
        run_with("ip", &["-n", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Does something here, in a thread of its own.
    pub fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> Result<T, String> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| enter(&self.file).map(|()| what()));
            inside.join().map_err(|_| format!("a panic in {}", self.name))?
        })
    }
}

/// A way into a namespace for a thread of its own.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
}

impl Handle {
    /// Moves the calling thread there. It must be one that has nothing else to do.
    pub(crate) fn enter(&self) -> Result<(), String> {
        enter(&self.file)
    }
}

fn enter(space: &File) -> Result<(), String> {
    setns(space, CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("cannot enter a namespace: {error}"))
}

impl Drop for Space {
    fn drop(&mut self) {
        // What cannot be removed now is swept away by the next test.
        drop(run("ip", &["netns", "del", &self.name]));
    }
}

/// The address of a host.
pub fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 1 + last_byte(host))
}

/// The address at which the relay stands for a host.
pub(crate) fn front(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 101 + last_byte(host))
}

/// Where bossd of a host listens.
pub fn listen(host: usize) -> SocketAddr {
    (address(host), PORT).into()
}

fn last_byte(host: usize) -> u8 {
    u8::try_from(host).expect("a handful of hosts")
}

fn port(host: usize) -> String {
    format!("port{host}")
}

/// The one that hooks hand on.
pub const SHARED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 250);
/// bossd's own.
pub(crate) const PORT: u16 = 26_770;
static NEXT: AtomicU32 = AtomicU32::new(0);
