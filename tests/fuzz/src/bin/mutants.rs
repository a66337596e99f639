//! Looks among the inputs that the fuzzer kept for the smallest that notices each broken rule.
//! `tests/fuzz/run mutants` calls it; the test `mutants` runs what it writes.
//!
//!     mutants FOUND WRITTEN       both with a directory per target

use std::fs;
use std::io;
use std::panic::{catch_unwind, set_hook};
use std::path::Path;
use std::process::ExitCode;

use election::Mutant;
use fuzz::{TARGETS, Target, sabotage};

/// The targets that have a machine in which a rule can be broken.
const WITH_MACHINES: [&str; 3] = ["permit", "node", "trio"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [found, written] = arguments.as_slice() else {
        eprintln!("usage: mutants FOUND WRITTEN");
        return ExitCode::from(64);
    };
    // Thousands of inputs panic on the way.
    set_hook(Box::new(|_| {}));
    match search_all(Path::new(found), Path::new(written)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn search_all(found: &Path, written: &Path) -> io::Result<()> {
    let mut unnoticed: Vec<&str> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    for target in TARGETS.into_iter().filter(|target| WITH_MACHINES.contains(&target.name)) {
        let inputs = healthy(target, &found.join(target.name))?;
        let into = written.join(target.name);
        fs::create_dir_all(&into)?;
        for mutant in Mutant::ALL {
            let smallest = inputs.iter().find(|input| fails(target, input, Some(*mutant)));
            if let Some(input) = smallest {
                fs::write(into.join(mutant.name()), input)?;
                println!("{}: {} by {} bytes", target.name, mutant.name(), input.len());
                unnoticed.retain(|name| *name != mutant.name());
            }
        }
    }
    println!("not noticed by any input: {}", unnoticed.join(" "));
    Ok(())
}

/// The inputs that fail with no rule broken are findings and of no use here; the rest by size.
fn healthy(target: Target, directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(directory)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.retain(|input| !fails(target, input, None));
    inputs.sort_by_key(Vec::len);
    Ok(inputs)
}

fn fails(target: Target, input: &[u8], mutant: Option<Mutant>) -> bool {
    sabotage::set(mutant);
    let failed = catch_unwind(|| (target.run)(input)).is_err();
    sabotage::set(None);
    failed
}
