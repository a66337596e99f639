//! The packages under test, as `packaging/build` made them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where they are.
#[derive(Debug, Clone)]
pub struct Packages {
    /// The .deb.
    pub deb: PathBuf,
    /// The same programs in a .deb with a later version.
    pub newer_deb: PathBuf,
    /// The .rpm; None where only the .deb was built.
    pub rpm: Option<PathBuf>,
}

impl Packages {
    /// Those in the directory that `BOSS_PACKAGES` names, or in the target directory's.
    pub fn find() -> Result<Self, String> {
        let given = std::env::var_os("BOSS_PACKAGES").filter(|given| !given.is_empty());
        let directory = given.map_or_else(|| target().join("packages"), PathBuf::from);
        let found = fs::read_dir(&directory).into_iter().flatten().flatten();
        let (mut debs, mut rpms) = (Vec::new(), Vec::new());
        for path in found.map(|entry| entry.path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("deb") => debs.push(path),
                Some("rpm") => rpms.push(path),
                _ => {}
            }
        }
        debs.sort();
        let later = |path: &PathBuf| path.to_string_lossy().contains(LATER);
        let newer_deb = debs.iter().find(|path| later(path)).cloned();
        let deb = debs.into_iter().find(|path| !later(path));
        match (deb, newer_deb) {
            (Some(deb), Some(newer_deb)) => Ok(Self { deb, newer_deb, rpm: rpms.pop() }),
            _ => Err(format!(
                "there are no packages in {}: packaging/build deb && packaging/build deb --version \
                 0.1.0{LATER}1, or BOSS_PACKAGES=DIR",
                directory.display()
            )),
        }
    }
}

/// The target directory that this test came from.
pub(crate) fn target() -> PathBuf {
    // TARGET/PROFILE/deps/TEST
    let own = std::env::current_exe().expect("a test knows its own path");
    own.ancestors().nth(3).unwrap_or_else(|| Path::new("/")).to_owned()
}

/// What the version of the later package has in it.
const LATER: &str = "+later";
