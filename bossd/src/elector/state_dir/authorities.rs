//! By which ids the cluster of a state directory is known. An id comes from the authority's key
//! (protocol.md 6), and the state keeps the first one. When another authority takes the place of that
//! one, a time comes in which ca.crt holds both: then the id by the new one is written down here, and
//! a state directory is still this cluster's when only the new one is left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use election::ClusterId;

/// In the state directory: 32 hexadecimal digits a line.
const FILE: &str = "authorities";
const TEMPORARY: &str = "authorities.new";
/// Changes of an authority are years apart.
const MOST: usize = 16;

/// The ids by which the cluster is known, `own` first. A file that is not there or a line that is none
/// adds nothing.
pub fn read(directory: &Path, own: ClusterId) -> Vec<ClusterId> {
    let text = fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    let ids = text.lines().take(MOST).filter_map(|line| u128::from_str_radix(line, 16).ok());
    let mut known = vec![own];
    known.extend(ids.map(ClusterId).filter(|id| *id != own));
    known
}

/// `known` with the ids `found` by the authorities of ca.crt; None if they have none in common: that
/// is another cluster's ca.crt.
pub fn with(known: &[ClusterId], found: &[ClusterId]) -> Option<Vec<ClusterId>> {
    if !found.iter().any(|id| known.contains(id)) {
        return None;
    }
    let mut all = known.to_vec();
    all.extend(found.iter().copied().filter(|id| !known.contains(id)));
    all.truncate(MOST);
    Some(all)
}

/// Writes them down, durably.
pub fn write(directory: &Path, known: &[ClusterId]) -> io::Result<()> {
    let temporary = directory.join(TEMPORARY);
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    for id in known {
        writeln!(file, "{:032x}", id.0)?;
    }
    file.sync_all()?;
    fs::rename(&temporary, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_was_there_beside_a_known_one_is_known_afterwards() {
        let directory = tempfile::tempdir().expect("a directory");
        let (own, new, other) = (ClusterId(7), ClusterId(8), ClusterId(9));
        let known = read(directory.path(), own);
        assert_eq!(known, [own]);
        assert_eq!(with(&known, &[new]), None, "never seen beside the first");
        let both = with(&known, &[new, own]).expect("one is known");
        write(directory.path(), &both).expect("writable");
        let known = read(directory.path(), own);
        assert_eq!(known, [own, new]);
        assert_eq!(with(&known, &[new]), Some(vec![own, new]));
        assert_eq!(with(&known, &[other]), None);
    }
}
