//! Reads the files of a reload and says what they change: all of it is checked before anything is
//! taken, so that a file that is wrong never touches a running node. Nothing is taken here.

use std::path::Path;

use control::reload::{Change, Effect};
use rustls_pki_types::UnixTime;

use super::tls_files;
use crate::config::{self, Config, Sources};
use crate::elector::peer::{CertFacts, TlsMaterial, date};
use crate::ipc::Anew;
use crate::sys;

/// What was found, sound as far as the executor can tell.
pub(super) struct Found {
    /// For the elector.
    pub(super) anew: Anew,
    /// What counts once it is taken.
    pub(super) config: Config,
    /// What that changes.
    pub(super) changes: Vec<Change>,
}

/// What a reload starts from.
pub(super) struct Before {
    pub(super) config: Config,
    pub(super) tls: TlsMaterial,
    pub(super) host_name: String,
}

/// The files under `path` now; or everything that is wrong, each as `bossd --check` tells it.
pub(super) fn read_anew(path: &Path, before: &Before) -> Result<Found, Vec<String>> {
    let sources = config::read(path).map_err(|error| told(&error))?;
    let new = parse(&sources, before).map_err(|error| told(&error))?;
    let (config, differences) = before.config.reloaded(&new);
    let tls = tls_files::read(&config.tls)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let (cluster, node) = (&config.cluster.name, config.node.name.as_str());
    let now = UnixTime::now();
    let facts = tls.check(cluster, node, now).map_err(|error| vec![error.to_string()])?;
    let old_facts = before.tls.facts(now).ok();
    let mut changes: Vec<Change> = differences
        .into_iter()
        .filter(|it| !it.key.starts_with("tls."))
        .map(|it| Change {
            key: it.key.to_owned(),
            old: it.old,
            new: it.new,
            effect: if it.restart.is_some() { Effect::Restart } else { Effect::Taken },
            why: it.restart.map(|why| format!("{why}: restart bossd to take it")),
        })
        .collect();
    changes.extend(tls_changes(&before.tls, old_facts.as_ref(), &tls, &facts));
    Ok(Found { anew: Anew { sources, tls }, config, changes })
}

fn parse(sources: &Sources, before: &Before) -> Result<Config, config::ConfigError> {
    let may_reboot = before.config.node.shadow || sys::may_reboot();
    let new = config::parse_to_act(sources, &before.host_name, may_reboot)?;
    Ok(if before.config.node.shadow { new.in_shadow() } else { new })
}

/// Each problem by itself.
fn told(error: &config::ConfigError) -> Vec<String> {
    error.problems().iter().map(ToString::to_string).collect()
}

/// The files by what they hold, of which the key is never shown.
fn tls_changes(
    old: &TlsMaterial,
    old_facts: Option<&CertFacts>,
    new: &TlsMaterial,
    facts: &CertFacts,
) -> Vec<Change> {
    let known = |of: fn(&CertFacts) -> String| old_facts.map_or_else(|| "not known".to_owned(), of);
    let files = [
        ("tls.ca", &old.ca, &new.ca, authorities as fn(&CertFacts) -> String),
        ("tls.certificate", &old.certificate, &new.certificate, certificate),
        ("tls.key", &old.key, &new.key, |facts| {
            format!("the key of {}", short(&facts.fingerprint))
        }),
    ];
    let differing = files.into_iter().filter(|(_, old, new, _)| old != new);
    let changes = differing.map(|(key, old, new, describe)| Change {
        key: key.to_owned(),
        old: Some(format!("{} ({})", old.path.display(), known(describe))),
        new: Some(format!("{} ({})", new.path.display(), describe(facts))),
        effect: Effect::Taken,
        why: None,
    });
    changes.collect()
}

fn certificate(facts: &CertFacts) -> String {
    format!("{}, valid until {}", short(&facts.fingerprint), date(facts.not_after))
}

fn authorities(facts: &CertFacts) -> String {
    facts.authorities.iter().map(|it| short(it)).collect::<Vec<_>>().join(", ")
}

/// Enough of a fingerprint to tell two certificates apart, as `bossctl ca show` begins it.
fn short(fingerprint: &str) -> &str {
    fingerprint.get(..SHOWN).unwrap_or(fingerprint)
}

/// Eight bytes.
const SHOWN: usize = 8 * 3 - 1;
