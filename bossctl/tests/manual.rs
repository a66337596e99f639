//! The manual page against the command: what `--help` has is in bossctl.8, and what bossctl.8 has
//! is in `--help`: verbs, options, their words and defaults, and exit statuses; and the environment
//! is what the sources read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;

/// A verb as it is typed, with its options.
type Verbs = BTreeMap<String, BTreeSet<String>>;

/// What goes with every verb; the page has it once.
const EVERYWHERE: [&str; 3] = ["--socket", "-h", "--help"];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/bossctl.8");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn help(verb: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bossctl"));
    let output = command.args(verb).arg("--help").output().expect("it runs");
    assert!(output.status.success(), "{verb:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The lines of a part of clap's help, without their indentation.
fn part<'a>(help: &'a str, title: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| !line.is_empty()).map(str::trim).collect()
}

/// `-n, --nodes <N>  How many` has two names.
fn options(help: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in part(help, "Options:") {
        let names = line.split("  ").next().unwrap_or_default().split([' ', ',']);
        found.extend(names.filter(|word| word.starts_with('-')).map(str::to_owned));
    }
    found
}

fn verbs_of_the_command(above: &[&str], found: &mut Verbs) {
    let help = help(above);
    for line in part(&help, "Commands:") {
        let verb = line.split(' ').next().expect("a name");
        let path = [above, &[verb]].concat();
        // `help` explains itself, and below another verb it is that verb's `--help`.
        if verb == "help" {
            continue;
        }
        verbs_of_the_command(&path, found);
    }
    if !help.contains("\nCommands:\n") {
        let mut own = options(&help);
        own.retain(|option| !EVERYWHERE.contains(&option.as_str()));
        found.insert(above.join(" "), own);
    }
}

/// mdoc's `Fl` takes the first dash away.
fn flags(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut found = Vec::new();
    for (index, _) in words.iter().enumerate().filter(|(_, word)| **word == "Fl") {
        let after = words[index + 1..].iter().take_while(|word| !is_macro(word));
        found.extend(after.filter(|word| **word != ",").map(|word| format!("-{word}")));
    }
    found
}

fn is_macro(word: &str) -> bool {
    ["Ar", "Fl", "Oo", "Oc", "Op", "Cm"].contains(&word)
}

/// The verb of a heading: all before the first macro.
fn verb_of(heading: &str) -> String {
    let words = heading.split(' ').skip(1).take_while(|word| !is_macro(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Each `.Ss bossctl VERB` of the page, with its text.
fn sections(page: &str) -> BTreeMap<String, (String, String)> {
    let end = page.find(".Sh ENVIRONMENT").expect("a section");
    let mut found = BTreeMap::new();
    for section in page[..end].split("\n.Ss ").skip(1) {
        let (heading, text) = section.split_once('\n').expect("a heading");
        found.insert(verb_of(heading), (heading.to_owned(), text.to_owned()));
    }
    found
}

fn listed_options(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with(".It Fl")).flat_map(flags).collect()
}

#[test]
fn the_page_has_every_verb_with_every_option_and_no_other() {
    let mut command = Verbs::new();
    verbs_of_the_command(&[], &mut command);
    let page = page();
    let mut sections = sections(&page);
    assert!(sections.remove("help").is_some(), "help is a verb too");
    let listed: Verbs =
        sections.iter().map(|(verb, (_, text))| (verb.clone(), listed_options(text))).collect();
    assert_eq!(listed, command);
    let in_headings: Verbs = sections
        .iter()
        .map(|(verb, (heading, _))| {
            let long = flags(heading).into_iter();
            (verb.clone(), long.collect())
        })
        .collect();
    for (verb, options) in in_headings {
        assert!(options.is_subset(&command[&verb]), "{verb}: {options:?}");
        let missing: Vec<_> = command[&verb].difference(&options).collect();
        // Of `-n, --nodes` a heading has one.
        assert!(missing.len() <= usize::from(verb == "playground"), "{verb}: {missing:?}");
    }
}

#[test]
fn the_page_has_the_options_that_go_with_every_verb() {
    let page = page();
    let before = &page[..page.find("\n.Ss ").expect("verbs")];
    assert_eq!(listed_options(before), options(&help(&[])));
}

#[test]
fn every_verb_has_an_example() {
    for (verb, (_, text)) in sections(&page()) {
        let example = text.split(".Bd -literal").nth(1).unwrap_or_default();
        assert!(example.contains(&format!("bossctl {verb}")), "{verb}");
    }
}

#[test]
fn the_page_has_every_exit_status_that_the_help_has() {
    let help = help(&[]);
    let line = help.lines().find_map(|line| line.strip_prefix("Exit status: ")).expect("told");
    let told: BTreeSet<&str> =
        line.split(", ").map(|one| one.split(' ').next().expect("a number")).collect();
    let page = page();
    let section = page.split(".Sh EXIT STATUS").nth(1).expect("a section");
    let listed: BTreeSet<&str> =
        section.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
    assert_eq!(listed, told);
}

#[test]
fn the_page_names_the_socket_and_its_variable() {
    let page = page();
    assert!(page.contains(bossctl::args::SOCKET));
    assert!(page.contains(bossctl::args::SOCKET_VARIABLE));
}

/// Each verb at the end of its path, as the page has it.
fn leaves(command: &clap::Command, above: &str, found: &mut Vec<(String, clap::Command)>) {
    let verbs: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    if verbs.is_empty() {
        found.push((above.to_owned(), command.clone()));
    }
    for verb in verbs {
        let path = format!("{above} {}", verb.get_name());
        leaves(verb, path.trim_start(), found);
    }
}

#[test]
fn every_word_and_every_default_of_an_argument_is_in_the_section_of_its_verb() {
    let (page, mut verbs) = (page(), Vec::new());
    leaves(&bossctl::args::Args::command(), "", &mut verbs);
    let (sections, mut words, mut defaults) = (sections(&page), 0, 0);
    for (verb, command) in verbs {
        let Some((heading, text)) = sections.get(&verb) else {
            panic!("bossctl {verb}: no section")
        };
        let marked = format!("{heading}\n{text}").replace("\\-", "-");
        let marked: BTreeSet<&str> =
            marked.split_whitespace().map(|word| word.trim_end_matches([',', '.', ';'])).collect();
        for argument in command.get_arguments().filter(|it| !it.is_hide_set()) {
            let id = argument.get_id();
            let flag = !argument.get_action().takes_values();
            for word in argument.get_possible_values().iter().filter(|_| !flag) {
                assert!(marked.contains(word.get_name()), "{verb} {id}: {}", word.get_name());
                words += 1;
            }
            for default in argument.get_default_values().iter().filter(|_| !flag) {
                let default = default.to_string_lossy();
                assert!(marked.contains(&*default), "{verb} {id}: default {default}");
                defaults += 1;
            }
        }
    }
    assert!(words >= 10 && defaults >= 4, "{words} {defaults}");
}

#[test]
fn every_variable_that_the_sources_read_is_described_and_no_other() {
    let mut read = BTreeSet::from([bossctl::args::SOCKET_VARIABLE.to_owned()]);
    variables(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut read);
    // The standard library's, for the directory of temporary files.
    read.insert("TMPDIR".to_owned());
    let page = page();
    let section = page.split(".Sh ENVIRONMENT").nth(1).expect("a section");
    let section = section.split("\n.Sh ").next().expect("its text");
    let listed: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix(".It Ev "))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, read);
}

/// What `var` and `var_os` are asked for, in all files below that are no tests.
fn variables(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            variables(&path, found);
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["env::var(\"", "env::var_os(\""] {
            let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn a_page_that_is_named_is_one_that_there_is() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    let pages: Vec<_> = fs::read_dir(&directory).expect("pages").flatten().collect();
    assert!(pages.len() >= 5);
    for page in &pages {
        let text = fs::read_to_string(page.path()).expect("a page");
        for line in text.lines().filter_map(|line| line.strip_prefix(".Xr ")) {
            let mut words = line.split(' ');
            let (name, number) = (words.next().expect("a name"), words.next().expect("a section"));
            if name.starts_with("boss") || name == "cluster.toml" {
                let file = directory.join(format!("{name}.{number}"));
                assert!(file.exists(), "{line} in {}", page.path().display());
            }
        }
    }
}
