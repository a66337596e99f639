//! Faults in handovers and in hooks: those that need a hand at the right moment.

use std::thread;

use control::interface::{Resign, Switchover};
use control::model::Phase;
use harness::{Acting, boot_ns};

use super::{BOSS_MS, Storm};
use crate::firewall::Firewall;

impl Storm {
    /// Has the boss resign; it may refuse, and then nothing happens.
    pub(super) fn resign(&mut self, boss: &Acting) {
        self.strike(format!("{} is told to resign", boss.name));
        let client = self.site.node(boss.index).client(PATIENCE);
        let said = client.and_then(|mut it| it.resign(&Resign { force: None }));
        if let Err(error) = said {
            self.note(format!("it says: {error}"));
        }
    }

    /// Another boss than this one, within a while.
    fn next(&mut self, before: &Acting) -> Option<Acting> {
        self.wait(BOSS_MS, |storm| {
            harness::acting(&storm.seen()).filter(|acting| acting.epoch > before.epoch)
        })
    }

    pub(super) fn successor_dies(&mut self, boss: &Acting) {
        let from_ns = boot_ns();
        for host in self.others(boss.index) {
            self.site.hold(host, "promote", true);
        }
        self.resign(boss);
        let successor = self.wait(BOSS_MS, |storm| {
            let seen = storm.seen();
            seen.iter().position(|seen| seen.phase() == Some(Phase::Promoting))
        });
        if let Some(successor) = successor.filter(|host| *host != boss.index) {
            self.power_off(successor);
        }
        for host in self.others(boss.index) {
            self.site.hold(host, "promote", false);
        }
        self.withheld_since(from_ns);
    }

    pub(super) fn commands(&mut self, boss: &Acting) {
        let mut words = Vec::new();
        for host in 0..self.site.size() {
            let to = self.site.node(self.random.below(self.site.size())).name.clone();
            let client = |site: &crate::Site| site.node(host).client(PATIENCE).ok();
            words.push((client(&self.site), client(&self.site), to));
        }
        self.strike("commands from all sides");
        self.site.hold(boss.index, "demote", true);
        thread::scope(|scope| {
            for (resign, switchover, to) in words {
                // Refused or done, it is all the same here.
                if let Some(mut client) = resign {
                    scope.spawn(move || drop(client.resign(&Resign { force: None })));
                }
                if let Some(mut client) = switchover {
                    scope.spawn(move || drop(client.switchover(&Switchover { to })));
                }
            }
            self.pass(150);
            self.site.hold(boss.index, "demote", false);
        });
        self.strike("commands are answered");
    }

    pub(super) fn two_behind(&mut self, boss: &Acting) {
        let behind = self.other(boss);
        self.set_firewall(self.open().isolate(behind), format!("host {behind} is cut off"));
        let mut now = boss.clone();
        for _ in 0..2 {
            self.resign(&now);
            let Some(next) = self.next(&now) else { break };
            now = next;
        }
        self.power_off(now.index);
        self.set_firewall(self.open(), "the network is whole");
        let off = self.random.between(1_500, 3_000);
        self.pass(off);
    }

    pub(super) fn flapping(&mut self, boss: &Acting) {
        let mut rest = self.others(boss.index);
        self.random.shuffle(&mut rest);
        let hosts = self.site.size();
        let (flapping, rest) = (rest[0], &rest[1..]);
        let (mine, others) = rest.split_at(rest.len() / 2);
        let sides = [[&[boss.index], mine].concat(), others.to_vec()];
        let from_ns = boot_ns();
        for flap in 0..self.random.between(4, 10) {
            let side = usize::try_from(flap % 3).unwrap_or_default();
            // Every third time it is with nobody.
            let joined = sides.get(side).map(|it| [it.as_slice(), &[flapping]].concat());
            let groups: Vec<&[usize]> = sides.iter().chain(&joined).map(Vec::as_slice).collect();
            let text = format!("{sides:?}, host {flapping} with {joined:?}");
            self.set_firewall(Firewall::groups(hosts, &groups), text);
            let pass = self.random.between(50, 1_200);
            self.pass(pass);
        }
        self.set_firewall(self.open(), "the network is whole");
        self.without_majority(from_ns);
    }

    pub(super) fn promote_hangs(&mut self, boss: &Acting) {
        let from_ns = boot_ns();
        let hanging = self.some(boss);
        for host in &hanging {
            self.site.hold(*host, "promote", true);
        }
        self.resign(boss);
        let hang = self.random.between(800, 2_500);
        self.pass(hang);
        for host in &hanging {
            self.site.hold(*host, "promote", false);
        }
        self.withheld_since(from_ns);
    }

    pub(super) fn demote_hangs(&mut self, boss: &Acting) {
        let from_ns = boot_ns();
        self.site.hold(boss.index, "demote", true);
        if self.random.chance(50) {
            self.resign(boss);
        } else {
            let rules = self.open().isolate(boss.index);
            self.set_firewall(rules, "the boss is cut off, and its demote hangs");
        }
        let hang = self.random.between(300, 2_500);
        self.pass(hang);
        self.site.hold(boss.index, "demote", false);
        self.set_firewall(self.open(), "the network is whole, and demote goes on");
        self.withheld_since(from_ns);
    }

    pub(super) fn stray(&mut self, boss: &Acting) {
        let from_ns = boot_ns();
        let straying = self.some(boss);
        for host in &straying {
            self.site.set_stray(*host, true);
        }
        self.resign(boss);
        let pass = self.random.between(800, 2_000);
        self.pass(pass);
        for host in &straying {
            self.site.set_stray(*host, false);
        }
        self.withheld_since(from_ns);
    }

    /// Some of the other hosts, and at least one.
    fn some(&mut self, boss: &Acting) -> Vec<usize> {
        let mut others = self.others(boss.index);
        self.random.shuffle(&mut others);
        let count = 1 + self.random.below(others.len());
        others.truncate(count);
        others
    }
}

/// A command may wait for a handover that is under way.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(12);
