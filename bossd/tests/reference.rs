//! cluster.toml(5) as a reference: what it says of each key is held against the checker. Its
//! examples are valid, its defaults change nothing, its ranges end where they say, its words are all
//! there are, and a key without all of that is told by its name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bossd::config::{self, Config, ConfigError, NEED_RESTART, SECTIONS, Scope, Source, Sources};

/// What the page says of one key.
#[derive(Debug)]
struct Fact {
    /// The type, with what it may be.
    kind: String,
    /// `default ...`, or that it must be given.
    default: String,
    /// When a change counts.
    when: String,
    /// As it stands in a file.
    example: String,
}

/// By section and key, as `hooks.timeout`.
type Facts = BTreeMap<String, Fact>;

/// What some keys need beside them to have an effect.
const COMPANIONS: [(&str, &str); 5] = [
    ("election.failback-delay", "failback = \"auto\""),
    ("fence.timeout", "run = [\"/bin/x\"]"),
    ("hooks.on-fence-failure", "escalation-command = [\"/bin/x\"]\nescalation-timeout = \"100ms\""),
    ("hooks.escalation-command", "on-fence-failure = \"command\"\nescalation-timeout = \"100ms\""),
    (
        "hooks.escalation-timeout",
        "on-fence-failure = \"command\"\nescalation-command = [\"/bin/x\"]",
    ),
];

fn facts() -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/cluster.toml.5");
    let page =
        fs::read_to_string(path).expect("the page").replace("\\(dq", "\"").replace("\\-", "-");
    let (mut section, mut key, mut depth) = (None, None, 0_usize);
    let (mut paragraph, mut facts) = (String::new(), Facts::new());
    for line in page.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(".Sh"), ..) => section = None,
            (Some(".Ss"), Some(header), _) => {
                let name = header.replace("\\&", "");
                section = Some(name.trim_matches(['[', ']']).to_owned());
            }
            (Some(".Bl"), ..) => depth += 1,
            (Some(".El"), ..) => depth -= 1,
            (Some(".It"), Some("Cm"), Some(name)) if depth == 1 => key = Some(name.to_owned()),
            (Some(".Pp"), ..) => paragraph.clear(),
            (Some(".Dl"), ..) => {
                let (Some(section), Some(key)) = (&section, &key) else { continue };
                let said = paragraph.trim().trim_end_matches(':').to_owned();
                let parts: Vec<&str> = said.split("; ").collect();
                let [kind, default, when] = parts[..] else { panic!("{section}.{key}: {said}") };
                let fact = Fact {
                    kind: kind.to_owned(),
                    default: default.to_owned(),
                    when: when.to_owned(),
                    example: line.trim_start_matches(".Dl ").to_owned(),
                };
                facts.insert(format!("{section}.{key}"), fact);
            }
            _ => {
                paragraph.push_str(line);
                paragraph.push(' ');
            }
        }
    }
    facts
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let source = Source { path: "cluster.toml".into(), text: text.into() };
    let sources = Sources { cluster: source, node: None, directory: "/etc/boss".into() };
    config::parse(&sources, "alpha")
}

/// A file in which this key has this value, or is not there.
fn with(key: &str, value: Option<&str>) -> String {
    let (section, name) = key.split_once('.').expect("section and key");
    let line = value.map(|value| format!("{name} = {value}\n")).unwrap_or_default();
    let companion = COMPANIONS.iter().find(|(known, _)| *known == key).map(|(_, text)| *text);
    // Short enough for the longest escalation, which has to fit into it.
    let fence = if key == "hooks.escalation-timeout" { "fence-window = \"59s\"\n" } else { "" };
    let own = format!("{line}{}\n", companion.filter(|_| value.is_some()).unwrap_or_default());
    let part = |header: &str| if section == header { own.as_str() } else { "" };
    let mut text = format!("[cluster]\nname = \"web\"\n{}", part("cluster"));
    text += "[[member]]\nname = \"alpha\"\naddress = \"10.0.0.1:26770\"\n";
    text += part("member");
    text += "[[member]]\nname = \"beta\"\naddress = \"10.0.0.2:26770\"\n";
    if section == "timing" || !fence.is_empty() {
        let _ = write!(text, "[timing]\n{fence}{}", part("timing"));
    }
    if !["cluster", "member", "timing"].contains(&section) {
        let _ = write!(text, "[{section}]\n{own}");
    }
    text
}

#[test]
fn every_key_has_its_type_its_default_when_it_counts_and_an_example() {
    let mut facts = facts();
    let mut missing = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            let name = format!("{}.{key}", section.name);
            let Some(fact) = facts.remove(&name) else {
                missing.push(name);
                continue;
            };
            let when = match section.scope {
                Scope::Cluster => "cluster-wide",
                Scope::Server if NEED_RESTART.iter().any(|(key, _)| *key == name) => "at a restart",
                Scope::Server => "at a reload",
            };
            assert_eq!(fact.when, when, "{name}");
            assert!(fact.example.starts_with(&format!("{key} = ")), "{name}: {fact:?}");
            let default = fact.default.starts_with("default ") || fact.default == "must be given";
            assert!(default, "{name}: {fact:?}");
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "cluster.toml(5) does not say all of these");
    assert!(facts.is_empty(), "no keys: {:?}", facts.keys());
}

#[test]
fn all_examples_of_the_page_are_a_valid_file() {
    let facts = facts();
    let mut text = String::new();
    for section in SECTIONS {
        let _ = writeln!(text, "{}", section.header());
        for key in section.keys {
            let _ = writeln!(text, "{}", facts[&format!("{}.{key}", section.name)].example);
        }
    }
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.cluster.name, "web");
    // The two lists of examples stand for whole files.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/cluster.toml.5");
    let page = fs::read_to_string(path).expect("the page");
    let files = page.split(".Bd -literal -offset indent\n").skip(1);
    let files: Vec<&str> = files.map(|file| file.split(".Ed").next().unwrap_or_default()).collect();
    assert!(files.len() >= 2);
    for file in files {
        parse(file).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_default_that_is_written_down_changes_nothing() {
    let mut tried = 0;
    for (key, fact) in facts() {
        let default = fact.default.trim_start_matches("default ");
        let words = ["must be", "that of", "the ", "none", "control.sock"];
        if words.iter().any(|word| default.starts_with(word)) {
            continue;
        }
        let bare = default.starts_with('[') || default.parse::<u32>().is_ok();
        let value = if bare { default.to_owned() } else { format!("\"{default}\"") };
        let name = key.split_once('.').expect("section and key").1;
        let given = with(&key, Some(&value));
        let line = format!("{name} = {value}\n");
        assert!(given.contains(&line));
        // The alarm is what there is without a command.
        let given = match key.as_str() {
            "hooks.on-fence-failure" => {
                with("hooks.x", None).replace("[hooks]\n", &format!("[hooks]\n{line}"))
            }
            _ => given,
        };
        let without = given.replace(&line, "");
        let parsed = |text: &str| parse(text).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(parsed(&given), parsed(&without), "{key} = {value}");
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
}

#[test]
fn a_range_ends_where_the_page_says() {
    let mut tried = 0;
    for (key, fact) in facts() {
        let Some((kind, range)) = fact.kind.split_once(' ') else { continue };
        let (least, most) = match (range.strip_prefix("from "), range.strip_prefix("of ")) {
            (Some(range), _) => range.split_once(" to ").map(|(a, b)| (Some(a), Some(b))),
            (_, Some(range)) => range.strip_suffix(" or more").map(|least| (Some(least), None)),
            _ => None,
        }
        .unwrap_or_default();
        let just = |edge: &str, by: i64| beside(kind, edge, by);
        for (edge, outwards) in [(least, -1), (most, 1)] {
            let Some(edge) = edge else { continue };
            let Some(inside) = just(edge, 0) else { continue };
            let accepted = parse(&with(&key, Some(&inside)));
            // What is left to other rules: an escalation of an hour fits into no fence window.
            let fits = key != "hooks.escalation-timeout" || outwards < 0;
            assert!(!fits || accepted.is_ok(), "{key} = {inside}: {accepted:?}");
            let Some(outside) = just(edge, outwards) else { continue };
            assert!(parse(&with(&key, Some(&outside))).is_err(), "{key} = {outside}");
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}

/// A value at an edge, or a step beside it; None where there is nothing beside it.
fn beside(kind: &str, edge: &str, by: i64) -> Option<String> {
    match kind {
        "Number" => Some((edge.parse::<i64>().ok()? + by).to_string()),
        "Time" => {
            let digits = edge.trim_end_matches(char::is_alphabetic);
            let per = match &edge[digits.len()..] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            let ms = digits.parse::<i64>().ok()? * per + by;
            (ms >= 0).then(|| format!("\"{ms}ms\""))
        }
        "Rate" => {
            let hundredths = (edge.strip_suffix('%')?.parse::<f64>().ok()? * 100.0).round();
            // In hundredths of a percent, which no step of a float blurs.
            let hundredths = format!("{hundredths}").parse::<i64>().ok()? + by;
            Some(format!("\"{}.{:02}%\"", hundredths / 100, hundredths % 100))
        }
        _ => None,
    }
}

#[test]
fn the_words_of_a_choice_are_all_there_are() {
    let mut tried = 0;
    for (key, fact) in facts() {
        let Some(words) = fact.kind.strip_prefix("One of ") else { continue };
        let words: Vec<&str> = words.split(", ").collect();
        for word in &words {
            let text = with(&key, Some(&format!("\"{word}\"")));
            // A word that makes what stands beside it useless has to stand alone.
            let alone = COMPANIONS.iter().fold(text.clone(), |text, (_, it)| text.replace(it, ""));
            assert!(parse(&text).is_ok() || parse(&alone).is_ok(), "{key} = {word}");
        }
        let error = parse(&with(&key, Some("\"bogus\""))).expect_err(&key);
        let help = &error.problems()[0].help;
        let listed = help.rsplit_once("one of ").map_or(help.as_str(), |(_, list)| list);
        let listed: Vec<&str> = listed.split(", ").collect();
        assert_eq!(listed, words, "{key}: {help}");
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
    // And those of a list.
    let error = parse(&with("election.prefer", Some("[\"bogus\"]"))).expect_err("no criterion");
    let help = error.problems()[0].help.clone();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/cluster.toml.5");
    let page = fs::read_to_string(path).expect("the page");
    for word in help.trim_start_matches("one of ").split(", ") {
        assert!(page.lines().any(|line| line.starts_with(&format!(".Cm {word}"))), "{word}");
    }
}
