//! What a script demands, and what `show` prints.

use election::{Claim, Level, Snapshot, Span};

use super::Stage;
use super::words::{number, span};
use crate::world::World;

impl Stage {
    pub(super) fn expect(&mut self, words: &[&str]) -> Result<(), String> {
        let (log, since) = self.mark;
        let world = self.world()?;
        match words {
            ["boss", "none"] => {
                is("boss", world.boss().map_or("none", |host| world.name(host)), "none")
            }
            ["boss", "some"] => {
                is("boss", if world.boss().is_some() { "some" } else { "none" }, "some")
            }
            // Nobody repeats itself: a healthy cluster says nothing.
            ["quiet"] => {
                let recent =
                    world.log.iter().rev().take_while(|l| l.at + 2_000_000_000 > world.now);
                let loud = recent.filter(|line| line.level >= Level::Info).count();
                is("lines", &loud.to_string(), "0")
            }
            ["boss", name, rest @ ..] => {
                is("boss", world.boss().map_or("none", |host| world.name(host)), name)?;
                match rest {
                    ["epoch", epoch] => is("epoch", &world.boss_epoch(), epoch),
                    _ => Ok(()),
                }
            }
            ["effects", names @ ..] => {
                let live = world.oracle.effects();
                let live: Vec<_> = live.iter().map(|(host, _)| world.name(*host)).collect();
                let live = if live.is_empty() { vec!["none"] } else { live };
                is("effects", &live.join(" "), &names.join(" "))
            }
            ["leader", name] => {
                is("leader", world.leader().map_or("none", |host| world.name(host)), name)
            }
            ["elapsed", sign, limit] => {
                let (passed, limit) = (Span::from_nanos(world.now - since), span(limit)?);
                let holds = if *sign == "<" { passed < limit } else { passed > limit };
                if holds { Ok(()) } else { Err(format!("{passed} passed")) }
            }
            ["said", name, text] => world.said(log, name, text).map(|_| ()),
            ["said", name, text, times] => {
                let count = world.count(log, name, text);
                is("times", &count.to_string(), times.trim_start_matches("times="))
            }
            ["unsaid", name, text] => match world.said(log, name, text) {
                Ok(line) => Err(format!("said: {line}")),
                Err(_) => Ok(()),
            },
            ["hooks", name, counts @ ..] => {
                let host = world.find(name).ok_or("no host")?;
                let hooks = &world.hosts[host].hooks;
                for (key, have) in [("promotes", hooks.promotes), ("demotes", hooks.demotes)] {
                    if let Some(want) = number(counts, key) {
                        is(key, &have.to_string(), &want.to_string())?;
                    }
                }
                Ok(())
            }
            [what, name, want @ ..] => {
                let snapshot = world.snapshot_of(name)?;
                is(what, &field(&snapshot, what)?, &want.join(" "))
            }
            _ => Err("what?".to_owned()),
        }
    }

    pub(super) fn show(&mut self, name: &str) -> Result<(), String> {
        let world = self.world()?;
        let text = match world.snapshot_of(name) {
            Ok(snapshot) => show(&snapshot),
            Err(_) => "down".to_owned(),
        };
        let at = world.log.len();
        self.printed.push((at, format!("{name}: {text}")));
        Ok(())
    }
}

impl World {
    fn snapshot_of(&self, name: &str) -> Result<Snapshot, String> {
        let host = self.find(name).ok_or_else(|| format!("no host: {name}"))?;
        self.snapshot(host).ok_or_else(|| format!("{name} is down"))
    }

    pub(crate) fn is(&self, what: &str, name: &str, want: &str) -> bool {
        let have = self.snapshot_of(name).and_then(|snapshot| field(&snapshot, what));
        have.is_ok_and(|have| have == want)
    }

    fn boss_epoch(&self) -> String {
        let boss = self.boss().and_then(|host| self.snapshot(host)?.boss);
        boss.map_or_else(|| "none".to_owned(), |(_, epoch)| epoch.to_string())
    }

    fn said(&self, from: usize, name: &str, text: &str) -> Result<String, String> {
        let mut lines = self.log[from..].iter();
        let found = lines.find(|line| line.node.as_str() == name && line.text.contains(text));
        found.map(|line| line.text.clone()).ok_or_else(|| "was not said".to_owned())
    }

    fn count(&self, from: usize, name: &str, text: &str) -> usize {
        let lines = self.log[from..].iter();
        lines.filter(|line| line.node.as_str() == name && line.text.contains(text)).count()
    }
}

fn is(what: &str, have: &str, want: &str) -> Result<(), String> {
    if have == want { Ok(()) } else { Err(format!("{what} is {have}")) }
}

fn claim(claim: &Claim) -> String {
    match claim {
        Claim::Unknown => "unknown".to_owned(),
        Claim::None => "none".to_owned(),
        Claim::Held(held) => format!("{} {}", held.node, held.epoch),
    }
}

fn field(s: &Snapshot, what: &str) -> Result<String, String> {
    Ok(match what {
        "standing" => s.standing.to_owned(),
        "phase" => s.phase.to_string(),
        "term" => s.term.to_string(),
        "version" => s.state.version.to_string(),
        "claim" => claim(&s.state.claim),
        "follows" => s.leader.as_ref().map_or("nobody".to_owned(), ToString::to_string),
        "knows" => match &s.boss {
            Some((boss, epoch)) => format!("{boss} {epoch}"),
            None => "none".to_owned(),
        },
        "waits" => s.waits_for.map_or("nothing".to_owned(), |wait| format!("{wait:?}")),
        "eligible" => if s.ineligible.is_none() { "yes" } else { "no" }.to_owned(),
        "stuck" => if s.stuck { "yes" } else { "no" }.to_owned(),
        "stay" => if s.state.stay { "yes" } else { "no" }.to_owned(),
        _ => return Err(format!("no such thing: {what}")),
    })
}

fn show(s: &Snapshot) -> String {
    let version = s.state.version;
    let mut parts = vec![s.standing.to_owned(), s.phase.to_string()];
    parts.push(format!("term {}, version {version}, claim {}", s.term, claim(&s.state.claim)));
    if s.promise_left > Span::ZERO {
        let to = s.promise_to.as_ref().map_or("nobody".to_owned(), ToString::to_string);
        parts.push(format!("promise to {to} for {}", s.promise_left));
    }
    parts.extend(s.lease_left.map(|left| format!("lease {left}")));
    parts.extend(s.waits_for.map(|wait| format!("waits for {wait:?}")));
    parts.extend(s.ineligible.as_ref().map(ToString::to_string));
    parts.join(", ")
}
