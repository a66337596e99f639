//! `bossctl install-bundle`: puts what is in a bundle where bossd looks for it, with the right owners
//! and modes. Everything is looked at before anything is changed. What then changes is two renames:
//! first the configuration, if the bundle has one, then the directory of the certificates, as a whole.
//! Killed at any moment, each of the two is as it was or as it is to be, and the same command again
//! does the rest.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{Bundle, BundleError, PUBLIC, SECRET};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The files as they are now.
    pub files: Vec<PathBuf>,
}

/// Installs a bundle below `to`. What is there already and says something else is only replaced if
/// `force` says so; the configuration that came with the package is no such thing.
pub fn install(bundle: &Bundle, to: &Path, force: bool) -> Result<Installed, BundleError> {
    let tls = to.join("tls");
    let config = to.join("cluster.toml");
    let wanted = [
        ("ca.crt", bundle.ca.as_str(), PUBLIC),
        ("node.crt", bundle.certificate.as_str(), PUBLIC),
        ("node.key", bundle.key.as_str(), SECRET),
    ];
    if !force {
        for (name, content, _) in &wanted {
            refuse_another(&tls.join(name), content)?;
        }
        if let Some(content) = &bundle.config
            && fs::read(&config).ok().as_deref() != Some(EXAMPLE.as_bytes())
        {
            refuse_another(&config, content)?;
        }
    }
    // All that can be wrong with the disk shows here, before anything counts.
    make_directory(to, 0o755)?;
    let staged = to.join(STAGED);
    remove(&staged)?;
    make_directory(&staged, 0o700)?;
    let staged_tls = staged.join("tls");
    make_directory(&staged_tls, 0o700)?;
    keep_others(&tls, &staged_tls, &wanted.map(|(name, _, _)| name))?;
    for (name, content, mode) in &wanted {
        write(&staged_tls.join(name), content, *mode)?;
    }
    let staged_config = staged.join("cluster.toml");
    if let Some(content) = &bundle.config {
        write(&staged_config, content, PUBLIC)?;
    }
    sync(&staged_tls)?;

    let mut files: Vec<_> = wanted.iter().map(|(name, _, _)| tls.join(name)).collect();
    if bundle.config.is_some() {
        fs::rename(&staged_config, &config).map_err(failed(&config))?;
        files.push(config);
    }
    if tls.symlink_metadata().is_ok() {
        renameat2(AT_FDCWD, &staged_tls, AT_FDCWD, &tls, RenameFlags::RENAME_EXCHANGE)
            .map_err(|errno| failed(&tls)(errno.into()))?;
    } else {
        fs::rename(&staged_tls, &tls).map_err(failed(&tls))?;
    }
    sync(to)?;
    // With what was there before.
    remove(&staged)?;
    Ok(Installed { files })
}

/// A file that is there may only be the one that is to be there.
fn refuse_another(path: &Path, content: &str) -> Result<(), BundleError> {
    match fs::read(path) {
        Ok(found) if found == content.as_bytes() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(BundleError::Exists { path: path.to_owned() }),
    }
}

/// What else an operator keeps in the directory stays there.
fn keep_others(from: &Path, to: &Path, ours: &[&str]) -> Result<(), BundleError> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(from)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed(from))?;
        let (name, path) = (entry.file_name(), entry.path());
        if ours.iter().any(|ours| name == *ours) {
            continue;
        }
        let plain = fs::symlink_metadata(&path).is_ok_and(|it| it.is_file());
        if !plain {
            let what = "it is neither one of bossd's files nor a plain file: move it away";
            return Err(failed(&path)(io::Error::other(what)));
        }
        fs::copy(&path, to.join(&name)).map_err(failed(&path))?;
    }
    Ok(())
}

/// With these rights whatever the umask says; for whoever runs this, which is root on a server.
fn make_directory(path: &Path, mode: u32) -> Result<(), BundleError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(path, permissions).map_err(failed(path))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Durable when it returns.
fn write(path: &Path, content: &str, mode: u32) -> Result<(), BundleError> {
    let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = open.map_err(failed(path))?;
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(content.as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(failed(path))
}

fn sync(directory: &Path) -> Result<(), BundleError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))
}

fn remove(path: &Path) -> Result<(), BundleError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Write { path, source }
}

/// Where everything is put together, in the same file system; with a dot, for it is nobody else's.
const STAGED: &str = ".bundle.new";
/// As the packages install it.
const EXAMPLE: &str = include_str!("../../../etc/cluster.toml");
