//! The election's loop, and the only owner of the [`Node`]: one event in, then what the node has
//! ready is carried out, then the timer. Nothing here decides who may be boss, and nothing waits
//! for a disk, a hook, an operator or a peer.

mod certificates;
mod expiry;
mod fence;
mod known_boss;
mod messages;
mod orphaned;
mod reload;
mod settings;
mod sleep;

use std::collections::BTreeSet;
use std::sync::Arc;

use election::{
    Act, ClusterState, Command, Effect, Incarnation, Moment, Node, NodeId, Phase, Span,
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use super::allowance::Allowance;
use super::control::{Access, ReloadRequest, Request};
use super::forward::Forwards;
use super::one_line::one_line;
use super::peer::{PeerEvent, Peers};
use super::picture::{Background, Picture};
use super::schema::wire;
use super::state_dir::{Storage, StorageEvent};
use fence::Fences;
use known_boss::KnownBoss;
use reload::{Looked, Reloading};
use sleep::GoingToSleep;

use crate::clock::{self, Alarm};
use crate::ipc::{self, HookFacts, ToElector, ToExecutor, transition_id};
use crate::{journal, sysexits};

/// A new picture for status at least this often, so that its times are true.
const PICTURE: Span = Span::from_millis(100);
/// The executor hears at least this often from an elector that lives.
const SIGN_OF_LIFE: Span = Span::from_secs(1);
/// Where events come from.
pub struct Inputs {
    /// The peer layer.
    pub peers: mpsc::Receiver<PeerEvent>,
    /// The storage thread.
    pub storage: mpsc::UnboundedReceiver<StorageEvent>,
    /// The control socket.
    pub operators: mpsc::Receiver<Request>,
    /// The same, for reloads.
    pub reloads: mpsc::Receiver<ReloadRequest>,
    /// Where it is told who may change things.
    pub access: watch::Sender<Access>,
    /// For a member that is named after its host.
    pub host_name: String,
}

/// The elector at work.
pub struct Driver {
    node: Node,
    peers: Peers,
    storage: Storage,
    executor: ipc::Sender<ToExecutor>,
    background: Background,
    pictures: watch::Sender<Arc<Picture>>,
    forwards: Forwards,
    reloading: Reloading,
    /// Members whose connection was lost and has not come back.
    missed: BTreeSet<NodeId>,
    peers_said: mpsc::Receiver<PeerEvent>,
    storage_said: mpsc::UnboundedReceiver<StorageEvent>,
    operators: mpsc::Receiver<Request>,
    reloads: mpsc::Receiver<ReloadRequest>,
    alarm: Alarm,
    /// When the timer should fire; how late it did is the loop's gap.
    armed: Moment,
    pictured: Option<Moment>,
    /// When the present turn began, with the event it is about.
    turn: Moment,
    /// The cluster state whose drains and pause the log has told.
    told: Option<Arc<ClusterState>>,
    /// Lines about messages that are ignored.
    ignored: Allowance,
    /// What the service manager was told last, and when.
    one_line: (String, Moment),
    known_boss: KnownBoss,
    fences: Fences,
    going_to_sleep: GoingToSleep,
    unborn: bool,
    executor_gone: bool,
    end: Option<u8>,
}

enum Event {
    Peer(PeerEvent),
    Executor(Option<ToElector>),
    Storage(StorageEvent),
    Operator(Request),
    Reload(ReloadRequest),
    Looked(Looked),
    CleanedUp(bool),
    Time,
}

impl Driver {
    /// Puts the parts together.
    pub fn new(
        node: Node,
        peers: Peers,
        storage: Storage,
        executor: ipc::Sender<ToExecutor>,
        background: Background,
        pictures: watch::Sender<Arc<Picture>>,
        inputs: Inputs,
    ) -> std::io::Result<Self> {
        let unborn = node.snapshot(clock::now()).state.is_unborn();
        let Inputs {
            peers: peers_said,
            storage: storage_said,
            operators,
            reloads,
            access,
            host_name,
        } = inputs;
        Ok(Self {
            node,
            peers,
            storage,
            executor,
            background,
            pictures,
            forwards: Forwards::new(super::seed()),
            reloading: Reloading::new(host_name, access),
            missed: BTreeSet::new(),
            peers_said,
            storage_said,
            operators,
            reloads,
            alarm: Alarm::new()?,
            armed: clock::now(),
            turn: clock::now(),
            told: None,
            ignored: messages::ignored_lines(),
            pictured: None,
            one_line: (String::new(), Moment::default()),
            known_boss: KnownBoss::default(),
            fences: Fences::default(),
            going_to_sleep: GoingToSleep::default(),
            unborn,
            executor_gone: false,
            end: None,
        })
    }

    /// Runs until the node has left or cannot go on. The exit status.
    pub async fn run(mut self, mut executor: mpsc::Receiver<ToElector>) -> u8 {
        let (me, cluster) = (self.background.me(), self.background.cluster());
        info!(message_id = journal::STARTED, "{me} of cluster {cluster} is up");
        self.executor.send(ToExecutor::Serving);
        let (cleaned, mut cleanings) = mpsc::unbounded_channel();
        loop {
            self.carry_out();
            self.paint_if_due();
            self.end_late_look();
            if let Some(status) = self.end {
                self.peers.close("bossd stops").await;
                return status;
            }
            if self.arm().is_err() {
                return sysexits::SYSTEM;
            }
            let gone = self.executor_gone;
            let event = tokio::select! {
                biased;
                _ = self.alarm.fired() => Event::Time,
                Some(event) = self.storage_said.recv() => Event::Storage(event),
                message = executor.recv(), if !gone => Event::Executor(message),
                Some(event) = self.peers_said.recv() => Event::Peer(event),
                Some(success) = cleanings.recv() => Event::CleanedUp(success),
                Some(looked) = self.reloading.looked() => Event::Looked(looked),
                Some(request) = self.reloads.recv() => Event::Reload(request),
                Some(request) = self.operators.recv() => Event::Operator(request),
            };
            self.turn = clock::now();
            self.handle(event, &cleaned);
        }
    }

    /// The clocks are read after the event was taken (protocol.md 3, "which now").
    fn handle(&mut self, event: Event, cleaned: &mpsc::UnboundedSender<bool>) {
        match event {
            Event::Time => self.handle_time(),
            Event::Peer(event) => self.handle_peer(event),
            Event::Storage(event) => self.handle_storage(event),
            Event::Executor(Some(message)) => self.handle_executor(message),
            Event::Executor(None) => self.handle_executor_gone(cleaned),
            Event::CleanedUp(success) => self.handle_cleaned_up(success, cleaned),
            Event::Operator(request) => self.handle_operator(request),
            Event::Reload(request) => self.handle_reload_asked(request),
            Event::Looked(looked) => self.handle_looked(looked),
        }
    }

    fn handle_time(&mut self) {
        let now = clock::now();
        self.background.saw_late(self.armed.elapsed(now));
        self.node.handle_timeout(now);
    }

    fn handle_peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Received { peer, incarnation, frame } => {
                self.handle_frame(&peer, incarnation, &frame);
            }
            PeerEvent::Connected { peer, incarnation } => {
                self.tell_certificate(Some(&peer));
                let (peer, life) = (NodeId::new(&peer), Incarnation(incarnation));
                self.node.handle_connected(clock::now(), &peer, life);
                self.reassert_after(&peer);
                self.pictured = None;
            }
            PeerEvent::Lost { peer, .. } => {
                let peer = NodeId::new(&peer);
                self.node.handle_lost(clock::now(), &peer);
                self.forwards.lost(&peer);
                self.missed.insert(peer);
                self.pictured = None;
            }
            // The peer layer has told the log; status shows it by the link's last error.
            PeerEvent::Refused { .. } => self.pictured = None,
        }
    }

    /// A member is back that this boss had lost: whatever lay between them may have forgotten what
    /// the hooks announced, an address for one. A member that comes for the first time tells
    /// nothing of the kind.
    fn reassert_after(&mut self, peer: &NodeId) {
        if !self.missed.remove(peer) {
            return;
        }
        let snapshot = self.node.snapshot(clock::now());
        let mine = snapshot.boss.filter(|(boss, _)| *boss == snapshot.me);
        let (Phase::Boss, Some((me, epoch))) = (snapshot.phase, mine) else { return };
        let reason = format!("{peer} is back");
        let boss_transition = transition_id(me.as_str(), epoch.0, "reassert");
        info!(boss_transition, message_id = journal::REASSERT, "{reason}");
        let facts = self.hook_facts(Some(epoch.0), Some(&me), reason);
        self.tell_executor(ToExecutor::Reassert { epoch: epoch.0, facts });
    }

    fn handle_storage(&mut self, event: StorageEvent) {
        match event {
            StorageEvent::Done { written, took, refused } => {
                if let Some(why) = refused {
                    warn!("the state directory refused a write: {why}");
                }
                debug!("write {} took {took}", written.generation);
                self.node.handle_written(clock::now(), written);
            }
            StorageEvent::Broken(what) => {
                error!("{what}: what is on the disk is not known any more (exit 74)");
                self.end = Some(sysexits::IO);
            }
        }
    }

    fn handle_executor(&mut self, message: ToElector) {
        match message {
            ToElector::Word(word) => {
                self.node.handle_hook_outcome(clock::now(), word.into());
            }
            ToElector::Ready(ready) => {
                let ready = self.background.set_hooks(ready);
                let command = Command::SetReady(ready.is_ok());
                let _ = self.node.handle_command(clock::now(), 0, command);
            }
            ToElector::Demotes(times) => {
                let fence = self.node.snapshot(clock::now()).state.timing.fence;
                if let Some(slow) = self.background.set_demotes(times, fence) {
                    warn!("{slow}");
                }
            }
            ToElector::Hooks(files) => self.background.set_hook_files(files),
            ToElector::Alarm(text) => self.background.set_alarm(text),
            ToElector::Reload(anew) => self.handle_anew(*anew),
            ToElector::Reloaded { asks, outcome } => self.handle_reloaded(&asks, &outcome),
            ToElector::Sleep => self.handle_sleep(),
            ToElector::Fenced { run, outcome } => self.handle_fenced(run, outcome),
            ToElector::TlsTrouble(why) => self.background.set_tls_trouble(why),
            ToElector::UnitTrouble(why) => self.background.set_unit_trouble(why),
            ToElector::Leave => {
                info!("leaving");
                let _ = self.node.handle_command(clock::now(), 0, Command::Leave);
            }
            ToElector::Start(_) => {}
        }
        self.pictured = None;
    }

    /// What the node has ready, in order.
    fn carry_out(&mut self) {
        let ready = self.node.ready();
        if let Some(write) = ready.write {
            self.storage.write(write);
        }
        for effect in ready.effects {
            match effect {
                Effect::Send { to, envelope } => self.send(&to, &envelope),
                Effect::Act(act) => self.act(act),
                Effect::Answer { id, answer } => {
                    self.forwards.answer(id, answer, &self.peers, &self.background);
                }
                Effect::Note(note) => {
                    self.pictured = None;
                    journal::tell(self.background.me(), &note);
                    self.background.learn(&note);
                }
                Effect::Left => self.handle_left(),
            }
        }
    }

    fn handle_left(&mut self) {
        info!(message_id = journal::LEFT, "left in order");
        self.executor.send(ToExecutor::Left);
        let status = if self.executor_gone { sysexits::SOFTWARE } else { sysexits::OK };
        self.end = Some(status);
    }

    fn send(&self, to: &NodeId, envelope: &election::Envelope) {
        let frame = wire::encode(envelope);
        let sent = if envelope.message.is_datagram() {
            self.peers.send_datagram(to.as_str(), &frame)
        } else {
            self.peers.send(to.as_str(), &frame)
        };
        if let Err(error) = sent {
            error!("a {} to {to} cannot be sent: {error}", envelope.message.name());
        }
    }

    fn act(&mut self, act: Act) {
        let node = self.background.me().clone();
        let transition = |epoch: u64, event| transition_id(node.as_str(), epoch, event);
        let message = match act {
            Act::Promote { permit, cause, previous } => {
                let epoch = permit.epoch.0;
                info!(boss_transition = transition(epoch, "promote"), "epoch {epoch}: {cause}");
                let mut facts = self.hook_facts(Some(epoch), Some(&node), cause.to_string());
                facts.previous = previous.map(|name| name.to_string());
                ToExecutor::Promote { permit: permit.into(), facts }
            }
            Act::Extend { epoch, until } => {
                ToExecutor::Extend { epoch: epoch.0, until: until.into() }
            }
            Act::Demote { epoch, reason } => {
                info!(boss_transition = transition(epoch.0, "demote"), "epoch {epoch}: {reason}");
                let facts = self.hook_facts(Some(epoch.0), None, ipc::reason_text(reason));
                ToExecutor::Demote { epoch: epoch.0, facts }
            }
            Act::Revoke { epoch, reason } => {
                info!(boss_transition = transition(epoch.0, "demote"), "epoch {epoch}: {reason}");
                let facts = self.hook_facts(Some(epoch.0), None, ipc::reason_text(reason));
                ToExecutor::Revoke { epoch: epoch.0, facts }
            }
            Act::Follow { boss, epoch } => {
                info!(
                    boss_transition = transition(epoch.0, "follow"),
                    message_id = journal::NEW_BOSS,
                    boss_epoch = epoch.0,
                    "{boss} is boss, epoch {epoch}"
                );
                let reason = format!("{boss} is boss");
                let facts = self.hook_facts(Some(epoch.0), Some(&boss), reason);
                ToExecutor::Follow { facts }
            }
        };
        self.tell_executor(message);
    }

    fn tell_executor(&mut self, message: ToExecutor) {
        if matches!(message, ToExecutor::Extend { .. }) {
            return self.executor.send_if_idle(message);
        }
        let is_promote = matches!(message, ToExecutor::Promote { .. });
        if self.executor.send(message) || self.executor_gone {
            return;
        }
        error!("the executor does not read what the elector says");
        if is_promote {
            // It would never answer for this epoch, and this node would lead for ever without a
            // boss. Nothing stands: no permit goes out before the last one has ended (X4).
            self.end = Some(sysexits::SOFTWARE);
        }
    }

    fn hook_facts(
        &self,
        epoch: Option<u64>,
        current: Option<&NodeId>,
        reason: String,
    ) -> HookFacts {
        let snapshot = self.node.snapshot(clock::now());
        let members = &snapshot.state.members;
        let address = current.and_then(|name| members.find(name)).map(|m| m.address.to_string());
        let me = members.find(self.background.me());
        HookFacts {
            epoch,
            term: snapshot.term.0,
            current: current.map(ToString::to_string),
            current_address: address,
            previous: None,
            reason,
            priority: me.map_or(election::DEFAULT_PRIORITY, |member| member.priority),
            members: members.iter().map(|(name, _)| name.to_string()).collect(),
        }
    }

    /// A new picture for status when something happened, or when the last one gets old.
    fn paint_if_due(&mut self) {
        let now = clock::now();
        if self.pictured.is_some_and(|at| !at.plus(PICTURE).over_when_either(now)) {
            return;
        }
        self.pictured = Some(now);
        let snapshot = self.node.snapshot(now);
        if self.unborn && !snapshot.state.is_unborn() {
            self.unborn = false;
            self.peers.born();
        }
        for (name, member) in snapshot.state.members.iter() {
            self.peers.set_known(name.as_str(), member.incarnation.map(|life| life.0));
        }
        self.tell_drains_and_pauses(&snapshot.state);
        self.end_what_is_over(&snapshot);
        self.tell_known_boss(now, &snapshot);
        self.fence_the_lost(now, &snapshot);
        self.end_sleeps_wait(now, &snapshot);
        let picture = self.background.paint(now, snapshot, &self.peers.links());
        self.tell_service_manager(now, one_line(&picture.status));
        self.pictures.send_replace(Arc::new(picture));
    }

    /// When it changes, and once a second as a sign of life.
    fn tell_service_manager(&mut self, now: Moment, line: String) {
        let (said, at) = &self.one_line;
        if *said != line || at.plus(SIGN_OF_LIFE).over_when_either(now) {
            self.executor.send_if_idle(ToExecutor::Status(line.clone()));
            self.one_line = (line, now);
        }
    }

    fn arm(&mut self) -> std::io::Result<()> {
        let now = clock::now();
        // A turn that is long by itself is as bad as a timer that fires late.
        self.background.saw_turn(self.turn.elapsed(now));
        self.armed = now.plus(self.node.wake(now).min(PICTURE));
        self.alarm.set(self.armed)
    }

    fn handle_operator(&mut self, request: Request) {
        self.forwards.take(request, &mut self.node, &self.peers, &self.background);
    }
}
