//! What an elector makes of files that the executor has read: at its start, and anew by a reload.
//! Whatever may take long or fail is done here, beside the election's loop, before anything is taken.

use std::path::Path;
use std::sync::Arc;

use election::ClusterId;
use rustls_pki_types::UnixTime;
use tracing::warn;

use super::READERS;
use super::control::Access;
use super::peer::{self, CertFacts, ClusterKind, TlsError, TlsMaterial};
use super::state_dir::authorities;
use crate::config::{self, Config, ConfigError, Sources};
use crate::ipc::{Anew, StartUp};

/// Sound in every respect: to take it cannot fail but for the endpoint's own reasons.
pub(super) struct Prepared {
    pub(super) config: Config,
    /// The cluster-wide part of the file, which may differ from the cluster's.
    pub(super) canonical: String,
    pub(super) tls: TlsMaterial,
    pub(super) facts: CertFacts,
    pub(super) cluster_ids: Vec<u128>,
    pub(super) access: Access,
    pub(super) notes: Vec<String>,
}

/// What a reload is compared with.
pub(super) struct Before {
    pub(super) config: Arc<Config>,
    pub(super) cluster: ClusterId,
    pub(super) host_name: String,
}

/// The configuration that an elector starts with: that of the daemon's start, with what a reload has
/// taken since.
pub(super) fn config(start: &StartUp) -> Result<Config, ConfigError> {
    let parse = |sources: &Sources| parse(sources, &start.host_name, start.shadow);
    let first = parse(&start.sources)?;
    Ok(match &start.reloaded {
        Some(sources) => first.reloaded(&parse(sources)?).0,
        None => first,
    })
}

/// The canonical text of the file that counts, for what it differs in.
pub(super) fn canonical(start: &StartUp) -> Result<String, ConfigError> {
    let sources = start.reloaded.as_ref().unwrap_or(&start.sources);
    Ok(config::parse(sources, &start.host_name)?.cluster.canonical)
}

/// Everything that is wrong, if anything is.
pub(super) fn prepare(anew: Anew, before: &Before) -> Result<Prepared, Vec<String>> {
    let Anew { sources, tls } = anew;
    let shadow = before.config.node.shadow;
    let new = parse(&sources, &before.host_name, shadow)
        .map_err(|error| error.problems().iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let (config, _) = before.config.reloaded(&new);
    let facts = check(&tls, &config).map_err(|error| vec![error.to_string()])?;
    let known = authorities::read(&config.node.state_directory, before.cluster);
    let cluster_ids = continued(&tls, &config, &known).map_err(|error| vec![error.to_string()])?;
    let mut notes = Vec::new();
    if cluster_ids != known
        && let Err(error) = authorities::write(&config.node.state_directory, &cluster_ids)
    {
        notes.push(format!(
            "{}: {error}: before the old authority goes from ca.crt this must be written; reload \
             again once the disk can be written",
            config.node.state_directory.display()
        ));
    }
    let operators = config.control.operators.as_deref();
    let access = Access::look_up(READERS, operators);
    if let Some(group) = operators.filter(|_| !access.has_operators()) {
        notes.push(format!("there is no group {group} ([control] operators): nobody is in it"));
    }
    let cluster_ids = cluster_ids.into_iter().map(|id| id.0).collect();
    let canonical = new.cluster.canonical;
    Ok(Prepared { config, canonical, tls, facts, cluster_ids, access, notes })
}

/// By which ids the cluster is known, at the start, where the state directory has been found to be of
/// this cluster.
pub(super) fn known_ids(
    directory: &Path,
    cluster: ClusterId,
    found: &[ClusterId],
) -> Vec<ClusterId> {
    let known = authorities::read(directory, cluster);
    let all = authorities::with(&known, found).unwrap_or_else(|| known.clone());
    if all != known
        && let Err(error) = authorities::write(directory, &all)
    {
        warn!("{}: {error}: leave the old authority in ca.crt until then", directory.display());
    }
    all
}

/// Whether the cluster acts.
pub(super) fn kind(config: &Config) -> ClusterKind {
    if config.node.shadow { ClusterKind::Shadow } else { ClusterKind::Real }
}

fn parse(sources: &Sources, host_name: &str, shadow: bool) -> Result<Config, ConfigError> {
    let config = config::parse(sources, host_name)?;
    Ok(if shadow { config.in_shadow() } else { config })
}

fn check(tls: &TlsMaterial, config: &Config) -> Result<CertFacts, TlsError> {
    tls.check(&config.cluster.name, config.node.name.as_str(), UnixTime::now())
}

/// An authority that takes the place of another must have been beside it: who holds ca.crt of another
/// cluster would otherwise bring this node there.
fn continued(
    tls: &TlsMaterial,
    config: &Config,
    known: &[ClusterId],
) -> Result<Vec<ClusterId>, TlsError> {
    let other = || TlsError::OtherAuthority { path: tls.ca.path.clone() };
    let found = peer::cluster_ids(&tls.ca.pem, &config.cluster.name, kind(config));
    let found: Vec<_> = found.map_err(|_| other())?.into_iter().map(ClusterId).collect();
    authorities::with(known, &found).ok_or_else(other)
}
