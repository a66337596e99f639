//! What is wrong with a configuration, told to the person who wrote it: each problem with its
//! file, line and column, the line itself with a caret, and what to write instead.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Source;

/// Everything that is wrong with a configuration, in the order of the files.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
    left_out: usize,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where in the file; None if it is about the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// A place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The bytes of the file that are meant.
    pub span: Range<usize>,
    excerpt: Excerpt,
}

/// The line of a place, fit for a terminal, and what to underline in it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Excerpt {
    text: String,
    before: usize,
    carets: usize,
}

impl ConfigError {
    /// The exit status of `bossd --check` for an invalid file: EX_CONFIG of sysexits.h.
    pub const EXIT_STATUS: u8 = 78;

    /// All that was found, at least one.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        assert!(!problems.is_empty(), "an error without a problem");
        let left_out = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        Self { problems, left_out }
    }

    /// A file that cannot be used at all.
    pub(super) fn of_file(
        file: &Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (message, help) = (message.into(), help.into());
        Self::new(vec![Problem { file: file.to_owned(), place: None, message, help }])
    }

    /// The problems, at most a hundred of them; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Place {
    /// The place of the bytes `span` in `source`.
    pub(super) fn of(source: &Source, span: Range<usize>) -> Self {
        let text = source.text.as_str();
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let end = floor(text, span.end).clamp(start, line_end);
        let column = text[line_start..start].chars().count();
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: column + 1,
            excerpt: Excerpt::of(
                &text[line_start..line_end],
                column,
                text[start..end].chars().count().max(1),
            ),
            span,
        }
    }
}

impl Excerpt {
    /// `carets` characters after the first `before` of `line`. A long line is cut around them;
    /// what a terminal would act on is shown as a blank.
    fn of(line: &str, before: usize, carets: usize) -> Self {
        let line = line.trim_end_matches('\r');
        let skipped =
            if before + carets <= LONGEST_EXCERPT { 0 } else { before.saturating_sub(20) };
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let text = line.chars().skip(skipped).take(LONGEST_EXCERPT).map(plain).collect();
        let before = before - skipped;
        Self { text, before, carets: carets.min(LONGEST_EXCERPT - before) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.left_out {
            0 => Ok(()),
            n => write!(f, "\n\nand {n} more problems"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(place) = &self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        write!(f, " {}", self.message)?;
        if let Some(Place { excerpt, .. }) = &self.place {
            let carets = "^".repeat(excerpt.carets);
            write!(f, "\n    {}", excerpt.text.trim_end())?;
            write!(f, "\n    {:before$}{carets}", "", before = excerpt.before)?;
        }
        write!(f, "\n    help: {}", self.help)
    }
}

/// A text of the operator as part of a message: short, and without what a terminal acts on.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::from("`");
    for c in text.chars().take(LONGEST_SHOWN) {
        if c.is_control() {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push_str(if text.chars().nth(LONGEST_SHOWN).is_some() { "...`" } else { "`" });
    shown
}

/// The nearest start of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Nobody mends more in one go, and a broken megabyte must not fill the journal.
const MOST_PROBLEMS: usize = 100;
/// A line of a usual terminal, less the indent and room for the file's name.
const LONGEST_EXCERPT: usize = 110;
/// Longer than any name that may be.
const LONGEST_SHOWN: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    fn display(text: &str, span: Range<usize>) -> String {
        let source = Source { path: "f".into(), text: text.into() };
        let place = Some(Place::of(&source, span));
        let (message, help) = ("m".into(), "h".into());
        Problem { file: source.path, place, message, help }.to_string()
    }

    #[test]
    fn the_caret_stands_under_characters_not_bytes() {
        assert_eq!(display("é = 1\nü = 2\n", 7..9), "f:2:1: m\n    ü = 2\n    ^\n    help: h");
        assert_eq!(display("aé = x", 6..7), "f:1:6: m\n    aé = x\n         ^\n    help: h");
    }

    #[test]
    fn tabs_and_escapes_take_one_column_and_do_nothing() {
        assert_eq!(display("\t\u{1b}x", 2..3), "f:1:3: m\n      x\n      ^\n    help: h");
    }

    #[test]
    fn an_end_of_file_and_a_long_line_still_have_a_caret() {
        assert_eq!(display("a", 1..1), "f:1:2: m\n    a\n     ^\n    help: h");
        let long = format!("{}here", "x".repeat(500));
        assert!(display(&long, 500..504).contains("xxxhere\n"), "{}", display(&long, 500..504));
        assert_eq!(display(&long, 0..504).lines().nth(2).map(str::len), Some(4 + LONGEST_EXCERPT));
    }
}
