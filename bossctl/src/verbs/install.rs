//! `bossctl install-bundle`: what a new server needs, from one file, and what comes next.

use std::fmt::Write as _;

use nix::unistd::gethostname;

use crate::args::InstallBundle;
use crate::bundle::{self, Bundle, BundleError};
use crate::ca;
use crate::exit::{Exit, Failure, answer};

/// Installs it, and says what to do then.
pub fn install(args: &InstallBundle) -> Result<Exit, Failure> {
    let bundle = Bundle::read(&args.file)?;
    let no_bundle = |why| BundleError::NoBundle { path: args.file.clone(), why };
    let identity = ca::check_bundle(&bundle).map_err(no_bundle)?;
    let installed = bundle::install(&bundle, &args.to, args.force)?;
    let mut told = format!("Installed {identity}:\n");
    for file in &installed.files {
        let _ = writeln!(told, "  {}", file.display());
    }
    // As bossd takes its name from the host's, unless it is told another.
    let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host = host.split('.').next().unwrap_or_default();
    if host != identity.node() {
        let _ = writeln!(
            told,
            "This server is called {host}. If it is to be {node}, put this into {to}/node.toml:\n  \
               [node]\n  name = \"{node}\"",
            node = identity.node(),
            to = args.to.display(),
        );
    }
    let _ = writeln!(
        told,
        "Next: remove {}, for the key is in it, and\n  bossd --check\n  systemctl enable --now bossd",
        args.file.display()
    );
    if bundle.config.is_none() {
        told.push_str("with the cluster.toml of the other servers, which was not in it.\n");
    }
    answer(&told)?;
    Ok(Exit::Done)
}
