//! One hook after the other: order, time, failure, output.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use bossd::clock::now;
use bossd::executor::hooks::outcome::{Cut, Outcome};
use bossd::executor::hooks::plan::{Facts, HookEvent, plan};
use bossd::executor::hooks::sequence::{
    DemoteLimit, PromoteResult, StepLog, run_demote, run_notify, run_promote,
};
use election::Span;
use tokio::sync::watch;

use crate::scripts::{
    Bench, LONG, all_gone, end, eventually, facts, go_on, lives, names, run, texts,
};

const NOTE: &str = "echo \"$1 ${0##*/}\" >>@/log";

#[test]
fn hooks_run_ascending_and_are_demoted_in_the_exact_reverse() {
    run(async {
        let bench = Bench::new();
        for name in ["30-c", "10-a", "20-b"] {
            bench.hook(name, NOTE);
        }
        let promoted = bench.promote(LONG).await;
        assert_eq!(promoted.result, PromoteResult::Ok);
        let calls = bench.calls(HookEvent::Demote, Some(&promoted.started));
        let limit = DemoteLimit { deadline: now().plus(LONG), urgent: false };
        let demoted = run_demote(&bench.runner, &calls, watch::channel(limit).1).await;
        assert!(demoted.all_ok() && !demoted.timed_out());
        let expected = [
            "promote 10-a",
            "promote 20-b",
            "promote 30-c",
            "demote 30-c",
            "demote 20-b",
            "demote 10-a",
        ];
        assert_eq!(bench.lines("log"), expected);
    });
}

#[test]
fn a_hook_gets_its_facts_and_nothing_else() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "env >@/env; cat >@/document; pwd >@/place; echo $# >@/arguments");
        assert_eq!(bench.promote(LONG).await.result, PromoteResult::Ok);
        let env = bench.lines("env");
        for line in [
            "BOSS_EVENT=promote",
            "BOSS_STATE=MASTER",
            "BOSS_EPOCH=7",
            "BOSS_PREVIOUS=",
            "BOSS_DEADLINE_MS=20000",
        ] {
            assert!(env.iter().any(|found| found == line), "{line} in {env:?}");
        }
        // The shell itself adds the last four.
        let known = ["BOSS_", "PATH=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
        assert!(
            env.iter().all(|line| known.iter().any(|known| line.starts_with(known))),
            "{env:?}"
        );
        let document: serde_json::Value =
            serde_json::from_str(&bench.lines("document").concat()).unwrap();
        assert_eq!(document["event"], "promote");
        assert_eq!(document["transition"], "t-1");
        assert_eq!(document["members"], serde_json::json!(["alpha", "beta"]));
        assert_eq!(
            (bench.lines("place"), bench.lines("arguments")),
            (vec!["/".into()], vec!["1".into()])
        );
    });
}

#[test]
fn a_promote_stops_at_the_hook_that_fails_and_counts_it_as_started() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-db", "exit 3");
        bench.hook("30-c", NOTE);
        let promoted = bench.promote(LONG).await;
        assert_eq!(names(&promoted.started), ["10-a", "20-db"]);
        let PromoteResult::Failed(step) = promoted.result else { panic!("{promoted:?}") };
        assert_eq!(step.outcome, Outcome::Exited(3));
        assert!(step.to_string().starts_with("20-db exited with status 3 after "), "{step}");
        assert_eq!(bench.lines("log"), ["promote 10-a"]);
    });
}

#[test]
fn no_hook_starts_after_the_permit_is_over() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-b", NOTE);
        let calls = bench.calls(HookEvent::Promote, None);
        let (_keep, cancel) = watch::channel(false);
        let mut asked = 0;
        let may_act = || {
            asked += 1;
            asked == 1
        };
        let mut log = StepLog::default();
        let promoted = run_promote(&bench.runner, &calls, LONG, may_act, cancel, &mut log).await;
        assert_eq!(promoted.result, PromoteResult::PermitOver);
        assert_eq!(names(log.started()), ["10-a"]);
        assert_eq!(log.steps().len(), 1);
    });
}

#[test]
fn a_hook_that_hangs_is_killed_with_its_children_even_when_it_ignores_term() {
    run(async {
        let bench = Bench::new();
        let body = "trap '' TERM INT HUP\necho $$ >>@/pids\nsleep 60 & echo $! >>@/pids\n\
                    setsid sleep 60 & echo $! >>@/pids\nwait";
        bench.hook("10-a", body);
        let promoted = bench.promote(Span::from_millis(1_000)).await;
        let PromoteResult::Failed(step) = promoted.result else { panic!("{promoted:?}") };
        assert_eq!(step.outcome, Outcome::Killed(Cut::Timeout));
        assert_eq!(bench.pids().len(), 3);
        all_gone(&bench.pids()).await;
    });
}

#[test]
fn a_cancelled_promote_kills_the_hook_that_runs_and_counts_it_as_started() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-b", "echo $$ >>@/pids; sleep 60 & echo $! >>@/pids; wait");
        bench.hook("30-c", NOTE);
        let promoted = bench.promote_cancelled(|| bench.pids().len() == 2).await;
        assert!(
            matches!(&promoted.result, PromoteResult::Cancelled(Some(step)) if step.hook == "20-b")
        );
        assert_eq!(names(&promoted.started), ["10-a", "20-b"]);
        assert_eq!(bench.lines("log"), ["promote 10-a"]);
        all_gone(&bench.pids()).await;
    });
}

#[test]
fn a_promote_that_is_cancelled_before_it_begins_starts_nothing() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        let calls = bench.calls(HookEvent::Promote, None);
        let mut log = StepLog::default();
        let (_keep, cancel) = watch::channel(true);
        let promoted = run_promote(&bench.runner, &calls, LONG, || true, cancel, &mut log).await;
        assert_eq!(promoted.result, PromoteResult::Cancelled(None));
        assert!(promoted.started.is_empty());
    });
}

#[test]
fn every_demote_hook_runs_even_when_one_fails() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-b", "exit 1");
        bench.hook("30-c", NOTE);
        let demoted = bench.demote(LONG, false).await;
        assert_eq!(bench.lines("log"), ["demote 30-c", "demote 10-a"]);
        assert!(!demoted.all_ok() && !demoted.timed_out(), "{:?}", texts(&demoted.steps));
    });
}

#[test]
fn in_an_urgent_demote_a_hook_that_hangs_leaves_the_others_their_share() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "echo $BOSS_URGENT >>@/log");
        bench.hook("20-b", "echo $$ >>@/pids; sleep 60");
        let demoted = bench.demote(Span::from_secs(2), true).await;
        let outcomes: Vec<_> = demoted.steps.iter().map(|step| step.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Killed(Cut::Urgent), Outcome::Done]);
        assert!(demoted.timed_out() && demoted.took < Span::from_secs(2));
        assert_eq!(bench.lines("log"), ["1"]);
        all_gone(&bench.pids()).await;
    });
}

#[test]
fn a_graceful_demote_that_becomes_urgent_hurries_the_hook_that_runs_and_tells_the_next() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "echo \"$BOSS_URGENT $BOSS_DEADLINE_MS\" >>@/log");
        bench.hook("20-b", "echo $$ >>@/pids; sleep 60");
        let calls = bench.calls(HookEvent::Demote, None);
        let graceful = DemoteLimit { deadline: now().plus(LONG), urgent: false };
        let (limit, limits) = watch::channel(graceful);
        let (demoted, ()) = tokio::join!(run_demote(&bench.runner, &calls, limits), async {
            eventually(|| bench.pids().len() == 1).await;
            let deadline = now().plus(Span::from_secs(2));
            limit.send(DemoteLimit { deadline, urgent: true }).unwrap();
        });
        let outcomes: Vec<_> = demoted.steps.iter().map(|step| step.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Killed(Cut::Urgent), Outcome::Done]);
        let told = bench.lines("log").concat();
        let (urgent, deadline_ms) = told.split_once(' ').unwrap();
        assert!(urgent == "1" && deadline_ms.parse::<u64>().unwrap() <= 1_000, "{told}");
        all_gone(&bench.pids()).await;
    });
}

#[test]
fn a_demote_hook_whose_turn_comes_after_the_deadline_is_reported_as_not_run() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-b", "sleep 60");
        let demoted = bench.demote(Span::from_millis(200), false).await;
        let outcomes: Vec<_> = demoted.steps.iter().map(|step| step.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Killed(Cut::Timeout), Outcome::NotRun]);
        assert!(demoted.timed_out() && bench.lines("log").is_empty());
    });
}

#[test]
fn a_child_that_keeps_the_output_open_does_not_hold_the_sequence() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "sleep 60 & echo $! >>@/pids; exit 0");
        bench.hook("20-b", NOTE);
        let begun = now();
        assert_eq!(bench.promote(LONG).await.result, PromoteResult::Ok);
        assert!(begun.elapsed(now()) < Span::from_secs(10));
        // The hook succeeded, so what it started lives.
        let service = bench.pids()[0];
        assert!(lives(service));
        end(service);
        all_gone(&[service]).await;
    });
}

#[test]
fn a_flood_of_output_is_cut_off_and_what_is_missing_is_said() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "echo begins >&2; yes flood | head -n 20000");
        let seen = Seen::default();
        let writer = seen.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        assert_eq!(bench.promote(LONG).await.result, PromoteResult::Ok);
        let text = seen.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("INFO hook:")).collect();
        assert_eq!(lines.len(), 1_001);
        assert!(lines.iter().any(|line| line.contains("begins")));
        assert!(
            lines[1_000].contains("19001 more lines of output were dropped"),
            "{}",
            lines[1_000]
        );
        assert!(lines[0].contains("transition=\"t-1\""), "{}", lines[0]);
    });
}

#[test]
fn facts_larger_than_a_pipe_reach_a_hook_that_reads_and_do_not_hold_one_that_does_not() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-deaf", "exit 0");
        bench.hook("20-reads", "wc -c >@/size");
        let hooks: Vec<_> =
            bench.calls(HookEvent::Follow, None).into_iter().map(|call| call.hook).collect();
        let facts = Facts { reason: "x".repeat(200_000), ..facts() };
        let calls = plan(HookEvent::Follow, &hooks, &facts, None, &[]);
        let steps = run_notify(&bench.runner, &calls, LONG, || true, go_on()).await;
        assert!(steps.iter().all(|step| step.outcome.is_done()), "{:?}", texts(&steps));
        assert!(bench.lines("size")[0].trim().parse::<usize>().unwrap() > 200_000);
    });
}

#[test]
fn a_hook_that_only_learns_something_may_fail() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "kill -SEGV $$");
        bench.hook("20-b", NOTE);
        let steps = run_notify(
            &bench.runner,
            &bench.calls(HookEvent::Follow, None),
            LONG,
            || true,
            go_on(),
        )
        .await;
        assert_eq!(steps[0].outcome, Outcome::Signalled(11));
        assert_eq!(bench.lines("log"), ["follow 20-b"]);
    });
}

#[test]
fn a_hook_that_somebody_could_change_since_it_was_read_is_not_started() {
    run(async {
        let bench = Bench::new();
        let hook = bench.hook("10-a", NOTE);
        let calls = bench.calls(HookEvent::Demote, None);
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o777)).unwrap();
        let limit = DemoteLimit { deadline: now().plus(LONG), urgent: false };
        let demoted = run_demote(&bench.runner, &calls, watch::channel(limit).1).await;
        assert!(!demoted.all_ok());
        let text = demoted.steps[0].to_string();
        assert!(text.contains("could not be started") && text.contains("chmod go-w"), "{text}");
        assert!(bench.lines("log").is_empty());
    });
}

#[test]
fn a_hook_that_has_vanished_or_has_no_interpreter_fails_with_a_hint() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", "");
        let gone = bench.hook("20-b", "");
        let calls = bench.calls(HookEvent::Follow, None);
        std::fs::remove_file(gone).unwrap();
        let path = bench.path("hooks.d").join("10-a");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "#!/no/such/shell\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let texts = texts(&run_notify(&bench.runner, &calls, LONG, || true, go_on()).await);
        assert!(
            texts[0].contains("could not be started") && texts[0].contains("first line"),
            "{texts:?}"
        );
        assert!(texts[1].contains("could not be started: "), "{texts:?}");
    });
}

#[test]
fn the_examples_are_shell_and_the_readme_is_no_hook() {
    let etc = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc");
    let mut count = 0;
    for entry in etc.join("examples").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let example = path.file_name().is_some_and(|name| name != "README");
        if example {
            count += 1;
            let checked =
                std::process::Command::new("/bin/sh").arg("-n").arg(&path).status().unwrap();
            assert!(checked.success(), "{}", path.display());
        }
    }
    assert!(count > 0, "no example");
    assert!(etc.join("hooks.d/README").is_file());
}

/// What the log wrote.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
