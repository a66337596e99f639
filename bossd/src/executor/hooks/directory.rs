//! Reads `hooks.d`: which hooks there are and in which order, what is passed over, and what is
//! refused because somebody else could have changed it. Whether a refusal makes the node not
//! eligible is for the caller to say.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::trust::{self, Distrust};

/// An executable that transitions call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its file name, by which it is ordered and spoken of.
    pub name: String,
    /// Where it is, in `hooks.d` itself even when that is a link.
    pub path: PathBuf,
    /// What it is called with in place of the event: not one of `hooks.d`, but a script that was
    /// written for keepalived, which is not for every event.
    pub arguments: Option<Vec<String>>,
    /// What it is called with before the event: not one of `hooks.d`, but bossd itself, for what
    /// follows the boss. Nothing but promote and demote concerns it.
    pub before_event: Vec<String>,
}

impl Hook {
    /// One of `hooks.d`.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), arguments: None, before_event: Vec::new() }
    }
}

/// A file that is no hook, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedHook {
    /// The file.
    pub path: PathBuf,
    /// Why it is not run.
    pub reason: &'static str,
}

/// A hook, or the directory, that is not run because it cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedHook {
    /// The file or the directory.
    pub path: PathBuf,
    /// Why, with the remedy.
    pub reason: Distrust,
}

/// What a reading of `hooks.d` found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookDirectory {
    /// The hooks in ascending order of their names' bytes.
    pub hooks: Vec<Hook>,
    /// What is passed over and would puzzle an operator; dotfiles and READMEs are not listed.
    pub skipped: Vec<SkippedHook>,
    /// Any entry here makes the node not eligible.
    pub refused: Vec<RefusedHook>,
}

/// `hooks.d` could not be read at all.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum DirectoryError {
    #[error(
        "hooks.directory {} cannot be read: {source}; create it (mkdir -p {}) or correct the path",
        path.display(), path.display()
    )]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} holds more than {MAX_HOOKS} hooks; let one hook call the others", path.display())]
    TooMany { path: PathBuf },
    #[error("{name:?} in {} is not UTF-8 and could be named nowhere; rename it", path.display())]
    Name { path: PathBuf, name: std::ffi::OsString },
}

impl HookDirectory {
    /// Reads `path` anew, in order.
    pub fn read(path: &Path) -> Result<Self, DirectoryError> {
        let read_error = |source| DirectoryError::Read { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(read_error)?;
        let names = names(&path).map_err(read_error)?;
        let mut found = Self::default();
        if let Err(reason) = check_directory(&path) {
            found.refused.push(RefusedHook { path, reason });
            return Ok(found);
        }
        for name in names {
            match name.into_string() {
                Ok(name) => found.take_in(&path, name),
                Err(name) => return Err(DirectoryError::Name { path, name }),
            }
        }
        if found.hooks.len() > MAX_HOOKS {
            return Err(DirectoryError::TooMany { path });
        }
        Ok(found)
    }

    /// Nothing was refused, so that this node may become boss as far as hooks go.
    pub fn all_trusted(&self) -> bool {
        self.refused.is_empty()
    }

    fn take_in(&mut self, directory: &Path, name: String) {
        let path = directory.join(&name);
        match kind_of(&path, &name) {
            Kind::Silent => {}
            Kind::Skipped(reason) => self.skipped.push(SkippedHook { path, reason }),
            Kind::Refused(reason) => self.refused.push(RefusedHook { path, reason }),
            Kind::Hook => self.hooks.push(Hook::new(name, path)),
        }
    }
}

enum Kind {
    Silent,
    Skipped(&'static str),
    Refused(Distrust),
    Hook,
}

fn kind_of(path: &Path, name: &str) -> Kind {
    if name.starts_with('.') || name.starts_with("README") {
        return Kind::Silent;
    }
    if let Some(reason) = passed_over_by_name(name) {
        return Kind::Skipped(reason);
    }
    match path.metadata() {
        Ok(meta) if !meta.is_file() => Kind::Skipped("it is not a file"),
        Ok(meta) if !executable(&meta) => Kind::Skipped("it is not executable"),
        // What cannot be looked at is told by the check, which knows where the link breaks.
        Ok(_) | Err(_) => match trust::check(path) {
            Ok(()) => Kind::Hook,
            Err(reason) => Kind::Refused(reason),
        },
    }
}

fn passed_over_by_name(name: &str) -> Option<&'static str> {
    if name.ends_with(".disabled") {
        Some("it is disabled by its name")
    } else if name.ends_with('~') {
        Some("it is an editor's backup by its name")
    } else if name.contains(".dpkg-") || name.ends_with(".rpmsave") || name.ends_with(".rpmnew") {
        Some("it is a package manager's copy by its name")
    } else {
        None
    }
}

fn executable(meta: &Metadata) -> bool {
    meta.mode() & 0o111 != 0
}

fn names(path: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = path
        .read_dir()?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    // OsString orders by bytes, whatever the locale.
    names.sort();
    Ok(names)
}

/// Beyond what holds for any path: sticky is not enough for the directory itself, for there
/// somebody could still add a hard link to one of root's programs.
fn check_directory(path: &Path) -> Result<(), Distrust> {
    trust::check(path)?;
    match path.metadata() {
        Ok(meta) => trust::check_mode(path, &meta),
        Err(error) => Err(Distrust::Unseen {
            path: path.to_owned(),
            asked: path.to_owned(),
            error: error.to_string(),
        }),
    }
}

/// Bounds what one transition can run; a directory with more is a mistake.
const MAX_HOOKS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn directory(names: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        mode(home.path(), 0o755);
        for name in names {
            fs::write(home.path().join(name), "#!/bin/sh\n").unwrap();
            mode(&home.path().join(name), 0o755);
        }
        home
    }

    fn names_of(found: &HookDirectory) -> Vec<&str> {
        found.hooks.iter().map(|hook| hook.name.as_str()).collect()
    }

    #[test]
    fn hooks_come_in_the_order_of_their_bytes() {
        let home = directory(&["20-b", "10-a", "9-c", "a", "Z"]);
        let found = HookDirectory::read(home.path()).unwrap();
        assert_eq!(names_of(&found), ["10-a", "20-b", "9-c", "Z", "a"]);
        assert!(found.all_trusted());
    }

    #[test]
    fn leavings_of_editors_and_packages_are_no_hooks() {
        let leavings = ["a~", "b.dpkg-old", "c.rpmsave", "d.rpmnew", "e.disabled"];
        let home = directory(&[&leavings[..], &[".f", "README", "README.md", "10-a"]].concat());
        let found = HookDirectory::read(home.path()).unwrap();
        assert_eq!(names_of(&found), ["10-a"]);
        assert_eq!(found.skipped.len(), leavings.len());
        assert!(found.all_trusted());
    }

    #[test]
    fn what_is_not_executable_or_not_a_file_is_reported_as_skipped() {
        let home = directory(&["10-plain"]);
        mode(&home.path().join("10-plain"), 0o644);
        fs::create_dir(home.path().join("20-directory")).unwrap();
        let found = HookDirectory::read(home.path()).unwrap();
        let reasons: Vec<_> = found.skipped.iter().map(|skipped| skipped.reason).collect();
        assert_eq!(reasons, ["it is not executable", "it is not a file"]);
        assert!(found.hooks.is_empty());
    }

    #[test]
    fn one_hook_that_others_can_write_is_refused_and_the_others_stay() {
        let home = directory(&["10-a", "20-b"]);
        mode(&home.path().join("20-b"), 0o777);
        let found = HookDirectory::read(home.path()).unwrap();
        assert_eq!(names_of(&found), ["10-a"]);
        assert!(!found.all_trusted());
        assert!(found.refused[0].reason.to_string().contains("chmod go-w"));
    }

    #[test]
    fn a_link_to_a_file_that_others_can_write_and_a_link_to_nothing_are_refused() {
        let home = directory(&["10-a"]);
        let elsewhere = directory(&["target"]);
        mode(&elsewhere.path().join("target"), 0o757);
        symlink(elsewhere.path().join("target"), home.path().join("20-open")).unwrap();
        symlink("nowhere", home.path().join("30-broken")).unwrap();
        let found = HookDirectory::read(home.path()).unwrap();
        assert_eq!(names_of(&found), ["10-a"]);
        assert_eq!(found.refused.len(), 2);
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused_even_when_sticky() {
        let home = directory(&["10-a"]);
        for open in [0o775, 0o1777] {
            mode(home.path(), open);
            let found = HookDirectory::read(home.path()).unwrap();
            assert!(found.hooks.is_empty());
            assert_eq!(found.refused[0].path, home.path());
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named_with_the_remedy() {
        let text = HookDirectory::read(Path::new("/nowhere/hooks.d")).unwrap_err().to_string();
        assert!(text.contains("mkdir -p /nowhere/hooks.d"), "{text}");
    }
}
