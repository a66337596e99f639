//! Every way in which a process of the boss can die, while it acts, while its promote hooks run and
//! while it lets go: what stood is let go of, nobody else's hook begins before that, and whoever
//! can be told that nothing acts any more does not wait. Each death is timed.

use std::path::Path;

use harness::{Acting, boot_ns, until};
use systemd::{Machine, Memory, NAMES, Site};

use crate::possible;

/// Which of the two processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Process {
    Executor,
    Elector,
}

/// What it dies of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    Signal(&'static str),
    OutOfMemory,
}

/// Where the node is in the boss's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Acting,
    Promoting,
    Demoting,
}

use Cause::{OutOfMemory, Signal};
use Phase::{Acting as ACTING, Demoting as DEMOTING, Promoting as PROMOTING};
use Process::{Elector, Executor};

/// KILL while it acts has a test of its own, which looks closer.
const DEATHS: [(Process, Cause, Phase); 11] = [
    (Executor, Signal("ABRT"), ACTING),
    (Executor, Signal("KILL"), PROMOTING),
    (Executor, Signal("STOP"), PROMOTING),
    (Executor, Signal("ABRT"), DEMOTING),
    (Executor, Signal("KILL"), DEMOTING),
    (Elector, Signal("ABRT"), ACTING),
    (Elector, Signal("KILL"), PROMOTING),
    (Elector, Signal("ABRT"), PROMOTING),
    (Elector, Signal("KILL"), DEMOTING),
    // The one that nobody is told of: its lease ends, and the next boss waits out the window.
    (Elector, Signal("STOP"), ACTING),
    (Elector, Signal("STOP"), PROMOTING),
];

#[test]
fn a_process_that_dies_in_any_phase_leaves_nothing_behind_and_the_next_boss_is_told() {
    let Some((tree, packages)) = possible() else { return };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| hold(machine));
    site.start_all();
    for (process, cause, phase) in DEATHS {
        dies(&mut site, process, cause, phase, None);
    }
}

#[test]
fn a_process_that_the_kernel_kills_for_its_memory_is_cleaned_up_after() {
    let Some((tree, packages)) = possible() else { return };
    let memory = match Memory::limited() {
        Ok(memory) => memory,
        Err(why) => {
            let name = std::thread::current().name().unwrap_or("test").to_owned();
            println!("SKIPPED {name}: {why}");
            return;
        }
    };
    let mut site = Site::configured(&tree, &packages);
    site.at_once(|machine| hold(machine));
    site.start_all();
    for (process, phase) in
        [(Executor, ACTING), (Elector, ACTING), (Executor, PROMOTING), (Elector, DEMOTING)]
    {
        dies(&mut site, process, OutOfMemory, phase, Some(&memory));
    }
}

/// One death, and all that must follow from it.
fn dies(site: &mut Site, process: Process, cause: Cause, phase: Phase, memory: Option<&Memory>) {
    let what = format!("{process:?} {cause:?} {phase:?}");
    let first = site.boss();
    let victim = reach(site, &first, phase);
    let machine = site.machine(victim);
    let executor = machine.property("bossd.service", "MainPID");
    let restarts = machine.property("bossd.service", "NRestarts");
    let pid = match process {
        Executor => executor.clone(),
        Elector => machine.done("pgrep -f '^/usr/sbin/bossd --elector'").trim().to_owned(),
    };
    // A hook that is held would be held in the clean-up too.
    let release = format!("rm -f {HELD}-*");
    let at_ns = boot_ns();
    match (cause, memory) {
        (Signal(signal), _) => drop(machine.done(&format!("kill -{signal} {pid}; {release}"))),
        (OutOfMemory, Some(memory)) => {
            memory.exhaust(machine, &pid, || {
                for event in ["promote", "demote"] {
                    drop(std::fs::remove_file(machine.path(&format!("{HELD}-{event}"))));
                }
            });
        }
        (OutOfMemory, None) => panic!("{what}: no memory to limit"),
    }
    let next = site.boss_after(&first);
    let hangs = process == Elector && cause == Signal("STOP");
    if !hangs {
        site.nobody_waited(&next);
    }
    let effects = site.judge(Some(&next));
    let begun = effects.iter().map(|effect| effect.from_ns).max().unwrap_or_default();
    println!("{what}: {} ms to the next promote hook", begun.saturating_sub(at_ns) / 1_000_000);

    let machine = site.machine(victim);
    if process == Executor {
        until(&format!("{what}: the unit was started anew"), || {
            (machine.property("bossd.service", "NRestarts") != restarts).then_some(())
        });
    } else {
        // Its executor has another one; a frozen one is ended when it was silent for long enough.
        until(&format!("{what}: another elector"), || {
            let now = machine.run("pgrep -f '^/usr/sbin/bossd --elector'").text;
            (!now.trim().is_empty() && now.trim() != pid).then_some(())
        });
        assert_eq!(machine.property("bossd.service", "MainPID"), executor, "{what}");
    }
    let next = site.boss();
    site.judge(Some(&next));
}

/// Has a node come into this phase and stay in it; which.
fn reach(site: &Site, first: &Acting, phase: Phase) -> usize {
    let other = site.others(first.index)[0];
    let (victim, event) = match phase {
        ACTING => return first.index,
        PROMOTING => (other, "promote"),
        DEMOTING => (first.index, "demote"),
    };
    site.machine(victim).done(&format!("rm -f {IN}-*; : >{HELD}-{event}"));
    // Whoever is held off after the death before may take over again.
    site.machine(first.index).done("for node in alpha beta gamma; do bossctl clear $node; done");
    let ask = format!("bossctl switchover --to {}", NAMES[other]);
    site.machine(first.index).done(&ask);
    until(&format!("{} is in its {event} hook", NAMES[victim]), || {
        site.machine(victim).path(&format!("{IN}-{event}")).exists().then_some(())
    });
    victim
}

/// Puts a hook beside the witness that says where it is, and stays there as long as it is told to.
fn hold(machine: &Machine) {
    let script = format!("#!/bin/sh\n: >{IN}-$1\nwhile [ -e {HELD}-$1 ]; do sleep 0.01; done\n");
    let path = machine.path(HOOK);
    std::fs::write(&path, script).expect("the machine's own disk");
    machine.done(&format!("chmod 0755 {HOOK}"));
    assert!(Path::new(&path).exists());
}

const HOOK: &str = "/etc/boss/hooks.d/20-hold";
const HELD: &str = "/run/held";
const IN: &str = "/run/in";
