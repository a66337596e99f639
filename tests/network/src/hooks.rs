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

/// Holds a transition while there is a file `hold-EVENT` in the node's directory.
pub(crate) fn gate() -> Hook {
    script(
        "50-gate",
        "#!/bin/sh\nat=\"${0%/*}/..\"\necho \"$1\" >>\"$at/gate.log\"\n\
         while test -e \"$at/hold-$1\"; do sleep 0.02; done\n",
    )
}

/// A hook that is this script.
pub fn script(name: &str, text: &str) -> Hook {
    Hook { name: name.to_owned(), content: HookContent::Script(text.to_owned()) }
}

/// Holds the next transitions of this kind, or lets them go on.
pub(crate) fn set_held(node: &Path, event: &str, held: bool) {
    let file = node.join(format!("hold-{event}"));
    if held {
        fs::write(&file, "").expect("the test's own directory");
    } else if let Err(error) = fs::remove_file(&file) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}

/// How many transitions of this kind have come to the gate.
pub(crate) fn at_gate(node: &Path, event: &str) -> usize {
    let log = fs::read_to_string(node.join("gate.log")).unwrap_or_default();
    log.lines().filter(|line| *line == event).count()
}

const EXAMPLE: &str = include_str!("../../../etc/examples/10-address.disabled");
