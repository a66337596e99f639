//! What boss costs, beside others. [`contender`]s are broken and mended in the same ways; the parts
//! [`failover`], [`idle`] and [`unwanted`] measure them, [`results`] keeps what came of it, and
//! [`table`] writes it for people. Here is what all of it shares: medians, the nodes' logs as times,
//! and the cost of a durable write.
#![forbid(unsafe_code)]

pub mod contender;
pub mod failover;
pub mod field;
pub mod idle;
pub mod needs;
pub mod proc;
pub mod results;
pub mod table;
pub mod trace;
pub mod unwanted;
pub mod wanted;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Milliseconds of several runs.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// One run's figure, in milliseconds.
    pub fn add(&mut self, ms: f64) {
        self.0.push(ms);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; the lower of two.
    pub fn median(&self) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    /// The smallest.
    pub fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The largest.
    pub fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// How many runs.
    pub fn runs(&self) -> usize {
        self.0.len()
    }
}

/// Named steps of a change of boss, in their order, with what each took in each run.
#[derive(Clone, Debug, Default)]
pub struct Steps(Vec<(&'static str, Figures)>);

impl Steps {
    /// Adds one run: the moments at which steps ended, in nanoseconds, in order, after `from`.
    /// A step that this run did not have is left out.
    pub fn add(&mut self, from: u64, ends: &[(&'static str, Option<u64>)]) {
        let mut before = from;
        for (name, end) in ends {
            let Some(end) = *end else { continue };
            let took = milliseconds(before, end);
            before = end;
            let known = self.0.iter().position(|(known, _)| known == name);
            let place = known.unwrap_or_else(|| {
                self.0.push((name, Figures::default()));
                self.0.len() - 1
            });
            self.0[place].1.add(took);
        }
    }

    /// One line a step: its median, least and most.
    pub fn print(&self) {
        for (name, figures) in &self.0 {
            let (median, least, most) = (figures.median(), figures.least(), figures.most());
            println!("    {name:<58} {median:>8.1} {least:>8.1} {most:>8.1}");
        }
    }
}

/// From one moment to a later one, in milliseconds; negative when it was earlier.
pub fn milliseconds(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e6
}

/// What must be added to a wall-clock time to get the boot clock, both in nanoseconds.
pub fn wall_to_boot() -> i128 {
    let read = |clock| {
        let time = clock_gettime(clock).expect("the clock exists");
        i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
    };
    read(ClockId::CLOCK_BOOTTIME) - read(ClockId::CLOCK_REALTIME)
}

/// When a line with this text was logged at or after `after`, on the boot clock.
pub fn logged_at(log: &Path, text: &str, after: u64, offset: i128) -> Option<u64> {
    let log = fs::read_to_string(log).unwrap_or_default();
    let times = log.lines().filter(|line| line.contains(text)).filter_map(|line| {
        let stamp: Timestamp = line.split_whitespace().next()?.parse().ok()?;
        u64::try_from(stamp.as_nanosecond() + offset).ok()
    });
    times.filter(|at| *at >= after).min()
}

/// The median of a durable write as the state directory makes it (write, fsync, rename, fsync of
/// the directory), in milliseconds.
pub fn durable_write(directory: &Path, runs: usize) -> io::Result<Figures> {
    let mut figures = Figures::default();
    let (temporary, current) = (directory.join("bench.new"), directory.join("bench"));
    for _ in 0..runs {
        let begun = harness::boot_ns();
        let mut file = File::create(&temporary)?;
        file.write_all(&[b'x'; 2048])?;
        file.sync_all()?;
        fs::rename(&temporary, &current)?;
        File::open(directory)?.sync_all()?;
        figures.add(milliseconds(begun, harness::boot_ns()));
    }
    fs::remove_file(&current)?;
    Ok(figures)
}

/// A program of this package, built into the directory of the one that runs.
pub fn beside(program: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    own.with_file_name(program)
}

/// How many processors there are.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
