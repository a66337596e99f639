//! The bare program: the connections and the heartbeats of a boss of three and nothing else, to show
//! what QUIC costs by itself. See `src/bin/bare_quinn.rs`.

use bossctl::ca;
use bossd::elector::schema::wire;
use election::{
    ClusterId, Envelope, Epoch, Facts, Incarnation, Message, NodeId, Phase, Profile, Term, Timing,
    Version,
};
use network::{Lan, listen, names};
use nix::unistd::Pid;
use std::io;

use super::daemons::Daemons;
use super::{HOSTS, host_name};

/// Three of them.
#[derive(Debug)]
pub struct Bare {
    daemons: Daemons,
    heartbeat_ms: u64,
}

impl Bare {
    /// Starts three, of which the first is the leader.
    pub fn start(heartbeat_ms: u64) -> Self {
        let program = crate::beside(PROGRAM);
        let program = program.to_str().expect("a path of cargo's");
        let mut daemons = Daemons::prepare(&[program]);
        certificates(&daemons);
        for host in 0..HOSTS {
            let at = daemons.at(host);
            let words = [
                at.join("tls").display().to_string(),
                host.to_string(),
                heartbeat_ms.to_string(),
                heartbeat().to_string(),
                reply().to_string(),
            ];
            let members = (0..HOSTS).map(|host| format!("{}={}", host_name(host), listen(host)));
            let arguments: Vec<_> = words.into_iter().chain(members).collect();
            daemons.start(host, &at.join(PROGRAM), &arguments);
        }
        Self { daemons, heartbeat_ms }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        format!("bare quinn {} ms", self.heartbeat_ms)
    }

    /// What it is.
    pub fn configured(&self) -> String {
        format!(
            "tests/bench/src/bin/bare_quinn.rs: the connections of three bossd, every {} ms a \
             datagram of {} bytes from the first to both others and one of {} back, and nothing else",
            self.heartbeat_ms,
            heartbeat(),
            reply(),
        )
    }

    /// Its network.
    pub fn lan(&self) -> &Lan {
        &self.daemons.lan
    }

    /// Its process on a host.
    pub fn daemon(&self, host: usize) -> Vec<Pid> {
        self.daemons.running(host, PROGRAM)
    }
}

fn certificates(daemons: &Daemons) {
    let authority = daemons.at(0).join("ca");
    ca::init(&authority, "test", &mut io::sink()).unwrap_or_else(|error| panic!("{error}"));
    for host in 0..HOSTS {
        let to = daemons.at(host).join("tls");
        let (node, dir) = (host_name(host), authority.as_path());
        let request = ca::Issue { node, dir, to: Some(&to), addresses: &[] };
        ca::issue(&request, &mut io::sink()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// How many bytes a heartbeat of a cluster that has run for a while has.
fn heartbeat() -> usize {
    size(Message::Heartbeat {
        seq: 40_000,
        version: VERSION,
        promise: Timing::of(Profile::Lan).promise(),
        phase: Phase::Boss,
        epoch: Some(Epoch(40)),
    })
}

/// And an answer.
fn reply() -> usize {
    size(Message::HeartbeatReply { seq: Some(40_000), version: VERSION, facts: Facts::default() })
}

fn size(message: Message) -> usize {
    let envelope = Envelope {
        cluster: ClusterId(u128::MAX),
        from: NodeId::new(names()[0]),
        incarnation: Incarnation(u128::MAX),
        term: TERM,
        message,
    };
    wire::encode(&envelope).to_datagram().expect("a heartbeat is short").len()
}

const PROGRAM: &str = "bench-bare-quinn";
/// The first term of a cluster is the time of day in seconds.
const TERM: Term = Term(1_800_000_000);
const VERSION: Version = Version { term: TERM, index: 40 };
