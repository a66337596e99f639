//! What the nodes write while the playground looks: the lines of their logs and of the hooks' log,
//! read as they grow, and the latest of them kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::cluster::Cluster;

/// How many lines of each kind are kept: more than any screen has.
const MOST: usize = 200;
/// What is read of a file at one look, in bytes: a node that floods its log does not fill the
/// memory.
const MOST_BYTES: u64 = 64 * 1024;

/// All of them.
#[derive(Debug)]
pub(super) struct Feeds {
    logs: Vec<(String, Tail)>,
    hooks: Tail,
    /// The latest lines of all logs, in the order of their times.
    pub(super) log: VecDeque<LogLine>,
    /// The latest calls of hooks.
    pub(super) calls: VecDeque<String>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogLine {
    /// Whose.
    pub(super) node: String,
    /// The time of day, to milliseconds.
    pub(super) time: String,
    /// `INFO` and so on; empty if it has none.
    pub(super) level: String,
    /// What it says.
    pub(super) text: String,
}

impl Feeds {
    /// From the beginning of all files, whether they are there yet or not.
    pub(super) fn of(cluster: &Cluster) -> Self {
        let nodes = (0..cluster.size()).map(|index| cluster.node(index));
        Self {
            logs: nodes.map(|node| (node.name.clone(), Tail::of(node.log()))).collect(),
            hooks: Tail::of(cluster.hooks_log()),
            log: VecDeque::new(),
            calls: VecDeque::new(),
        }
    }

    /// Reads what has been written since the last look.
    pub(super) fn look(&mut self) {
        let mut new = Vec::new();
        for (node, tail) in &mut self.logs {
            let mut time = String::new();
            for line in tail.lines() {
                let mut line = log_line(node, &line);
                // One without a time belongs to the line before it.
                if line.time.is_empty() {
                    line.time.clone_from(&time);
                }
                time.clone_from(&line.time);
                new.push(line);
            }
        }
        // Each file is in order; several are so only after this.
        new.sort_by(|one, other| one.time.cmp(&other.time));
        self.log.extend(new);
        self.calls.extend(self.hooks.lines());
        shorten(&mut self.log);
        shorten(&mut self.calls);
    }
}

fn shorten<T>(lines: &mut VecDeque<T>) {
    let surplus = lines.len().saturating_sub(MOST);
    lines.drain(..surplus);
}

/// `2026-11-21T12:00:01.123456Z  INFO beta became boss` in its parts; any other line is all text.
fn log_line(node: &str, line: &str) -> LogLine {
    let node = node.to_owned();
    let parts = line.split_once(' ').and_then(|(stamp, rest)| {
        let (_, time) = stamp.split_once('T').filter(|_| stamp.ends_with('Z'))?;
        let (level, text) = rest.trim_start().split_once(' ')?;
        Some((time.get(..MILLISECONDS)?, level, text.trim_start()))
    });
    match parts {
        Some((time, level, text)) => {
            LogLine { node, time: time.to_owned(), level: level.to_owned(), text: text.to_owned() }
        }
        None => LogLine { node, time: String::new(), level: String::new(), text: line.to_owned() },
    }
}

/// The length of `12:00:01.123`.
const MILLISECONDS: usize = 12;

/// A file that grows.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    read: u64,
    /// A line whose end is not there yet.
    begun: Vec<u8>,
}

impl Tail {
    fn of(path: PathBuf) -> Self {
        Self { path, read: 0, begun: Vec::new() }
    }

    /// The lines that were ended since the last time. A file that is not there has none.
    fn lines(&mut self) -> Vec<String> {
        let mut new = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.take(MOST_BYTES).read_to_end(&mut new)
        });
        // What was read before an error was read; the rest comes at the next look.
        drop(read);
        self.read += new.len() as u64;
        let mut lines = Vec::new();
        for byte in new {
            if byte == b'\n' {
                lines.push(String::from_utf8_lossy(&self.begun).into_owned());
                self.begun.clear();
            } else if self.begun.len() < LONGEST_LINE {
                self.begun.push(byte);
            }
        }
        lines
    }
}

/// No screen shows more of a line, in bytes.
const LONGEST_LINE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    #[test]
    fn a_line_is_read_when_it_is_ended_and_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let mut tail = Tail::of(path.clone());
        assert_eq!(tail.lines(), Vec::<String>::new());
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("made");
        file.write_all(b"one\ntw").expect("written");
        assert_eq!(tail.lines(), ["one"]);
        file.write_all("o\n\u{e9}\n".as_bytes()).expect("written");
        assert_eq!(tail.lines(), ["two", "\u{e9}"]);
        assert_eq!(tail.lines(), Vec::<String>::new());
    }

    #[test]
    fn a_line_of_a_log_has_a_time_a_level_and_a_text() {
        let line = log_line("beta", "2026-11-21T12:00:01.123456Z  INFO beta became boss, epoch 7");
        assert_eq!((line.time.as_str(), line.level.as_str()), ("12:00:01.123", "INFO"));
        assert_eq!(line.text, "beta became boss, epoch 7");
        for other in ["", "thread panicked", "2026-11-21T12:00:01Z", "T\u{e9}Z a b"] {
            assert_eq!(log_line("beta", other).text, other, "{other}");
        }
    }

    #[test]
    fn the_latest_lines_are_kept() {
        let mut lines: VecDeque<usize> = (0..MOST + 5).collect();
        shorten(&mut lines);
        assert_eq!((lines.len(), lines[0]), (MOST, 5));
    }
}
