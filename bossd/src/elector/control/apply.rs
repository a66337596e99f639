//! `apply`: a cluster.toml against what the cluster has agreed on, and the change that would make
//! the cluster like the file.

use std::path::{Path, PathBuf};

use control::comparison::{Comparison, Difference};
use control::interface::{Refusal, RefusalKind};
use election::Settings;

use crate::config::{self, ClusterConfig, Source, Sources, canonical_of};
use crate::elector::picture::Picture;

/// How the file differs. `file` is its name, for people only.
pub fn compare(picture: &Picture, file: &str, text: &str) -> Result<Comparison, Refusal> {
    let wanted = parse(picture, file, text)?;
    Ok(Comparison { file: file.to_owned(), differences: differences(picture, &wanted) })
}

/// The settings that the cluster is to have. Nothing of a file is published when one of its
/// differences cannot be: it is not the file of this cluster as it is.
pub fn settings(picture: &Picture, file: &str, text: &str) -> Result<Settings, Refusal> {
    let wanted = parse(picture, file, text)?;
    let stuck: Vec<String> = differences(picture, &wanted)
        .into_iter()
        .filter(|difference| !difference.applies)
        .map(|difference| difference.key)
        .collect();
    if !stuck.is_empty() {
        let text = format!(
            "{file} differs in {} as well, and members and names do not change this way: nothing \
             was published. Write there what the cluster has, which \"bossctl apply --dry-run\" \
             shows",
            stuck.join(", ")
        );
        return Err(Refusal::new(RefusalKind::Refused, text));
    }
    Ok(Settings::of(&wanted.state))
}

fn parse(picture: &Picture, file: &str, text: &str) -> Result<ClusterConfig, Refusal> {
    let own = picture.config.files.first();
    let directory = own.and_then(|path| path.parent()).unwrap_or(Path::new("/"));
    let sources = Sources {
        cluster: Source { path: PathBuf::from(file), text: text.to_owned() },
        node: None,
        directory: directory.to_owned(),
    };
    // Only the cluster-wide part is looked at, whichever server the file is for.
    match config::parse(&sources, &first_member(text)) {
        Ok(config) => Ok(config.cluster),
        Err(error) => Err(Refusal::new(RefusalKind::Refused, error.to_string())),
    }
}

/// A member of the file; nothing where there is none, which the check of the file tells then.
fn first_member(text: &str) -> String {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let member = table.get("member").and_then(|members| members.get(0));
    let name = member.and_then(|member| member.get("name")).and_then(toml::Value::as_str);
    name.unwrap_or_default().to_owned()
}

fn differences(picture: &Picture, wanted: &ClusterConfig) -> Vec<Difference> {
    let agreed = canonical_of(&picture.config.cluster.name, &picture.snapshot.state);
    config::differences(&agreed, &wanted.canonical)
        .into_iter()
        .map(|(key, cluster, file)| {
            let both = cluster.is_some() && file.is_some();
            let applies = key.starts_with("timing.")
                || key.starts_with("election.")
                || (key.starts_with("member.") && key.ends_with(".priority") && both);
            Difference { key, cluster, file, applies }
        })
        .collect()
}
