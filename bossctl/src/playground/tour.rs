//! The tour: what a cluster promises, tried one step after the other on a real one, each with a
//! deadline. It ends at the first step that does not hold, with its name and what the nodes say.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use control::client::{ClientError, PATIENCE};
use control::interface::Switchover;
use control::model::{Phase, Status};

use super::cluster::Cluster;
use super::findings::{Acting, acting_after, agreed, host_loss_bound, judge};
use super::interrupt::Interrupt;
use super::{PlaygroundError, boot_ms, say};
use crate::render::plain;

/// One is killed, and the rest has to be a quorum.
pub(super) const LEAST_NODES: usize = 3;

/// Takes the tour; false if a step does not hold.
pub(super) fn run(
    cluster: &mut Cluster,
    out: &mut dyn Write,
    interrupt: &Interrupt,
) -> Result<bool, PlaygroundError> {
    let mut tour = Tour::new(cluster, interrupt);
    let (begun, mut passed) = (boot_ms(), 0);
    for (name, step) in STEPS {
        let (step_begun, outcome) = (boot_ms(), step(&mut tour));
        let took = boot_ms() - step_begun;
        match outcome {
            Ok(what) => say(out, &format!("ok      {name:<11} {} [{took} ms]\n", plain(&what)))?,
            Err(why) => {
                say(out, &format!("FAILED  {name:<11} {} [{took} ms]\n", plain(&why)))?;
                if !interrupt.was_caught() {
                    say(out, &tour.evidence())?;
                }
                break;
            }
        }
        passed += 1;
    }
    let (all, took) = (STEPS.len(), boot_ms() - begun);
    let held = passed == all;
    let verdict = if held { "the tour holds" } else { "the tour does not hold" };
    let left = STEPS.get(passed).map_or(String::new(), |(name, _)| format!(", failed at {name}"));
    say(out, &format!("\n{verdict}: {passed} of {all} steps in {took} ms{left}\n"))?;
    if let (true, Some((failover, bound))) = (held, tour.failover) {
        say(
            out,
            &format!(
                "failover took {failover} ms, with the promote hooks and the time until this tour \
                 saw it;\nwithout them bossd --check promises that {bound}\n"
            ),
        )?;
    }
    Ok(held)
}

type Step = fn(&mut Tour<'_>) -> Result<String, String>;

/// The steps in their order; each begins where the one before it ended.
const STEPS: [(&str, Step); 10] = [
    ("start", |tour| tour.start()),
    ("election", |tour| tour.election()),
    ("kill", |tour| tour.kill()),
    ("failover", |tour| tour.failover()),
    ("return", |tour| tour.come_back()),
    ("partition", |tour| tour.partition()),
    ("heal", |tour| tour.heal()),
    ("switchover", |tour| tour.switchover()),
    ("exclusive", |tour| tour.exclusive()),
    ("stop", |tour| tour.stop()),
];

struct Tour<'a> {
    cluster: &'a mut Cluster,
    interrupt: &'a Interrupt,
    /// Those that should run; whoever else ends was ended behind our back.
    expected: Vec<bool>,
    boss: Option<Acting>,
    /// The one that is killed or cut off at the moment.
    lost: Option<usize>,
    killed_ms: u64,
    failover: Option<(u64, String)>,
}

impl<'a> Tour<'a> {
    fn new(cluster: &'a mut Cluster, interrupt: &'a Interrupt) -> Self {
        let expected = vec![false; cluster.size()];
        Self { cluster, interrupt, expected, boss: None, lost: None, killed_ms: 0, failover: None }
    }

    fn start(&mut self) -> Result<String, String> {
        let started = (0..self.cluster.size()).try_for_each(|index| self.start_node(index));
        started?;
        let count = self.cluster.size();
        self.until("all nodes answer", |statuses| {
            statuses.iter().all(Option::is_some).then_some(())
        })?;
        Ok(format!("{count} nodes run and answer"))
    }

    fn election(&mut self) -> Result<String, String> {
        let acting = self.until("a boss that all agree on", agreed)?;
        self.boss = Some(acting);
        Ok(format!("{} became boss, epoch {}", self.name(acting.index), acting.epoch))
    }

    fn kill(&mut self) -> Result<String, String> {
        let boss = self.known_boss()?;
        self.expected[boss.index] = false;
        self.killed_ms = boot_ms();
        self.cluster.kill_host(boss.index);
        self.lost = Some(boss.index);
        Ok(format!("the host of {} is gone, as if its plug was pulled", self.name(boss.index)))
    }

    fn failover(&mut self) -> Result<String, String> {
        let before = self.known_boss()?;
        let acting = self.until("another boss", |statuses| acting_after(statuses, before))?;
        // The poll adds a few milliseconds and no more.
        let took = boot_ms() - self.killed_ms;
        let said = self.cluster.check(acting.index).map_err(|error| error.to_string())?;
        let (phrase, bound_ms) = host_loss_bound(&said).ok_or(
            "bossd --check says nothing of a lost host; are bossctl and bossd of one version?",
        )?;
        self.boss = Some(acting);
        self.failover = Some((took, phrase.clone()));
        let what = format!(
            "{} became boss, epoch {}, {took} ms after the kill; bossd --check says: {phrase}",
            self.name(acting.index),
            acting.epoch
        );
        let limit = bound_ms + HOOKS_AND_LOOKS_MS;
        if took > limit {
            Err(format!("{what}. That is too late: more than {limit} ms"))
        } else {
            Ok(what)
        }
    }

    fn come_back(&mut self) -> Result<String, String> {
        let (boss, back) = (self.known_boss()?, self.lost.take().ok_or("nobody was killed")?);
        self.start_node(back)?;
        self.agree_on(boss)?;
        let (back, boss) = (self.name(back), self.name(boss.index));
        Ok(format!("{back} is back and follows; {boss} stays boss"))
    }

    fn partition(&mut self) -> Result<String, String> {
        let before = self.known_boss()?;
        self.cluster.set_isolated(before.index, true);
        self.lost = Some(before.index);
        let what = "another boss, and the one that was cut off has let go";
        let acting = self.until(what, |statuses| {
            let old = statuses[before.index].as_ref()?;
            (old.this.phase == Phase::Idle).then(|| acting_after(statuses, before)).flatten()
        })?;
        self.boss = Some(acting);
        Ok(format!(
            "{} was cut off and let go; {} became boss, epoch {}",
            self.name(before.index),
            self.name(acting.index),
            acting.epoch
        ))
    }

    fn heal(&mut self) -> Result<String, String> {
        let (boss, back) = (self.known_boss()?, self.lost.take().ok_or("nobody was cut off")?);
        self.cluster.set_isolated(back, false);
        self.agree_on(boss)?;
        let (back, boss) = (self.name(back), self.name(boss.index));
        Ok(format!("{back} is connected again and follows; {boss} stays boss"))
    }

    fn switchover(&mut self) -> Result<String, String> {
        let before = self.known_boss()?;
        let to = self.until("a node to switch over to", |statuses| {
            let can = |status: &Status| status.this.eligible && status.this.phase == Phase::Idle;
            statuses.iter().position(|status| status.as_ref().is_some_and(can))
        })?;
        let to_name = self.name(to);
        let begun = boot_ms();
        let ask = Switchover { to: to_name.clone() };
        let client = self.cluster.node(before.index).client(PATIENCE);
        let done = client.and_then(|mut client| client.switchover(&ask));
        done.map_err(|error: ClientError| error.to_string())?;
        let acting =
            self.until(&format!("{to_name} as the boss that all agree on"), |statuses| {
                agreed(statuses).filter(|acting| acting.index == to && acting.epoch > before.epoch)
            })?;
        self.boss = Some(acting);
        let (took, epoch) = (boot_ms() - begun, acting.epoch);
        Ok(format!(
            "{to_name} took over from {}, epoch {epoch}, in {took} ms",
            self.name(before.index)
        ))
    }

    fn exclusive(&mut self) -> Result<String, String> {
        let boss = self.known_boss()?;
        self.agree_on(boss)?;
        let log = self.cluster.hooks_log();
        let text = std::fs::read_to_string(&log)
            .map_err(|error| format!("cannot read {}: {error}", log.display()))?;
        let (promotes, acting) = judge(&text)?;
        let name = self.name(boss.index);
        if acting.as_deref() != Some(name.as_str()) {
            let acting = acting.unwrap_or_else(|| "nobody".to_owned());
            return Err(format!("{name} is boss, but by the hooks {acting} acts"));
        }
        Ok(format!("{promotes} promotes, by the hooks never two at once, epochs grew"))
    }

    fn stop(&mut self) -> Result<String, String> {
        for index in 0..self.cluster.size() {
            self.expected[index] = false;
            self.cluster.node(index).stop();
        }
        let deadline = boot_ms() + LIMIT_MS;
        for index in 0..self.cluster.size() {
            let name = self.name(index);
            while self.cluster.node_mut(index).is_running() {
                if boot_ms() > deadline {
                    return Err(format!("{name} did not end within {LIMIT_MS} ms of TERM"));
                }
                std::thread::sleep(BETWEEN_LOOKS);
            }
            match self.cluster.node_mut(index).ended() {
                Some(status) if status.success() => {}
                Some(status) => return Err(format!("{name} ended with {status}")),
                None => return Err(format!("{name} ended, nobody knows how")),
            }
        }
        Ok("all ended in order".to_owned())
    }

    fn start_node(&mut self, index: usize) -> Result<(), String> {
        self.expected[index] = true;
        self.cluster.start_node(index).map_err(|error| error.to_string())
    }

    fn agree_on(&mut self, boss: Acting) -> Result<(), String> {
        let what = format!("all agree that {} stays boss", self.name(boss.index));
        self.until(&what, |statuses| (agreed(statuses)? == boss).then_some(()))
    }

    fn known_boss(&self) -> Result<Acting, String> {
        self.boss.ok_or_else(|| "there was no boss before".to_owned())
    }

    fn name(&self, index: usize) -> String {
        self.cluster.node(index).name.clone()
    }

    /// Looks until `found` finds something, a node ends that should not, or it takes too long.
    fn until<T>(
        &mut self,
        what: &str,
        found: impl Fn(&[Option<Status>]) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = boot_ms() + LIMIT_MS;
        loop {
            let statuses = self.cluster.statuses();
            self.nobody_ended()?;
            if let Some(found) = found(&statuses) {
                return Ok(found);
            }
            if self.interrupt.was_caught() {
                return Err("interrupted".to_owned());
            }
            if boot_ms() > deadline {
                let silent = self.silent(&statuses);
                return Err(format!("waited {LIMIT_MS} ms in vain for: {what}{silent}"));
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn nobody_ended(&mut self) -> Result<(), String> {
        for index in 0..self.cluster.size() {
            let node = self.cluster.node_mut(index);
            if self.expected[index] && !node.is_running() {
                let how = node.ended().map_or(String::new(), |status| format!(" ({status})"));
                return Err(format!("{} has ended{how} and should not have", node.name));
            }
        }
        Ok(())
    }

    fn silent(&self, statuses: &[Option<Status>]) -> String {
        let silent = (0..statuses.len()).filter(|i| self.expected[*i] && statuses[*i].is_none());
        let names: Vec<_> = silent.map(|index| self.name(index)).collect();
        if names.is_empty() { String::new() } else { format!("; silent: {}", names.join(", ")) }
    }

    /// What the nodes say, for whoever has to find out why: the directory will be gone.
    fn evidence(&mut self) -> String {
        let mut text = String::new();
        for (index, status) in self.cluster.statuses().iter().enumerate() {
            let node = self.cluster.node(index);
            let now = status.as_ref().map_or("does not answer".to_owned(), |status| {
                let boss = status.boss.as_ref().map(|boss| boss.node.as_str());
                let this = &status.this;
                format!("{:?}, {:?}, boss {}", this.standing, this.phase, boss.unwrap_or("unknown"))
            });
            let _ = writeln!(text, "\n--- {}: {now}; the end of its log:", node.name);
            for line in node.log_tail(LOG_LINES).lines() {
                let _ = writeln!(text, "{}", plain(line));
            }
        }
        text
    }
}

/// Each step by itself takes three seconds at most, on a machine with something else to do.
const LIMIT_MS: u64 = 20_000;
/// What comes on top of the bound of `bossd --check`, which is without hooks, without our looks at
/// the nodes, and for a machine that is not shared by all of them.
const HOOKS_AND_LOOKS_MS: u64 = 1_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 30;
