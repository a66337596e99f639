//! What a script can do to the cluster.

use election::{Command, Epoch, Failback, Marker, NodeId, Phase, Settings, Span};

use super::Stage;
use super::words::{span, value};
use crate::world::{HostId, Instant, Outcome, Process, Rule, World};

/// `run until` gives up after this much simulated time.
const PATIENCE: Span = Span::from_secs(20);

impl Stage {
    pub(super) fn command(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["cluster", rest @ ..] => self.cluster(rest),
            ["run", "until", rest @ ..] => self.run_until(rest),
            ["advance", time] => {
                let time = span(time)?;
                self.world()?.advance(time);
                Ok(())
            }
            ["mark"] => self.set_mark(),
            ["show", name] => self.show(name),
            ["expect", rest @ ..] => self.expect(rest),
            ["inject", kind, way, rest @ ..] => self.inject(kind, way, rest),
            ["word", name, "idle", epoch] => self.idle_word(name, epoch),
            ["cut" | "heal", way] => self.link(words[0] == "cut", way),
            ["delay", way, time] => self.delay(way, time),
            ["hold" | "duplicate" | "lose", kind, way] => self.rule(words[0], kind, way),
            ["unlose"] => {
                self.world()?.network.rules.clear();
                Ok(())
            }
            ["deliver", "held"] => {
                self.world()?.deliver_held();
                self.world()?.advance(Span::ZERO);
                Ok(())
            }
            // Whether or not it is accepted.
            ["try", rest @ ..] => {
                let _ = self.order(rest);
                Ok(())
            }
            ["refused", text, rest @ ..] => match self.order(rest)? {
                Err(refusal) if refusal.contains(text) => Ok(()),
                Err(refusal) => Err(format!("refused otherwise: {refusal}")),
                Ok(()) => Err("was not refused".to_owned()),
            },
            [verb, name, rest @ ..] if self.carry_to_host(verb, name, rest)? => Ok(()),
            _ => self.order(words)?,
        }
    }

    pub(super) fn host(&mut self, name: &str) -> Result<HostId, String> {
        self.world()?.find(name).ok_or_else(|| format!("no host: {name}"))
    }

    fn set_mark(&mut self) -> Result<(), String> {
        let world = self.world()?;
        for host in &mut world.hosts {
            (host.hooks.promotes, host.hooks.demotes) = (0, 0);
        }
        self.mark = self.world.as_ref().map_or((0, 0), |w| (w.log.len(), w.now));
        Ok(())
    }

    fn run_until(&mut self, words: &[&str]) -> Result<(), String> {
        let world = self.world()?;
        let (from, end) = (world.log.len(), world.now + PATIENCE.as_nanos());
        loop {
            let world = self.world()?;
            let reached = match words {
                ["boss"] => world.boss().is_some(),
                ["boss", name] => world.boss().is_some_and(|b| world.name(b) == *name),
                ["leader"] => world.leader().is_some(),
                ["leader", name] => world.leader().is_some_and(|l| world.name(l) == *name),
                [what, name, want] => world.is(what, name, want),
                [text] => world.log[from..]
                    .iter()
                    .any(|line| format!("{} {}", line.node, line.text).contains(text)),
                _ => return Err("until what?".to_owned()),
            };
            if reached {
                return Ok(());
            }
            if let Some(violation) = world.oracle.violations.first() {
                return Err(format!("VIOLATION {violation}"));
            }
            if !world.step(end) {
                return Err("it did not come to that".to_owned());
            }
        }
    }

    /// False when it is no command to a host.
    fn carry_to_host(&mut self, verb: &str, name: &str, rest: &[&str]) -> Result<bool, String> {
        if matches!(verb, "kill" | "freeze" | "thaw") {
            let host = self.host(rest.first().unwrap_or(&""))?;
            return self.process(verb, name, host).map(|()| true);
        }
        if !matches!(
            verb,
            "crash"
                | "wipe"
                | "marker"
                | "poweroff"
                | "restart"
                | "suspend"
                | "drift"
                | "disk"
                | "hooks"
                | "escalation"
        ) {
            return Ok(false);
        }
        let host = self.host(name)?;
        let world = self.world()?;
        match (verb, rest) {
            ("crash", []) => world.crash(host),
            ("wipe", []) => world.wipe(host),
            // Of an earlier life of the cluster, on this host since it was last started.
            ("marker", [epoch]) => {
                let epoch = Epoch(epoch.parse().map_err(|_| "no epoch".to_owned())?);
                world.hosts[host].marker = Marker::Idle { epoch };
            }
            ("poweroff", []) => world.power_off(host),
            ("restart", []) => world.restart(host),
            ("suspend", [time]) => world.suspend(host, span(time)?, false),
            ("suspend", [time, "vm"]) => world.suspend(host, span(time)?, true),
            ("drift", [rate]) => {
                let rate = rate.trim_start_matches('+').trim_end_matches("ppm");
                let rate = rate.parse().map_err(|_| "no rate".to_owned())?;
                let now: Instant = world.now;
                world.hosts[host].clock.set_rate(now, rate);
            }
            ("disk", ["full"]) => world.hosts[host].disk.full = true,
            ("disk", ["ok"]) => {
                world.hosts[host].disk.full = false;
                world.hosts[host].disk.delay = Span::from_millis(2);
            }
            ("disk", [delay]) => {
                world.hosts[host].disk.delay = span(delay.trim_start_matches("delay="))?;
            }
            ("hooks", _) => {
                let hooks = &mut world.hosts[host].hooks;
                if let Some(how) = value(rest, "promote") {
                    hooks.promote = outcome(how)?;
                }
                if let Some(how) = value(rest, "demote") {
                    hooks.demote = outcome(how)?;
                }
            }
            ("escalation", [how]) => world.hosts[host].hooks.escalation = *how == "ok",
            _ => return Err("how?".to_owned()),
        }
        Ok(true)
    }

    fn process(&mut self, verb: &str, which: &str, host: HostId) -> Result<(), String> {
        let world = self.world()?;
        let processes: &[Process] = match which {
            "elector" => &[Process::Elector],
            "executor" => &[Process::Executor],
            "host" => &[Process::Executor, Process::Elector],
            _ => return Err(format!("no process: {which}")),
        };
        for process in processes {
            match (verb, process) {
                ("kill", Process::Elector) => world.kill_elector(host),
                ("kill", Process::Executor) => world.kill_executor(host),
                ("freeze", process) => world.freeze(host, *process),
                (_, process) => world.thaw(host, *process),
            }
        }
        Ok(())
    }

    /// `X` is every way of X, `X-Y` both ways between two, `X>Y` one way.
    pub(super) fn ways(&mut self, way: &str) -> Result<Vec<(HostId, HostId)>, String> {
        if let Some((from, to)) = way.split_once('>') {
            return Ok(vec![(self.host(from)?, self.host(to)?)]);
        }
        if let Some((a, b)) = way.split_once('-') {
            let (a, b) = (self.host(a)?, self.host(b)?);
            return Ok(vec![(a, b), (b, a)]);
        }
        let host = self.host(way)?;
        let others = 0..self.world()?.hosts.len();
        Ok(others.filter(|o| *o != host).flat_map(|o| [(host, o), (o, host)]).collect())
    }

    fn link(&mut self, cut: bool, way: &str) -> Result<(), String> {
        for (from, to) in self.ways(way)? {
            if cut {
                self.world()?.cut(from, to);
            } else {
                self.world()?.heal(from, to);
            }
        }
        Ok(())
    }

    fn delay(&mut self, way: &str, time: &str) -> Result<(), String> {
        let time = span(time)?;
        for (from, to) in self.ways(way)? {
            self.world()?.network.set_delay(from, to, time);
        }
        Ok(())
    }

    fn rule(&mut self, verb: &str, kind: &str, way: &str) -> Result<(), String> {
        let rule = match verb {
            "hold" => Rule::Hold,
            "duplicate" => Rule::Duplicate,
            _ => Rule::Lose,
        };
        for (from, to) in self.ways(way)? {
            self.world()?.network.rules.push((kind.to_owned(), from, to, rule));
        }
        Ok(())
    }

    /// An operator's order; it goes to the leader unless it says `at X`. Err in Ok is its refusal.
    fn order(&mut self, words: &[&str]) -> Result<Result<(), String>, String> {
        let (words, at) = match words {
            [words @ .., "at", name] => (words, Some(self.host(name)?)),
            _ => (words, self.world()?.leader()),
        };
        let node = |name: &&str| NodeId::new(name);
        let reason = "test".to_owned();
        let command = match words {
            ["resign"] => Command::Resign { force: false },
            ["resign", "force"] => Command::Resign { force: true },
            ["switchover", to] => Command::Switchover { to: node(to) },
            ["drain", name, force @ ..] => {
                Command::Drain { node: node(name), until: None, reason, force: *force == ["force"] }
            }
            ["undrain", name] => Command::Undrain { node: node(name) },
            ["pause"] => Command::Pause { until: None, reason },
            ["resume"] => Command::Resume,
            ["apply", what @ ..] => self.apply(what)?,
            ["clear", name] => Command::Clear { node: node(name) },
            ["confirm", name] => Command::Confirm { node: node(name) },
            ["leave", name] => {
                let host = self.host(name)?;
                return Ok(self.world()?.command(host, Command::Leave));
            }
            ["ready" | "unready", name] => {
                let host = self.host(name)?;
                let ready = Command::SetReady(words[0] == "ready");
                return Ok(self.world()?.command(host, ready));
            }
            _ => return Err("no such command".to_owned()),
        };
        let host = at.ok_or_else(|| "no leader to ask".to_owned())?;
        Ok(self.world()?.command(host, command))
    }
}

impl Stage {
    /// The settings of the leader with other timing, policy or priorities.
    fn apply(&mut self, words: &[&str]) -> Result<Command, String> {
        let world = self.world()?;
        let leader = world.leader().ok_or_else(|| "no leader".to_owned())?;
        let snapshot = world.snapshot(leader).ok_or_else(|| "it does not run".to_owned())?;
        let mut settings = Settings::of(&snapshot.state);
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("no key: {word}"))?;
            match key {
                "heartbeat" => settings.timing.heartbeat = span(value)?,
                "lease" => settings.timing.lease = span(value)?,
                "fence" => settings.timing.fence = span(value)?,
                "failback" => settings.policy.failback = Failback::After(span(value)?),
                _ => {
                    let priority = value.parse().map_err(|_| format!("no priority: {value}"))?;
                    settings.priorities.insert(NodeId::new(key), priority);
                }
            }
        }
        Ok(Command::Apply(Box::new(settings)))
    }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    match word {
        "fail" => Ok(Outcome::Fails(Span::from_millis(10))),
        "hang" => Ok(Outcome::Hangs),
        word => Ok(Outcome::Succeeds(span(word)?)),
    }
}

impl World {
    pub(super) fn name(&self, host: HostId) -> &str {
        self.hosts[host].name.as_str()
    }

    /// The host whose node says that it is boss.
    pub(super) fn boss(&self) -> Option<HostId> {
        // One that is frozen may still believe it of an earlier epoch.
        let acts = |host: HostId| {
            let snapshot = self.snapshot(host).filter(|s| s.phase == Phase::Boss)?;
            Some((snapshot.boss?.1, host))
        };
        (0..self.hosts.len()).filter_map(acts).max().map(|(_, host)| host)
    }

    /// The leader of the highest term.
    pub(super) fn leader(&self) -> Option<HostId> {
        let leads = |host: &HostId| {
            let snapshot = self.snapshot(*host)?;
            (snapshot.standing == "leader").then_some((snapshot.term, *host))
        };
        (0..self.hosts.len()).filter_map(|host| leads(&host)).max().map(|(_, host)| host)
    }

    pub(super) fn snapshot(&self, host: HostId) -> Option<election::Snapshot> {
        let here = &self.hosts[host];
        let now = here.clock.read(self.now);
        here.elector.as_ref().map(|elector| elector.node.snapshot(now))
    }
}
