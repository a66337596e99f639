//! Python for those tests whose other side is written in it, or comes from PyPI: an environment of its
//! own, made once from what a file of requirements pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The directory of the environment called `name`, beside the build's own output, where `cargo clean`
/// removes it; or why it cannot be had. Made anew when `requirements` is another file than the one it
/// was made from.
pub fn environment(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let own = std::env::current_exe().expect("a test knows its own path");
    let target = own.ancestors().nth(3).expect("TARGET/PROFILE/deps/TEST");
    let environment = target.join("tools").join(name);
    let (wanted, made) = (fs::read(requirements), environment.join("requirements.txt"));
    let wanted = wanted.map_err(|error| format!("{}: {error}", requirements.display()))?;
    if fs::read(&made).is_ok_and(|from| from == wanted) {
        return Ok(environment);
    }
    let python = |program: &Path, arguments: &[&str], last: &Path| {
        let output = Command::new(program).args(arguments).arg(last).output();
        output.map_err(|error| format!("{}: {error}", program.display()))
    };
    let venv = python(Path::new("python3"), &["-m", "venv", "--clear"], &environment)?;
    if !venv.status.success() {
        return Err("python3 makes no venv: install python3-venv".to_owned());
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    let pip = python(&environment.join("bin/python"), &install, requirements)?;
    if !pip.status.success() {
        return Err(format!("{name} cannot be installed: {}", last_line(&pip)));
    }
    // Last, so that one that was begun is begun again.
    fs::write(&made, wanted).map_err(|error| format!("{}: {error}", made.display()))?;
    Ok(environment)
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
}
