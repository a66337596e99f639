//! A cluster of real daemons for one test: witnesses among the hooks, waits with a deadline, and
//! what the nodes said when the test fails.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bossctl::playground::cluster::{Cluster, Hook, HookContent, MemberPlan, Place, Plan};
use bossctl::playground::{PlaygroundError, directory};
use control::client::Client;
use control::client::PATIENCE;
use control::model::{Phase, Status};

use crate::clock::{boot_ms, boot_ns};
use crate::judge::{Effect, HOST_DIED, Line, judge, parse};
use crate::{bossd, witness};

/// Voters of these names with profile `lan`, each with a witness as its first hook: its promote
/// begins before every other effect, and its demote ends after all of them.
pub fn plan(names: &[&str]) -> Plan {
    let hook = Hook { name: "10-witness".to_owned(), content: HookContent::Program(witness()) };
    let member = |name: &&str| MemberPlan { hooks: vec![hook.clone()], ..MemberPlan::voter(name) };
    Plan {
        cluster: "test".to_owned(),
        members: names.iter().map(member).collect(),
        timing: "profile = \"lan\"".to_owned(),
        election: "hold-off = \"5s\"".to_owned(),
        bossd: bossd(),
    }
}

/// A running cluster. It derefs to the [`Cluster`] of the playground.
#[derive(Debug)]
pub struct Bed {
    cluster: Cluster,
    log: PathBuf,
}

/// Who is boss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    /// Its place in the plan.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its epoch.
    pub epoch: u64,
}

impl Bed {
    /// Makes the cluster; nothing runs yet.
    pub fn prepare(plan: &Plan) -> Self {
        directory::remove_leftovers();
        Self::of(Cluster::prepare(plan))
    }

    /// Makes the cluster with these places for its nodes; nothing runs yet.
    pub fn prepare_at(plan: &Plan, places: &[Place]) -> Self {
        directory::remove_leftovers();
        Self::of(Cluster::prepare_at(plan, places))
    }

    fn of(cluster: Result<Cluster, PlaygroundError>) -> Self {
        let cluster = cluster.unwrap_or_else(|error| panic!("{error}"));
        let log = cluster.dir().join("witness.log");
        let bed = Self { cluster, log };
        bed.witness_into(&bed.log.clone());
        bed
    }

    /// Makes the cluster and starts all nodes.
    pub fn start(plan: &Plan) -> Self {
        let mut bed = Self::prepare(plan);
        bed.cluster.start_all().unwrap_or_else(|error| panic!("{error}"));
        bed
    }

    /// Has the witnesses of all nodes write there instead.
    pub fn witness_into(&self, log: &Path) {
        for index in 0..self.size() {
            let link = self.node(index).dir.join("witness.log");
            drop(fs::remove_file(&link));
            symlink(log, &link).expect("a link in our own directory");
        }
    }

    /// Waits for a boss that all nodes that run agree on.
    pub fn boss(&mut self) -> Acting {
        self.until("a boss that all who run agree on", agreed)
    }

    /// Waits for a boss after `before`, with a later epoch, that all who run agree on.
    pub fn boss_after(&mut self, before: &Acting) -> Acting {
        self.until(&format!("a boss after {before:?}"), |statuses| {
            agreed(statuses).filter(|acting| acting.epoch > before.epoch)
        })
    }

    /// Waits until all who run agree on this very boss.
    pub fn agree_on(&mut self, boss: &Acting) {
        self.until(&format!("all agree on {boss:?}"), |statuses| {
            agreed(statuses).filter(|acting| acting == boss)
        });
    }

    /// Waits until the statuses of all nodes (None: not running, or silent) show something.
    ///
    /// Whoever is cut off or stopped counts as silent or says what it last knew; use this where
    /// [`Bed::boss`] would wait for them in vain.
    pub fn until<T>(&mut self, what: &str, mut found: impl FnMut(&[Seen]) -> Option<T>) -> T {
        until(what, || {
            let statuses = self.cluster.statuses();
            let seen: Vec<_> = statuses
                .into_iter()
                .enumerate()
                .map(|(index, status)| {
                    let running = self.cluster.node_mut(index).is_running();
                    if running {
                        status.map_or(Seen::Silent, |it| Seen::Up(Box::new(it)))
                    } else {
                        Seen::Down
                    }
                })
                .collect();
            found(&seen)
        })
    }

    /// Waits until a node has ended, and nothing of it runs any more.
    pub fn gone(&mut self, index: usize) -> Option<std::process::ExitStatus> {
        let name = self.node(index).name.clone();
        until(&format!("the end of {name}"), || {
            let node = self.cluster.node_mut(index);
            (!node.is_running() && node.processes().is_empty()).then(|| node.ended())
        })
    }

    /// Kills the whole host of a node, and writes that down for the judge.
    pub fn host_dies(&mut self, index: usize) {
        self.cluster.node_mut(index).kill_host();
        assert!(self.node(index).processes().is_empty(), "something of the host outlived it");
        let line = format!("{} {} {HOST_DIED} - end\n", boot_ns(), self.node(index).name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("our own log");
    }

    /// A connection to a node's control socket.
    pub fn client(&self, index: usize) -> Client {
        self.node(index).client(PATIENCE).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the witnesses wrote.
    pub fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        parse(&text).unwrap_or_else(|violation| panic!("{violation}"))
    }

    /// Judges what the witnesses wrote; `acting` is who is boss now.
    pub fn judge(&self, acting: Option<&Acting>) -> Vec<Effect> {
        judge(&self.lines(), acting.map(|acting| acting.name.as_str()))
            .unwrap_or_else(|violation| panic!("{violation}"))
    }

    /// Waits until a node's log has this text; gives the line.
    pub fn logged(&self, index: usize, text: &str) -> String {
        let node = self.node(index);
        until(&format!("{text:?} in the log of {}", node.name), || {
            let log = fs::read(node.log()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            log.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }
}

/// What is seen of a node.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It does not run.
    Down,
    /// It runs and does not answer.
    Silent,
    /// What it says.
    Up(Box<Status>),
}

impl Seen {
    /// What it says, if it does.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Up(status) => Some(status),
            Self::Down | Self::Silent => None,
        }
    }

    /// Where it is in the boss's life, by its own word.
    pub fn phase(&self) -> Option<Phase> {
        self.status().map(|status| status.this.phase)
    }
}

/// Who acts by its own word.
pub fn acting(seen: &[Seen]) -> Option<Acting> {
    seen.iter().enumerate().find_map(|(index, seen)| {
        let status = seen.status()?;
        let boss = status.boss.as_ref().filter(|boss| boss.node == status.node)?;
        let acts = status.this.phase == Phase::Boss;
        acts.then(|| Acting { index, name: boss.node.clone(), epoch: boss.epoch })
    })
}

/// Who acts by its own word and by that of all others that run.
pub fn agreed(seen: &[Seen]) -> Option<Acting> {
    let acting = acting(seen)?;
    let agrees = |seen: &Seen| match seen {
        Seen::Down => true,
        Seen::Silent => false,
        Seen::Up(status) => status.boss.as_ref().is_some_and(|boss| {
            boss.node == acting.name && boss.epoch == acting.epoch && boss.phase == Phase::Boss
        }),
    };
    seen.iter().all(agrees).then_some(acting)
}

/// Looks until there is something, and fails the test when it takes too long.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = boot_ms() + LIMIT_MS;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(boot_ms() < deadline, "waited {LIMIT_MS} ms in vain for: {what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

impl Deref for Bed {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl DerefMut for Bed {
    fn deref_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // The directory is about to go; this is what is left for whoever looks for the reason.
        for index in 0..self.size() {
            let node = self.node(index);
            eprintln!("--- {}, the end of its log:\n{}", node.name, node.log_tail(LOG_LINES));
        }
        let witnessed = fs::read_to_string(&self.log).unwrap_or_default();
        eprintln!("--- what the witnesses wrote:\n{witnessed}");
    }
}

/// Nothing takes a quarter of this on a machine of its own; two tests share two processors.
const LIMIT_MS: u64 = 30_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 60;
