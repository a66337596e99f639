//! What was measured, as it is kept in results.json: each part with its date, its commit, its machine
//! and its command, so that parts can be measured on their own and stand in one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::Figures;

/// All parts, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    parts: BTreeMap<String, Part>,
}

/// One part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// When it was measured, in UTC.
    pub recorded: String,
    /// Of which commit.
    pub commit: String,
    /// On what.
    pub machine: String,
    /// By which arguments.
    pub command: String,
    /// Name and configuration of each contender, in the order of the table.
    pub contenders: Vec<(String, String)>,
    /// The figures.
    pub rows: Vec<Row>,
}

/// Some figures of one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Which contender.
    pub contender: String,
    /// What was measured; its unit stands in the table.
    pub what: String,
    /// One for each run.
    pub values: Vec<f64>,
}

impl Results {
    /// Reads them; none are there before the first run.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes them.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// Puts a part in the place of the one before.
    pub fn set(&mut self, name: &str, part: Part) {
        self.parts.insert(name.to_owned(), part);
    }

    /// A part that was measured.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }
}

impl Part {
    /// One of now, on this machine, of this commit.
    pub fn begin(command: &str) -> Self {
        Self {
            recorded: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            commit: commit(),
            machine: machine(),
            command: command.to_owned(),
            ..Self::default()
        }
    }

    /// Who takes part, and how.
    pub fn enter(&mut self, name: String, configured: String) {
        if !self.contenders.iter().any(|(known, _)| *known == name) {
            self.contenders.push((name, configured));
        }
    }

    /// One more figure.
    pub fn add(&mut self, contender: &str, what: &str, value: f64) {
        // No figure that cannot be kept: JSON has no infinity.
        assert!(value.is_finite(), "{contender}, {what}: {value}");
        let known = self.rows.iter_mut().find(|row| row.contender == contender && row.what == what);
        if let Some(row) = known {
            return row.values.push(value);
        }
        let (contender, what) = (contender.to_owned(), what.to_owned());
        self.rows.push(Row { contender, what, values: vec![value] });
    }

    /// The figures of one contender.
    pub fn figures(&self, contender: &str, what: &str) -> Option<Figures> {
        let row = self.rows.iter().find(|row| row.contender == contender && row.what == what)?;
        let mut figures = Figures::default();
        row.values.iter().for_each(|value| figures.add(*value));
        Some(figures)
    }

    /// Their median.
    pub fn median(&self, contender: &str, what: &str) -> Option<f64> {
        self.figures(contender, what).map(|figures| figures.median())
    }
}

fn commit() -> String {
    let git = |words: &[&str]| {
        let at = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let output = Command::new("git").arg("-C").arg(at).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // Results that were written a moment ago are no change of what is measured.
    let tree = ["status", "--porcelain", "--", ":!tests/bench/*.json", ":!*.md"];
    let changed = git(&tree).is_none_or(|text| !text.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String =
        kernel.chars().take_while(|it| it.is_ascii_digit() || *it == '.').collect();
    format!("{} processors ({model}), Linux {}", crate::processors(), kernel.trim_end_matches('.'))
}
