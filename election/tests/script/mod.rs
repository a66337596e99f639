//! Scripts: one grammar for all. A line holds commands separated by `;`, `#` begins a comment,
//! and right of `->` (and on further lines that begin with it) stands the golden output: the
//! notes of level Info and Warn that the line's commands caused, and what `show` printed.

mod cluster;
mod commands;
mod expect;
mod inject;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use election::Level;

use crate::world::{Broken, World};

/// What a script needs from its beginning to its end.
pub(crate) struct Stage {
    pub(crate) world: Option<World>,
    broken: Broken,
    /// Where in the log, and when, the script said `mark`.
    mark: (usize, u64),
    /// Where in the log the present line began.
    line: usize,
    printed: Vec<(usize, String)>,
}

/// A line of a script.
struct Line {
    number: usize,
    /// As written, without the golden output.
    text: String,
    golden: Vec<String>,
}

/// Where and why a script failed.
pub(crate) struct Failure {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Every script, by name.
pub(crate) fn all() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(&directory).expect("the scripts' directory");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    paths
}

/// Runs a script. Ok is the script with the golden output as it came out.
pub(crate) fn run(source: &str, broken: Broken) -> Result<String, Failure> {
    let mut stage = Stage { world: None, broken, mark: (0, 0), line: 0, printed: Vec::new() };
    let mut out = String::new();
    for line in parse(source) {
        let said = stage
            .run_line(&line)
            .map_err(|text| Failure { line: line.number, text: text + &stage.tail() })?;
        write_line(&mut out, &line.text, &said);
    }
    Ok(out)
}

fn parse(source: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in source.lines().enumerate() {
        if let Some(golden) = raw.trim_start().strip_prefix("->") {
            if let Some(last) = lines.last_mut() {
                last.golden.push(golden.trim().to_owned());
            }
            continue;
        }
        let (text, golden) = match raw.split_once(" -> ") {
            Some((text, golden)) => (text, vec![golden.trim().to_owned()]),
            None => (raw, Vec::new()),
        };
        lines.push(Line { number: index + 1, text: text.trim_end().to_owned(), golden });
    }
    lines
}

/// Where the golden output stands.
const COLUMN: usize = 48;

fn write_line(out: &mut String, text: &str, said: &[String]) {
    let mut left = text.to_owned();
    if said.is_empty() {
        out.push_str(&left);
        out.push('\n');
    }
    for golden in said {
        let _ = writeln!(out, "{left:COLUMN$} -> {golden}");
        left.clear();
    }
}

impl Stage {
    fn run_line(&mut self, line: &Line) -> Result<Vec<String>, String> {
        let code = line.text.split('#').next().unwrap_or_default();
        self.printed.clear();
        self.line = self.world.as_ref().map_or(0, |w| w.log.len());
        for command in words::commands(code) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            self.command(&words).map_err(|why| format!("{}: {why}", words.join(" ")))?;
            if let Some(violation) = self.world.as_ref().and_then(|w| w.oracle.violations.first()) {
                return Err(format!("{}: VIOLATION {violation}", words.join(" ")));
            }
        }
        Ok(self.output())
    }

    /// What was said since the mark, for the person who must find out why.
    fn tail(&self) -> String {
        let Some(world) = self.world.as_ref().filter(|_| std::env::var_os("BOSS_TRACE").is_some())
        else {
            return String::new();
        };
        let mut text = String::new();
        for line in &world.log[self.mark.0..] {
            let _ = write!(text, "\n    {} {} {}", line.at / 1000, line.node, line.text);
        }
        text
    }

    fn output(&self) -> Vec<String> {
        let Some(world) = &self.world else { return Vec::new() };
        let mut said = Vec::new();
        let mut printed = self.printed.iter().peekable();
        for (index, line) in world.log.iter().enumerate().skip(self.line) {
            while let Some((_, text)) = printed.next_if(|(at, _)| *at <= index) {
                said.push(text.clone());
            }
            if line.level >= Level::Info {
                said.push(format!("{} {}", line.node, line.text));
            }
        }
        said.extend(printed.map(|(_, text)| text.clone()));
        said
    }

    fn world(&mut self) -> Result<&mut World, String> {
        self.world.as_mut().ok_or_else(|| "no cluster yet".to_owned())
    }
}
