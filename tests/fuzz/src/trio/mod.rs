//! Three Nodes with their executors. The bytes rule what is delivered, lost and doubled, who is
//! woken, whose disk writes, who dies. Real time is the driver's; clocks keep to rho and executors
//! to their times, everything else may be as late as it likes. Besides each node's own obligations
//! ([`crate::node`]) the judge sees all three: one boss at every instant, one leader per term.

mod clock;
mod host;
mod judge;

use election::{Command, Effect, Envelope, Kind, Message, Moment, NodeId, Span, Word, Written};

use crate::draw::Draw;
use crate::values::{self, NAMES, name_of, unborn};
use clock::Clock;
use host::Host;
use judge::Judge;

const HOSTS: usize = 3;
/// What is in flight beyond it loses its oldest.
const MOST_FLYING: usize = 48;
/// No input takes a world further than this.
const LONGEST: u64 = 3_600_000_000_000;
/// The shortest turn of a calm time.
const TURN: u64 = 1_000_000;

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut world = World::begin(&mut draw);
    while !draw.is_over() && world.now < LONGEST {
        world.step(&mut draw);
    }
}

struct World {
    now: u64,
    hosts: Vec<Host>,
    flying: Vec<(usize, Envelope)>,
    judge: Judge,
    commands: u64,
}

impl World {
    fn begin(draw: &mut Draw<'_>) -> Self {
        // Three voters: these bytes leave every kind at its first. The rest is drawn.
        let mut state = unborn(&mut Draw::new(&[]), HOSTS);
        state.timing = crate::values::timing(draw);
        // Else the escalation of these hosts does not fit into D.
        state.timing.fence = state.timing.fence.max(Span::from_millis(50));
        state.policy.hold_off = draw.pick(&[Span::from_millis(500), Span::from_secs(60)]);
        assert!(state.members.iter().all(|(_, member)| member.kind == Kind::Voter));
        let hosts = (0..HOSTS).map(|host| Host::new(Clock::draw(draw, host as u64), host, &state));
        let hosts = hosts.collect();
        let mut world =
            Self { now: 0, hosts, flying: Vec::new(), judge: Judge::default(), commands: 0 };
        for host in 0..HOSTS {
            world.start(host);
        }
        world
    }

    fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.below(16) {
            0 | 1 => self.calm(draw),
            2 => self.pass(draw),
            3 => {
                if let Some((to, envelope)) = self.take(draw) {
                    self.deliver(to, &envelope);
                }
            }
            4 => drop(self.take(draw)),
            5 => {
                if !self.flying.is_empty() {
                    let place = draw.below(self.flying.len());
                    let (to, envelope) = self.flying[place].clone();
                    self.deliver(to, &envelope);
                }
            }
            6 => self.tick(draw.below(HOSTS)),
            7 => {
                let host = draw.below(HOSTS);
                self.written(host, !draw.rarely(8));
            }
            8 => drop(self.read_act(draw.below(HOSTS))),
            9 => drop(self.read_word(draw.below(HOSTS))),
            10 => {
                let (host, success) = (draw.below(HOSTS), !draw.rarely(4));
                let now = self.at(host);
                self.hosts[host].hooks_end(now, success);
            }
            11 => {
                let (host, landed) = (draw.below(HOSTS), draw.flag());
                let now = self.at(host);
                self.hosts[host].end_elector(now, landed);
            }
            12 => self.start(draw.below(HOSTS)),
            13 => {
                let (host, landed) = (draw.below(HOSTS), draw.flag());
                let now = self.at(host);
                self.hosts[host].lose_power(now, landed);
            }
            14 => self.command(draw),
            _ => {
                let (host, peer) = (draw.below(HOSTS), draw.below(HOSTS));
                self.link(host, peer, draw.flag());
            }
        }
        Judge::watch(&self.hosts);
    }

    fn at(&self, host: usize) -> Moment {
        self.hosts[host].clock.read(self.now)
    }

    fn pass(&mut self, draw: &mut Draw<'_>) {
        let timing = self.hosts[0].disk.state.timing;
        let spans = [
            timing.heartbeat,
            timing.lease,
            timing.promise(),
            timing.fence_wait(),
            Span::from_millis(1),
            timing.slot,
            timing.lease.part(3),
        ];
        let span = draw.pick(&spans);
        self.advance(span.as_nanos());
    }

    /// Time goes on; executors do what is theirs to do when its time has come.
    fn advance(&mut self, span: u64) {
        let end = self.now + span;
        // A machine that wants to be woken at once for ever is a finding as well.
        for _ in 0..1000 {
            let next = (0..HOSTS).filter_map(|host| Some((self.hosts[host].next(self.now)?, host)));
            let Some((at, host)) = next.min().filter(|(at, _)| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at;
            let now = self.at(host);
            self.hosts[host].wake(now);
            Judge::watch(&self.hosts);
        }
        panic!("a timer that is never met");
    }

    /// Things go well for a while, but for links that are cut and electors that stand still.
    fn calm(&mut self, draw: &mut Draw<'_>) {
        let (faults, turns) = (draw.byte(), 1 + draw.below(32));
        let frozen = |host: usize| faults >> (3 + host) & 1 == 1;
        // Between 0 and 1, 0 and 2, 1 and 2.
        let cut = |a: usize, b: usize| faults >> (a + b - 1) & 1 == 1;
        for _ in 0..turns {
            for _ in 0..3 {
                for host in (0..HOSTS).filter(|host| !frozen(*host)) {
                    self.start(host);
                    self.written(host, true);
                    while self.read_act(host) {}
                    let now = self.at(host);
                    self.hosts[host].hooks_end(now, true);
                    while self.read_word(host) {}
                }
                for (to, envelope) in std::mem::take(&mut self.flying) {
                    let from = number(&envelope.from);
                    if cut(from, to) {
                        continue;
                    }
                    if frozen(to) {
                        self.flying.push((to, envelope));
                    } else {
                        self.deliver(to, &envelope);
                    }
                }
                Judge::watch(&self.hosts);
            }
            let wakes = (0..HOSTS).filter(|host| !frozen(*host)).filter_map(|host| {
                let elector = self.hosts[host].elector.as_ref()?;
                Some(elector.node.wake(self.at(host)).as_nanos())
            });
            let span = wakes.min().unwrap_or(TURN).max(TURN);
            self.advance(span);
            for host in (0..HOSTS).filter(|host| !frozen(*host)) {
                self.tick(host);
            }
        }
    }

    fn start(&mut self, host: usize) {
        let now = self.at(host);
        if !self.hosts[host].start_elector(now) {
            return;
        }
        for peer in (0..HOSTS).filter(|peer| *peer != host) {
            if self.hosts[peer].elector.is_some() {
                self.link(host, peer, true);
                self.link(peer, host, true);
            }
        }
        self.carry_out(host);
    }

    fn link(&mut self, host: usize, peer: usize, connects: bool) {
        let now = self.at(host);
        let (name, life) = (self.hosts[peer].name.clone(), self.hosts[peer].life);
        let Some(elector) = self.hosts[host].elector.as_mut().filter(|_| host != peer) else {
            return;
        };
        if connects {
            elector.node.handle_connected(now, &name, life);
        } else {
            elector.node.handle_lost(now, &name);
        }
        self.carry_out(host);
    }

    fn take(&mut self, draw: &mut Draw<'_>) -> Option<(usize, Envelope)> {
        let place = draw.byte();
        if self.flying.is_empty() {
            return None;
        }
        Some(self.flying.remove(usize::from(place) % self.flying.len()))
    }

    fn deliver(&mut self, to: usize, envelope: &Envelope) {
        let now = self.at(to);
        let Host { elector: Some(elector), judge, .. } = &mut self.hosts[to] else { return };
        judge.hears(now, envelope, &elector.node.snapshot(now));
        elector.node.handle_message(now, envelope);
        judge.heard(envelope, &elector.node.snapshot(now));
        self.carry_out(to);
    }

    fn tick(&mut self, host: usize) {
        let now = self.at(host);
        let Some(elector) = &mut self.hosts[host].elector else { return };
        elector.node.handle_timeout(now);
        self.carry_out(host);
    }

    fn written(&mut self, host: usize, durable: bool) {
        let now = self.at(host);
        let Host { elector: Some(elector), disk, .. } = &mut self.hosts[host] else { return };
        let Some(write) = elector.write.take() else { return };
        let generation = write.generation;
        if durable {
            crate::node::judge::Judge::written(disk, &write.hard);
            *disk = write.hard;
        }
        elector.node.handle_written(now, Written { generation, durable });
        self.carry_out(host);
    }

    fn read_act(&mut self, host: usize) -> bool {
        let now = self.at(host);
        let waits = self.hosts[host].elector.as_ref().is_some_and(|e| !e.acts.is_empty());
        if let Some(epoch) = self.hosts[host].read_act(now) {
            self.judge.effects_begin(host, epoch, &self.hosts);
        }
        waits
    }

    fn read_word(&mut self, host: usize) -> bool {
        let now = self.at(host);
        let Host { elector: Some(elector), judge, .. } = &mut self.hosts[host] else {
            return false;
        };
        let Some(word) = elector.words.pop_front() else { return false };
        if let Word::Idle { epoch } = word {
            judge.idle(epoch);
        }
        elector.node.handle_hook_outcome(now, word);
        self.carry_out(host);
        true
    }

    fn command(&mut self, draw: &mut Draw<'_>) {
        let (host, force, node) = (draw.below(HOSTS), draw.flag(), name_of(draw.below(HOSTS)));
        let reason = String::from("why");
        let command = match draw.below(10) {
            0 => Command::Resign { force },
            1 => Command::Switchover { to: node },
            2 => Command::Drain { node, until: None, reason, force },
            3 => Command::Undrain { node },
            4 => Command::Pause { until: None, reason },
            5 => Command::Resume,
            6 => Command::Clear { node },
            9 => {
                let Some(elector) = &self.hosts[host].elector else { return };
                Command::Apply(Box::new(values::settings(draw, elector.node.state(), node)))
            }
            7 => Command::Leave,
            // Nobody is confirmed off who is not: that would be the operator's second boss.
            _ => Command::SetReady(force),
        };
        let now = self.at(host);
        self.commands += 1;
        if let Some(elector) = &mut self.hosts[host].elector {
            let _ = elector.node.handle_command(now, self.commands, command);
            self.carry_out(host);
        }
    }

    fn carry_out(&mut self, host: usize) {
        let now = self.at(host);
        let Host { elector: Some(elector), judge, disk, .. } = &mut self.hosts[host] else {
            return;
        };
        let ready = elector.node.ready();
        if let Some(write) = ready.write {
            assert!(elector.write.is_none(), "one write at a time");
            elector.write = Some(write);
        }
        let seen = elector.node.snapshot(now);
        let mut left = false;
        for effect in ready.effects {
            match effect {
                Effect::Send { to, envelope } => {
                    judge.sends(now, &to, &envelope, disk);
                    if let Message::Publish { state } = &envelope.message {
                        self.judge.published(state);
                    }
                    if self.flying.len() >= MOST_FLYING {
                        self.flying.remove(0);
                    }
                    self.flying.push((number(&to), envelope));
                }
                Effect::Act(act) => {
                    judge.acts(now, &act, disk, &seen);
                    elector.acts.push_back(act);
                }
                Effect::Note(note) => {
                    judge.notes(now, &note);
                    self.judge.notes(host, &note, &seen);
                }
                Effect::Answer { .. } => {}
                Effect::Left => left = true,
            }
        }
        if left {
            self.hosts[host].end_elector(now, false);
        }
    }
}

fn number(name: &NodeId) -> usize {
    NAMES.iter().position(|known| *known == name.as_str()).expect("one of the three")
}
