//! The page that a screen is written on, and how times are told: nothing on it is too wide, and
//! nothing that others wrote commands the terminal.

use control::model::{Level, Status};

/// The width of the screen.
pub(super) const COLUMNS: usize = 80;
/// Where the text after a label begins.
const INDENT: usize = 9;

/// A text without control characters: what others wrote must not command the terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

/// A distance in time, in the two units that matter.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

pub(super) fn round_trip(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => duration(us / 1_000),
    }
}

pub(super) fn wall_clock(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "the end of time".to_owned(), |at| at.strftime("%F %H:%M UTC").to_string())
}

/// The text so far. Everything goes through it, so that nothing is too wide or unclean.
pub(super) struct Page {
    pub(super) text: String,
    colour: bool,
}

impl Page {
    pub(super) fn new(colour: bool) -> Self {
        Self { text: String::new(), colour }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(plain(line).trim_end());
        self.text.push('\n');
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn item(&mut self, label: &str, text: &str) {
        self.wrapped(&format!("{label:<INDENT$}"), INDENT, text);
    }

    /// `first`, then the words of `text`, lines after the first indented.
    pub(super) fn wrapped(&mut self, first: &str, indent: usize, text: &str) {
        let mut line = format!("{first:<indent$}");
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                self.line(&line);
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&line);
    }

    /// The verdict: the level with its first reason, each further reason below.
    pub(super) fn posture(&mut self, status: &Status) {
        let (word, code) = match status.posture.level {
            Level::Safe => ("SAFE", 32),
            Level::Degraded => ("DEGRADED", 33),
            Level::Unsafe => ("UNSAFE", 31),
        };
        let start = self.text.len();
        match status.posture.reasons.split_first() {
            None => self.line(word),
            Some((first, others)) => {
                let indent = word.len() + 2;
                self.wrapped(&format!("{word}: "), indent, first);
                for other in others {
                    self.wrapped("", indent, other);
                }
            }
        }
        if self.colour {
            let painted = format!("\x1b[1;{code}m{word}\x1b[0m");
            self.text.replace_range(start..start + word.len(), &painted);
        }
    }
}
