//! The executor's loop (protocol.md 4, X1 to X6): events come in, the permit machine decides, its
//! orders are carried out in order. The loop never waits for a hook: hooks run in a task of their
//! own and report; the timer is the permit.

mod orders;
mod reload;
mod stop;
mod tell;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use election::{Epoch, Executor, Moment, Span};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use reload::{Read, Reloads};
use stop::Stopping;

use super::fence::{Fenced, Fences};
use super::marker::MarkerFile;
use super::readiness::Readiness;
use super::sleep::{Said, Sleep};
use super::state_json::{KnownBoss, StateJson};
use super::supervise::{Elector, Restart, Restarts};
use super::target::{Found, TargetWatch};
use super::tls_files::{TlsWatch, Trouble};
use super::transition::{Outcome, Transitions};
use super::{Began, Environment};
use crate::clock::{self, Alarm};
use crate::ipc::{ToElector, ToExecutor};
use crate::systemd::{self, Extension, watchdog::Watchdog};
use crate::{journal, sysexits};

/// The executor at work.
pub struct Daemon {
    environment: Environment,
    /// Shared with the hooks' task, which asks it before each effect.
    machine: Rc<RefCell<Executor>>,
    marker: MarkerFile,
    transitions: Transitions,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    elector: Option<Elector>,
    /// An elector that ended is killed and reaped beside the loop, which waits for nothing: one
    /// that hangs in the kernel must not keep a hook's failure from being seen.
    reaping: Option<oneshot::Receiver<Option<u8>>>,
    restarts: Restarts,
    fences: Fences,
    sleep: Sleep,
    /// When the next elector starts.
    restart_at: Option<Moment>,
    stopping: Stopping,
    /// An elector of this daemon has served.
    serving: bool,
    reloads: Reloads,
    tls_watch: TlsWatch,
    target_watch: TargetWatch,
    /// The marker may say "acting".
    recorded: bool,
    /// The elector was told of an alarm that has not ended.
    alarmed: bool,
    readiness: Readiness,
    state_json: StateJson,
    /// The boss that the elector knows of.
    known: Option<KnownBoss>,
    /// When the elector said something last.
    heard: Moment,
    /// When this loop turned last.
    turned: Moment,
    watchdog: Watchdog,
    extension: Extension,
    alarm: Alarm,
}

/// What woke the loop.
enum Event {
    Elector(Option<ToExecutor>),
    Outcome(Outcome),
    Reaped(Option<u8>),
    Read(Read),
    Fenced(Fenced),
    Sleep(Said),
    Signal(Signal),
    Time,
}

/// Signals that the executor takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Leave in order; a second one does not wait.
    Terminate,
    /// A child ended.
    Child,
    /// Reload.
    Hangup,
}

impl Daemon {
    /// With the machine as the marker and the state file left it (X5).
    pub fn new(
        environment: Environment,
        machine: Executor,
        marker: MarkerFile,
    ) -> io::Result<Self> {
        let recorded = !machine.is_idle();
        let readiness = Readiness::new(environment.config.clone(), environment.target.clone());
        let state_json = StateJson::start(&environment.config)?;
        let machine = Rc::new(RefCell::new(machine));
        let (sender, outcomes) = mpsc::unbounded_channel();
        let fences = Fences::new(environment.spared.clone());
        let watches = !environment.is_clean_up && !environment.config.node.shadow;
        let sleep = if watches { Sleep::watched() } else { Sleep::unwatched() };
        let transitions = Transitions::new(&environment, machine.clone(), sender);
        let target = environment.target.clone();
        let target_watch = TargetWatch::new(target, environment.spared.clone());
        Ok(Self {
            environment,
            machine,
            marker,
            transitions,
            outcomes,
            elector: None,
            reaping: None,
            restarts: Restarts::default(),
            fences,
            sleep,
            restart_at: None,
            stopping: Stopping::No,
            serving: false,
            reloads: Reloads::default(),
            tls_watch: TlsWatch::default(),
            target_watch,
            recorded,
            alarmed: false,
            readiness,
            state_json,
            known: None,
            heard: clock::now(),
            turned: clock::now(),
            watchdog: Watchdog::of_unit(clock::now()),
            extension: Extension::default(),
            alarm: Alarm::new()?,
        })
    }

    /// Lets go of what a daemon that ended may have left (`--clean-up`): no elector is started.
    pub async fn clean_up(mut self) -> u8 {
        self.stopping = Stopping::LettingGo { status: sysexits::OK };
        let (_none, signals) = mpsc::unbounded_channel();
        self.run(signals).await
    }

    /// Runs until told to stop. The exit status.
    pub async fn run(mut self, mut signals: mpsc::UnboundedReceiver<Signal>) -> u8 {
        loop {
            if let Err(error) = self.carry_out_orders() {
                error!("{}: {error}: cannot record what stands", self.marker.path().display());
                return sysexits::IO;
            }
            self.share_demote_times();
            self.end_if_due();
            self.start_elector_if_due();
            self.go_on_with_reload(clock::now());
            let is_idle = self.machine.borrow().is_idle();
            self.sleep.go_on_if_due(is_idle, self.elector.is_some());
            if let Stopping::Done { status } = self.stopping {
                self.end_state_json();
                return status;
            }
            self.tell_state();
            self.turn_ended();
            if let Err(error) = self.alarm.set(self.wake()) {
                error!("timerfd: {error}: nobody could say when the permit is over");
                return sysexits::SYSTEM;
            }
            let event = tokio::select! {
                // The elector last: one that talks without end keeps nothing else from its turn.
                biased;
                Some(outcome) = self.outcomes.recv() => Event::Outcome(outcome),
                status = next_status(&mut self.reaping) => Event::Reaped(status),
                Some(signal) = signals.recv() => Event::Signal(signal),
                _ = self.alarm.fired() => Event::Time,
                read = self.reloads.read() => Event::Read(read),
                Some(fenced) = self.fences.next() => Event::Fenced(fenced),
                said = self.sleep.next() => Event::Sleep(said),
                message = next_message(&mut self.elector) => Event::Elector(message),
            };
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        let now = clock::now();
        self.machine.borrow_mut().handle_timeout(now);
        match event {
            Event::Elector(Some(message)) => self.handle_message(now, message),
            Event::Elector(None) => self.handle_elector_ended(),
            Event::Outcome(outcome) => self.handle_outcome(now, outcome),
            Event::Reaped(status) => self.handle_reaped(status),
            Event::Read(read) => self.handle_read(read),
            Event::Sleep(said) => self.handle_sleep(said),
            Event::Fenced(Fenced { run, outcome }) => self.tell(ToElector::Fenced { run, outcome }),
            Event::Signal(Signal::Terminate) => self.handle_terminate(now),
            Event::Signal(Signal::Child) => self.transitions.reap(),
            Event::Signal(Signal::Hangup) => self.reloads.ask(None),
            Event::Time => {}
        }
        self.transitions.start_reassert(now);
        self.look_after_elector(now);
        if let Stopping::Asked { until } = self.stopping
            && until.over_when_either(now)
        {
            warn!("the elector did not leave in time: it is ended");
            self.stop_at_once();
        }
    }

    /// Tells a running elector when the hooks' state has changed, and ends one that hangs: its
    /// permit is long over, and a new one can take part again.
    fn look_after_elector(&mut self, now: Moment) {
        let turned = std::mem::replace(&mut self.turned, now);
        if turned.plus(IDLE.times(2)).over_when_either(now) {
            // This process stood still itself: what the elector said meanwhile is not read yet.
            self.heard = now;
        }
        let Some(elector) = &mut self.elector else { return };
        // BOTH clocks: a suspend is no silence.
        if self.serving && self.heard.plus(SILENCE).over_when_both(now) {
            let id = journal::ELECTOR_HANGS;
            error!(message_id = id, "the elector has said nothing for {SILENCE}: it is ended");
            self.heard = now;
            elector.kill();
        } else if let Some(ready) = self.readiness.look_again(now) {
            self.tell(ToElector::Ready(ready));
        }
        if let Some(files) = self.readiness.new_files() {
            self.tell(ToElector::Hooks(files));
        }
        if let Some(serving) = &self.environment.serving
            && let Some(Trouble(why)) =
                self.tls_watch.look(now, &self.environment.config, &serving.tls)
        {
            self.tell(ToElector::TlsTrouble(why));
        }
        let idle = {
            let machine = self.machine.borrow();
            machine.is_idle().then(|| machine.last_epoch().0)
        };
        if let Some(Found(why)) = self.target_watch.look(now, idle) {
            self.tell(ToElector::UnitTrouble(why));
        }
    }

    fn handle_message(&mut self, now: Moment, message: ToExecutor) {
        self.heard = now;
        match message {
            ToExecutor::Promote { permit, facts } => {
                self.transitions.learn(facts);
                self.machine.borrow_mut().handle_permit(now, permit.into());
            }
            ToExecutor::Extend { epoch, until } => {
                self.machine.borrow_mut().handle_extend(now, Epoch(epoch), until.into());
            }
            ToExecutor::Demote { epoch, facts } => {
                self.transitions.learn(facts);
                self.machine.borrow_mut().handle_demote(now, Epoch(epoch));
            }
            ToExecutor::Revoke { epoch, facts } => {
                self.transitions.learn(facts);
                self.machine.borrow_mut().handle_revoke(now, Epoch(epoch));
            }
            ToExecutor::Follow { facts } => self.transitions.follow(facts),
            ToExecutor::Reassert { epoch, facts } => {
                self.transitions.reassert(Epoch(epoch), facts);
            }
            ToExecutor::Serving => {
                self.serving = true;
                self.reloads.elector_serves();
                systemd::ready();
            }
            ToExecutor::Status(text) => systemd::status(&text),
            ToExecutor::Known { boss, until } => {
                self.known = boss.map(|(name, address, epoch)| KnownBoss {
                    name,
                    address,
                    epoch,
                    until: until.into(),
                });
            }
            ToExecutor::MaySleep => self.sleep.handed_over(),
            ToExecutor::Fence(order) => {
                let units = self.environment.runs_units();
                self.fences.start(&self.environment.config, order, units);
            }
            ToExecutor::Reload { ask } => self.reloads.ask(Some(ask)),
            ToExecutor::Taken(taken) => self.handle_taken(taken),
            // The channel's end follows; it is expected.
            ToExecutor::Left => {}
        }
    }

    /// X2, in this order: channel closed unread, process killed and reaped, demote, Idle, then a
    /// new elector with a new channel. The demote does not wait for the reaping: what the elector
    /// permitted ends at once, and the next one starts when both are done.
    fn handle_elector_ended(&mut self) {
        let Some(elector) = self.elector.take() else { return };
        self.machine.borrow_mut().handle_channel_closed(clock::now());
        self.alarmed = false;
        self.reloads.elector_ended();
        let (reaped, reaping) = oneshot::channel();
        self.reaping = Some(reaping);
        let end = elector.end();
        tokio::task::spawn_local(async move {
            let _ = reaped.send(end.await);
        });
    }

    fn handle_reaped(&mut self, status: Option<u8>) {
        self.reaping = None;
        match self.stopping {
            Stopping::No => self.judge_end(status),
            Stopping::Asked { .. } => {
                self.stopping = Stopping::LettingGo { status: sysexits::OK };
            }
            Stopping::LettingGo { .. } | Stopping::Hooks { .. } | Stopping::Done { .. } => {}
        }
    }

    fn judge_end(&mut self, status: Option<u8>) {
        let message_id = journal::ELECTOR_ENDED;
        match status {
            Some(status) if sysexits::is_final(status) => {
                self.stopping = Stopping::LettingGo { status };
                return;
            }
            Some(sysexits::IO) => {
                let what = "what is on its disk is not known any more (exit 74)";
                error!(message_id, "the elector ended: {what}");
            }
            Some(status) => error!(message_id, "the elector ended with status {status}"),
            None => error!(message_id, "the elector was killed"),
        }
        match self.restarts.record(clock::now()) {
            Restart::After(delay) => self.restart_at = Some(clock::now().plus(delay)),
            Restart::TooMany => {
                let what = "the elector ended five times within a minute";
                error!(message_id = journal::GIVES_UP, "{what}: bossd gives up (exit 70)");
                self.stopping = Stopping::LettingGo { status: sysexits::SOFTWARE };
            }
        }
    }

    fn handle_outcome(&mut self, now: Moment, outcome: Outcome) {
        let outcome = self.transitions.finished(outcome);
        let mut machine = self.machine.borrow_mut();
        match outcome {
            Some(Outcome::Promoted { success }) => machine.handle_promoted(now, success),
            Some(Outcome::Demoted { success }) => machine.handle_demoted(now, success),
            Some(Outcome::Escalated { success }) => machine.handle_escalated(success),
            Some(Outcome::Stopped) => {
                if let Stopping::Hooks { status } = self.stopping {
                    self.stopping = Stopping::Done { status };
                }
            }
            Some(Outcome::Notified) | None => {}
        }
    }

    fn handle_sleep(&mut self, said: Said) {
        match said {
            Said::Sleeps if self.elector.is_some() => {
                self.sleep.wait();
                self.tell(ToElector::Sleep);
            }
            Said::Sleeps => self.sleep.wait(),
            Said::Woke => self.sleep.woke(),
        }
    }

    fn tell(&self, message: ToElector) {
        if let Some(elector) = &self.elector
            && !elector.to.send(message)
        {
            warn!("the elector does not read what the executor says");
        }
    }

    /// Nothing stands, nobody leads on this node's behalf: the next elector may start.
    fn start_elector_if_due(&mut self) {
        let idle = self.machine.borrow().is_idle();
        // When either clock says so: a pause that guards nothing must not outlast a suspend.
        let due = self.restart_at.is_none_or(|at| at.over_when_either(clock::now()));
        if self.elector.is_some()
            || self.reaping.is_some()
            || self.stopping != Stopping::No
            || !idle
            || !due
        {
            return;
        }
        self.restart_at = None;
        let last_epoch = self.machine.borrow().last_epoch();
        let ready = self.readiness.look(clock::now());
        let demotes = self.transitions.demote_times().borrow().all();
        let began = Began { last_epoch, ready, served: self.serving, demotes };
        match self.environment.spawn_elector(began) {
            Ok(elector) => {
                self.heard = clock::now();
                self.machine.borrow_mut().handle_channel_opened();
                self.elector = Some(elector);
                let files = self.readiness.files();
                self.tell(ToElector::Hooks(files));
                self.tell(ToElector::TlsTrouble(self.tls_watch.known()));
                self.tell(ToElector::UnitTrouble(self.target_watch.known()));
            }
            Err(error) => {
                error!("the elector cannot be started: {error}");
                self.judge_end(None);
            }
        }
    }

    /// What the timer is armed with.
    fn wake(&self) -> Moment {
        let stop = match self.stopping {
            Stopping::Asked { until } => Some(until),
            _ => None,
        };
        // A restart that waits for the machine to be idle is woken by that, not by the clock.
        let may_restart = self.reaping.is_none() && self.machine.borrow().is_idle();
        let restart = self.restart_at.filter(|_| may_restart);
        let watchdog = self.watchdog.due();
        let times = [self.machine.borrow().wake(), restart, stop, self.reloads.wake(), watchdog];
        times.into_iter().flatten().fold(clock::now().plus(IDLE), Moment::earliest)
    }
}

/// An elector says something once a second; after this long it hangs.
const SILENCE: Span = Span::from_secs(10);
/// Nothing waits longer than this, so that a clock that jumps is noticed.
const IDLE: Span = Span::from_secs(1);

/// Pending for ever without an elector.
async fn next_message(elector: &mut Option<Elector>) -> Option<ToExecutor> {
    match elector {
        Some(elector) => elector.from.recv().await,
        None => std::future::pending().await,
    }
}

/// Pending for ever while none is being reaped.
async fn next_status(reaping: &mut Option<oneshot::Receiver<Option<u8>>>) -> Option<u8> {
    match reaping {
        Some(reaping) => reaping.await.ok().flatten(),
        None => std::future::pending().await,
    }
}
