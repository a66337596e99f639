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
    MADE.get_or_init(make).as_deref().map_err(String::as_str)
}

/// Beside the build's own output: `cargo clean` removes it.
fn make() -> Result<PathBuf, String> {
    let own = std::env::current_exe().expect("a test knows its own path");
    let target = own.ancestors().nth(3).expect("TARGET/PROFILE/deps/TEST");
    let environment = target.join("tools/attack-client");
    let python = environment.join("bin/python");
    if works(&python) {
        return Ok(python);
    }
    let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).output();
    let venv = venv.map_err(|error| format!("python3: {error}"))?;
    if !venv.status.success() {
        return Err("python3 makes no venv: install python3-venv".to_owned());
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    let pip = pip.arg(directory().join("requirements.txt")).output();
    let pip = pip.map_err(|error| format!("pip: {error}"))?;
    if pip.status.success() && works(&python) {
        return Ok(python);
    }
    let said = String::from_utf8_lossy(&pip.stderr).lines().last().unwrap_or_default().to_owned();
    Err(format!("aioquic cannot be installed: {said}"))
}

/// It is there, in the version that is pinned.
fn works(python: &Path) -> bool {
    let pinned = std::fs::read_to_string(directory().join("requirements.txt")).expect("ours");
    let version = pinned.trim().trim_start_matches("aioquic==");
    let check = format!("import aioquic; assert aioquic.__version__ == {version:?}");
    let run = Command::new(python).args(["-c", &check]).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
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
