//! Compiles what makes a program's time of day wrong (`src/wall_clock.c`).

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let source = "src/wall_clock.c";
    println!("cargo::rerun-if-changed={source}");
    let library =
        Path::new(&env::var_os("OUT_DIR").expect("cargo says where")).join("wall_clock.so");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{} cannot compile {source}",
        compiler.display()
    );
}
