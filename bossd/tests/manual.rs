//! The manual pages against the program: the options and exit statuses of bossd.8, and the contract
//! of hooks in boss-hooks.7 and in the directory's README, with the examples, which are the files of
//! etc/examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bossd::executor::hooks::directory::Hook;
use bossd::executor::hooks::plan::{Call, Facts, HookEvent, HookState, plan};

const EVENTS: [HookEvent; 5] = [
    HookEvent::Promote,
    HookEvent::Demote,
    HookEvent::Follow,
    HookEvent::Reassert,
    HookEvent::Stop,
];

fn repository(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is between a heading of the page and the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let begin = page.find(heading).unwrap_or_else(|| panic!("no {heading}"));
    let text = &page[begin + heading.len()..];
    let end = ["\n.Sh ", "\n.Ss "].iter().filter_map(|next| text.find(next)).min();
    &text[..end.unwrap_or(text.len())]
}

fn listed<'a>(text: &'a str, item: &str) -> BTreeSet<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(item)).collect()
}

fn call(event: HookEvent) -> Call {
    let facts = Facts {
        cluster: String::new(),
        node: String::new(),
        state: HookState::Master,
        epoch: None,
        term: 0,
        current: None,
        current_address: None,
        previous: None,
        reason: String::new(),
        transition: String::new(),
        urgent: false,
        deadline_ms: 0,
        priority: 0,
        role: None,
        members: Vec::new(),
        dry_run: false,
        run_directory: String::new(),
    };
    let hook = Hook::new("10-a", "/10-a");
    plan(event, &[hook], &facts, None, &[]).remove(0)
}

#[test]
fn the_page_has_every_option_and_no_other() {
    let output = Command::new(env!("CARGO_BIN_EXE_bossd")).arg("--help").output();
    let help = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let (_, options) = help.split_once("Options:\n").expect("options");
    let mut told = BTreeSet::new();
    for line in options.lines() {
        let names = line.trim().split("  ").next().unwrap_or_default();
        let names = names.split([' ', ',']).filter(|word| word.starts_with('-'));
        told.extend(names.map(str::to_owned));
    }
    let page = repository("man/bossd.8");
    let mut listed_flags = BTreeSet::new();
    for line in listed(&page, ".It Fl ") {
        let names = line.split(' ').take_while(|word| !["Op", "Ar"].contains(word));
        listed_flags.extend(names.filter(|word| *word != ",").map(|word| format!("-{word}")));
    }
    assert_eq!(listed_flags, told);
}

#[test]
fn the_page_has_every_exit_status_and_no_other() {
    let source = repository("bossd/src/sysexits.rs");
    let mut known: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "))
        .map(|(_, value)| value.trim_end_matches(';'))
        .collect();
    let usage = bossd::args::USAGE_STATUS.to_string();
    known.insert(&usage);
    let page = repository("man/bossd.8");
    assert_eq!(listed(section(&page, ".Sh EXIT STATUS"), ".It "), known);
}

#[test]
fn every_variable_that_a_hook_gets_is_described_and_no_other() {
    let page = repository("man/boss-hooks.7");
    let described = listed(section(&page, ".Ss Environment"), ".It Ev ");
    let readme = repository("etc/hooks.d/README");
    let call = call(HookEvent::Promote);
    let given: BTreeSet<&str> = call.env.iter().map(|(name, _)| *name).collect();
    assert_eq!(described, given);
    for name in given {
        assert!(readme.contains(name), "{name} is not in etc/hooks.d/README");
    }
}

#[test]
fn the_document_has_the_names_of_the_variables() {
    let call = call(HookEvent::Promote);
    let document: serde_json::Value = serde_json::from_str(&call.stdin).expect("JSON");
    let keys: BTreeSet<String> = document.as_object().expect("an object").keys().cloned().collect();
    let names = call.env.iter().filter_map(|(name, _)| name.strip_prefix("BOSS_"));
    assert_eq!(keys, names.map(str::to_lowercase).collect());
}

#[test]
fn every_event_is_described_and_no_other() {
    let page = repository("man/boss-hooks.7");
    let described = listed(section(&page, ".Ss Events"), ".It Cm ");
    let known: BTreeSet<&str> = EVENTS.iter().map(|event| event.as_str()).collect();
    assert_eq!(described, known);
    let readme = repository("etc/hooks.d/README");
    for event in known {
        assert!(readme.contains(&format!("\n  {event:<10}")), "{event}");
    }
}

#[test]
fn the_examples_of_the_page_are_the_files() {
    let page = repository("man/boss-hooks.7");
    let (_, examples) = page.split_once(".Sh EXAMPLES").expect("examples");
    let mut shown: Vec<String> = examples
        .split(".Bd -literal\n")
        .skip(1)
        .map(|example| plain(example.split(".Ed\n").next().unwrap_or_default()))
        .collect();
    let files = ["10-address.disabled", "20-postgresql.disabled", "40-cron.disabled", "on-boss"];
    for file in files {
        let text = repository(&format!("etc/examples/{file}"));
        let at = shown.iter().position(|example| *example == text);
        shown.remove(at.unwrap_or_else(|| panic!("boss-hooks.7 does not show {file} as it is")));
    }
    assert!(shown.is_empty(), "{shown:?}");
}

/// As a reader sees it.
fn plain(roff: &str) -> String {
    let escapes = [("\\(aq", "'"), ("\\(ga", "`"), ("\\(ti", "~"), ("\\(ha", "^"), ("\\-", "-")];
    let text = escapes.iter().fold(roff.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("\\&", "").replace("\\e", "\\")
}

#[test]
fn every_example_is_a_script_that_the_shell_understands() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/examples");
    let mut count = 0;
    for entry in fs::read_dir(&directory).expect("examples") {
        let path = entry.expect("an entry").path();
        let checked = Command::new("sh").arg("-n").arg(&path).status().expect("a shell");
        assert!(checked.success(), "{}", path.display());
        count += 1;
    }
    assert!(count > 0);
}
