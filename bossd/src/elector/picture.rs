//! What status shows: the node's snapshot, the links and what the driver has learned, painted
//! into one [`Status`] document. Read-only; nothing is decided here.

mod certificates;

use std::path::PathBuf;
use std::sync::Arc;

use control::history::History;
use control::hooks::{HookFile, RunnerInUse};
use control::model::{self, Status};
use election::{
    ClusterId, Incarnation, Kind, Member, Moment, Node, NodeId, Note, Phase, Snapshot, Span, Timing,
};
use rustls_pki_types::UnixTime;
use tracing::warn;

use super::chronicle::Chronicle;
use super::control::posture;
use super::loop_gap::LoopGaps;
use super::peer::{CertFacts, LinkStatus};
use super::reload;
use certificates::Certificates;

use crate::clock;
use crate::config::{Config, canonical_of, differing_keys};
use crate::ipc::{StartUp, transition_id};
use crate::journal;

/// How many of the latest bosses status shows.
const HISTORY: usize = 10;

/// What the control socket answers from: the status, and what lies behind it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What `status` shows.
    pub status: Status,
    /// What it was painted from.
    pub snapshot: Snapshot,
    /// When each boss was seen to act.
    pub chronicle: Chronicle,
    /// The hooks, as the executor found them.
    pub hooks: HookList,
    /// As checked.
    pub config: Arc<Config>,
}

/// The hooks of this node.
#[derive(Clone, Debug)]
pub struct HookList {
    /// Whether they are in order, or why not.
    pub ready: Result<(), String>,
    /// Each file; none before the executor has told them.
    pub files: Vec<HookFile>,
}

impl Picture {
    /// The bosses of the past, until the picture was painted.
    #[must_use]
    pub fn history(&self) -> History {
        let Status { cluster, node, taken, .. } = &self.status;
        let painted = Moment { boot: taken.boot_ns, raw: taken.raw_ns };
        self.chronicle.tell(painted, cluster, node, &self.snapshot.state)
    }
}

/// What does not come from the node: the file, the executor, what was measured.
pub struct Background {
    config: Arc<Config>,
    /// The cluster-wide part of the file, as read last.
    file: String,
    certificates: Certificates,
    /// What is wrong with the units that follow the boss.
    unit_trouble: Option<String>,
    cluster: ClusterId,
    executor_pid: u32,
    cleans_up: bool,
    runner: RunnerInUse,
    hooks: HookList,
    /// Whether the cluster's fence window holds this node's part of it, or why not.
    room: Result<(), String>,
    /// As the cluster has it.
    timing: Timing,
    alarm: Option<String>,
    fence_trouble: Option<String>,
    /// How long the hooks took to let go.
    demotes: Vec<model::DemoteTime>,
    gaps: LoopGaps,
    /// When this boss, in this epoch, was first seen.
    boss_since: Option<(NodeId, u64, Moment)>,
    chronicle: Chronicle,
    /// Peers whose state directory is not the one that the cluster knows.
    strangers: Vec<(NodeId, Incarnation)>,
}

impl Background {
    /// From what the executor said at the start.
    pub fn new(start: &StartUp, config: Config, cluster: ClusterId) -> Self {
        Self {
            room: Ok(()),
            timing: config.cluster.state.timing,
            file: reload::canonical(start).unwrap_or_else(|_| config.cluster.canonical.clone()),
            config: Arc::new(config),
            certificates: Certificates::new(start.tls.facts(UnixTime::now()).ok()),
            unit_trouble: None,
            cluster,
            executor_pid: start.executor_pid,
            cleans_up: start.cleans_up,
            runner: start.runner.clone(),
            hooks: HookList { ready: start.ready.clone(), files: Vec::new() },
            alarm: None,
            fence_trouble: None,
            demotes: start.demotes.clone(),
            gaps: LoopGaps::new(),
            boss_since: None,
            chronicle: Chronicle::new(clock::wall_s()),
            strangers: Vec::new(),
        }
    }

    /// This member.
    pub fn me(&self) -> &NodeId {
        &self.config.node.name
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.config.cluster.name
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster
    }

    /// As checked.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// cluster.toml.
    pub fn config_file(&self) -> PathBuf {
        self.config.files.first().cloned().unwrap_or_default()
    }

    /// The same, for a thread of its own.
    pub fn shared_config(&self) -> Arc<Config> {
        self.config.clone()
    }

    /// The cluster-wide part of the file in its canonical form.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What a reload has brought. Whether the node is ready then, if that is another answer.
    pub fn take(
        &mut self,
        config: Config,
        file: String,
        certificate: CertFacts,
    ) -> Option<Result<(), String>> {
        (self.config, self.file) = (Arc::new(config), file);
        self.certificates.set_own(certificate);
        let timing = self.timing;
        self.set_timing(&timing)
    }

    /// Why the certificates on the disk could not be used; None when they could.
    pub fn set_tls_trouble(&mut self, why: Option<String>) {
        self.certificates.set_trouble(why);
    }

    /// Until when this node's certificate is valid, in seconds since 1970; None if it cannot be read.
    pub fn certificate_end(&self) -> Option<i64> {
        self.certificates.own_end()
    }

    /// The same of another member, by its own word.
    pub fn set_certificate_end(&mut self, member: &str, not_after: i64) {
        self.certificates.set_other(member, not_after);
    }

    /// What is wrong with the units that follow the boss; None when nothing is.
    pub fn set_unit_trouble(&mut self, why: Option<String>) {
        self.unit_trouble = why;
    }

    /// Whether this process cleans up after a dead executor.
    pub fn cleans_up(&self) -> bool {
        self.cleans_up
    }

    /// Whether `name` is a member of the file's cluster.
    pub fn is_member(&self, name: &str) -> bool {
        self.config.cluster.state.members.find(&NodeId::new(name)).is_some()
    }

    /// Whether the hooks are in order. Whether the node is ready then.
    pub fn set_hooks(&mut self, ready: Result<(), String>) -> Result<(), String> {
        self.hooks.ready = ready;
        self.readiness()
    }

    /// The cluster has this timing. Whether the node is ready then, if that is another answer.
    pub fn set_timing(&mut self, timing: &Timing) -> Option<Result<(), String>> {
        self.timing = *timing;
        let before = self.readiness();
        self.room = self.config.hooks.check_room(timing.fence);
        Some(self.readiness()).filter(|ready| *ready != before)
    }

    /// Whether this node could be promoted, as far as its own part goes.
    fn readiness(&self) -> Result<(), String> {
        self.hooks.ready.clone().and(self.room.clone())
    }

    /// Which hooks there are.
    pub fn set_hook_files(&mut self, files: Vec<HookFile>) {
        self.hooks.files = files;
    }

    /// How long the hooks took to let go, after another demote. What is to be said of it now.
    pub fn set_demotes(&mut self, demotes: Vec<model::DemoteTime>, fence: Span) -> Option<String> {
        self.demotes = demotes;
        let room = self.config.hooks.urgent_budget(fence).as_millis();
        posture::slow_demote(self.me().as_str(), &self.demotes, room)
    }

    /// The executor's alarm; None ends it.
    pub fn set_alarm(&mut self, alarm: Option<String>) {
        self.alarm = alarm;
    }

    /// Why nothing makes sure that a lost peer is off; None when something does, or nobody waits.
    pub fn set_fence_trouble(&mut self, why: Option<String>) {
        self.fence_trouble = why;
    }

    /// The timer fired this late.
    pub fn saw_late(&mut self, gap: Span) {
        self.warn_of_gap(gap);
        self.gaps.saw_late(gap);
    }

    /// A turn took this long.
    pub fn saw_turn(&mut self, gap: Span) {
        self.warn_of_gap(gap);
        self.gaps.saw(gap);
    }

    fn warn_of_gap(&self, gap: Span) {
        let third = self.timing.lease.part(3);
        if gap > third {
            let line = "more than a third of the lease";
            let message_id = journal::LOOP_STOOD_STILL;
            warn!(message_id, "the election's loop stood still for {gap}: {line}");
        }
    }

    /// What a note says that status shows.
    pub fn learn(&mut self, note: &Note) {
        if let Note::UnknownIncarnation { node, incarnation, .. } = note
            && !self.strangers.iter().any(|(name, life)| name == node && life == incarnation)
        {
            self.strangers.retain(|(name, _)| name != node);
            self.strangers.push((node.clone(), *incarnation));
        }
    }

    /// Before the loop has begun.
    pub fn first_picture(&self, node: &Node) -> Picture {
        let now = clock::now();
        let snapshot = node.snapshot(now);
        let status = self.picture(now, &snapshot, &[], None);
        self.with_what_lies_behind(status, snapshot)
    }

    fn with_what_lies_behind(&self, status: Status, snapshot: Snapshot) -> Picture {
        let (chronicle, hooks) = (self.chronicle.clone(), self.hooks.clone());
        Picture { status, snapshot, chronicle, hooks, config: self.config.clone() }
    }

    /// The present picture.
    pub fn paint(&mut self, now: Moment, snapshot: Snapshot, links: &[LinkStatus]) -> Picture {
        let boss = snapshot.boss.clone();
        self.boss_since = match (boss, self.boss_since.take()) {
            (Some((node, epoch)), Some(since)) if since.0 == node && since.1 == epoch.0 => {
                Some(since)
            }
            (Some((node, epoch)), _) => Some((node, epoch.0, now)),
            (None, _) => None,
        };
        let since = self.boss_since.as_ref().map(|(_, _, since)| since.elapsed(now));
        let acting = snapshot.boss.as_ref().map(|(_, epoch)| epoch.0);
        self.chronicle.look(now, clock::wall_s(), acting, &snapshot.state);
        let status = self.picture(now, &snapshot, links, since);
        self.with_what_lies_behind(status, snapshot)
    }

    fn picture(
        &self,
        now: Moment,
        snapshot: &Snapshot,
        links: &[LinkStatus],
        boss_since: Option<Span>,
    ) -> Status {
        let state = &snapshot.state;
        let members: Vec<model::Member> = state
            .members
            .iter()
            .map(|(name, member)| self.member(name, member, snapshot, links))
            .collect();
        let voters = state.members.voting().count();
        let connected = members.iter().filter(|m| m.voter && m.connected).count();
        let mut status = Status {
            cluster: self.config.cluster.name.clone(),
            cluster_id: format!("{:?}", self.cluster),
            node: snapshot.me.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pids: model::Pids { elector: std::process::id(), executor: Some(self.executor_pid) },
            age_ms: 0,
            taken: model::Taken { boot_ns: now.boot, raw_ns: now.raw },
            quorum: model::Quorum {
                voters: count(voters),
                needed: count(state.members.quorum()),
                connected: count(connected),
            },
            boss: boss(snapshot, boss_since),
            this: self.this_node(snapshot),
            members,
            paused: state.paused.as_ref().map(|paused| model::Paused {
                reason: Some(paused.reason.clone()).filter(|reason| !reason.is_empty()),
                until_s: paused.until,
            }),
            stay: state.stay,
            timing: timing(snapshot),
            history: history(snapshot),
            posture: model::Posture { level: model::Level::Safe, reasons: Vec::new() },
            alarms: self.alarms(snapshot, links),
            max_loop_gap_us: self.gaps.max_us(),
            p999_loop_gap_us: self.gaps.p999_us(),
            file_differs: self.file_differs(snapshot),
            shadow: self.config.node.shadow,
            certificate: self.certificates.own(),
        };
        status.posture = posture::judge(&status);
        status
    }

    fn member(
        &self,
        name: &NodeId,
        member: &Member,
        snapshot: &Snapshot,
        links: &[LinkStatus],
    ) -> model::Member {
        let link = links.iter().find(|link| link.peer == name.as_str());
        let peer = snapshot.peers.iter().find(|peer| peer.node == *name);
        let is_me = *name == snapshot.me;
        let left = snapshot.hold_offs.iter().find(|(node, _)| node == name).map(|(_, left)| *left);
        let held_off = left.and_then(|left| {
            let entry = snapshot.state.hold_offs.get(name)?;
            let cause = entry.cause.to_string();
            Some(model::HeldOff { left_ms: left.as_millis(), failures: entry.failures, cause })
        });
        let hooks_ok = if is_me {
            Some(self.hooks.ready.is_ok())
        } else {
            peer.and_then(|p| p.facts).map(|f| f.ready)
        };
        model::Member {
            name: name.to_string(),
            address: member.address.to_string(),
            kind: match member.kind {
                Kind::Voter => model::Kind::Voter,
                Kind::Witness => model::Kind::Witness,
                Kind::Observer => model::Kind::Observer,
            },
            priority: member.priority,
            incarnation: member.incarnation.map(|life| life.to_string()),
            voter: member.kind.votes(),
            leader: snapshot.leader.as_ref() == Some(name),
            boss: snapshot.boss.as_ref().is_some_and(|(boss, _)| boss == name),
            connected: is_me || link.is_some_and(|link| link.connected),
            rtt_us: link.and_then(|link| link.rtt_us).map(u64::from),
            last_seen_ms: peer.and_then(|p| p.heard).map(Span::as_millis),
            drained: member.drained.as_ref().map(|drained| model::Drained {
                reason: Some(drained.reason.clone()).filter(|reason| !reason.is_empty()),
                until_s: drained.until,
            }),
            held_off,
            hooks_ok,
            certificate: self.certificates.of(name.as_str(), snapshot.me.as_str()),
        }
    }

    fn this_node(&self, snapshot: &Snapshot) -> model::ThisNode {
        let version = snapshot.state.version;
        let why_not = match (&self.readiness(), snapshot.ineligible) {
            (Err(why), Some(election::Ineligible::NotReady)) => Some(why.clone()),
            (_, ineligible) => ineligible.map(|why| why.to_string()),
        };
        model::ThisNode {
            standing: match snapshot.standing {
                "leader" => model::Standing::Leader,
                "candidate" => model::Standing::Candidate,
                "pre-candidate" => model::Standing::PreCandidate,
                _ => model::Standing::Follower,
            },
            phase: phase(snapshot.phase),
            term: snapshot.term.0,
            state_version: model::StateVersion { term: version.term.0, index: version.index },
            lease_left_ms: snapshot.lease_left.map(Span::as_millis),
            promise_left_ms: Some(snapshot.promise_left.as_millis()).filter(|left| *left > 0),
            promise_to: snapshot.promise_to.as_ref().map(ToString::to_string),
            disk_ok: snapshot.facts.disk_ok,
            eligible: snapshot.ineligible.is_none(),
            why_not,
            urgent_demote_ms: self
                .config
                .hooks
                .urgent_budget(snapshot.state.timing.fence)
                .as_millis(),
            runner: self.runner.clone(),
            demotes: self.demotes.clone(),
        }
    }

    fn alarms(&self, snapshot: &Snapshot, links: &[LinkStatus]) -> Vec<model::Alarm> {
        let mut alarms = Vec::new();
        if snapshot.stuck {
            let text = "letting go failed: effects of this node may still stand".to_owned();
            alarms.push(model::Alarm { level: model::Level::Unsafe, text });
        }
        if let Some(text) = &self.alarm {
            alarms.push(model::Alarm { level: model::Level::Unsafe, text: text.clone() });
        }
        if let Some(text) = &self.fence_trouble {
            alarms.push(model::Alarm { level: model::Level::Degraded, text: text.clone() });
        }
        if let Err(why) = &self.hooks.ready {
            alarms.push(model::Alarm { level: model::Level::Degraded, text: why.clone() });
        }
        if let Some(why) = &self.unit_trouble {
            alarms.push(model::Alarm { level: model::Level::Degraded, text: why.clone() });
        }
        if let Err(why) = &self.room {
            alarms.push(model::Alarm { level: model::Level::Degraded, text: why.clone() });
        }
        for (node, life) in &self.strangers {
            let member = snapshot.state.members.find(node);
            if member.is_some_and(|m| m.incarnation.is_some() && m.incarnation != Some(*life)) {
                let text = format!(
                    "{node} came with another state directory (incarnation {life}): its vote does \
                     not count"
                );
                alarms.push(model::Alarm { level: model::Level::Degraded, text });
            }
        }
        for link in links {
            if let Some(what) = &link.cut_off {
                let peer = &link.peer;
                let text = format!(
                    "{peer} was cut off, for it sent {what}: look at bossd on {peer}, and who else \
                     may have its key"
                );
                alarms.push(model::Alarm { level: model::Level::Degraded, text });
            }
        }
        alarms
    }

    fn file_differs(&self, snapshot: &Snapshot) -> Vec<String> {
        if snapshot.state.is_unborn() {
            return Vec::new();
        }
        let agreed = canonical_of(&self.config.cluster.name, &snapshot.state);
        differing_keys(&self.file, &agreed)
    }
}

fn boss(snapshot: &Snapshot, since: Option<Span>) -> Option<model::Boss> {
    // A leader on its way to be boss is shown as such: status says "promoting", not "no boss".
    let on_its_way = (snapshot.phase != Phase::Idle && snapshot.phase != Phase::Waiting)
        .then(|| snapshot.state.history.last())
        .flatten()
        .filter(|last| last.node == snapshot.me)
        .map(|last| (last.node.clone(), last.epoch));
    let (node, epoch) = snapshot.boss.clone().or(on_its_way)?;
    let address = snapshot.state.members.find(&node).map(|m| m.address.to_string());
    let phase = if node == snapshot.me { phase(snapshot.phase) } else { model::Phase::Boss };
    Some(model::Boss {
        node: node.to_string(),
        epoch: epoch.0,
        address: address.unwrap_or_default(),
        since_ms: since.map(Span::as_millis),
        phase,
    })
}

fn phase(phase: Phase) -> model::Phase {
    match phase {
        Phase::Idle => model::Phase::Idle,
        Phase::Waiting => model::Phase::Waiting,
        Phase::Promoting => model::Phase::Promoting,
        Phase::Boss => model::Phase::Boss,
        Phase::Demoting => model::Phase::Demoting,
        Phase::Fencing => model::Phase::Fencing,
    }
}

fn timing(snapshot: &Snapshot) -> model::Timing {
    let timing = &snapshot.state.timing;
    model::Timing {
        profile: timing.profile.name().to_owned(),
        heartbeat_ms: timing.heartbeat.as_millis(),
        lease_ms: timing.lease.as_millis(),
        promise_ms: timing.promise().as_millis(),
        fence_ms: timing.fence.as_millis(),
        rho: f64::from(timing.rho_ppm) / 1e6,
    }
}

fn history(snapshot: &Snapshot) -> Vec<model::Transition> {
    let latest = snapshot.state.history.iter().rev().take(HISTORY);
    latest
        .map(|entry| model::Transition {
            epoch: entry.epoch.0,
            node: entry.node.to_string(),
            cause: entry.cause.to_string(),
            transition: transition_id(entry.node.as_str(), entry.epoch.0, "promote"),
        })
        .collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
