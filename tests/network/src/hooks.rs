//! What the hosts' hooks do: the witness of the harness, the shared address by the very example
//! that operators copy, and a gate at which a transition can be held.

use std::fs;
use std::path::Path;

use bossctl::playground::cluster::{Hook, HookContent};

use crate::lan::SHARED;

/// Takes the shared address and lets it go.
pub(crate) fn address() -> Hook {
    let text = EXAMPLE
        .replace("address=10.0.0.100/24", &format!("address={SHARED}/24"))
        .replace("arping -q", ": the client needs none; not arping -q");
    assert!(text.contains(&SHARED.to_string()), "the example has changed");
    script("20-address", &text)
}

/// Holds a transition while there is a file `hold-EVENT` in the node's directory. With a file
/// `stray` there, a promote fails and leaves a process in a session of its own that takes the shared
/// address again and again, whatever demote does.
pub(crate) fn gate() -> Hook {
    let stray = format!(
        "while :; do ip address replace {SHARED}/24 dev eth0; echo >>\"$0/stray.log\"; sleep 0.01; done"
    );
    script(
        "50-gate",
        &format!(
            "#!/bin/sh\nat=\"${{0%/*}}/..\"\necho \"$1\" >>\"$at/gate.log\"\n\
             while test -e \"$at/hold-$1\"; do sleep 0.02; done\n\
             if test \"$1\" = promote && test -e \"$at/stray\"; then\n\
             setsid sh -c '{stray}' \"$at\" >/dev/null 2>&1 &\nsleep 0.2\nexit 1\nfi\n"
        ),
    )
}

/// A hook that is this script.
pub fn script(name: &str, text: &str) -> Hook {
    Hook { name: name.to_owned(), content: HookContent::Script(text.to_owned()) }
}

/// Holds the next transitions of this kind, or lets them go on.
pub(crate) fn set_held(node: &Path, event: &str, held: bool) {
    set(&node.join(format!("hold-{event}")), held);
}

/// Has the next promotes fail and leave something behind, or no longer.
pub(crate) fn set_stray(node: &Path, stray: bool) {
    set(&node.join("stray"), stray);
}

/// How often what a promote left took the shared address.
pub(crate) fn strays(node: &Path) -> u64 {
    fs::metadata(node.join("stray.log")).map_or(0, |it| it.len())
}

fn set(file: &Path, there: bool) {
    if there {
        fs::write(file, "").expect("the test's own directory");
    } else if let Err(error) = fs::remove_file(file) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}

/// How many transitions of this kind have come to the gate.
pub(crate) fn at_gate(node: &Path, event: &str) -> usize {
    let log = fs::read_to_string(node.join("gate.log")).unwrap_or_default();
    log.lines().filter(|line| *line == event).count()
}

const EXAMPLE: &str = include_str!("../../../etc/examples/10-address.disabled");
