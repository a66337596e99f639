//! The targets notice broken rules: `tests/fuzz/mutants/TARGET/MUTANT` is an input that fails with
//! that rule broken and passes without.
//!
//! A change of the election moves where some of these bytes lead. That costs nothing until half of
//! a target's are lost; then `tests/fuzz/run mutants` looks for new ones.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use election::Mutant;
use fuzz::{TARGETS, Target, sabotage};

fn fails(target: Target, input: &[u8], mutant: Option<Mutant>) -> bool {
    // These panics are what is wanted; nobody reads them.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    sabotage::set(mutant);
    let failed = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err();
    sabotage::set(None);
    set_hook(hook);
    failed
}

#[test]
fn broken_rules_are_noticed() {
    let mut total = 0;
    for target in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants").join(target.name);
        let Ok(entries) = fs::read_dir(directory) else { continue };
        let (mut noticed, mut lost) = (0, Vec::new());
        for entry in entries {
            let path = entry.expect("an input").path();
            let input = fs::read(&path).expect("an input");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a mutant's name");
            let mutant = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
            let mutant = mutant.unwrap_or_else(|| panic!("there is no mutant {name}"));
            assert!(!fails(target, &input, None), "{} fails with no rule broken", path.display());
            if fails(target, &input, Some(*mutant)) {
                noticed += 1;
            } else {
                lost.push(name.to_owned());
            }
        }
        println!("{}: {noticed} mutants noticed, not any more: {lost:?}", target.name);
        assert!(noticed >= lost.len(), "{}: make new inputs for {lost:?}", target.name);
        total += noticed;
    }
    assert!(total > 0, "no input at all");
}
