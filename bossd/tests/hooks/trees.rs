//! Whole trees, as a subreaper. What orphans become is a matter of the whole process, so that each
//! test here starts itself again, alone.

use std::process::Command;

use bossd::executor::hooks::plan::HookEvent;
use bossd::executor::hooks::sequence::{PromoteResult, run_notify};
use bossd::executor::hooks::tree::{become_subreaper, kill_leftovers, reap_adopted};

use crate::scripts::{Bench, LONG, all_gone, end, eventually, go_on, lives, run};

/// Two processes in sessions of their own, whose parents have all exited.
const SPREAD: &str = "\
setsid sh -c '
    setsid sh -c \"echo \\$\\$ >>@/pids; sleep 60; exit 0\" &
    setsid sh -c \"sleep 60 & echo \\$! >>@/pids; exit 0\" &
    exit 0' </dev/null >/dev/null 2>&1 &
until [ \"$(wc -l <@/pids 2>/dev/null || echo 0)\" -ge 2 ]; do :; done";

fn alone(test: &str, body: impl Future<Output = ()>) {
    const ALONE: &str = "BOSS_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        become_subreaper().unwrap();
        return run(body);
    }
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("trees::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&again.stderr)
    );
}

/// Children of this process, living or not yet waited for.
fn children() -> Vec<i32> {
    let me = std::process::id();
    let tasks = std::fs::read_dir(format!("/proc/{me}/task")).unwrap();
    let lists = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    lists
        .flat_map(|list| {
            let list = list.unwrap_or_default();
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()
        })
        .collect()
}

#[test]
fn a_hook_that_is_cut_off_takes_orphans_in_other_sessions_with_it() {
    alone("a_hook_that_is_cut_off_takes_orphans_in_other_sessions_with_it", async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("{SPREAD}\necho $$ >>@/pids\nsleep 60"));
        let promoted = bench.promote_cancelled(|| bench.pids().len() == 3).await;
        assert!(
            matches!(&promoted.result, PromoteResult::Cancelled(Some(step)) if step.left.is_empty())
        );
        // No waiting here: the call has returned, so they are gone.
        assert!(bench.pids().iter().all(|pid| !lives(*pid)));
        assert!(children().is_empty(), "not even zombies stay");
    });
}

#[test]
fn a_hook_that_fails_takes_what_it_left_running_with_it() {
    alone("a_hook_that_fails_takes_what_it_left_running_with_it", async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("{SPREAD}\nexit 1"));
        let promoted = bench.promote(LONG).await;
        assert!(matches!(promoted.result, PromoteResult::Failed(_)));
        assert_eq!(bench.pids().len(), 2);
        assert!(bench.pids().iter().all(|pid| !lives(*pid)));
    });
}

#[test]
fn a_service_of_a_hook_that_succeeded_lives_until_the_leftovers_are_killed() {
    alone("a_service_of_a_hook_that_succeeded_lives_until_the_leftovers_are_killed", async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("[ \"$1\" = promote ] || exit 1\n{SPREAD}"));
        assert_eq!(bench.promote(LONG).await.result, PromoteResult::Ok);
        let services = bench.pids();
        assert!(services.iter().all(|pid| lives(*pid)));

        // A later hook that fails kills its own tree, not what was there before.
        let steps = run_notify(
            &bench.runner,
            &bench.calls(HookEvent::Follow, None),
            LONG,
            || true,
            go_on(),
        )
        .await;
        assert!(!steps[0].outcome.is_done());
        assert!(services.iter().all(|pid| lives(*pid)));

        let mut elector = Command::new("sleep").arg("60").spawn().unwrap();
        let spared = bench.spared.spare(elector.id());
        assert!(kill_leftovers(&bench.spared).await.is_empty());
        assert!(services.iter().all(|pid| !lives(*pid)));
        assert_eq!(children(), [elector.id().cast_signed()]);
        elector.kill().unwrap();
        elector.wait().unwrap();
        drop(spared);
    });
}

#[test]
fn a_service_that_ends_by_itself_is_reaped_and_a_spared_child_is_not() {
    alone("a_service_that_ends_by_itself_is_reaped_and_a_spared_child_is_not", async {
        let bench = Bench::new();
        bench.hook("10-a", SPREAD);
        assert_eq!(bench.promote(LONG).await.result, PromoteResult::Ok);
        let mut elector = Command::new("false").spawn().unwrap();
        let _spared = bench.spared.spare(elector.id());
        let services = bench.pids();
        for pid in &services {
            end(*pid);
        }
        all_gone(&services).await;
        eventually(|| {
            reap_adopted(&bench.spared);
            services.iter().all(|pid| !children().contains(pid))
        })
        .await;
        // What the services had started has lost its parents, and is ours now.
        assert!(kill_leftovers(&bench.spared).await.is_empty());
        assert_eq!(elector.wait().unwrap().code(), Some(1));
    });
}
