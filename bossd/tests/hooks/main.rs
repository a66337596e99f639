//! Hooks as they are run for real: shell scripts in temporary directories.

mod scripts;
mod sequences;
mod trees;
