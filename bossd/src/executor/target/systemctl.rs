//! What systemd says of units, asked of it by systemctl: no bus of our own to keep, and one that does
//! not answer holds up nobody but the process that asks.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use crate::executor::hooks::tree::Spared;

/// Asks systemd.
#[derive(Debug, Clone)]
pub(super) struct Systemctl {
    program: String,
    /// For a child of the executor, which kills and reaps whatever nobody answers for.
    spared: Spared,
}

/// The properties of one unit, by their names.
pub(super) type Properties = BTreeMap<String, String>;

impl Systemctl {
    pub(super) fn new(spared: Spared) -> Self {
        Self::at("systemctl", spared)
    }

    /// Another program that speaks as it does.
    pub(super) fn at(program: &str, spared: Spared) -> Self {
        Self { program: program.to_owned(), spared }
    }

    /// Has it do something. What it says against it is the error.
    pub(super) fn order(&self, words: &[&str]) -> Result<(), String> {
        let output = self.run(words)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("systemctl {}: {}: {}", words.join(" "), output.status, said.trim()))
    }

    /// Some properties of each of these units, in their order.
    pub(super) fn show(&self, units: &[&str], wanted: &[&str]) -> Result<Vec<Properties>, String> {
        let wanted = format!("--property={}", wanted.join(","));
        let words: Vec<_> =
            ["show", &wanted, "--"].into_iter().chain(units.iter().copied()).collect();
        let output = self.run(&words)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("systemctl show: {}: {}", output.status, said.trim()));
        }
        Ok(parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// The units that follow a target: those that say `PartOf=` of it, and what it starts. Targets
    /// that it needs, the network's for one, are others' as well.
    pub(super) fn members(&self, target: &str) -> Result<Vec<String>, String> {
        let of_target = self.show(&[target], &["ConsistsOf", "Wants", "Requires"])?;
        let names = of_target.iter().flat_map(BTreeMap::values);
        let mut units: Vec<_> = names
            .flat_map(|names| names.split_whitespace())
            .filter(|name| !name.ends_with(".target"))
            .map(str::to_owned)
            .collect();
        units.sort();
        units.dedup();
        Ok(units)
    }

    fn run(&self, words: &[&str]) -> Result<Output, String> {
        let error = |error| format!("{}: {error}", self.program);
        let child = Command::new(&self.program)
            .args(["--no-ask-password", "--no-pager"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(error)?;
        let _spared = self.spared.spare(child.id());
        child.wait_with_output().map_err(error)
    }
}

/// Blocks of `NAME=VALUE`, one for each unit, with an empty line between them.
fn parse(text: &str) -> Vec<Properties> {
    let block = |block: &str| -> Properties {
        let lines = block.lines().filter_map(|line| line.split_once('='));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    text.split("\n\n").map(block).filter(|block| !block.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_its_block() {
        let found = parse("Id=a.service\nWantedBy=x.target y.target\n\nId=b.service\nWantedBy=\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["WantedBy"], "x.target y.target");
        assert_eq!((found[1]["Id"].as_str(), found[1]["WantedBy"].as_str()), ("b.service", ""));
        assert!(parse("").is_empty());
    }
}
