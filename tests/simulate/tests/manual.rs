//! boss-protocol(7) names scripts and faults: those that there are.

use std::path::Path;

use simulate::Fault;

/// What the page lists under `letter` (S for scripts, F for faults of the simulator, C for tests with
/// processes).
fn listed(letter: &str) -> Vec<String> {
    let page = include_str!("../../../man/boss-protocol.7");
    let start = page.find(".Ss Faults, and where each is tried").expect("the list of faults");
    let list = &page[start..];
    let items = &list[list.find(".It ").expect("an item")..list.find("\n.El").expect("its end")];
    let items = items.split(".It ").skip(1);
    let texts = items.map(|item| item.lines().skip(1).collect::<Vec<_>>().join(" "));
    let parts = texts.flat_map(|text| text.split("; ").map(str::to_owned).collect::<Vec<_>>());
    let named = parts.filter_map(|part| {
        let names = part.strip_prefix(letter)?.strip_prefix(' ')?.to_owned();
        Some(names.split(", ").map(|name| name.trim().to_owned()).collect::<Vec<_>>())
    });
    named.flatten().collect()
}

#[test]
fn the_scripts_that_the_manual_names_are_there() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../election/tests/scripts");
    let names = listed("S");
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(scripts.join(format!("{name}.txt")).is_file(), "no script {name}");
    }
}

#[test]
fn the_tests_with_processes_that_the_manual_names_are_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/tests/cluster");
    let names = listed("C");
    assert!(!names.is_empty());
    for name in names {
        assert!(tests.join(format!("{name}.rs")).is_file(), "no test {name}");
    }
}

#[test]
fn the_faults_that_the_manual_names_are_the_simulators() {
    let names = listed("F");
    for name in &names {
        assert!(Fault::ALL.iter().any(|fault| fault.name() == name), "no fault {name}");
    }
    let untold = ["channel-slow", "leave", "ready", "clear", "confirm", "latency"];
    for fault in Fault::ALL.iter().map(|fault| fault.name()) {
        let told = names.iter().any(|name| name == fault) || untold.contains(&fault);
        assert!(told, "the manual does not name {fault}");
    }
}
