//! Runs the attacker: Python with aioquic in an environment of its own, made once from what
//! `client/requirements.txt` pins.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The attacker's Python, or why there is none.
pub(crate) fn python() -> Result<&'static Path, &'static str> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let requirements = directory().join("requirements.txt");
        harness::python::environment("attack-client", &requirements)
            .map(|environment| environment.join("bin/python"))
    });
    made.as_deref().map_err(String::as_str)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("client")
}

/// Runs one attack to its end; what the attacker saw.
pub(crate) fn attack(job: &Value) -> Value {
    // The attacker is another host in life: it must not take the processor from the cluster.
    let mut child = Command::new("nice")
        .args(["-n", "19"])
        .arg(python().expect("the test asked before"))
        .arg(directory().join("attack.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is there");
    let stdin = child.stdin.take().expect("piped");
    write!(&stdin, "{job}").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends by itself");
    assert!(output.status.success(), "the attacker failed at {job}");
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}
