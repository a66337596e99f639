//! Certificates and the key as credentials of the unit (`LoadCredential=`, systemd.exec(5)): what the
//! service manager has put into `$CREDENTIALS_DIRECTORY` under a file's usual name takes the place of
//! that file. A path that the configuration sets to anything else counts as it stands.

use std::path::{Path, PathBuf};

/// Where the service manager puts them; for this process alone.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The file to read for `given`.
pub(super) fn or_file(given: PathBuf, usual: &str) -> PathBuf {
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let credential = directory.and_then(|directory| in_place_of(&given, usual, &directory));
    credential.filter(|path| path.exists()).unwrap_or(given)
}

fn in_place_of(given: &Path, usual: &str, directory: &Path) -> Option<PathBuf> {
    let usual = Path::new(usual);
    (given == usual).then(|| directory.join(usual.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_takes_the_place_of_the_usual_file_and_of_no_other() {
        let (usual, directory) = ("/etc/boss/tls/node.key", Path::new("/run/credentials/bossd"));
        let instead = in_place_of(Path::new(usual), usual, directory);
        assert_eq!(instead.as_deref(), Some(Path::new("/run/credentials/bossd/node.key")));
        assert_eq!(in_place_of(Path::new("/srv/node.key"), usual, directory), None);
    }
}
