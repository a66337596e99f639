//! Tests of the whole on real processes, three nodes or so to a test: what is promised of an
//! election, of deaths and stops, of commands, of identity and of damaged state; and operations end
//! to end: drains and pauses under partitions and restarts of everything, failback, each criterion
//! of preference, witnesses, even sizes. They are in `tests/cluster`; the test bed is the crate
//! `harness`. Run them with `--test-threads=2`: each has six processes of its own.
