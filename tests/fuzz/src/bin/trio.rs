//! `fuzz::trio` under libFuzzer; see tests/fuzz/run.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::trio::run(bytes));
