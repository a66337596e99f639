//! The files as TOML: tables whose every key and value knows its place. Finds all that is wrong
//! with the form: syntax, unknown sections and keys, cluster-wide sections in node.toml, values of
//! the wrong type. What the values mean is `check`'s business.

use election::Span;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, shown};
use super::keys::{Scope, Section, help_for_key, help_for_section, nearest, section};
use super::problems::{At, Given, Problems, Which};
use super::values::{A_TIME, Wrong};
use super::{Source, Sources};

/// Both files, parsed, their sections and keys known.
pub(super) struct Documents<'s> {
    cluster: DeTable<'s>,
    node: DeTable<'s>,
}

/// One section, as node.toml and cluster.toml give it together; or one `[[member]]`.
pub(super) struct Table<'d> {
    section: &'static Section,
    /// What wins first; each with the place of its header.
    layers: Vec<(At, &'d DeTable<'d>)>,
}

impl<'s> Documents<'s> {
    /// Both files as TOML. Their syntax must be right before anything else can be said.
    pub(super) fn parse(sources: &'s Sources, problems: &mut Problems<'s>) -> Self {
        let cluster = parse_toml(&sources.cluster, Which::Cluster, problems);
        let node = match &sources.node {
            Some(node) => parse_toml(node, Which::Node, problems),
            None => DeTable::new(),
        };
        let documents = Self { cluster, node };
        if !problems.syntax_failed() {
            documents.check_sections(problems);
        }
        documents
    }

    /// Whether the file has something of that name, be it of the right form or not.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.cluster.contains_key(name)
    }

    /// The section called `name`, perhaps without a single key.
    pub(super) fn section<'d>(&'d self, name: &str) -> Table<'d> {
        let section = known(name);
        let layers = [(Which::Node, &self.node), (Which::Cluster, &self.cluster)];
        let layers = layers.into_iter().filter_map(|(which, root)| {
            let value = root.get(name)?;
            Some((At { which, span: value.span() }, value.get_ref().as_table()?))
        });
        Table { section, layers: layers.collect() }
    }

    /// The sections `[[name]]` in the order of the file.
    pub(super) fn repeated<'d>(&'d self, name: &str) -> Vec<Table<'d>> {
        let section = known(name);
        let list = self.cluster.get(name).and_then(|value| value.get_ref().as_array());
        let tables = list.into_iter().flat_map(|list| list.iter()).filter_map(|item| {
            let at = At { which: Which::Cluster, span: item.span() };
            Some(Table { section, layers: vec![(at, item.get_ref().as_table()?)] })
        });
        tables.collect()
    }

    fn check_sections(&self, problems: &mut Problems<'_>) {
        for (which, root) in [(Which::Cluster, &self.cluster), (Which::Node, &self.node)] {
            for (key, value) in root {
                let name: &str = key.get_ref();
                let at = At { which, span: key.span() };
                match section(name) {
                    None => problems.add(&at, unknown_section(name, value.get_ref())),
                    Some(section) if which == Which::Node && section.scope == Scope::Cluster => {
                        problems.add(&at, cluster_wide(section));
                    }
                    Some(section) => check_form(section, &at, value, problems),
                }
            }
        }
    }
}

impl<'d> Table<'d> {
    /// Where its header stands; None if no file has the section.
    pub(super) fn at(&self) -> Option<&At> {
        self.layers.first().map(|(at, _)| at)
    }

    /// As the operator writes it.
    pub(super) fn header(&self) -> String {
        self.section.header()
    }

    /// Where the value of `key` stands, if it is there.
    pub(super) fn place_of(&self, key: &str) -> Option<At> {
        self.value(key).map(|given| given.at)
    }

    /// The value of `key` as it stands in the file.
    pub(super) fn value(&self, key: &str) -> Option<Given<&'d DeValue<'d>>> {
        assert!(self.section.keys.contains(&key), "{key} is missing in config::keys");
        self.layers.iter().find_map(|(at, table)| {
            let value = table.get(key)?;
            let at = At { which: at.which, span: value.span() };
            Some(Given { value: value.get_ref(), at })
        })
    }

    /// A string, turned into what it stands for.
    pub(super) fn string<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&'d str) -> Result<T, Wrong>,
        problems: &mut Problems<'_>,
    ) -> Option<Given<T>> {
        self.text(key, "string", parse, problems)
    }

    /// A time.
    pub(super) fn time(
        &self,
        key: &str,
        parse: impl FnOnce(&'d str) -> Result<Span, Wrong>,
        problems: &mut Problems<'_>,
    ) -> Option<Given<Span>> {
        self.text(key, "time in quotes", parse, problems)
    }

    fn text<T>(
        &self,
        key: &str,
        wanted: &str,
        parse: impl FnOnce(&'d str) -> Result<T, Wrong>,
        problems: &mut Problems<'_>,
    ) -> Option<Given<T>> {
        let Given { value, at } = self.value(key)?;
        let parsed = match value.as_str() {
            Some(text) => parse(text).map_err(|wrong| in_key(key, wrong)),
            None => Err(not_a(wanted, key, value)),
        };
        problems.sort_out(parsed, at)
    }

    /// A string that must be there; `example` is what to write.
    pub(super) fn required<T>(
        &self,
        key: &str,
        example: &str,
        parse: impl FnOnce(&'d str) -> Result<T, Wrong>,
        problems: &mut Problems<'_>,
    ) -> Option<Given<T>> {
        if let (Some(at), None) = (self.at(), self.value(key)) {
            let message = format!("{} has no `{key}`", self.header());
            problems.add(at, Wrong::new(message, format!("add {key} = {example}")));
        }
        self.string(key, parse, problems)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<Given<T>> {
        self.string(key, |text| parse_choice(text, choices), problems)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn integer(
        &self,
        key: &str,
        (least, most): (u8, u8),
        problems: &mut Problems<'_>,
    ) -> Option<Given<u8>> {
        let Given { value, at } = self.value(key)?;
        let parsed = match value.as_integer() {
            None => Err(not_a("whole number", key, value)),
            Some(number) => u8::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| {
                    let message = format!("`{key}` is {number}, but must be {least} to {most}");
                    Wrong::new(message, format!("write {key} = N with N from {least} to {most}"))
                }),
        };
        problems.sort_out(parsed, at)
    }

    /// A list of strings, each with its own place.
    pub(super) fn strings(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Given<Vec<Given<&'d str>>>> {
        let Given { value, at } = self.value(key)?;
        let Some(array) = value.as_array() else {
            return problems.sort_out(Err(not_a("list of strings", key, value)), at);
        };
        let mut list = Vec::new();
        for item in array {
            let at = At { which: at.which, span: item.span() };
            match item.get_ref().as_str() {
                Some(value) => list.push(Given { value, at }),
                None => problems.add(&at, not_a("list of strings", key, item.get_ref())),
            }
        }
        (list.len() == array.len()).then_some(Given { value: list, at })
    }
}

/// One of a few words, or which it could have been.
pub(super) fn parse_choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*choice);
    }
    let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
    let near = nearest(text, words.iter().copied())
        .map(|near| format!("; did you mean \"{near}\"?"))
        .unwrap_or_default();
    let help = format!("one of {}{near}", words.join(", "));
    Err(Wrong::new(format!("{} is unknown", shown(text)), help))
}

/// Parses one file; every line with a mistake in its syntax is told once, at its first mistake.
fn parse_toml<'s>(source: &'s Source, which: Which, problems: &mut Problems<'_>) -> DeTable<'s> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut last_line = 0;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = Place::of(source, span.clone()).line;
        if line == last_line {
            continue;
        }
        last_line = line;
        let help = match error.message() {
            "duplicate key" => "a key or section can be given once; merge the two",
            _ => "this is not TOML: key = \"text\", key = 7, key = [\"a\", \"b\"], [section]",
        };
        problems.syntax(&At { which, span }, Wrong::new(error.message(), help));
    }
    table.into_inner()
}

/// A section must be a table, or tables, and have only keys that are known.
fn check_form(
    section: &Section,
    at: &At,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Problems<'_>,
) {
    let header = section.header();
    let wrong_form = || {
        let message = format!("{} is a section", shown(section.name));
        Wrong::new(message, format!("write {header} on a line of its own"))
    };
    match (value.get_ref(), section.repeated) {
        (DeValue::Table(table), false) => check_keys(section, at, table, problems),
        (DeValue::Array(list), true) if !list.is_empty() => {
            for item in list {
                match item.get_ref().as_table() {
                    Some(table) => check_keys(section, at, table, problems),
                    None => problems.add(&At { span: item.span(), ..at.clone() }, wrong_form()),
                }
            }
        }
        (DeValue::Table(_), true) => {
            let message = format!("{} can be there more than once", shown(section.name));
            problems.add(at, Wrong::new(message, format!("write {header}, once for each")));
        }
        (DeValue::Array(list), false) if list.iter().any(|item| item.get_ref().is_table()) => {
            let message = format!("{} can be there once", shown(section.name));
            problems.add(at, Wrong::new(message, format!("write {header}")));
        }
        _ => problems.add(at, wrong_form()),
    }
}

fn check_keys(section: &Section, at: &At, table: &DeTable<'_>, problems: &mut Problems<'_>) {
    for (key, _) in table {
        let name: &str = key.get_ref();
        if !section.keys.contains(&name) {
            let message = format!("unknown key {} in {}", shown(name), section.header());
            let at = At { span: key.span(), ..at.clone() };
            problems.add(&at, Wrong::new(message, help_for_key(section, name)));
        }
    }
}

fn unknown_section(name: &str, value: &DeValue<'_>) -> Wrong {
    let what = match value {
        DeValue::Table(_) | DeValue::Array(_) => "unknown section",
        _ => "unknown key outside of any section,",
    };
    Wrong::new(format!("{what} {}", shown(name)), help_for_section(name))
}

fn cluster_wide(section: &Section) -> Wrong {
    let header = section.header();
    Wrong::new(
        format!("{header} must be the same on every server, so it cannot be in node.toml"),
        format!("move {header} to cluster.toml, on every server"),
    )
}

fn not_a(wanted: &str, key: &str, value: &DeValue<'_>) -> Wrong {
    let kind = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let help = match (wanted, value) {
        ("string", DeValue::Integer(n)) => format!("write it in quotes: {key} = \"{n}\""),
        ("string", DeValue::Float(n)) => format!("write it in quotes: {key} = \"{n}\""),
        ("time in quotes", DeValue::Integer(n)) => {
            format!("write its unit, in quotes: {key} = \"{n}ms\" or \"{n}s\"")
        }
        ("time in quotes", _) => A_TIME.to_owned(),
        ("string", _) => format!("write {key} = \"...\""),
        ("list of strings", _) => format!("write {key} = [\"...\", \"...\"]"),
        _ => format!("write {key} = 7, without quotes"),
    };
    Wrong::new(format!("`{key}` must be a {wanted}, not {kind}"), help)
}

/// The same, with the key that the value is of.
pub(super) fn in_key(key: &str, wrong: Wrong) -> Wrong {
    Wrong { message: format!("`{key}`: {}", wrong.message), help: wrong.help }
}

fn known(name: &str) -> &'static Section {
    section(name).unwrap_or_else(|| panic!("[{name}] is missing in config::keys"))
}
