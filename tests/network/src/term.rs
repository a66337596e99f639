//! Gives a node that does not run a later term than the cluster has, as if it had voted in
//! elections that nobody else remembers.

use std::fs;
use std::path::Path;

use bossd::elector::schema::state_file;
use election::Term;

/// Raises the term in the state file below a node's directory.
pub(crate) fn raise(node: &Path, by: u64) -> Result<(), String> {
    let path = node.join("state/state");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut stored = state_file::parse(&text).map_err(|error| error.to_string())?;
    stored.generation += 1;
    stored.hard.term = Term(stored.hard.term.0 + by);
    stored.hard.voted_for = None;
    fs::write(&path, state_file::render(&stored)).map_err(|error| error.to_string())
}
