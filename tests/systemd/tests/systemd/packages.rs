//! The .rpm beside the .deb: rpm itself installs it into a root of its own, with its scripts, and there
//! is the same as dpkg puts there; a removal leaves nothing. Debian's rpm knows no packages that are
//! installed here, so dependencies are not asked for; and there is no Fedora here to boot from.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use systemd::Machine;

use crate::possible;

#[test]
fn the_rpm_puts_there_what_the_deb_does_and_its_removal_leaves_nothing() {
    let Some((tree, packages)) = possible() else { return };
    let rpm = packages.rpm.as_ref().unwrap_or_else(|| {
        panic!("there is no .rpm beside {}: packaging/build rpm", packages.deb.display())
    });
    let disk = |name| Machine::disk(&tree, name).unwrap_or_else(|why| panic!("{why}"));
    let (of_deb, of_rpm) = (disk("of-deb"), disk("of-rpm"));
    let before = files(&of_rpm.root());
    assert_eq!(before, files(&of_deb.root()));

    std::fs::copy(&packages.deb, of_deb.root().join("boss.deb")).expect("our own disk");
    in_root(&of_deb.root(), "dpkg --install boss.deb && rm boss.deb");
    with_rpm(&of_rpm.root(), &["--install", "--nodeps", &rpm.display().to_string()]);
    let said = with_rpm(&of_rpm.root(), &["--verify", "--nodeps", "boss"]);
    assert_eq!(said, "", "rpm finds its files changed");

    let new = |root: &Path| -> BTreeMap<String, String> {
        let all = files(root).into_iter().filter(|(path, _)| !before.contains_key(path));
        all.filter_map(|(path, what)| Some((common(&path)?, what))).collect()
    };
    let (by_deb, by_rpm) = (new(&of_deb.root()), new(&of_rpm.root()));
    assert!(by_deb.len() > 30, "{by_deb:?}");
    for (path, what) in &by_deb {
        let other = by_rpm.get(path).map_or("nothing", String::as_str);
        assert_eq!(what, other, "{path}: left of the .deb, right of the .rpm");
    }
    for path in by_rpm.keys() {
        assert!(by_deb.contains_key(path), "{path} is of the .rpm alone");
    }
    // The programs run there, and the scripts have made the user.
    in_root(&of_rpm.root(), "bossd --version && bossctl version && getent passwd boss");
    let owner = in_root(&of_rpm.root(), "stat --format='%U:%G %a' /var/lib/boss");
    assert_eq!(owner.trim(), "boss:boss 700");

    // What an operator has changed is kept, as rpm keeps it.
    in_root(&of_rpm.root(), "echo >>/etc/boss/cluster.toml");
    with_rpm(&of_rpm.root(), &["--erase", "boss"]);
    let after: Vec<_> = files(&of_rpm.root())
        .into_keys()
        .filter(|path| !before.contains_key(path) && !path.starts_with("/var/lib/rpm"))
        .collect();
    assert_eq!(after, ["/etc/boss", "/etc/boss/cluster.toml.rpmsave"]);
}

/// Under which name both packages have it; None for what one of them alone has on purpose.
fn common(path: &str) -> Option<String> {
    // Each package has its own papers, and keeps its own books.
    let papers = ["/usr/share/doc/boss/", "/usr/share/licenses", "/usr/share/lintian"];
    let books = ["/var/lib/dpkg/", "/var/lib/rpm", "/var/lib/systemd/deb-systemd-helper-enabled"];
    // needrestart is Debian's.
    let own = ["/etc/needrestart"];
    let is_below = |place: &&str| path.starts_with(*place);
    if papers.iter().any(|it| is_below(it) && !path.contains("/examples"))
        || books.iter().chain(&own).any(is_below)
    {
        return None;
    }
    // One of the two directories is another package's here, and the other would be elsewhere.
    let places = ["/usr/share/zsh/vendor-completions", "/usr/share/zsh/site-functions"];
    (!places.contains(&path)).then(|| path.replace("/vendor-completions/", "/site-functions/"))
}

/// Each file with its kind, owner and mode, and of plain files what is in them.
fn files(root: &Path) -> BTreeMap<String, String> {
    let list = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp \
         -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg/info \
         -o -path /var/lib/systemd/catalog -o -path '/etc/*-' -o -path /etc/.pwd.lock \\) \
         -prune -o -printf '%p|%y %U:%G %m\\n'";
    let sums = "find /usr/bin/boss* /usr/sbin/boss* /usr/lib/*/ /usr/share /etc -xdev -type f \
         -path '*boss*' -print0 | xargs -0 -r sha256sum";
    let mut found: BTreeMap<String, String> = in_root(root, list)
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .collect();
    let sums = in_root(root, sums);
    for line in sums.lines() {
        let Some((sum, path)) = line.split_once("  ") else { continue };
        if let Some(what) = found.get_mut(path) {
            what.push(' ');
            what.push_str(sum);
        }
    }
    found
}

fn with_rpm(root: &Path, arguments: &[&str]) -> String {
    let to = root.display().to_string();
    let words = ["rpm", "--root", &to, "--dbpath", "/var/lib/rpm"];
    run(root, &[&words, arguments].concat())
}

fn in_root(root: &Path, line: &str) -> String {
    run(root, &["chroot", &root.display().to_string(), "sh", "-c", line])
}

/// What a program says that must succeed. Scripts of packages want /proc in their root: it is there
/// for this one, and for nobody else.
fn run(root: &Path, words: &[&str]) -> String {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t proc proc \"$0/proc\" && exec \"$@\""]);
    let output = command.arg(root).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let against = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}\n{said}{against}");
    said
}
