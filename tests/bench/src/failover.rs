//! How long nobody acts: from a fault to the start of the next action, wherever that is. All take
//! turns, fault by fault and round by round, so that whatever else the machine does hits all alike.

use std::time::Duration;

use harness::{boot_ns, until};

use crate::contender::{Contender, Fault};
use crate::field::{self, Settings, pass};
use crate::results::Part;
use crate::{durable_write, milliseconds};

/// The part's name.
pub const PART: &str = "failover";

/// Runs it; who took part, to be judged. What there is is kept after each round.
pub fn run(
    settings: &Settings,
    part: &mut Part,
    mut keep: impl FnMut(&Part) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Box<dyn Contender>>> {
    let mut all = field::start(settings, &mut [part]);
    let disk = durable_write(&std::env::temp_dir(), 50).expect("temporary files");
    part.add("disk", "durable write", disk.median());
    for contender in &all {
        if let Some(bounds) = contender.bounds() {
            part.add(&contender.name(), "bound, least", bounds.least_ms as f64);
            part.add(&contender.name(), "bound, worst", bounds.worst_ms as f64);
        }
    }
    for round in 1..=settings.runs {
        for fault in Fault::MEASURED {
            for contender in all.iter_mut().filter(|it| it.knows(fault)) {
                measure(contender.as_mut(), fault, part);
            }
        }
        eprintln!("  failover: round {round} of {}", settings.runs);
        let mut part = part.clone();
        for contender in &all {
            if let Some(doubles) = contender.doubles() {
                part.add(&contender.name(), "two at once", f64::from(doubles));
            }
        }
        keep(&part)?;
    }
    Ok(all)
}

fn measure(contender: &mut dyn Contender, fault: Fault, part: &mut Part) {
    let name = contender.name();
    let host = contender.settled();
    // Faults do not wait for a heartbeat: anywhere within the longest interval of all.
    pass(Duration::from_nanos(boot_ns() % LONGEST_INTERVAL_NS));
    let begun = boot_ns();
    contender.inflict(fault, host);
    let acted = until(&format!("the next action of {name} after: {}", fault.name()), || {
        contender.acted_after(begun)
    });
    part.add(&name, fault.name(), milliseconds(begun, acted));
    if let (Fault::HostLost, Some(led)) = (fault, contender.led_after(begun)) {
        part.add(&name, "host lost, a leader only", milliseconds(begun, led));
    }
    contender.mend(fault, host);
}

/// A second, of keepalived.
const LONGEST_INTERVAL_NS: u64 = 1_000_000_000;
