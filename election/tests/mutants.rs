//! Every rule has a fault that breaks it, and every fault makes some script fail: by what the
//! script expects, by the oracle, or by a panic. Golden output does not count.

mod script;
mod world;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use election::Mutant;

#[test]
fn every_broken_rule_makes_a_script_fail() {
    let scripts: Vec<(String, String)> = script::all()
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a readable script"))
        })
        .collect();
    std::panic::set_hook(Box::new(|_| {}));
    for (name, source) in &scripts {
        assert!(script::run(source, None).is_ok(), "{name} fails unbroken");
    }
    let share = Mutant::ALL.len().div_ceil(thread::available_parallelism().map_or(1, usize::from));
    let caught: Vec<(Mutant, Option<String>)> = thread::scope(|scope| {
        let workers: Vec<_> = Mutant::ALL
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(|m| (*m, first(&scripts, *m))).collect()))
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|_| Vec::new())).collect()
    });
    assert_eq!(caught.len(), Mutant::ALL.len(), "a worker died");
    let mut table = String::new();
    let mut survivors = Vec::new();
    for (mutant, how) in caught {
        match how {
            Some(how) => {
                let _ = writeln!(table, "{:28} {how}", mutant.name());
            }
            None => survivors.push(mutant.name()),
        }
    }
    let _ = std::panic::take_hook();
    println!("{table}");
    assert!(survivors.is_empty(), "no script notices: {}", survivors.join(", "));
}

/// The first script that notices, and how.
fn first(scripts: &[(String, String)], mutant: Mutant) -> Option<String> {
    scripts.iter().find_map(|(name, source)| Some(format!("{name}:{}", fails(source, mutant)?)))
}

fn fails(source: &str, mutant: Mutant) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| script::run(source, Some(mutant)))) {
        Ok(Ok(_)) => None,
        Ok(Err(failure)) => Some(format!("{}: {}", failure.line, failure.text)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            Some(format!(" panic {text}"))
        }
    }
}
