//! The command line of boss: reads the arguments, does what they say, and ends with the exit code
//! that scripts rely on (`bossctl::exit`).

use std::process::ExitCode;

fn main() -> ExitCode {
    match bossctl::args::read(std::env::args_os()) {
        Ok(args) => bossctl::run(&args).into(),
        Err(usage) => usage.show().into(),
    }
}
