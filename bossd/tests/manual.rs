//! The manual pages against the program: the options, variables and exit statuses of bossd.8, the
//! contract of hooks in boss-hooks.7 and in the directory's README, and its worked hooks, which are the
//! files of etc/examples, are understood and found sound by judges of scripts, and one of which is run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bossd::executor::hooks::directory::Hook;
use bossd::executor::hooks::plan::{Call, Facts, HookEvent, HookState, plan};

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
    let known: BTreeSet<&str> = HookEvent::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(described, known);
    let readme = repository("etc/hooks.d/README");
    for event in known {
        assert!(readme.contains(&format!("\n  {event:<10}")), "{event}");
    }
}

#[test]
fn the_examples_of_the_page_are_the_files() {
    let mut shown = worked_hooks();
    let files = ["10-address.disabled", "20-postgresql.disabled", "40-cron.disabled", "on-boss"];
    for file in files {
        let text = repository(&format!("etc/examples/{file}"));
        let at = shown.iter().position(|example| *example == text);
        shown.remove(at.unwrap_or_else(|| panic!("boss-hooks.7 does not show {file} as it is")));
    }
    assert!(shown.is_empty(), "{shown:?}");
}

/// The scripts of the page's examples, as a reader sees them.
fn worked_hooks() -> Vec<String> {
    let page = repository("man/boss-hooks.7");
    let (_, examples) = page.split_once(".Sh EXAMPLES").expect("examples");
    let blocks = examples.split(".Bd -literal\n").skip(1);
    blocks.map(|block| plain(block.split(".Ed\n").next().unwrap_or_default())).collect()
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

/// Runs a command on each script; None if the command is not there.
fn on_each(scripts: &[String], command: &[&str]) -> Option<Vec<String>> {
    let mut complaints = Vec::new();
    for script in scripts {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), script).expect("written");
        let run = Command::new(command[0]).args(&command[1..]).arg(file.path()).output().ok()?;
        if !run.status.success() {
            let said = [run.stdout, run.stderr].concat();
            complaints.push(String::from_utf8_lossy(&said).into_owned());
        }
    }
    Some(complaints)
}

#[test]
fn the_worked_hooks_of_the_page_are_sound_scripts() {
    let hooks = worked_hooks();
    assert!(hooks.len() >= 4);
    assert_eq!(on_each(&hooks, &["sh", "-n"]), Some(Vec::new()));
    let Some(complaints) = on_each(&hooks, &["shellcheck", "--shell=sh"]) else {
        println!("SKIPPED the_worked_hooks_of_the_page_are_sound_scripts: no shellcheck");
        return;
    };
    assert!(complaints.is_empty(), "{}", complaints.concat());
}

/// In a network of its own, on the loopback there.
#[test]
fn the_worked_hook_for_an_address_takes_it_and_lets_go_of_it_any_number_of_times() {
    let hooks = worked_hooks();
    let hook = hooks.iter().find(|hook| hook.contains("virtual address")).expect("it is there");
    let hook = hook.replace("interface=eth0", "interface=lo");
    assert!(hook.contains("interface=lo") && hook.contains("address=10.0.0.100/24"));
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), hook).expect("written");
    let alone = |command: &[&str]| {
        Command::new("unshare").args(["--map-root-user", "--net"]).args(command).output()
    };
    let possible = alone(&["ip", "link", "set", "lo", "up"]);
    if !possible.is_ok_and(|output| output.status.success()) {
        println!(
            "SKIPPED the_worked_hook_for_an_address_takes_it_and_lets_go_of_it_any_number_of_times: \
             no network of its own, or no ip(8)"
        );
        return;
    }
    let story = r#"
        ip link set lo up
        has() { ip -o address show dev lo to 10.0.0.100 | grep -q .; }
        step() { sh "$hook" "$1" || { echo "$1 failed"; exit 1; }; }
        hook=$0
        step demote; ! has || { echo "from nowhere"; exit 1; }
        for round in 1 2; do
            step promote; has || { echo "not taken in round $round"; exit 1; }
            step promote; has || { echo "not taken twice in round $round"; exit 1; }
            step reassert; step follow; has || { echo "lost in round $round"; exit 1; }
            step demote; ! has || { echo "not let go of in round $round"; exit 1; }
            step demote; step stop
        done
    "#;
    let output = alone(&["sh", "-c", story, &file.path().to_string_lossy()]).expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_variable_that_the_sources_read_is_described_and_no_other() {
    let mut read = BTreeSet::new();
    variables(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut read);
    let page = repository("man/bossd.8");
    let described: BTreeSet<String> = listed(section(&page, ".Sh ENVIRONMENT"), ".It Ev ")
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(described, read);
}

/// What the environment is asked for, in all files below that are no tests; the service manager's
/// library asks for more.
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
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for call in ["env::var(\"", "env::var_os(\""] {
            let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
        for (call, name) in
            [("sd_notify::notify(", "NOTIFY_SOCKET"), ("watchdog_enabled(", "WATCHDOG_USEC")]
        {
            if text.contains(call) {
                found.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn every_rule_that_the_code_cites_is_in_the_page_about_the_protocol() {
    let page = repository("man/boss-protocol.7");
    let listed: BTreeSet<&str> =
        listed(&page, ".It ").into_iter().flat_map(|item| item.split(", ")).collect();
    let mut cited = BTreeSet::new();
    for directory in ["../election/src", "src"] {
        rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut cited);
    }
    assert!(cited.len() >= 25, "{cited:?}");
    let missing: Vec<_> = cited.iter().filter(|rule| !listed.contains(rule.as_str())).collect();
    assert!(missing.is_empty(), "boss-protocol(7) has no {missing:?}");
}

/// Words such as V1 and X4.
fn rules(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rules(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            if let [letter, digit @ b'0'..=b'9'] = word.as_bytes()
                && b"TVPCEAKLRSWX".contains(letter)
                && (*digit != b'0' || *letter == b'T')
            {
                found.insert(word.to_owned());
            }
        }
    }
}
