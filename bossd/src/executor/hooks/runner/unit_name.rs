//! What the units of hooks are called: `boss-hook-HOOK-EVENT-EPOCH-NUMBER.service`, so that
//! `journalctl -u 'boss-hook-*'` has all of them. An instance with a run directory of its own has a
//! mark of it at the end: two on one host must not take each other's hooks for theirs.

use std::cell::Cell;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::executor::hooks::plan::Call;

const PREFIX: &str = "boss-hook-";
const SUFFIX: &str = ".service";
/// The run directory of a bossd that is alone on its host.
const USUAL: &str = "/run/boss";
/// A unit's name may have 255 bytes; a hook's name as much.
const LONGEST_HOOK: usize = 100;

/// The names that an instance gives.
#[derive(Debug)]
pub struct UnitNames {
    run_directory: PathBuf,
    given: Cell<u32>,
}

impl UnitNames {
    /// None given yet.
    pub fn new(run_directory: &Path) -> Self {
        Self { run_directory: run_directory.to_owned(), given: Cell::new(0) }
    }

    /// One for a call, which has not been given before.
    pub fn next(&self, call: &Call) -> String {
        let number = self.given.get().wrapping_add(1);
        self.given.set(number);
        let hook = escaped(&call.hook.name);
        let (event, epoch) = (call.event.as_str(), call.facts.epoch.unwrap_or_default());
        let mark = mark(&self.run_directory);
        format!("{PREFIX}{hook}-{event}-{epoch}-{number}{mark}{SUFFIX}")
    }
}

/// Whether a unit is one of the hooks of the instance with this run directory.
pub fn is_of(run_directory: &Path, unit: &str) -> bool {
    let name = unit.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    let number_and_mark = name.and_then(|name| name.rsplit('-').next()).unwrap_or_default();
    let digits = number_and_mark.find(|c: char| !c.is_ascii_digit());
    let (number, of) = number_and_mark.split_at(digits.unwrap_or(number_and_mark.len()));
    !number.is_empty() && of == mark(run_directory)
}

fn mark(run_directory: &Path) -> String {
    if run_directory == Path::new(USUAL) {
        return String::new();
    }
    let path = run_directory.as_os_str().as_encoded_bytes();
    format!(".{:08x}", crc32fast::hash(path))
}

/// As systemd writes what its names cannot have.
fn escaped(hook: &str) -> String {
    let mut text = String::new();
    for byte in hook.bytes() {
        if byte.is_ascii_alphanumeric() || b":-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
        if text.len() >= LONGEST_HOOK {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::hooks::plan::tests::call_of;

    #[test]
    fn every_call_has_a_name_of_its_own_with_hook_event_and_epoch() {
        let names = UnitNames::new(Path::new(USUAL));
        assert_eq!(names.next(&call_of("10-a")), "boss-hook-10-a-promote-7-1.service");
        assert_eq!(names.next(&call_of("10-a")), "boss-hook-10-a-promote-7-2.service");
        assert_eq!(
            names.next(&call_of("ä b@c")),
            "boss-hook-\\xc3\\xa4\\x20b\\x40c-promote-7-3.service"
        );
        assert!(names.next(&call_of(&"x".repeat(255))).len() < 255);
    }

    #[test]
    fn an_instance_knows_its_own_hooks_and_no_others() {
        let (usual, other) = (Path::new(USUAL), Path::new("/run/boss@web"));
        let ours = UnitNames::new(usual).next(&call_of("10-a"));
        let theirs = UnitNames::new(other).next(&call_of("10-a"));
        assert!(is_of(usual, &ours) && is_of(other, &theirs), "{theirs}");
        assert!(!is_of(usual, &theirs) && !is_of(other, &ours));
        for stranger in ["boss-hook-.service", "boss-hook-a-b.service", "bossd.service", "x"] {
            assert!(!is_of(usual, stranger), "{stranger}");
        }
    }
}
