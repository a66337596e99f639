//! The configuration: any text is answered with a configuration or with problems that each name
//! their file, their line if they are about one, and a remedy.

use std::path::PathBuf;

use bossd::config::{self, Config, ConfigError, Source, Sources, canonical_of, differing_keys};

/// Stands between cluster.toml and node.toml.
pub const NODE_FILE: &str = "\n# ---- node.toml ----\n";

/// Any bytes; what is not UTF-8 is refused before it gets there.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (cluster, node) = match text.split_once(NODE_FILE) {
        Some((cluster, node)) => (cluster, Some(node)),
        None => (text, None),
    };
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let sources = Sources {
        cluster: source("cluster.toml", cluster),
        node: node.map(|text| source("node.toml", text)),
        directory: PathBuf::from("/etc/boss"),
    };
    match config::parse(&sources, "alpha") {
        Ok(config) => fits(&config),
        Err(error) => names_places(&error, &sources),
    }
}

/// What is valid can be reported, compared, and begun with.
fn fits(config: &Config) {
    let report = config::report(config);
    assert!(report.contains("valid"), "{report}");
    let state = &config.cluster.state;
    let canonical = canonical_of(&config.cluster.name, state);
    assert_eq!(canonical, config.cluster.canonical);
    assert_eq!(differing_keys(&canonical, &canonical), Vec::<String>::new());
    assert!(state.timing.check().is_ok(), "protocol.md 7: {:?}", state.timing);
    assert!(state.members.find(&config.node.name).is_some(), "this server is a member");
    crate::state_file::begins(state, &config.node.name);
}

fn names_places(error: &ConfigError, sources: &Sources) {
    let said = error.to_string();
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "for a terminal: {said:?}");
    for problem in error.problems() {
        let in_node = problem.file.as_os_str() == "node.toml";
        let source = if in_node { sources.node.as_ref() } else { Some(&sources.cluster) };
        let source = source.expect("a problem is of a file that is there");
        assert_eq!(problem.file, source.path);
        assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
        let Some(place) = &problem.place else { continue };
        let lines = source.text.split('\n').count();
        assert!((1..=lines).contains(&place.line), "line {} of {lines}", place.line);
        assert!(place.column >= 1, "columns count from 1");
    }
}
