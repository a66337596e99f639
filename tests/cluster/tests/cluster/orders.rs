//! The orders that take the boss's part from a node, as an operator gives them with bossctl: looked at
//! before they are given, waited for, and told to the log with who gave them.

use std::process::{Command, Output, Stdio};

use bossctl::playground::cluster::Plan;
use control::preview::{OrderKind, Preview, PreviewOrder};
use harness::{Acting, Bed, bossctl, until};

use crate::apply::changed;
use crate::steps::{drain, quick, undrain, whole};
use crate::with_script;

/// Runs bossctl against this node, to its end. With its process id, for the log has it.
fn run(bed: &Bed, asked: usize, words: &[&str]) -> (Output, u32) {
    let node = bed.node(asked);
    let mut command = node.command(&bossctl());
    let child = command
        .arg("--socket")
        .arg(node.socket())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let pid = child.id();
    (child.wait_with_output().expect("ours"), pid)
}

/// Runs bossctl; its status has to be this. What it said on each of its outputs.
#[track_caller]
fn says(bed: &Bed, asked: usize, words: &[&str], code: i32) -> (String, String) {
    let (output, _) = run(bed, asked, words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let said = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said:?}");
    said
}

fn name(bed: &Bed, index: usize) -> String {
    bed.node(index).name.clone()
}

fn start() -> (Bed, Acting) {
    start_plan(&quick(&["alpha", "beta", "gamma"]))
}

fn start_plan(plan: &Plan) -> (Bed, Acting) {
    let mut bed = Bed::start(plan);
    let boss = whole(&mut bed);
    (bed, boss)
}

#[test]
fn a_switchover_is_followed_step_by_step_until_the_new_boss_acts() {
    let (mut bed, boss) = start();
    let (to, asked) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    let to = name(&bed, to);
    let (said, steps) = says(&bed, asked, &["switchover", "--to", &to, "--wait"], 0);
    let after = bed.boss_after(&boss);
    assert_eq!(after.name, to);
    assert!(said.contains(&format!("{to} became boss, epoch {}", after.epoch)), "{said}");
    let first = format!("{} is boss, epoch {}", boss.name, boss.epoch);
    let last = format!("{to} is boss, epoch {}", after.epoch);
    let begins = steps.lines().next().is_some_and(|line| line.ends_with(&first));
    // One that is asked late sees only the end of it.
    assert!(begins || !steps.contains(&first), "{steps}");
    assert!(steps.lines().last().is_some_and(|line| line.ends_with(&last)), "{steps}");
    bed.judge(Some(&after));
}

#[test]
fn a_resignation_and_a_drain_of_the_boss_are_waited_for_until_another_acts() {
    let (mut bed, first) = start();
    let (said, _) = says(&bed, first.index, &["resign", "--wait", "--timeout", "25s"], 0);
    let second = bed.boss_after(&first);
    assert!(said.contains(&format!("{} became boss", second.name)), "{said}");
    let second = whole(&mut bed);
    let (said, _) = says(&bed, second.index, &["drain", "--force", "--wait"], 0);
    let third = bed.boss_after(&second);
    let wanted = format!("{} is out of service; the boss is {}", second.name, third.name);
    assert!(said.contains(&wanted), "{said}");
    bed.judge(Some(&third));
}

#[test]
fn what_nobody_could_follow_is_told_for_each_candidate_and_not_ordered() {
    let (mut bed, boss) = start();
    let (one, other) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    let (drained, fit) = (name(&bed, one), name(&bed, other));
    drain(&bed, boss.index, &drained).expect("two others could");
    // Asked of a follower, the leader answers.
    let words = ["switchover", "--to", &drained];
    let (_, told) = says(&bed, other, &words, 1);
    assert!(told.contains(&format!("{drained} could not be boss: it is drained")), "{told}");
    assert!(told.contains(&format!("{fit} could be boss")), "{told}");
    assert!(told.contains(&format!("bossctl: {drained} cannot take over")), "{told}");
    let (shown, _) = says(&bed, other, &[&words[..], &["--dry-run"]].concat(), 1);
    assert!(shown.contains(&format!("as {} foresees it", boss.name)), "{shown}");
    drain(&bed, boss.index, &fit).expect("the boss could");
    let (_, told) = says(&bed, one, &["resign", "--wait"], 1);
    assert!(told.contains("no other node could be boss"), "{told}");
    says(&bed, one, &["drain", &boss.name], 1);
    // Nothing of that was ordered.
    bed.agree_on(&boss);
    undrain(&bed, boss.index, &fit).expect("it is drained");
    let order = PreviewOrder { order: OrderKind::Resign, node: None, force: None };
    let preview = until("a preview that says yes", || {
        let document = bed.client(one).preview(&order).expect("foreseen");
        let preview: Preview = serde_json::from_value(document).expect("a preview");
        preview.accepted.then_some(preview)
    });
    assert_eq!((preview.leader, preview.successor), (boss.name.clone(), Some(fit.clone())));
    let (shown, _) = says(&bed, one, &["resign", "--dry-run"], 0);
    assert!(shown.contains(&format!("{fit} would take over")), "{shown}");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn a_switchover_to_a_node_whose_hooks_fail_ends_with_why() {
    let flags = tempfile::tempdir().expect("a directory");
    let flag = |node: &str| flags.path().join(node);
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != promote ] || [ ! -e {}/$BOSS_NODE ]\n",
        flags.path().display()
    );
    let plan = with_script(quick(&["alpha", "beta", "gamma"]), "50-job", &script);
    let (mut bed, boss) = start_plan(&plan);
    let to = name(&bed, (boss.index + 1) % 3);
    std::fs::write(flag(&to), "").expect("writable");
    let (said, why) = says(&bed, boss.index, &["switchover", "--to", &to, "--wait"], 1);
    assert!(said.contains(&format!("hands over to {to}")), "{said}");
    assert!(why.contains(&format!("{to} did not become boss")), "{why}");
    assert!(why.contains(&format!("{to} is held off")), "{why}");
    let after = bed.boss_after(&boss);
    assert_ne!(after.name, to);
    bed.judge(Some(&after));
}

#[test]
fn where_nobody_leads_a_preview_says_that_there_is_no_quorum() {
    let (mut bed, boss) = start();
    let (one, other) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    bed.host_dies(boss.index);
    bed.host_dies(other);
    bed.until("a node that knows that it is alone", |seen| {
        let status = seen[one].status()?;
        let led = status.members.iter().any(|member| member.leader);
        (!led && status.quorum.connected == 1).then_some(())
    });
    for words in [&["resign", "--dry-run"][..], &["drain", "--wait"]] {
        let (_, told) = says(&bed, one, words, 75);
        assert!(told.contains("without a quorum"), "{told}");
    }
    bed.judge(None);
}

#[test]
fn a_node_that_is_heard_is_not_taken_for_dead_and_one_that_died_is() {
    // Long enough that the word comes before it is over, and is what the next boss comes by.
    let timing = "profile = \"lan\"\nlease = \"600ms\"\nfence-window = \"6s\"".to_owned();
    let plan = Plan { timing, ..quick(&["alpha", "beta", "gamma"]) };
    let (mut bed, boss) = start_plan(&plan);
    let asked = (boss.index + 1) % 3;
    let dead = boss.name.clone();
    let vouch = ["confirm-dead", &dead, "--yes", &dead];
    let (_, told) = says(&bed, asked, &vouch, 1);
    assert!(told.contains("Two nodes could act as boss at once"), "{told}");
    says(&bed, boss.index, &vouch, 1);
    says(&bed, asked, &["confirm-dead", "delta", "--yes", "delta"], 1);
    says(&bed, asked, &["confirm-dead", &dead], 64);
    bed.host_dies(boss.index);
    let pid = until("its silence", || {
        let (output, pid) = run(&bed, asked, &vouch);
        output.status.success().then_some(pid)
    });
    let line = bed.logged(asked, &format!("pid {pid}: {dead} is taken to be off"));
    assert!(line.contains(&format!("confirm-dead of {dead} asked for by uid ")), "{line}");
    let after = bed.boss_after(&boss);
    // It is in what the cluster remembers, whoever is asked.
    let history = bed.client(asked).history().expect("it answers");
    let latest = &history["entries"][0];
    assert_eq!(
        (latest["epoch"].as_u64(), &latest["cause"]),
        (Some(after.epoch), &"confirmed-dead".into())
    );
    bed.judge(Some(&after));
}

#[test]
fn a_word_that_a_node_is_off_is_ignored_where_that_node_is_heard() {
    let (mut bed, boss) = start();
    // It hears the boss no more; the third hears both.
    let (wrong, third) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    bed.set_cut(wrong, boss.index, true);
    bed.set_cut(boss.index, wrong, true);
    let dead = boss.name.clone();
    let vouch = ["confirm-dead", &dead, "--yes", &dead];
    until("a node that hears the boss no more", || {
        run(&bed, wrong, &vouch).0.status.success().then_some(())
    });
    bed.logged(third, &format!("says that {dead} is off, which is ignored"));
    // The boss has the third's promise, and keeps it.
    let renewed = bed.node(boss.index).status().expect("it answers");
    assert_eq!(renewed.boss.map(|it| (it.node, it.epoch)), Some((dead, boss.epoch)));
    bed.set_cut(wrong, boss.index, false);
    bed.set_cut(boss.index, wrong, false);
    bed.logged(boss.index, &format!("{} is back", name(&bed, wrong)));
    // Who took the boss for dead promises it nothing more in this term (V7), so that it moves to a
    // higher one (R1): the same boss, its hooks have not run again, and all follow it.
    bed.logged(boss.index, "promises nothing in term");
    bed.logged(wrong, "was said to be off: that counts no more");
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}

#[test]
fn every_change_is_in_the_log_with_who_asked_for_it() {
    let (mut bed, first) = start();
    let asked = (first.index + 1) % 3;
    let other = name(&bed, (first.index + 2) % 3);
    let uid = nix::unistd::getuid();
    let logged = |bed: &Bed, words: &[&str], text: &str| {
        let (_, pid) = run(bed, asked, words);
        bed.logged(asked, &format!("{text} asked for by uid {uid}, pid {pid}: "));
    };
    // The leader's log names the node where it was asked, whose log has the process.
    let from = name(&bed, asked);
    let forwarded = |bed: &Bed, text: &str| {
        bed.logged(first.index, &format!("{from} forwards a command of its uid {uid}: {text}"));
    };
    logged(&bed, &["drain", &other, "--reason", "disk"], &format!("drain of {other} (disk)"));
    forwarded(&bed, &format!("drain of {other}"));
    logged(&bed, &["undrain", &other], &format!("undrain of {other}"));
    forwarded(&bed, &format!("undrain of {other}"));
    let (_, pid) = run(&bed, asked, &["reload", "--wait"]);
    bed.logged(asked, &format!("reload asked for by uid {uid}, pid {pid}"));
    let file = changed(&bed, &[("fence-window = \"400ms\"", "fence-window = \"300ms\"")]);
    let file = file.to_str().expect("UTF-8");
    logged(&bed, &["apply", file], &format!("apply of {file}"));
    forwarded(&bed, "apply");
    logged(&bed, &["pause", "--for", "60s"], "pause for 60 s");
    logged(&bed, &["resume"], "resume");
    logged(&bed, &["clear", &other], &format!("clear of {other}"));
    logged(&bed, &["undrain", "delta"], "undrain of delta");
    logged(&bed, &["confirm-dead", &other, "--yes", &other], &format!("confirm-dead of {other}"));
    whole(&mut bed);
    logged(&bed, &["switchover", "--to", &other], &format!("switchover to {other}"));
    let second = bed.boss_after(&first);
    whole(&mut bed);
    logged(&bed, &["resign"], "resign");
    let third = bed.boss_after(&second);
    whole(&mut bed);
    logged(&bed, &["force-resign"], "forced resign");
    let last = bed.boss_after(&third);
    bed.judge(Some(&last));
}

/// Those that ask no daemon, or not first.
const ALONE: [&str; 9] = [
    "config check",
    "ca init",
    "ca issue",
    "ca renew",
    "ca show",
    "install-bundle",
    "playground",
    "completions",
    "version",
];
/// Each verb that asks a daemon.
const VERBS: [&[&str]; 18] = [
    &["status"],
    &["explain"],
    &["history"],
    &["wait", "--for", "known"],
    &["assert", "--epoch", "7"],
    &["hooks", "list"],
    &["hooks", "run", "promote", "--dry-run"],
    &["drain"],
    &["undrain"],
    &["pause"],
    &["resume"],
    &["clear"],
    &["resign", "--dry-run"],
    &["force-resign"],
    &["switchover", "--to", "beta"],
    &["confirm-dead", "beta", "--yes", "beta"],
    &["apply", "/dev/null"],
    &["reload"],
];

/// Those that change something, as the log of a node calls them; some are previewed first.
const CHANGES: [&str; 9] = [
    "drain of this node",
    "undrain of this node",
    "pause",
    "resume",
    "clear of this node",
    "forced resign",
    "switchover to beta",
    "confirm-dead of beta",
    "reload",
];

#[test]
fn every_verb_is_in_the_lists() {
    use clap::CommandFactory;

    fn leaves(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let name = format!("{above} {}", verb.get_name());
            if verb.has_subcommands() {
                leaves(verb, &name, found);
            } else {
                found.push(name.trim_start().to_owned());
            }
        }
    }
    let mut known = Vec::new();
    leaves(&bossctl::args::Args::command(), "", &mut known);
    let listed = |name: &str| {
        let words: Vec<&str> = name.split(' ').collect();
        ALONE.contains(&name) || VERBS.iter().any(|verb| verb.starts_with(&words))
    };
    let missing: Vec<_> = known.iter().filter(|name| !listed(name)).collect();
    assert!(missing.is_empty() && known.len() == ALONE.len() + VERBS.len(), "{known:?}");
}

#[test]
fn for_another_user_every_verb_ends_with_77() {
    use std::fs::{Permissions, copy, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED for_another_user_every_verb_ends_with_77: it needs root");
        return;
    }
    let (mut bed, boss) = start();
    let socket = bed.node(boss.index).socket();
    let open = |path: &std::path::Path, mode| {
        set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    };
    let program = bed.dir().join("bossctl");
    copy(bossctl(), &program).expect("ours");
    open(&program, 0o755);
    open(bed.dir(), 0o711);
    let every_verb_says = |text: &str| {
        for verb in VERBS {
            let output = Command::new(&program)
                .arg("--socket")
                .arg(&socket)
                .args(verb)
                .uid(NOBODY)
                .gid(NOBODY)
                .stdin(Stdio::null())
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(77), "{verb:?}: {said}");
            assert!(said.contains(text), "{verb:?}: {said}");
        }
    };
    // The first door is the socket's own mode, the second what bossd knows of the caller.
    every_verb_says("is for root and its group");
    let mut doors = socket.ancestors().skip(1);
    while let Some(door) = doors.next().filter(|door| *door != bed.dir()) {
        open(door, 0o711);
    }
    open(&socket, 0o666);
    every_verb_says("not permitted: this needs root");
    for change in CHANGES {
        let line = bed.logged(boss.index, &format!("{change} asked for by uid {NOBODY}, pid "));
        assert!(line.ends_with(": not permitted"), "{line}");
    }
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}
