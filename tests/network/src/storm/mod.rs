//! A storm: faults drawn from a seed, one after the other and sometimes one into the other, for
//! minutes. [`fault`] is what there is, [`inject`] does it, [`account`] and [`report`] say what came
//! of it. The storm itself judges nothing of bossd's own word: the hooks' log and the shared address
//! do.

mod account;
mod fault;
mod inject;
mod keep;
mod report;
mod strikes;

use std::process::Child;
use std::time::Duration;

use control::model::{Level, Status};
use harness::boot_ns;
use harness::judge::{Violation, judge};
use harness::{Acting, Seen};
use nix::sys::signal::Signal;

pub use account::{Account, Gap};
pub use fault::Fault;
pub use keep::keep;
pub use report::Report;

use crate::firewall::Firewall;
use crate::random::Random;
use crate::shared_address::Stretch;
use crate::site::{Options, Site, Target, plan};

/// What kind of storm.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    /// How long.
    pub minutes: u64,
    /// Where its faults are drawn from.
    pub seed: u64,
    /// How many hosts.
    pub hosts: usize,
}

/// A storm that is under way.
#[derive(Debug)]
pub struct Storm {
    site: Site,
    random: Random,
    account: Account,
    injected: Vec<Fault>,
    story: Vec<(u64, String)>,
    powered: Vec<bool>,
    cleaning: Vec<Option<Child>>,
    begun_ns: u64,
    failure: Option<String>,
    tell: bool,
}

impl Storm {
    /// Runs one to its end, or to the first thing that must not be.
    pub fn run(forecast: Forecast, tell: bool) -> (Report, Self) {
        let mut storm = Self::prepare(forecast, tell);
        let end_ns = storm.begun_ns + forecast.minutes * MINUTE_NS;
        let mut deck = Vec::new();
        storm.settle();
        while storm.failure.is_none() && boot_ns() < end_ns {
            let fault = storm.draw(&mut deck);
            storm.inject(fault);
            // Some faults meet what is left of the one before.
            if !storm.random.chance(INTO_THE_NEXT) {
                storm.settle();
                let pause = storm.random.between(PAUSE_MS.0, PAUSE_MS.1);
                storm.pass(pause);
            }
        }
        storm.settle();
        let report = storm.report(forecast);
        (report, storm)
    }

    fn prepare(forecast: Forecast, tell: bool) -> Self {
        let mut plan = plan(forecast.hosts);
        for member in &mut plan.members {
            // So that one that hangs does not hold the storm up.
            member.hook_timeout = String::from("1s");
        }
        let options = Options { stepped: Some(0), small_disks: true };
        let site = Site::start(&plan, options);
        let mut storm = Self {
            site,
            random: Random::new(forecast.seed),
            account: Account::default(),
            injected: Vec::new(),
            story: Vec::new(),
            powered: vec![true; forecast.hosts],
            cleaning: (0..forecast.hosts).map(|_| None).collect(),
            begun_ns: 0,
            failure: None,
            tell,
        };
        storm.settle();
        // What counts begins with the first boss.
        storm.begun_ns = boot_ns();
        storm
    }

    /// The next fault: all kinds once, in any order, before one comes again.
    fn draw(&mut self, deck: &mut Vec<Fault>) -> Fault {
        if deck.is_empty() {
            let hosts = self.site.size();
            deck.extend(Fault::ALL.into_iter().filter(|fault| fault.fits(hosts)));
            self.random.shuffle(deck);
        }
        deck.pop().unwrap_or(Fault::PowerLoss)
    }

    /// Notes what happens.
    fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.tell {
            let ms = boot_ns().saturating_sub(self.begun_ns) / 1_000_000;
            println!("{:>9.3} s  {text}", if self.begun_ns == 0 { 0.0 } else { ms as f64 / 1e3 });
        }
        self.story.push((boot_ns(), text));
    }

    /// Something is about to be done that may take the boss away.
    fn strike(&mut self, text: impl Into<String>) {
        self.note(text);
        self.account.strikes.push(boot_ns());
    }

    /// Lets time pass, and does meanwhile what a service manager does.
    fn pass(&mut self, milliseconds: u64) {
        let end_ns = boot_ns() + milliseconds * 1_000_000;
        while boot_ns() < end_ns {
            self.supervise();
            std::thread::sleep(TURN);
        }
    }

    /// Waits until there is something, for a while; meanwhile as [`Storm::pass`].
    fn wait<T>(
        &mut self,
        limit_ms: u64,
        mut found: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let end_ns = boot_ns() + limit_ms * 1_000_000;
        loop {
            if let Some(found) = found(self) {
                return Some(found);
            }
            if boot_ns() >= end_ns {
                return None;
            }
            self.supervise();
            std::thread::sleep(TURN);
        }
    }

    /// Starts what has ended where there is power, its clean-up first.
    fn supervise(&mut self) {
        for host in 0..self.site.size() {
            if let Some(cleaning) = &mut self.cleaning[host] {
                match cleaning.try_wait() {
                    Ok(None) => continue,
                    Ok(Some(status)) if status.success() => {}
                    // Looked at again below: what it could not do, the next start tries.
                    _ => self.note(format!("the clean-up of host {host} failed")),
                }
                self.cleaning[host] = None;
                self.start(host);
            } else if self.powered[host]
                && !self.site.node_mut(host).is_running()
                && self.site.node(host).processes().is_empty()
            {
                self.note(format!("host {host}: bossd has ended; cleaned up, then started again"));
                self.cleaning[host] = Some(self.site.spawn_clean_up(host));
            }
        }
    }

    fn start(&mut self, host: usize) {
        if let Err(error) = self.site.start_node(host) {
            self.fail(format!("bossd cannot be started: {error}"));
        }
    }

    fn fail(&mut self, why: String) {
        self.note(format!("FAILED: {why}"));
        self.failure.get_or_insert(why);
    }

    fn power_off(&mut self, host: usize) {
        self.strike(format!("power off: host {host}"));
        self.powered[host] = false;
        if let Some(mut cleaning) = self.cleaning[host].take() {
            // It ends with the host's other processes; only its remains are left to take.
            let _ = cleaning.kill();
            drop(cleaning.wait());
        }
        self.site.power_off(host);
    }

    fn power_on(&mut self, host: usize) {
        self.note(format!("power on: host {host}"));
        self.powered[host] = true;
        self.site.power_on(host);
    }

    fn set_firewall(&mut self, firewall: Firewall, text: impl Into<String>) {
        self.strike(text);
        self.site.set_firewall(firewall);
        // What was struck is done only now.
        self.account.strikes.push(boot_ns());
    }

    fn signal(&mut self, host: usize, target: Target, signal: Signal) {
        self.strike(format!("{signal} for {target:?} of host {host}"));
        self.site.signal(host, target, signal);
    }

    fn seen(&mut self) -> Vec<Seen> {
        let statuses = self.site.statuses();
        let seen = |(host, status): (usize, Option<Status>)| match status {
            Some(status) => Seen::Up(Box::new(status)),
            None if self.powered[host] => Seen::Silent,
            None => Seen::Down,
        };
        statuses.into_iter().enumerate().map(seen).collect()
    }

    /// Who is boss, by its own word, if anybody is within a while.
    fn boss(&mut self) -> Option<Acting> {
        self.wait(BOSS_MS, |storm| harness::acting(&storm.seen()))
    }

    /// Takes back whatever is left of a fault, and waits until all agree on a boss again.
    fn settle(&mut self) {
        self.heal();
        let agreed = self.wait(SETTLE_MS, |storm| {
            storm.restart_failed();
            let boss = harness::agreed(&storm.seen())?;
            match storm.exclusive(&boss) {
                Ok(()) => Some(Ok(boss)),
                // Their words are a moment old; the hooks have moved on.
                Err(Verdict::NotYet) => None,
                Err(Verdict::Two(why)) => Some(Err(why)),
            }
        });
        match agreed {
            Some(Ok(boss)) => self.note(format!("boss: {} in epoch {}", boss.name, boss.epoch)),
            Some(Err(why)) => self.fail(why),
            None => self.fail(format!(
                "no boss within {SETTLE_MS} ms that all agree on, and whose hooks alone ran"
            )),
        }
    }

    fn heal(&mut self) {
        self.note("all is healed");
        self.site.set_weather(None);
        self.site.heal();
        self.site.step_clock(0);
        for host in 0..self.site.size() {
            self.site.set_full(host, false);
            self.site.set_stray(host, false);
            for event in ["promote", "demote"] {
                self.site.hold(host, event, false);
            }
            self.site.signal(host, Target::Both, Signal::SIGCONT);
            if !self.powered[host] {
                self.power_on(host);
            }
        }
        self.account.strikes.push(boot_ns());
    }

    /// A node that could not let go says that somebody must look and start it again.
    fn restart_failed(&mut self) {
        for host in 0..self.site.size() {
            let Some(status) = self.site.node(host).status().ok() else { continue };
            if status.alarms.iter().any(|alarm| alarm.level == Level::Unsafe) {
                self.strike(format!("host {host} could not let go: bossd is started again"));
                self.site.node(host).stop();
                self.wait(BOSS_MS, |storm| (!storm.site.node_mut(host).is_running()).then_some(()));
            }
        }
    }

    /// Whether there were ever two, by the hooks or by the address.
    fn exclusive(&self, boss: &Acting) -> Result<(), Verdict> {
        let doubles = self.site.address().doubles().map_err(Verdict::Two)?;
        if let Some(double) = doubles.first() {
            return Err(Verdict::Two(format!("{} moments with two: {double}", doubles.len())));
        }
        match judge(&self.site.lines(), Some(&boss.name)) {
            Ok(_) => Ok(()),
            Err(Violation::Open(_) | Violation::NoEffect(_)) => Err(Verdict::NotYet),
            Err(violation) => Err(Verdict::Two(violation.to_string())),
        }
    }

    fn report(&self, forecast: Forecast) -> Report {
        let whole = Stretch { from_ns: self.begun_ns, to_ns: boot_ns() };
        let account = Account { stalls: self.site.address().stalls(), ..self.account.clone() };
        Report::new(&report::Found {
            forecast,
            whole,
            account,
            injected: &self.injected,
            served: self.site.address().served().into_iter().map(|it| it.1).collect(),
            lines: self.site.lines(),
            doubles: self.site.address().doubles(),
            effort: self.site.address().effort(),
            bounds: self.site.bounds(),
            failure: self.failure.clone(),
        })
    }
}

/// Why it does not hold, as far as can be seen, that there is exactly one.
enum Verdict {
    NotYet,
    Two(String),
}

const MINUTE_NS: u64 = 60_000_000_000;
/// Between two looks.
const TURN: Duration = Duration::from_millis(10);
/// How many of a hundred faults meet the one before.
const INTO_THE_NEXT: u64 = 20;
/// Between two faults: a cluster that is never left alone has no boss for most of the time.
const PAUSE_MS: (u64, u64) = (1_500, 4_500);
/// A fault that is to strike a boss waits for one for so long.
const BOSS_MS: u64 = 4_000;
/// Nothing takes a quarter of this when all is healed.
const SETTLE_MS: u64 = 30_000;
