//! What is in the way of a machine, in words for whoever runs the tests.

use network::command::run;
use nix::unistd::geteuid;

use crate::machine::hosts;
use crate::packages::{Packages, target};
use crate::tree::Tree;

/// Why no machine can be booted here; else what it takes.
pub fn obstacle() -> Result<(Tree, Packages), String> {
    if !geteuid().is_root() {
        return Err("booted hosts need root".to_owned());
    }
    for (program, version, package) in [
        ("ip", "-V", "iproute2"),
        ("debootstrap", "--version", "debootstrap"),
        ("systemd-nspawn", "--version", "systemd-container"),
        ("nsenter", "--version", "util-linux"),
        ("mount", "--version", "mount"),
    ] {
        run(program, &[version]).map_err(|error| format!("{error} (package {package})"))?;
    }
    let packages = Packages::find()?;
    overlays()?;
    let tree = Tree::ready(&target().join("systemd-trees"))?;
    Ok((tree, packages))
}

/// A tree of Debian 13 beside it; else why there is none.
pub fn debian_13() -> Result<Tree, String> {
    Tree::of_debian_13(&target().join("systemd-trees"))
}

/// Each machine's disk is a layer over the tree.
fn overlays() -> Result<(), String> {
    let at = hosts().join(format!("{}-try", std::process::id()));
    let made = ["lower", "upper", "work", "root"]
        .iter()
        .try_for_each(|name| std::fs::create_dir_all(at.join(name)));
    made.map_err(|error| format!("{}: {error}", at.display()))?;
    let layers = format!("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", at.display());
    let root = at.join("root").display().to_string();
    let mounted = run("mount", &["-t", "overlay", "overlay", "-o", &layers, &root]);
    if mounted.is_ok() {
        run("umount", &[&root])?;
    }
    drop(std::fs::remove_dir_all(&at));
    mounted.map(drop).map_err(|error| format!("no overlayfs here: {error}"))
}
