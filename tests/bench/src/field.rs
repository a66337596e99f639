//! Who takes part, and how long and how often things are done.

use std::thread;
use std::time::Duration;

use crate::contender::{Boss, Contender, Etcd, EtcdTiming, Keepalived, TOP, USUAL};
use crate::results::Part;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which families take part: `boss`, `boss-fast`, `keepalived`, `etcd`.
    pub families: Vec<String>,
    /// How often each fault.
    pub runs: u32,
    /// How long all are left alone before memory is looked at again.
    pub idle: Duration,
    /// How long processor time and traffic are counted.
    pub window: Duration,
    /// After how many changes memory is looked at once more.
    pub failovers: u32,
    /// How long those may take.
    pub failovers_limit: Duration,
    /// How long nobody is to change under load and loss.
    pub unwanted: Duration,
    /// The loss meanwhile, in percent.
    pub loss: u8,
    /// How many processors are kept busy meanwhile.
    pub busy: usize,
    /// Over how long and over how many changes writes are counted.
    pub writes: (Duration, u32),
}

impl Settings {
    /// Whether a family takes part.
    pub fn has(&self, family: &str) -> bool {
        self.families.iter().any(|it| it == family)
    }
}

/// Starts all, and waits until each has one that acts.
pub fn start(settings: &Settings, part: &mut [&mut Part]) -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> = Vec::new();
    if settings.has("boss") {
        all.push(Box::new(Boss::start("lan", "profile = \"lan\"")));
        let shorter = "profile = \"lan\"\nfence-window = \"200ms\"";
        all.push(Box::new(Boss::start("lan, D = 200 ms", shorter)));
    }
    if settings.has("boss-fast") {
        all.push(Box::new(Boss::start("fast", "profile = \"fast\"")));
    }
    if settings.has("keepalived") {
        all.push(Box::new(Keepalived::start("1 s", "1", USUAL)));
        all.push(Box::new(Keepalived::start("1 s, priority 254", "1", TOP)));
        all.push(Box::new(Keepalived::start("0.1 s", "0.1", USUAL)));
    }
    if settings.has("etcd") {
        let defaults = EtcdTiming { name: "defaults", intervals: None, ttl: None };
        all.push(Box::new(Etcd::start(defaults)));
        let quick = EtcdTiming { name: "10/100 ms", intervals: Some((10, 100)), ttl: Some(1) };
        all.push(Box::new(Etcd::start(quick)));
    }
    for contender in &mut all {
        contender.settled();
        for part in &mut *part {
            part.enter(contender.name(), contender.configured());
        }
    }
    all
}

/// Does the same with all of them at once.
pub fn together(
    all: &mut [Box<dyn Contender>],
    what: impl Fn(&mut dyn Contender) -> Vec<(String, f64)> + Sync,
) -> Vec<(String, Vec<(String, f64)>)> {
    thread::scope(|scope| {
        let what = &what;
        let each = all.iter_mut().map(|contender| {
            let name = contender.name();
            (name, scope.spawn(move || what(contender.as_mut())))
        });
        let each: Vec<_> = each.collect();
        let ended = each.into_iter().map(|(name, it)| (name, it.join().expect("no panic")));
        ended.collect()
    })
}

/// Lets time pass. Only what is measured over a time waits like this.
pub fn pass(time: Duration) {
    thread::sleep(time);
}
