//! A reload under a running daemon: asked for by SIGHUP or over the control socket, read on a thread
//! beside the loop, offered to the elector, and taken by both or by neither. One at a time: who asks
//! while one is under way is answered by the next, which begins after it.

use std::path::PathBuf;
use std::rc::Rc;

use control::reload::{Effect, Reload};
use election::{Moment, Span};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::Daemon;
use super::stop::Stopping;
use crate::executor::reload::{Before, Found, read_anew};
use crate::executor::remembered;
use crate::ipc::{Taken, ToElector};
use crate::{logging, systemd};

/// Files on a disk that hangs are not waited for.
const READING: Span = Span::from_secs(5);
/// More than the control socket has connections: of those who gave up the oldest are forgotten.
const ASKS: usize = 256;

/// What was asked for, and what is under way.
#[derive(Default)]
pub(super) struct Reloads {
    /// The elector that runs does.
    elector_serves: bool,
    wanted: bool,
    /// Who is to be answered by the next one.
    asks: Vec<u64>,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    asks: Vec<u64>,
    stage: Stage,
}

enum Stage {
    /// The files are being read.
    Reading { found: oneshot::Receiver<Read>, until: Moment },
    /// They are sound, and wait for an elector that serves.
    Sound(Box<Found>),
    /// The elector looks at them.
    Offered(Box<Found>),
}

/// What the files turned out to be.
pub(super) type Read = Result<Box<Found>, Vec<String>>;

impl Reloads {
    /// By a signal, or by somebody who waits for an answer.
    pub(super) fn ask(&mut self, who: Option<u64>) {
        self.wanted = true;
        self.asks.extend(who);
        let surplus = self.asks.len().saturating_sub(ASKS);
        self.asks.drain(..surplus);
    }

    /// What is sound can be offered.
    pub(super) fn elector_serves(&mut self) {
        self.elector_serves = true;
    }

    /// Those who asked were clients of that elector. What it was offered is offered to the next.
    pub(super) fn elector_ended(&mut self) {
        self.elector_serves = false;
        self.asks.clear();
        if let Some(mut under_way) = self.under_way.take() {
            under_way.asks.clear();
            under_way.stage = match under_way.stage {
                Stage::Offered(found) => Stage::Sound(found),
                other => other,
            };
            self.under_way = Some(under_way);
        }
    }

    /// When reading has taken too long.
    pub(super) fn wake(&self) -> Option<Moment> {
        match &self.under_way {
            Some(UnderWay { stage: Stage::Reading { until, .. }, .. }) => Some(*until),
            _ => None,
        }
    }

    /// What the files turned out to be; pending for ever while none are read. Cancelling loses
    /// nothing.
    pub(super) async fn read(&mut self) -> Read {
        match &mut self.under_way {
            Some(UnderWay { stage: Stage::Reading { found, .. }, .. }) => match found.await {
                Ok(found) => found,
                Err(_) => Err(vec!["the files could not be read: the reader ended".to_owned()]),
            },
            _ => std::future::pending().await,
        }
    }

    fn is_late(&self, now: Moment) -> bool {
        self.wake().is_some_and(|until| until.over_when_either(now))
    }
}

impl Daemon {
    /// Begins what was asked for, offers what was read, and ends what takes too long.
    pub(super) fn go_on_with_reload(&mut self, now: Moment) {
        if self.stopping != Stopping::No || !self.serving {
            return;
        }
        if self.reloads.is_late(now) {
            let why = format!("the files could not be read within {READING}: look at the disk");
            self.refuse_reload(vec![why]);
        }
        if self.reloads.under_way.is_none() && std::mem::take(&mut self.reloads.wanted) {
            self.begin_reload(now);
        }
        let Some(under_way) = self.reloads.under_way.take() else { return };
        let stage = match under_way.stage {
            Stage::Sound(found) if self.reloads.elector_serves => {
                self.tell(ToElector::Reload(Box::new(found.anew.clone())));
                Stage::Offered(found)
            }
            other => other,
        };
        self.reloads.under_way = Some(UnderWay { asks: under_way.asks, stage });
    }

    fn begin_reload(&mut self, now: Moment) {
        let Some(serving) = &self.environment.serving else { return };
        info!("reading the configuration and the certificates anew");
        systemd::reloading();
        let before = Before {
            config: (*self.environment.config).clone(),
            tls: serving.tls.clone(),
            host_name: self.environment.host_name.clone(),
        };
        let path: PathBuf = self.environment.sources.cluster.path.clone();
        let (done, found) = oneshot::channel();
        let thread = std::thread::Builder::new().name("reload".to_owned());
        // One that cannot be started drops its end, which counts as an answer.
        let _ = thread.spawn(move || drop(done.send(read_anew(&path, &before).map(Box::new))));
        let asks = std::mem::take(&mut self.reloads.asks);
        let stage = Stage::Reading { found, until: now.plus(READING) };
        self.reloads.under_way = Some(UnderWay { asks, stage });
    }

    /// The files were read.
    pub(super) fn handle_read(&mut self, read: Read) {
        match read {
            Err(problems) => self.refuse_reload(problems),
            Ok(found) => {
                if let Some(under_way) = &mut self.reloads.under_way {
                    under_way.stage = Stage::Sound(found);
                }
            }
        }
    }

    /// The elector has taken them, or will not.
    pub(super) fn handle_taken(&mut self, taken: Result<Taken, Vec<String>>) {
        let Some(UnderWay { stage: Stage::Offered(_), .. }) = &self.reloads.under_way else {
            return;
        };
        let Taken { changes: of_cluster, notes } = match taken {
            Ok(taken) => taken,
            Err(problems) => return self.refuse_reload(problems),
        };
        let Some(UnderWay { asks, stage: Stage::Offered(found) }) = self.reloads.under_way.take()
        else {
            return;
        };
        let mut changes = found.changes.clone();
        self.take(*found);
        changes.extend(of_cluster);
        let outcome = Reload { node: self.me(), taken: true, changes, problems: Vec::new(), notes };
        self.finish_reload(asks, outcome);
    }

    /// From here on all that the executor does is by the new files. What runs goes on as it began.
    fn take(&mut self, found: Found) {
        let Found { anew, config, changes: _ } = found;
        let config = Rc::new(config);
        logging::set_level(config.log.level);
        let (escalation, graceful) = (config.hooks.escalation_budget(), config.hooks.timeout);
        self.machine.borrow_mut().set_budgets(escalation, graceful);
        self.transitions.set_config(config.clone());
        self.readiness.set_config(config.clone());
        self.environment.config = config;
        remembered::keep(&self.environment.config.node.run_directory, &anew.sources);
        self.environment.reloaded = Some(anew.sources);
        if let Some(serving) = &mut self.environment.serving {
            serving.tls = anew.tls;
        }
        if let Some(trouble) = self.tls_watch.renewed() {
            self.tell(ToElector::TlsTrouble(trouble.0));
        }
    }

    fn refuse_reload(&mut self, problems: Vec<String>) {
        let asks = self.reloads.under_way.take().map(|it| it.asks).unwrap_or_default();
        let outcome = Reload { node: self.me(), problems, ..Reload::default() };
        self.finish_reload(asks, outcome);
    }

    fn finish_reload(&mut self, asks: Vec<u64>, outcome: Reload) {
        log(&outcome);
        systemd::ready();
        if !asks.is_empty() {
            self.tell(ToElector::Reloaded { asks, outcome });
        }
    }

    fn me(&self) -> String {
        self.environment.config.node.name.to_string()
    }
}

fn log(outcome: &Reload) {
    if !outcome.taken {
        let count = outcome.problems.len();
        error!("not reloaded, and nothing has changed; what is wrong ({count}):");
        for problem in &outcome.problems {
            error!("{problem}");
        }
        return;
    }
    let count = |effect| outcome.changes.iter().filter(|change| change.effect == effect).count();
    info!("reloaded; changes taken: {}", count(Effect::Taken));
    for change in &outcome.changes {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let (key, old, new) = (&change.key, shown(&change.old), shown(&change.new));
        match change.why.as_ref() {
            None => info!("{key}: {old} -> {new}"),
            Some(why) => warn!("{key}: {old} stays, the file has {new}: {why}"),
        }
    }
    for note in &outcome.notes {
        warn!("{note}");
    }
}
