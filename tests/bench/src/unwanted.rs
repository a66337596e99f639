//! Changes that nobody wanted: all processors are kept busy and each host loses a part of what the
//! others send, and whoever acts should go on acting.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::boot_ns;
use network::Firewall;

use crate::contender::{Contender, HOSTS, promotes};
use crate::field::{self, Settings, pass};
use crate::results::Part;

/// The part's name.
pub const PART: &str = "unwanted";

/// Runs it; who took part, to be judged.
pub fn run(settings: &Settings, part: &mut Part) -> Vec<Box<dyn Contender>> {
    let mut all = field::start(settings, &mut [part]);
    let minutes = settings.unwanted.as_secs_f64() / 60.0;
    for (what, figure) in [
        ("minutes", minutes),
        ("loss", f64::from(settings.loss)),
        ("busy processors", settings.busy as f64),
    ] {
        part.add("run", what, figure);
    }
    set_loss(&all, settings.loss);
    let begun = boot_ns();
    keep_busy(settings.busy, || pass(settings.unwanted));
    let ended = boot_ns();
    set_loss(&all, 0);
    for contender in &mut all {
        let within = |at: &u64| (begun..ended).contains(at);
        let count = promotes(&contender.lines()).into_iter().filter(within).count();
        part.add(&contender.name(), "failovers", count as f64);
        for (what, figure) in contender.own_figures() {
            part.add(&contender.name(), &what, figure);
        }
    }
    all
}

fn set_loss(all: &[Box<dyn Contender>], percent: u8) {
    for contender in all {
        let rules = Firewall::noise(HOSTS, percent);
        contender.lan().set_firewall(&rules).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Does something while so many processors have no time for it.
fn keep_busy(processors: usize, what: impl FnOnce()) {
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        what();
        end.store(true, Ordering::Relaxed);
    });
}
