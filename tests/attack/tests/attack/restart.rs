//! A restarted node is seen at once: its predecessor's connections are answered with resets, by a
//! key and by connection ids that outlive the process.

use control::model::Status;
use harness::{Bed, until};
use nix::sys::signal::{Signal, kill};

/// The figure wanted is 100 ms; several times that still tells a reset from the idle timeout of
/// a second, on a machine with other things to do.
const LIMIT_MS: f64 = 500.0;
/// How often each of the two followers is killed: a fifth time within a minute would be its last.
const ROUNDS: usize = 2;

#[test]
fn a_killed_elector_is_connected_again_long_before_the_idle_timeout() {
    let mut bed = Bed::start(&harness::plan(&["alpha", "beta", "gamma"]));
    let boss = bed.boss();
    let mut took = Vec::new();
    for follower in (0..2 * ROUNDS).map(|n| (boss.index + 1 + n % 2) % 3) {
        bed.until("all are connected", |seen| {
            let whole = |status: &Status| status.quorum.connected == 3;
            seen.iter().all(|it| it.status().is_some_and(whole)).then_some(())
        });
        let name = bed.node(follower).name.clone();
        let (up, connected) = (format!("{name} of cluster"), format!("{name} connected at"));
        let lives = moments(&bed, follower, &up).len();
        let survivors: Vec<_> = (0..bed.size()).filter(|index| *index != follower).collect();
        let before: Vec<_> =
            survivors.iter().map(|it| moments(&bed, *it, &connected).len()).collect();
        let elector = bed.node(follower).elector().expect("it runs");
        kill(elector, Signal::SIGKILL).expect("killed");
        // By the logs' own times: what the successor said first, and what the survivors said then.
        let started = until("its successor", || moments(&bed, follower, &up).get(lives).copied());
        for (survivor, count) in survivors.into_iter().zip(before) {
            let seen = until("a survivor is connected with it", || {
                moments(&bed, survivor, &connected).get(count).copied()
            });
            took.push(seen - started);
        }
        bed.agree_on(&boss);
    }
    took.sort_by(f64::total_cmp);
    println!("FIGURES restart: connected with {took:.1?} ms after the successor was up");
    assert!(took[took.len() / 2] < LIMIT_MS, "{took:.1?} ms");
    bed.judge(Some(&boss));
}

/// When the node's log said `words`, in milliseconds of the day.
fn moments(bed: &Bed, index: usize, words: &str) -> Vec<f64> {
    let log = std::fs::read(bed.node(index).log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    log.lines().filter(|line| line.contains(words)).map(millisecond_of_day).collect()
}

/// A line begins with a time like 2026-11-21T16:12:02.157406Z.
fn millisecond_of_day(line: &str) -> f64 {
    let number = |from: usize, to: usize| line[from..to].parse::<f64>().expect("a time");
    (number(11, 13) * 60.0 + number(14, 16)) * 60_000.0 + number(17, 26) * 1_000.0
}
