//! `fuzz::node` under libFuzzer; see tests/fuzz/run.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::node::run(bytes));
