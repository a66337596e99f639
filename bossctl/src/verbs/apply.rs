//! `bossctl apply`: shows how a cluster.toml differs from what the cluster has agreed on, and gives
//! the cluster its timing, policy and priorities. The daemon reads the text; bossctl only fetches it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use control::comparison::{Comparison, Difference};
use control::interface::{self, MAX_TEXT};
use serde_json::Value;

use super::connect;
use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::render::plain;

/// Compares, and publishes unless only that was asked for.
pub fn apply(socket: &Path, args: &args::Apply) -> Result<Exit, Failure> {
    let parameters = read(&args.file)?;
    let mut daemon = connect(socket)?;
    let document = daemon.compare(&parameters)?;
    if args.json {
        answer(&format!("{document:#}\n"))?;
        return Ok(Exit::Done);
    }
    let comparison = understand(document)?;
    answer(&shown(&comparison))?;
    if args.dry_run || comparison.differences.is_empty() {
        return Ok(Exit::Done);
    }
    let done = daemon.apply(&parameters)?;
    answer(&format!("{}\n", plain(&done.text)))?;
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<interface::Apply, Failure> {
    let refused = |why: String| {
        Failure::No(format!(
            "{}: {why}: name a cluster.toml, as in `bossctl apply /etc/boss/cluster.toml`",
            file.display()
        ))
    };
    let text = fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    if text.len() > MAX_TEXT {
        return Err(refused(format!("is longer than {} KiB", MAX_TEXT / 1024)));
    }
    Ok(interface::Apply { file: file.display().to_string(), text })
}

fn understand(document: Value) -> Result<Comparison, Failure> {
    serde_json::from_value(document)
        .map_err(|error| Failure::No(format!("bossd sent a comparison that is none: {error}")))
}

fn shown(comparison: &Comparison) -> String {
    let file = plain(&comparison.file);
    if comparison.differences.is_empty() {
        return format!("{file} says what the cluster says\n");
    }
    let mut text = format!("{file} differs from the cluster:\n");
    for Difference { key, cluster, file, applies } in &comparison.differences {
        let said = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), plain);
        let stays = if *applies { "" } else { "   (does not change this way)" };
        let _ = writeln!(text, "  {}: {} -> {}{stays}", plain(key), said(cluster), said(file));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_a_line_with_both_values() {
        let document = include_str!("../../../control/tests/comparison.json");
        let comparison = understand(serde_json::from_str(document).expect("JSON"));
        assert_eq!(
            shown(&comparison.expect("a comparison")),
            "/etc/boss/cluster.toml differs from the cluster:\n  \
             member.gamma.priority: 100 -> 150\n  \
             member.delta: - -> 10.0.0.4:26770   (does not change this way)\n"
        );
        let same = Comparison { file: "x.toml".to_owned(), differences: Vec::new() };
        assert_eq!(shown(&same), "x.toml says what the cluster says\n");
    }
}
