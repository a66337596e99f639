//! `bossctl ca`: hands the arguments to the authority, which needs no daemon.

use std::io;

use crate::args::Ca;
use crate::ca;
use crate::exit::{Exit, Failure};

/// Makes or shows keys and certificates.
pub fn ca(args: &Ca) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match args {
        Ca::Init { cluster, dir } => ca::init(dir, cluster, &mut out),
        Ca::Issue { node, dir, out: to, bundle, config, addresses } => {
            let request = ca::Issue { node, dir, to: to.as_deref(), addresses };
            match bundle {
                Some(file) => ca::issue_bundle(&request, file, config.as_deref(), &mut out),
                None => ca::issue(&request, &mut out),
            }
        }
        Ca::Renew { node, dir, out: to, new_key, addresses } => {
            let request = ca::Issue { node, dir, to: to.as_deref(), addresses };
            let key = if *new_key { ca::RenewKey::Another } else { ca::RenewKey::Keep };
            ca::renew(&request, key, &mut out)
        }
        Ca::Show { path } => ca::show(path, &mut out),
    }
    .map_err(Failure::Ca)?;
    Ok(Exit::Done)
}
