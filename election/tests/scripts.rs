//! Runs every script of `tests/scripts`. `BOSS_REWRITE=1` writes the golden output anew; what a
//! script expects is never rewritten.

mod script;
mod world;

use std::fmt::Write as _;

#[test]
fn every_script_holds_and_says_what_it_said() {
    let rewrite = std::env::var_os("BOSS_REWRITE").is_some();
    let mut problems = String::new();
    for path in script::all() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&path).expect("a readable script");
        match script::run(&source, None) {
            Err(failure) => {
                let _ = writeln!(problems, "{name}:{}: {}", failure.line, failure.text);
            }
            Ok(output) if output == source => {}
            Ok(output) if rewrite => std::fs::write(&path, output).expect("a writable script"),
            Ok(output) => {
                let lines = source.lines().zip(output.lines()).enumerate();
                let first = lines.clone().find(|(_, (old, new))| old != new);
                let (number, (old, new)) = first.unwrap_or((0, ("shorter", "longer")));
                let line = number + 1;
                let _ = writeln!(problems, "{name}:{line}: was  {old}\n{name}:{line}: now  {new}");
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}BOSS_REWRITE=1 accepts other output");
}
