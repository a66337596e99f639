//! A cluster of real bossd processes on loopback, in one throw-away directory: made from a plan,
//! started, broken and healed by its methods, gone when it is dropped. The playground shows it, the
//! tests use it, some of them with a network of their own; what its nodes do is theirs alone.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use control::model::{Kind, Status};

use super::directory::Directory;
use super::node::Node;
use super::relay::Relay;
use super::{PlaygroundError, files};
use crate::ca;

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// Its members; each is started.
    pub members: Vec<MemberPlan>,
    /// The lines of `[timing]`.
    pub timing: String,
    /// The lines of `[election]`.
    pub election: String,
    /// The daemon's binary.
    pub bossd: PathBuf,
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberPlan {
    /// Its name.
    pub name: String,
    /// Higher wins.
    pub priority: u8,
    /// What it is for.
    pub kind: Kind,
    /// What it runs.
    pub hooks: Vec<Hook>,
    /// How long a promote, or a demote in order, may take.
    pub hook_timeout: String,
}

/// An executable of a node's hooks.d.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its file name, which orders it.
    pub name: String,
    /// What it is.
    pub content: HookContent,
}

/// What a hook is.
#[derive(Clone, Debug)]
pub enum HookContent {
    /// A script, with its first line.
    Script(String),
    /// A copy of this program.
    Program(PathBuf),
}

impl MemberPlan {
    /// A voter with the usual priority and no hooks.
    pub fn voter(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            priority: 100,
            kind: Kind::Voter,
            hooks: Vec::new(),
            hook_timeout: "10s".to_owned(),
        }
    }
}

/// Where a node runs that is not on loopback.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where it listens, and where the others reach it.
    pub address: SocketAddr,
    /// The command that starts bossd there, to which bossd's own is appended. It must become bossd
    /// and not remain as its parent.
    pub launcher: Vec<OsString>,
}

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    // None: its network is somebody else's.
    relay: Option<Relay>,
    bossd: PathBuf,
    // Last, so that it is removed when nothing runs from it any more.
    dir: Directory,
}

impl Cluster {
    /// Makes authority, certificates, configurations and the network. Nothing runs yet.
    pub fn prepare(plan: &Plan) -> Result<Self, PlaygroundError> {
        let dir = Directory::create()?;
        let mut nodes = Vec::new();
        for member in &plan.members {
            let reserved = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(network)?;
            let listen = reserved.local_addr().map_err(network)?;
            let at = dir.path().join(&member.name);
            nodes.push(Node::new(&member.name, at, reserved, listen));
        }
        let listens: Vec<_> = nodes.iter().map(Node::listen).collect();
        let relay = Relay::start(&listens).map_err(network)?;
        let addresses: Vec<_> = (0..nodes.len()).map(|to| relay.front(to)).collect();
        write_all(plan, &nodes, &addresses, dir.path())?;
        Ok(Self { nodes, relay: Some(relay), bossd: plan.bossd.clone(), dir })
    }

    /// The same with a place for each member, in the plan's order, and the network that is there.
    pub fn prepare_at(plan: &Plan, places: &[Place]) -> Result<Self, PlaygroundError> {
        let dir = Directory::create()?;
        let at = plan.members.iter().zip(places);
        let nodes: Vec<_> = at
            .map(|(member, place)| Node::at(&member.name, dir.path().join(&member.name), place))
            .collect();
        let addresses: Vec<_> = places.iter().map(|place| place.address).collect();
        write_all(plan, &nodes, &addresses, dir.path())?;
        Ok(Self { nodes, relay: None, bossd: plan.bossd.clone(), dir })
    }

    /// Makes it and starts all nodes.
    pub fn start(plan: &Plan) -> Result<Self, PlaygroundError> {
        let mut cluster = Self::prepare(plan)?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the playground's hooks write.
    pub fn hooks_log(&self) -> PathBuf {
        self.dir().join("hooks.log")
    }

    /// How many nodes it has, running or not.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// A node by its place in the plan.
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// A node by its place in the plan, to do something to it.
    pub fn node_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// The place of a node in the plan.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Starts every node that does not run.
    pub fn start_all(&mut self) -> Result<(), PlaygroundError> {
        (0..self.size()).try_for_each(|index| self.start_node(index))
    }

    /// Starts a node, unless it runs.
    pub fn start_node(&mut self, index: usize) -> Result<(), PlaygroundError> {
        self.nodes[index].start(&self.bossd)
    }

    /// Kills a whole host and writes that into the hooks' log, where its open promote would look
    /// like a boss for ever.
    pub fn kill_host(&mut self, index: usize) {
        self.nodes[index].kill_host();
        let line = format!("{} {} host-died\n", super::time_of_day(), self.nodes[index].name);
        let log = OpenOptions::new().create(true).append(true).open(self.hooks_log());
        // The log is for people and the tour, which notices what is missing.
        drop(log.and_then(|mut log| log.write_all(line.as_bytes())));
    }

    /// Drops, or no longer drops, what one node sends to another. Not for nodes with places of
    /// their own, whose network is not ours.
    pub fn set_cut(&self, from: usize, to: usize, cut: bool) {
        self.relay().set_cut(from, to, cut);
    }

    /// Cuts a node off from all others, both ways, or reconnects it.
    pub fn set_isolated(&self, index: usize, isolated: bool) {
        for other in (0..self.size()).filter(|other| *other != index) {
            self.set_cut(index, other, isolated);
            self.set_cut(other, index, isolated);
        }
    }

    /// Whether a node is cut off from all others, both ways.
    pub fn is_isolated(&self, index: usize) -> bool {
        let mut others = (0..self.size()).filter(|other| *other != index).peekable();
        let relay = self.relay();
        let cut = |other| relay.is_cut(index, other) && relay.is_cut(other, index);
        others.peek().is_some() && others.all(cut)
    }

    fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("only a cluster on loopback is cut here")
    }

    /// What each node says; None where nothing runs or nothing answers.
    pub fn statuses(&mut self) -> Vec<Option<Status>> {
        let ask = |node: &mut Node| {
            // One that is frozen cannot, and to find that out would take a while.
            let can = node.is_running() && !node.is_frozen();
            can.then(|| node.status().ok()).flatten()
        };
        self.nodes.iter_mut().map(ask).collect()
    }

    /// What `bossd --check` says about the configuration of a node.
    pub fn check(&self, index: usize) -> Result<String, PlaygroundError> {
        let config = self.nodes[index].config();
        let run = std::process::Command::new(&self.bossd).arg("--check").arg(&config).output();
        let output = run.map_err(|source| PlaygroundError::Start {
            bossd: self.bossd.clone(),
            node: self.nodes[index].name.clone(),
            source,
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(PlaygroundError::Check { config, said: text(&output.stderr) })
    }
}

/// Finds the daemon: `BOSSD`, else beside this program, else on the `PATH`.
pub fn find_bossd() -> Result<PathBuf, PlaygroundError> {
    if let Some(given) = std::env::var_os("BOSSD").filter(|given| !given.is_empty()) {
        return Ok(PathBuf::from(given));
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("bossd")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join("bossd"));
    beside
        .into_iter()
        .chain(on_path)
        .find(|candidate| candidate.is_file())
        .ok_or(PlaygroundError::NoBossd)
}

fn make_certificates(plan: &Plan, dir: &Path) -> Result<(), PlaygroundError> {
    let authority = dir.join("ca");
    ca::init(&authority, &plan.cluster, &mut io::sink())?;
    for member in &plan.members {
        let to = dir.join(&member.name).join("tls");
        let request =
            ca::Issue { node: &member.name, dir: &authority, to: Some(&to), addresses: &[] };
        ca::issue(&request, &mut io::sink())?;
    }
    Ok(())
}

fn write_all(
    plan: &Plan,
    nodes: &[Node],
    addresses: &[SocketAddr],
    dir: &Path,
) -> Result<(), PlaygroundError> {
    make_certificates(plan, dir)?;
    let mut both = plan.members.iter().zip(nodes);
    both.try_for_each(|(member, node)| write_files(plan, member, node, addresses))
}

fn write_files(
    plan: &Plan,
    member: &MemberPlan,
    node: &Node,
    addresses: &[SocketAddr],
) -> Result<(), PlaygroundError> {
    for name in ["state", "run", "hooks.d"] {
        let at = node.dir.join(name);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&at);
        made.map_err(|source| PlaygroundError::Directory { path: at, source })?;
    }
    let node_toml = files::node_toml(&member.name, &node.dir, node.listen(), &member.hook_timeout);
    write(&node.config(), files::cluster_toml(plan, addresses).as_bytes(), 0o644)?;
    write(&node.dir.join("node.toml"), node_toml.as_bytes(), 0o644)?;
    for hook in &member.hooks {
        let at = node.dir.join("hooks.d").join(&hook.name);
        let bytes = match &hook.content {
            HookContent::Script(text) => text.clone().into_bytes(),
            HookContent::Program(from) => fs::read(from)
                .map_err(|source| PlaygroundError::Directory { path: from.clone(), source })?,
        };
        write(&at, &bytes, 0o755)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PlaygroundError> {
    // Whatever the umask says: a hook that a group may write is refused by bossd.
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|source| PlaygroundError::Directory { path: path.to_owned(), source })
}

fn network(source: io::Error) -> PlaygroundError {
    PlaygroundError::Network { source }
}
