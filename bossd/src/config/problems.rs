//! What was found wrong on the way through both files, each with its place, until all of it is
//! told at once.

use std::ops::Range;

use super::error::{ConfigError, Place, Problem};
use super::values::Wrong;
use super::{Source, Sources};

/// Which of the two files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Which {
    Cluster,
    Node,
}

/// A place in one of the two files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct At {
    pub(super) which: Which,
    pub(super) span: Range<usize>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// All that was found so far.
pub(super) struct Problems<'s> {
    sources: &'s Sources,
    found: Vec<(Which, Option<Range<usize>>, Wrong)>,
    syntax_failed: bool,
}

impl<'s> Problems<'s> {
    /// None yet.
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self { sources, found: Vec::new(), syntax_failed: false }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Notes that a file is not TOML: nothing more can be said about it.
    pub(super) fn syntax(&mut self, at: &At, wrong: Wrong) {
        self.syntax_failed = true;
        self.add(at, wrong);
    }

    /// Whether a file is not TOML.
    pub(super) fn syntax_failed(&self) -> bool {
        self.syntax_failed
    }

    /// How many there are, to see whether a step found one.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// Something is wrong there.
    pub(super) fn add(&mut self, at: &At, wrong: Wrong) {
        self.found.push((at.which, Some(at.span.clone()), wrong));
    }

    /// Something is wrong there, or with cluster.toml as a whole.
    pub(super) fn add_near(&mut self, at: Option<&At>, wrong: Wrong) {
        match at {
            Some(at) => self.add(at, wrong),
            None => self.found.push((Which::Cluster, None, wrong)),
        }
    }

    /// Keeps what is right, notes what is wrong.
    pub(super) fn sort_out<T>(&mut self, parsed: Result<T, Wrong>, at: At) -> Option<Given<T>> {
        match parsed {
            Ok(value) => Some(Given { value, at }),
            Err(wrong) => {
                self.add(&at, wrong);
                None
            }
        }
    }

    /// For a message about two places: "line 7".
    pub(super) fn line(&self, at: &At) -> String {
        format!("line {}", Place::of(self.source(at.which), at.span.clone()).line)
    }

    /// All of them, in the order of the files.
    pub(super) fn into_error(mut self) -> ConfigError {
        self.found.sort_by_key(|(which, span, _)| (*which, span.as_ref().map(|s| s.start)));
        let found = std::mem::take(&mut self.found);
        let problems = found.into_iter().map(|(which, span, wrong)| {
            let source = self.source(which);
            let place = span.map(|span| Place::of(source, span));
            Problem { file: source.path.clone(), place, message: wrong.message, help: wrong.help }
        });
        ConfigError::new(problems.collect())
    }

    fn source(&self, which: Which) -> &'s Source {
        match (which, &self.sources.node) {
            (Which::Node, Some(node)) => node,
            (Which::Node, None) | (Which::Cluster, _) => &self.sources.cluster,
        }
    }
}
