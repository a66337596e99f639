//! `bossctl config check`: has bossd check a configuration, and prints what it says. bossctl never
//! reads a configuration itself, and no daemon need run.

use std::process::Command;

use control::report::Report;

use crate::args;
use crate::exit::{Exit, Failure, answer};
use crate::playground::cluster::find_bossd;

/// bossd's status for a configuration that is wrong: EX_CONFIG.
const WRONG: i32 = 78;

/// Checks a file, or the one that bossd reads.
pub fn check(args: &args::ConfigCheck) -> Result<Exit, Failure> {
    let bossd = find_bossd()?;
    let output = Command::new(&bossd).arg("--check").args(&args.file).output();
    let output = output.map_err(|source| Failure::Bossd { bossd: bossd.clone(), source })?;
    let valid = match output.status.code() {
        Some(0) => true,
        Some(WRONG) => false,
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::No(format!(
                "{} ended with {}: {said}",
                bossd.display(),
                output.status
            )));
        }
    };
    let said = if valid { output.stdout } else { output.stderr };
    let text = String::from_utf8_lossy(&said).into_owned();
    if args.json {
        let report = Report { valid, text };
        answer(&format!("{:#}\n", serde_json::to_value(&report).expect("plain text is JSON")))?;
    } else if valid {
        answer(&text)?;
    } else {
        eprint!("{text}");
    }
    Ok(if valid { Exit::Done } else { Exit::No })
}
