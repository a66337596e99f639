//! Runs `ip`, `nft` and `mount`, and says what they said when they failed.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};

/// Runs a program to its end; its standard output, or a sentence with what it complained of.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, String> {
    ended(program, started(program, arguments, ""))
}

/// The same with an input.
pub(crate) fn run_with<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    input: &str,
) -> Result<String, String> {
    ended(program, started(program, arguments, input))
}

/// Runs the same program several times at once, each with its arguments and its input.
pub(crate) fn run_all(program: &str, each: &[(Vec<String>, String)]) -> Result<(), String> {
    let all: Vec<_> =
        each.iter().map(|(arguments, input)| started(program, arguments, input)).collect();
    // Each is waited for, also after one has failed.
    let results: Vec<_> = all.into_iter().map(|child| ended(program, child)).collect();
    results.into_iter().try_for_each(|result| result.map(drop))
}

fn started<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> io::Result<Child> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading has its reason, and tells it.
        drop(stdin.write_all(input.as_bytes()));
    }
    Ok(child)
}

fn ended(program: &str, child: io::Result<Child>) -> Result<String, String> {
    let output: Output = child
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{program} ended with {}: {}", output.status, text(&output.stderr)))
}
