//! What a change of boss costs on loopback, profile `lan`, three voters, trivial hooks: a planned
//! switchover, the death of the boss's host, the death of its elector. Ten runs each (BOSS_RUNS),
//! with where the time went step by step. `cargo bench -p bench --bench failover`.

use std::process::{Command, Stdio};

use bench::{Figures, Steps, durable_write, logged_at, milliseconds, wall_to_boot};
use harness::{Acting, Bed, Edge, Line, boot_ns, bossctl, plan, until};
use nix::sys::signal::{Signal, kill};

fn main() {
    let runs = std::env::var("BOSS_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(10);
    let mut bed = Bed::start(&plan(&["alpha", "beta", "gamma"]));
    let first = bed.boss();
    println!("{}", bounds(&bed));
    let fsync = durable_write(&bed.node(first.index).dir.join("state"), 50)
        .expect("the state directory takes a file");
    println!(
        "durable write in the state directory: {:.2} ms median of {}",
        fsync.median(),
        fsync.runs()
    );
    println!("\n  milliseconds {:>57} {:>8} {:>8}", "median", "least", "most");
    planned(&mut bed, runs);
    elector_dies(&mut bed, runs);
    host_dies(&mut bed, runs);
    let boss = bed.boss();
    let effects = bed.judge(Some(&boss));
    println!("\n{} promotes, never two at once", effects.len());
}

/// What `bossd --check` promises for this cluster.
fn bounds(bed: &Bed) -> String {
    let report = bed.check(0).unwrap_or_else(|error| panic!("{error}"));
    let lines = report.lines().filter(|line| line.contains("host") || line.contains("switchover"));
    lines.collect::<Vec<_>>().join("\n")
}

/// From the start of `bossctl switchover` to the first instruction of the promote hook.
fn planned(bed: &mut Bed, runs: usize) {
    let (mut total, mut less_demote, mut steps) =
        (Figures::default(), Figures::default(), Steps::default());
    for _ in 0..runs {
        let before = settled(bed);
        let to = (before.index + 1) % bed.size();
        let begun = boot_ns();
        let status = Command::new(bossctl())
            .arg("--socket")
            .arg(bed.node(before.index).socket())
            .args(["switchover", "--to", &bed.node(to).name])
            .stdout(Stdio::null())
            .status()
            .expect("bossctl runs");
        assert!(status.success(), "bossctl switchover: {status}");
        let after = bed.boss_after(&before);
        let promote = promote_of(bed, &after);
        let (demote_from, demote_to) = demote_of(bed, &before, begun);
        total.add(milliseconds(begun, promote));
        less_demote.add(milliseconds(begun, promote) - milliseconds(demote_from, demote_to));
        let (old, new) = (Log::of(bed, before.index, begun), Log::of(bed, after.index, begun));
        steps.add(
            begun,
            &[
                ("bossctl starts, asks; the boss begins to let go", old.at("lets go of epoch")),
                ("its demote hook starts", Some(demote_from)),
                ("the demote hook runs", Some(demote_to)),
                ("the executor's word: idle (marker written)", old.at(" idle, last epoch")),
                (
                    "claim None committed, TakeOver sent",
                    old.at(&format!("hands over to {}: ", after.name)),
                ),
                ("the successor is elected (V4)", new.at("became leader")),
                ("its claim is committed, the permit goes out", new.at(" promotes, epoch")),
                ("its executor reads it (marker written)", new.at("promoting under epoch")),
                ("its promote hook starts", Some(promote)),
            ],
        );
    }
    print("planned switchover, from the start of bossctl to the promote hook", &total, &steps);
    print("  the same less the demote hook", &less_demote, &Steps::default());
}

/// From the kill to the first instruction of the next promote hook.
fn elector_dies(bed: &mut Bed, runs: usize) {
    let (mut total, mut less_demote, mut steps) =
        (Figures::default(), Figures::default(), Steps::default());
    for _ in 0..runs {
        let before = settled(bed);
        // The executor gives up after five ends in a minute: spread the runs over the nodes.
        let elector = bed.node(before.index).elector().expect("the boss answers");
        let begun = boot_ns();
        kill(elector, Signal::SIGKILL).expect("our own process");
        let after = bed.boss_after(&before);
        let promote = promote_of(bed, &after);
        let (demote_from, demote_to) = demote_of(bed, &before, begun);
        total.add(milliseconds(begun, promote));
        less_demote.add(milliseconds(begun, promote) - milliseconds(demote_from, demote_to));
        let (old, new) = (Log::of(bed, before.index, begun), Log::of(bed, after.index, begun));
        steps.add(
            begun,
            &[
                ("the executor notices; the urgent demote hook starts", Some(demote_from)),
                ("the demote hook runs", Some(demote_to)),
                ("a new elector is up", old.at("is up")),
                ("a leader is elected (Released ends the promises, V5)", new.at("became leader")),
                ("the window is closed, the claim committed", new.at(" promotes, epoch")),
                ("its promote hook starts", Some(promote)),
            ],
        );
        // Off with it in order, so that no node meets the limit on restarts.
        restart(bed, before.index);
    }
    print("SIGKILL of the boss's elector, to the next promote hook", &total, &steps);
    print("  the same less the demote hook", &less_demote, &Steps::default());
}

/// From the death of the whole host to the first instruction of the next promote hook.
fn host_dies(bed: &mut Bed, runs: usize) {
    let (mut total, mut steps) = (Figures::default(), Steps::default());
    for _ in 0..runs {
        let before = settled(bed);
        let begun = boot_ns();
        bed.host_dies(before.index);
        let after = bed.boss_after(&before);
        let promote = promote_of(bed, &after);
        total.add(milliseconds(begun, promote));
        let new = Log::of(bed, after.index, begun);
        steps.add(
            begun,
            &[
                ("the promises run out, a leader is elected", new.at("became leader")),
                ("the fence window of the dead boss is waited out", new.at("fence window closed")),
                ("the claim is committed, the permit goes out", new.at(" promotes, epoch")),
                ("the promote hook starts", Some(promote)),
            ],
        );
        bed.start_node(before.index).unwrap_or_else(|error| panic!("{error}"));
    }
    print("death of the boss's host, to the next promote hook", &total, &steps);
}

/// A boss that all three agree on, all connected.
fn settled(bed: &mut Bed) -> Acting {
    let size = bed.size();
    bed.until("all nodes connected and agreed", |seen| {
        let whole = seen.iter().all(|seen| {
            seen.status().is_some_and(|s| usize::try_from(s.quorum.connected) == Ok(size))
        });
        harness::agreed(seen).filter(|_| whole)
    })
}

fn restart(bed: &mut Bed, index: usize) {
    bed.node(index).stop();
    bed.gone(index);
    bed.start_node(index).unwrap_or_else(|error| panic!("{error}"));
}

/// When the promote hook of this boss began.
fn promote_of(bed: &Bed, boss: &Acting) -> u64 {
    line(bed, |line| {
        line.event == "promote" && line.edge == Edge::Start && line.epoch == Some(boss.epoch)
    })
    .at_ns
}

/// When the demote hook of this boss began and ended.
fn demote_of(bed: &Bed, boss: &Acting, after: u64) -> (u64, u64) {
    let of = |edge| {
        line(bed, |line| {
            line.event == "demote"
                && line.edge == edge
                && line.node == boss.name
                && line.at_ns >= after
        })
        .at_ns
    };
    (of(Edge::Start), of(Edge::End))
}

fn line(bed: &Bed, matches: impl Fn(&Line) -> bool) -> Line {
    until("a line of a witness", || bed.lines().into_iter().find(|line| matches(line)))
}

/// A node's log from a moment on.
struct Log {
    path: std::path::PathBuf,
    after: u64,
    offset: i128,
}

impl Log {
    fn of(bed: &Bed, index: usize, after: u64) -> Self {
        Self { path: bed.node(index).log(), after, offset: wall_to_boot() }
    }

    fn at(&self, text: &str) -> Option<u64> {
        logged_at(&self.path, text, self.after, self.offset)
    }
}

fn print(what: &str, total: &Figures, steps: &Steps) {
    let (median, least, most) = (total.median(), total.least(), total.most());
    println!("  {what:<60} {median:>8.1} {least:>8.1} {most:>8.1}");
    steps.print();
}
