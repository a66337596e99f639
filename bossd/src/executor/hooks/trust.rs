//! Whether somebody who may not could have changed what stands behind a path: the file itself, each
//! directory above it, and each symbolic link on the way with all that lies above its target.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Why what stands behind a path is not run, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum Distrust {
    #[error(
        "{} belongs to user {owner}, who could change what runs here; \
         give it to root: chown {wanted} {}", path.display(), path.display()
    )]
    Owner { path: PathBuf, owner: u32, wanted: u32 },
    #[error(
        "{} can be changed by its group or by everyone (mode {mode:04o}); \
         take that away: chmod go-w {}", path.display(), path.display()
    )]
    Writable { path: PathBuf, mode: u32 },
    #[error("{} cannot be looked at: {error}; correct or remove {}", path.display(), asked.display())]
    Unseen { path: PathBuf, asked: PathBuf, error: String },
    #[error("{} leads through more than {MAX_LINKS} symbolic links; name the file itself", path.display())]
    Links { path: PathBuf },
    #[error("{} is not executable; chmod +x {}", path.display(), path.display())]
    NotExecutable { path: PathBuf },
}

/// Only root, and the user that we run as, could have changed what stands behind `path`.
///
/// A directory that everyone may write is let pass when it is sticky, as /tmp is: there only the
/// owner of an entry can replace it, and the owner of each entry is checked as well.
pub fn check(path: &Path) -> Result<(), Distrust> {
    let unseen = |at: &Path, error: std::io::Error| Distrust::Unseen {
        path: at.to_owned(),
        asked: path.to_owned(),
        error: error.to_string(),
    };
    let absolute = std::path::absolute(path).map_err(|error| unseen(path, error))?;
    let mut at = PathBuf::from("/");
    let mut ahead = names(&absolute);
    let mut links = 0;
    check_entry(&at, &at.symlink_metadata().map_err(|error| unseen(&at, error))?)?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            // `at` holds no link, so its parent is the one that its text shows.
            at.pop();
            continue;
        }
        let next = at.join(name);
        let meta = next.symlink_metadata().map_err(|error| unseen(&next, error))?;
        check_entry(&next, &meta)?;
        if !meta.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Distrust::Links { path: path.to_owned() });
        }
        let target = next.read_link().map_err(|error| unseen(&next, error))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        let behind = std::mem::replace(&mut ahead, names(&target));
        ahead.extend(behind);
    }
    Ok(())
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn check_entry(path: &Path, meta: &std::fs::Metadata) -> Result<(), Distrust> {
    let own = nix::unistd::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != own {
        let path = path.to_owned();
        return Err(Distrust::Owner { path, owner: meta.uid(), wanted: own });
    }
    // The mode of a link says nothing: nobody can write to a link, only replace it.
    let sticky_directory = meta.is_dir() && meta.mode() & STICKY != 0;
    if meta.is_symlink() || sticky_directory { Ok(()) } else { check_mode(path, meta) }
}

/// Nobody but the owner may write here, whatever else holds.
pub(super) fn check_mode(path: &Path, meta: &std::fs::Metadata) -> Result<(), Distrust> {
    if meta.mode() & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    Err(Distrust::Writable { path: path.to_owned(), mode: meta.mode() & 0o7777 })
}

/// The kernel itself follows no more than this.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn file(directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, "").unwrap();
        mode(&path, 0o755);
        path
    }

    #[test]
    fn a_file_that_only_we_can_change_is_trusted_even_below_a_sticky_directory() {
        let home = tempfile::tempdir().unwrap();
        check(&file(home.path(), "hook")).unwrap();
    }

    #[test]
    fn a_file_that_others_can_write_is_refused_with_the_remedy() {
        let home = tempfile::tempdir().unwrap();
        let hook = file(home.path(), "hook");
        for open in [0o775, 0o757] {
            mode(&hook, open);
            let text = check(&hook).unwrap_err().to_string();
            assert!(text.contains(&format!("chmod go-w {}", hook.display())), "{text}");
        }
    }

    #[test]
    fn a_directory_further_up_that_others_can_write_is_refused_unless_it_is_sticky() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        fs::create_dir_all(open.join("inner")).unwrap();
        mode(&open.join("inner"), 0o755);
        let hook = file(&open.join("inner"), "hook");
        mode(&open, 0o777);
        assert!(matches!(check(&hook), Err(Distrust::Writable { path, .. }) if path == open));
        mode(&open, 0o1777);
        check(&hook).unwrap();
    }

    #[test]
    fn the_target_of_a_link_and_all_above_it_is_checked() {
        let home = tempfile::tempdir().unwrap();
        let (links, elsewhere) = (home.path().join("links"), home.path().join("elsewhere"));
        fs::create_dir(&links).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        mode(&links, 0o755);
        mode(&elsewhere, 0o755);
        let target = file(&elsewhere, "target");
        symlink("../elsewhere/target", links.join("hook")).unwrap();
        check(&links.join("hook")).unwrap();
        mode(&target, 0o777);
        assert!(
            matches!(check(&links.join("hook")), Err(Distrust::Writable { path, .. }) if path == target)
        );
        mode(&target, 0o755);
        mode(&elsewhere, 0o777);
        assert!(check(&links.join("hook")).is_err());
    }

    #[test]
    fn a_link_in_a_circle_or_to_nothing_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let hook = home.path().join("hook");
        symlink("hook", &hook).unwrap();
        assert!(matches!(check(&hook), Err(Distrust::Links { .. })));
        fs::remove_file(&hook).unwrap();
        symlink("gone", &hook).unwrap();
        assert!(matches!(check(&hook), Err(Distrust::Unseen { .. })));
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: a_file_of_another_user_is_refused needs root for chown");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let hook = file(home.path(), "hook");
        std::os::unix::fs::chown(&hook, Some(4711), None).unwrap();
        let text = check(&hook).unwrap_err().to_string();
        assert!(text.contains("belongs to user 4711"), "{text}");
        assert!(text.contains(&format!("chown 0 {}", hook.display())), "{text}");
    }
}
