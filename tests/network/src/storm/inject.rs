//! How each fault is done: a small story each, with the times drawn from the storm's seed. Whatever
//! it leaves is taken back when the cluster is healed.

use harness::{Acting, boot_ns};
use nix::sys::signal::Signal;

use super::{Fault, Storm};
use crate::firewall::Firewall;
use crate::relay::Weather;
use crate::shared_address::Stretch;
use crate::site::Target;

impl Storm {
    /// Does it, to its end, but for what only a healed cluster gets over.
    pub(super) fn inject(&mut self, fault: Fault) {
        let Some(boss) = self.boss() else {
            // One fault met what another had left: there is nobody to strike.
            return self.note(format!("no boss for: {}", fault.name()));
        };
        self.note(format!("--- {} ({} is boss)", fault.name(), boss.name));
        match fault {
            Fault::PowerLoss => self.power_loss(&boss),
            Fault::KillElector => self.kill(&boss, Target::Elector),
            Fault::KillExecutor => self.kill(&boss, Target::Executor),
            Fault::KillBoth => self.kill(&boss, Target::Both),
            Fault::StopElector => self.freeze(boss.index, Target::Elector, 3_000),
            Fault::StopExecutor => self.freeze(boss.index, Target::Executor, EXECUTOR_MS),
            Fault::Isolated => self.part(self.open().isolate(boss.index), "the boss is cut off"),
            Fault::RepliesLost => self.part(self.open().deafen(boss.index), "the boss is deaf"),
            Fault::OneDeaf => {
                let deaf = self.other(&boss);
                self.part(self.open().cut(boss.index, deaf), "one does not hear the boss");
            }
            Fault::Bridge => {
                let bridge = self.other(&boss);
                let rules = self.open().behind_bridge(boss.index, bridge);
                self.part(rules, "the boss reaches the bridge alone");
            }
            Fault::Ring => {
                let order = self.order(&boss);
                self.part(Firewall::ring(self.site.size(), &order), &format!("ring {order:?}"));
            }
            Fault::Chain => {
                let order = self.order(&boss);
                self.part(Firewall::chain(self.site.size(), &order), &format!("chain {order:?}"));
            }
            Fault::HigherTerm => self.higher_term(&boss),
            Fault::ThreeInARow => self.three_in_a_row(),
            Fault::RestartInPromise => self.restart_in_promise(&boss),
            Fault::AllRestart => self.all_restart(),
            Fault::SteppedClock => self.stepped_clock(),
            Fault::FullDisk => self.full_disk(&boss),
            Fault::SuccessorDies => self.successor_dies(&boss),
            Fault::Commands => self.commands(&boss),
            Fault::TwoBehind => self.two_behind(&boss),
            Fault::Flapping => self.flapping(&boss),
            Fault::PromoteHangs => self.promote_hangs(&boss),
            Fault::DemoteHangs => self.demote_hangs(&boss),
            Fault::Stray => self.stray(&boss),
            Fault::Noise => self.noise(),
            Fault::Weather => self.weather(),
            Fault::NoQuorum => self.no_quorum(),
        }
        self.injected.push(fault);
    }

    fn power_loss(&mut self, boss: &Acting) {
        let host = self.mostly(boss);
        self.power_off(host);
        let off = self.random.between(300, 3_000);
        self.pass(off);
        self.power_on(host);
    }

    fn kill(&mut self, boss: &Acting, target: Target) {
        let host = self.mostly(boss);
        self.signal(host, target, Signal::SIGKILL);
        let pass = self.random.between(100, 1_500);
        self.pass(pass);
    }

    /// Longer than a lease; for an executor, whose effects stand meanwhile, not so long that its
    /// lease could be lost at the first moment and the next boss be there at the last.
    fn freeze(&mut self, host: usize, target: Target, most_ms: u64) {
        let freeze = self.random.between(450, most_ms);
        self.signal(host, target, Signal::SIGSTOP);
        self.pass(freeze);
        self.signal(host, target, Signal::SIGCONT);
    }

    fn part(&mut self, rules: Firewall, text: &str) {
        self.set_firewall(rules, text);
        let parted = self.random.between(300, 3_500);
        self.pass(parted);
        self.set_firewall(self.open(), "the network is whole");
    }

    fn higher_term(&mut self, boss: &Acting) {
        let host = self.other(boss);
        self.note(format!("host {host} is stopped to come back with a higher term"));
        // The service manager is not to start it before its term is raised.
        self.powered[host] = false;
        self.site.node(host).stop();
        let ended = self.wait(20_000, |storm| {
            let node = storm.site.node_mut(host);
            (!node.is_running() && node.processes().is_empty()).then_some(())
        });
        if ended.is_none() {
            self.fail(format!("host {host} does not end in order"));
        } else {
            let by = self.random.between(1, 9);
            self.strike(format!("host {host} comes back with a term higher by {by}"));
            self.site.raise_term(host, by);
        }
        self.power_on(host);
    }

    fn three_in_a_row(&mut self) {
        let majority = self.site.size() / 2 + 1;
        let mut lost = Vec::new();
        while lost.len() < majority {
            // As soon as there is a leader, boss or not.
            let leader = self.wait(3_000, |storm| {
                let seen = storm.seen();
                let leads = |it: &harness::Seen| {
                    it.status()
                        .is_some_and(|it| it.this.standing == control::model::Standing::Leader)
                };
                seen.iter().position(leads)
            });
            let Some(leader) = leader else { break };
            self.power_off(leader);
            lost.push(leader);
        }
        let from_ns = boot_ns();
        let off = self.random.between(200, 1_500);
        self.pass(off);
        self.with_power(&lost);
        if lost.len() == majority {
            self.without_majority(from_ns);
        }
    }

    fn restart_in_promise(&mut self, boss: &Acting) {
        let voter = self.other(boss);
        self.power_off(boss.index);
        self.signal(voter, Target::Both, Signal::SIGKILL);
        let off = self.random.between(500, 2_500);
        self.pass(off);
        self.power_on(boss.index);
    }

    fn all_restart(&mut self) {
        let all: Vec<_> = (0..self.site.size()).collect();
        let from_ns = boot_ns();
        for host in &all {
            self.power_off(*host);
        }
        let off = self.random.between(50, 800);
        self.pass(off);
        self.with_power(&all);
        self.without_majority(from_ns);
    }

    fn stepped_clock(&mut self) {
        for _ in 0..3 {
            let days = self.random.between(0, 8_000).cast_signed() - 4_000;
            self.strike(format!("the clock of host 0 is wrong by {days} days"));
            self.site.step_clock(days * 86_400);
            let pass = self.random.between(300, 1_000);
            self.pass(pass);
        }
    }

    fn full_disk(&mut self, boss: &Acting) {
        let host = if self.random.chance(50) { boss.index } else { self.other(boss) };
        self.strike(format!("the disk of host {host} is full"));
        self.site.set_full(host, true);
        // Something has to be voted on.
        self.resign(boss);
        let full = self.random.between(500, 2_500);
        self.pass(full);
        self.strike(format!("there is room on the disk of host {host}"));
        self.site.set_full(host, false);
    }

    fn noise(&mut self) {
        let percent = u8::try_from(self.random.between(5, 40)).unwrap_or(20);
        let from_ns = boot_ns();
        let rules = Firewall::noise(self.site.size(), percent);
        self.set_firewall(rules, format!("{percent} % are lost"));
        let noisy = self.random.between(1_000, 5_000);
        self.pass(noisy);
        self.set_firewall(self.open(), "nothing is lost");
        self.withheld_since(from_ns);
    }

    fn weather(&mut self) {
        let weather = Weather {
            delay_ms: self.random.between(1, 60),
            twice: self.random.between(0, 60),
            overtaken: self.random.between(0, 60),
            hold_ms: self.random.between(1, 150),
        };
        let from_ns = boot_ns();
        self.strike(format!("{weather:?}"));
        self.site.set_weather(Some(weather));
        let pass = self.random.between(1_000, 5_000);
        self.pass(pass);
        self.site.set_weather(None);
        self.withheld_since(from_ns);
    }

    fn no_quorum(&mut self) {
        let from_ns = boot_ns();
        self.set_firewall(Firewall::groups(self.site.size(), &[]), "nobody reaches anybody");
        let parted = self.random.between(300, 2_500);
        self.pass(parted);
        self.set_firewall(self.open(), "the network is whole");
        self.without_majority(from_ns);
    }

    /// Gives hosts power again and waits until they answer; the bound counts from there.
    fn with_power(&mut self, hosts: &[usize]) {
        for host in hosts {
            self.power_on(*host);
        }
        self.wait(super::SETTLE_MS, |storm| {
            hosts.iter().all(|host| storm.site.node(*host).status().is_ok()).then_some(())
        });
        self.strike("all have power again, and answer");
    }

    /// The fault itself kept everybody from becoming boss, from then until now.
    pub(super) fn withheld_since(&mut self, from_ns: u64) {
        self.account.withheld.push(Stretch { from_ns, to_ns: boot_ns() });
    }

    pub(super) fn without_majority(&mut self, from_ns: u64) {
        self.withheld_since(from_ns);
        self.account.no_majority.push(Stretch { from_ns, to_ns: boot_ns() });
    }

    pub(super) fn open(&self) -> Firewall {
        Firewall::open(self.site.size())
    }

    /// Some other host.
    pub(super) fn other(&mut self, boss: &Acting) -> usize {
        let others = self.others(boss.index);
        others[self.random.below(others.len())]
    }

    pub(super) fn others(&self, but: usize) -> Vec<usize> {
        (0..self.site.size()).filter(|host| *host != but).collect()
    }

    /// The boss, three times of four.
    fn mostly(&mut self, boss: &Acting) -> usize {
        if self.random.chance(75) { boss.index } else { self.other(boss) }
    }

    /// All in any order, the boss in front half of the time.
    fn order(&mut self, boss: &Acting) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.site.size()).collect();
        self.random.shuffle(&mut order);
        if self.random.chance(50) {
            order.retain(|host| *host != boss.index);
            order.insert(0, boss.index);
        }
        order
    }
}

/// See [`Storm::freeze`]: the least time between a loss and the next boss is 1142 ms with profile
/// `lan`, and letting go takes its own.
const EXECUTOR_MS: u64 = 850;
