//! What an operator and the scripts of a server see of a running cluster: explanations, the
//! history, and the file that scripts ask.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use control::explanation::{About, Explanation};
use control::history::History;
use control::hooks::{Hooks, Plan};
use control::interface::Resign;
use harness::clock::boot_ms;
use harness::{Bed, agreed, bossctl, until};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::{three, with_script};

fn explanation(bed: &Bed, asked: usize, node: Option<&str>) -> Explanation {
    let document = bed.client(asked).explanation(node).expect("explained");
    serde_json::from_value(document).expect("an explanation")
}

fn history(bed: &Bed, asked: usize) -> History {
    let document = bed.client(asked).history().expect("told");
    serde_json::from_value(document).expect("a history")
}

#[test]
fn a_boss_and_its_followers_are_explained_and_a_takeover_is_in_the_history_with_its_times() {
    let mut bed = Bed::start(&three());
    let first = bed.boss();
    bed.agree_on(&first);
    let of_boss = explanation(&bed, first.index, None);
    assert!(of_boss.boss && of_boss.grounds.iter().all(|ground| ground.holds == Some(true)));
    let follower = (first.index + 1) % 3;
    let found = explanation(&bed, follower, None);
    assert!(!found.boss, "{found:?}");
    let promised = |ground: &control::explanation::Ground| {
        ground.about == About::Promise && ground.text.contains(&first.name)
    };
    assert!(found.grounds.iter().any(promised), "{found:?}");
    assert!(explanation(&bed, follower, Some(&first.name)).boss);
    // The prospect is one of the other two.
    assert!(found.if_lost.contains("would follow"), "{}", found.if_lost);

    let resign = Resign { force: None };
    bed.client(follower).resign(&resign).expect("two others could");
    let second = bed.boss_after(&first);
    bed.agree_on(&second);
    let told = until("both bosses in the history", || {
        let told = history(&bed, follower);
        (told.entries.len() == 2 && told.entries[0].acts).then_some(told)
    });
    let (new, old) = (&told.entries[0], &told.entries[1]);
    assert_eq!((new.epoch, new.node.as_str()), (second.epoch, second.name.as_str()));
    assert_eq!((old.epoch, old.node.as_str()), (first.epoch, first.name.as_str()));
    assert!(new.from_start && new.without_boss_ms.is_some() && !old.acts, "{told:?}");
    assert!(old.acted_ms.is_some(), "{told:?}");

    // As an operator sees it.
    let node = bed.node(follower);
    let mut command = node.command(&bossctl());
    let output = command.arg("--socket").arg(node.socket()).arg("history").output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("handover"), "{output:?}");
    bed.judge(Some(&second));
}

#[test]
fn hooks_are_listed_as_the_executor_finds_them_and_planned_without_being_run() {
    let mut bed = Bed::start(&with_script(three(), "50-job", "#!/bin/sh\nexit 0\n"));
    let boss = bed.boss();
    bed.agree_on(&boss);
    let list = |bed: &Bed| -> Hooks {
        serde_json::from_value(bed.client(boss.index).hooks().expect("told")).expect("a list")
    };
    let runs = |hooks: &Hooks| -> Vec<String> {
        hooks.files.iter().filter(|file| file.runs).map(|file| file.hook.clone()).collect()
    };
    let hooks = until("the hooks", || Some(list(&bed)).filter(|hooks| !hooks.files.is_empty()));
    assert!(hooks.ready, "{hooks:?}");
    assert_eq!(runs(&hooks), ["10-witness", "50-job"]);
    let plan = bed.client(boss.index).plan("demote").expect("planned");
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    let called: Vec<_> = plan.calls.iter().map(|call| call.hook.as_str()).collect();
    assert_eq!(called, ["50-job", "10-witness"]);
    let epoch = format!("BOSS_EPOCH={}", boss.epoch);
    assert!(plan.calls[0].environment.contains(&epoch), "{plan:?}");

    let job = bed.node(boss.index).dir.join("hooks.d/50-job");
    fs::set_permissions(&job, fs::Permissions::from_mode(0o777)).expect("ours");
    let hooks = until("a hook that is refused", || Some(list(&bed)).filter(|hooks| !hooks.ready));
    assert_eq!(runs(&hooks), ["10-witness"]);
    fs::rename(&job, job.with_extension("disabled")).expect("ours");
    let hooks = until("one that is disabled", || Some(list(&bed)).filter(|hooks| hooks.ready));
    assert!(hooks.files.iter().any(|file| file.hook == "50-job.disabled" && !file.runs));
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn wait_and_assert_answer_scripts() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    bed.agree_on(&boss);
    let run = |index: usize, args: &[&str]| {
        let node = bed.node(index);
        let mut command = node.command(&bossctl());
        let output = command.arg("--socket").arg(node.socket()).args(args).output();
        output.expect("it runs").status.code()
    };
    let (epoch, other) = (boss.epoch.to_string(), (boss.index + 1) % 3);
    assert_eq!(run(boss.index, &["wait", "--for", "boss"]), Some(0));
    assert_eq!(run(other, &["wait", "--for", "follower"]), Some(0));
    assert_eq!(run(other, &["wait", "--for", "boss", "--timeout", "200ms"]), Some(75));
    assert_eq!(run(boss.index, &["assert", "--epoch", &epoch]), Some(0));
    assert_eq!(run(boss.index, &["assert", "--epoch", "7"]), Some(1));
    assert_eq!(run(other, &["assert", "--epoch", &epoch]), Some(1));
    assert_eq!(run(boss.index, &["resign"]), Some(0));
    assert_eq!(run(boss.index, &["wait", "--for", "follower"]), Some(0));
    assert_eq!(run(boss.index, &["assert", "--epoch", &epoch]), Some(1));
    let after = bed.boss_after(&boss);
    bed.judge(Some(&after));
}

fn state_json(bed: &Bed, index: usize) -> PathBuf {
    bed.node(index).dir.join("run/state.json")
}

/// The lines of boss-hooks.7, as a reader copies them, with this file in place of the usual one.
fn lines_of_the_page(file: &Path) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man/boss-hooks.7");
    let page = fs::read_to_string(page).expect("the page");
    let (_, section) = page.split_once(".Ss Asking from a script\n").expect("the section");
    let (_, shown) = section.split_once(".Bd -literal -offset indent\n").expect("the lines");
    let lines = shown.split(".Ed\n").next().expect("their end");
    assert_eq!(lines.lines().count(), 3);
    let lines = lines.replace("\\(aq", "'").replace("\\-", "-");
    assert!(!lines.contains('\\'), "{lines}");
    lines.replace("/run/boss/state.json", &file.to_string_lossy())
}

/// Whether a script with the page's lines goes on.
fn goes_on(file: &Path) -> bool {
    let script = format!("{}echo on\n", lines_of_the_page(file));
    let output = Command::new("/bin/sh").args(["-c", &script]).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).contains("on")
}

/// What the file says, if it is valid now.
fn valid(file: &Path) -> Option<Value> {
    let said: Value = serde_json::from_slice(&fs::read(file).ok()?).expect("never torn");
    let until = said["valid_until"].as_f64().expect("a number");
    (boot_ms() as f64 / 1e3 < until).then_some(said)
}

/// The epoch, if it says MASTER and is valid now.
fn master(file: &Path) -> Option<u64> {
    valid(file).filter(|said| said["state"] == "MASTER")?["epoch"].as_u64()
}

#[test]
fn a_script_with_the_lines_of_the_page_goes_on_where_the_boss_is_and_nowhere_else() {
    let mut bed = Bed::start(&three());
    let boss = bed.boss();
    bed.agree_on(&boss);
    let files: Vec<PathBuf> = (0..3).map(|index| state_json(&bed, index)).collect();
    until("the boss's own file", || goes_on(&files[boss.index]).then_some(()));
    for (index, file) in files.iter().enumerate() {
        let said = until("a valid file with the boss", || {
            valid(file).filter(|said| said["boss"] == boss.name.as_str())
        });
        assert_eq!(said["epoch"], boss.epoch, "{said}");
        assert_eq!(said["node"], bed.node(index).name.as_str());
        assert_eq!(goes_on(file), index == boss.index, "{said}");
    }

    // Who writes it stands still: nobody takes anything back, and it is over all the same.
    let executor = bed.node(boss.index).executor().expect("it runs");
    kill(executor, Signal::SIGSTOP).expect("stopped");
    until("the file of the frozen boss is over", || (!goes_on(&files[boss.index])).then_some(()));
    kill(executor, Signal::SIGCONT).expect("continued");
    // Its permit may have been over by then, or not.
    let second = bed.until("a boss whose file says so", |seen| {
        agreed(seen).filter(|boss| goes_on(&files[boss.index]))
    });
    bed.host_dies(second.index);
    until("the file of the dead boss is over", || (!goes_on(&files[second.index])).then_some(()));
    let third = bed.boss_after(&second);
    until("the last boss's file", || goes_on(&files[third.index]).then_some(()));
    bed.node(third.index).stop();
    until("the file of a daemon that ended", || {
        let said = fs::read_to_string(&files[third.index]).expect("it stays");
        said.contains("STOP").then_some(())
    });
    assert!(!goes_on(&files[third.index]));
    bed.judge(None);
}

#[test]
fn no_two_files_say_master_at_once_while_the_boss_resigns_again_and_again() {
    let mut bed = Bed::start(&three());
    let files: Vec<PathBuf> = (0..3).map(|index| state_json(&bed, index)).collect();
    let mut boss = bed.boss();
    let mut masters = BTreeSet::new();
    for _ in 0..3 {
        bed.agree_on(&boss);
        let asked = (boss.index + 1) % 3;
        bed.client(asked).resign(&Resign { force: Some(true) }).expect("two others could");
        let next = until("another file says MASTER", || {
            for one in 0..3 {
                // The same epoch before and after: it was MASTER all the time in between.
                let before = master(&files[one]);
                let others = (0..3).filter(|it| *it != one && master(&files[*it]).is_some());
                let others: Vec<_> = others.collect();
                let still = before.is_some() && master(&files[one]) == before;
                assert!(!still || others.is_empty(), "{one} and {others:?} both say MASTER");
            }
            (0..3).find(|index| *index != boss.index && master(&files[*index]).is_some())
        });
        masters.insert(next);
        boss = bed.boss_after(&boss);
        assert_eq!(boss.index, next);
    }
    assert!(masters.len() > 1, "{masters:?}");
    bed.judge(Some(&boss));
}
