//! The daemon's binary: what was asked for, then the exit status that says how it went.

use std::path::Path;
use std::process::ExitCode;

use bossd::args::{Mode, parse_args};
use bossd::executor::hooks::runner::gate;
use bossd::{config, elector, executor, sys, sysexits};

fn main() -> ExitCode {
    if let Some(call) = gate::asked_for() {
        return ExitCode::from(gate::run(call));
    }
    let args = parse_args();
    ExitCode::from(match args.mode {
        Mode::Run => executor::run(&args.config, args.effects),
        Mode::Check => check(&args.config),
        Mode::CleanUp => executor::clean_up::run(&args.config, args.effects),
        Mode::Elector => elector::run(),
        Mode::BossTarget { target, event } => executor::target::follow::run(&target, &event),
    })
}

fn check(path: &Path) -> u8 {
    let host_name = config::host_name().unwrap_or_default();
    let may_reboot = sys::may_reboot();
    let parse = |sources| config::parse_to_act(&sources, &host_name, may_reboot);
    match config::read(path).and_then(parse) {
        Ok(config) => {
            print!("{}", config::report(&config));
            sysexits::OK
        }
        Err(error) => {
            eprintln!("{error}");
            sysexits::CONFIG
        }
    }
}
