//! A cluster under attack: what it was like before, and whether it still is.

use std::fs;

use bossctl::playground::cluster::Plan;
use control::model::Status;
use harness::{Acting, Bed, Seen};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::client;

/// The source of those who are no members: another address of this host.
pub(crate) const ELSEWHERE: &str = "127.0.0.66";
/// The members' own address: all nodes of a test are there.
pub(crate) const MEMBERS: &str = "127.0.0.1";
/// Name of the node that is attacked, and its place in the plan. Whether it is boss is left to the
/// election.
pub(crate) const VICTIM: usize = 0;

/// By so much an elector's memory may grow under any attack, about eight times what was measured.
/// Whatever kept a kilobyte for each packet or handshake of a flood would need ten times as much.
const GROWTH_KIB: u64 = 8 * 1024;

/// A cluster with what is to stay as it is.
pub(crate) struct Siege {
    pub(crate) bed: Bed,
    pub(crate) boss: Acting,
    terms: Vec<Option<u64>>,
    connected: Vec<Option<u32>>,
    memory: Vec<Option<u64>>,
    name: String,
}

impl Siege {
    /// A cluster of three in good order. None, having said so, when there is no attacker here.
    pub(crate) fn of_three(name: &str) -> Option<Self> {
        if let Err(why) = client::python() {
            println!("SKIPPED {name}: {why}");
            return None;
        }
        let mut bed = Bed::start(&plan());
        let boss = bed.boss();
        Some(Self::lay(name, bed, boss))
    }

    /// The same, without the last: its place is the attacker's.
    pub(crate) fn without_gamma(name: &str) -> Option<Self> {
        let Self { mut bed, boss, .. } = Self::of_three(name)?;
        let gamma = bed.index_of("gamma").expect("in the plan");
        bed.host_dies(gamma);
        // As far as needed: if it was boss another takes over.
        let acting = if boss.index == gamma { bed.boss_after(&boss) } else { boss };
        bed.until("gamma is seen to be gone", |seen| {
            let gone = |status: &Status| status.member("gamma").is_some_and(|it| !it.connected);
            let see = |index: usize| index == gamma || seen[index].status().is_some_and(gone);
            (0..seen.len()).all(see).then_some(())
        });
        bed.agree_on(&acting);
        Some(Self::lay(name, bed, acting))
    }

    fn lay(name: &str, mut bed: Bed, boss: Acting) -> Self {
        let running = |seen: &[Seen]| seen.iter().filter(|it| !matches!(it, Seen::Down)).count();
        let (terms, connected, electors) = bed.until("all who run are connected", |seen| {
            let all = u32::try_from(running(seen)).expect("few");
            let up: Vec<_> = seen.iter().map(Seen::status).collect();
            let whole = up.iter().flatten().all(|status| status.quorum.connected == all);
            (whole && up.iter().flatten().count() == running(seen)).then(|| {
                let terms = up.iter().map(|it| it.map(|it| it.this.term)).collect();
                let connected = up.iter().map(|it| it.map(|it| it.quorum.connected)).collect();
                let pids = up.iter().map(|it| it.map(|it| it.pids.elector)).collect::<Vec<_>>();
                (terms, connected, pids)
            })
        });
        let memory = electors.into_iter().map(|pid| pid.map(resident_kib)).collect();
        Self { bed, boss, terms, connected, memory, name: name.to_owned() }
    }

    /// A job for the attacker against the victim, which it calls by its right name.
    pub(crate) fn job(&self, attack: &str, source: &str) -> Value {
        let victim = self.bed.node(VICTIM);
        let status = victim.status().expect("the victim answers");
        json!({
            "attack": attack,
            "source": source,
            "port": victim.listen().port(),
            "server_name": format!("{}.{}.boss", victim.name, status.cluster),
            "cluster_id": status.cluster_id,
            "node": "delta",
            "incarnation": "d3317a",
        })
    }

    /// The incarnation that the cluster knows a member by, as its own disk has it.
    pub(crate) fn incarnation(&self, index: usize) -> String {
        let state = self.bed.node(index).dir.join("state/state");
        let state = fs::read_to_string(state).expect("it has run");
        let (_, rest) = state.split_once("\"incarnation\"").expect("an incarnation");
        rest.split('"').nth(1).expect("in quotes").to_owned()
    }

    /// The same boss in the same epoch and term, the same connections, no more memory than bounds
    /// allow; then a boss that dies has a successor. Says the figures.
    pub(crate) fn stands(mut self, seen: &Value) {
        self.is_unmoved();
        println!("FIGURES {}: the attacker saw {seen}", self.name);
        for index in 0..self.bed.size() {
            let (Some(before), Ok(status)) = (self.memory[index], self.bed.node(index).status())
            else {
                continue;
            };
            let after = resident_kib(status.pids.elector);
            println!(
                "FIGURES {}: {}: memory {before} -> {after} KiB, largest gap {:.1} ms of {} allowed",
                self.name,
                status.node,
                status.max_loop_gap_us as f64 / 1_000.0,
                status.timing.lease_ms / 3,
            );
            assert!(after < before + GROWTH_KIB, "{before} KiB became {after}");
        }
        self.fails_over();
    }

    /// Nobody was elected and nobody lost.
    pub(crate) fn is_unmoved(&mut self) {
        let (terms, connected) = (self.terms.clone(), self.connected.clone());
        self.bed.agree_on(&self.boss);
        self.bed.until("the same terms and connections as before", |seen| {
            let found = seen.iter().map(Seen::status);
            let now: Vec<_> =
                found.map(|it| it.map(|it| (it.this.term, it.quorum.connected))).collect();
            let before: Vec<_> =
                terms.iter().zip(&connected).map(|(term, count)| (*term).zip(*count)).collect();
            let (t, b): (Vec<_>, Vec<_>) = (
                now.iter().map(|it| it.map(|it| it.0)).collect(),
                before.iter().map(|it| it.map(|it| it.0)).collect(),
            );
            // A term never goes back: waiting longer would not mend it.
            assert!(seen.iter().any(|it| matches!(it, Seen::Silent)) || t == b, "{t:?} were {b:?}");
            (now == before).then_some(())
        });
    }

    /// With three it survives the loss of its boss.
    fn fails_over(mut self) {
        let running = self.connected.iter().flatten().count();
        if running < self.bed.size() {
            self.bed.start_all().expect("started");
            self.bed.agree_on(&self.boss);
        }
        let before = self.boss.clone();
        self.bed.host_dies(before.index);
        let after = self.bed.boss_after(&before);
        self.bed.judge(Some(&after));
    }

    /// The lines of the victim's log.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = fs::read(self.bed.node(VICTIM).log()).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }
}

fn plan() -> Plan {
    harness::plan(&["alpha", "beta", "gamma"])
}

/// What the process has in memory now.
fn resident_kib(pid: u32) -> u64 {
    let pid = Pid::from_raw(pid.cast_signed());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the elector runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
