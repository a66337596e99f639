//! Every committed input through its target, without libFuzzer: what was found once and mended
//! (`regressions`) stays mended, and what reaches deep (`corpus`) still does not fail.

use std::fs;
use std::path::Path;

use fuzz::TARGETS;

fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target);
    let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an input").path();
        (path.display().to_string(), fs::read(&path).expect("an input"))
    };
    let mut inputs: Vec<_> = entries.map(read).collect();
    inputs.sort();
    inputs
}

#[test]
fn no_committed_input_fails_its_target() {
    for target in TARGETS {
        let corpus = inputs("corpus", target.name);
        assert!(corpus.len() >= 12, "{}: {} inputs", target.name, corpus.len());
        for (path, input) in corpus.into_iter().chain(inputs("regressions", target.name)) {
            // Seen with the panic when it fails.
            println!("{path}");
            (target.run)(&input);
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let all = TARGETS.iter().flat_map(|target| inputs("corpus", target.name));
    let size: usize = all.map(|(_, input)| input.len()).sum();
    assert!(size < 300_000, "{size} bytes");
}

#[test]
fn no_bytes_at_all_are_an_input() {
    for target in TARGETS {
        (target.run)(&[]);
    }
}
