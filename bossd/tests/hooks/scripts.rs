//! The bench of these tests: a directory of shell scripts, and what to ask about processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use bossd::clock::{now, pause};
use bossd::executor::hooks::directory::{Hook, HookDirectory};
use bossd::executor::hooks::outcome::Step;
use bossd::executor::hooks::plan::{Call, Facts, HookEvent, HookState, plan};
use bossd::executor::hooks::runner::{Runner, direct::Direct};
use bossd::executor::hooks::sequence::{
    DemoteLimit, DemoteOutcome, PromoteOutcome, StepLog, run_demote, run_promote,
};
use bossd::executor::hooks::tree::Spared;
use election::Span;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

/// Longer than anything here takes, shorter than anybody wants to wait.
pub(crate) const LONG: Span = Span::from_secs(20);

/// A `hooks.d` of its own, and a runner.
pub(crate) struct Bench {
    home: tempfile::TempDir,
    pub(crate) runner: Runner,
    pub(crate) spared: Spared,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("hooks.d")).unwrap();
        let spared = Spared::default();
        Self { home, runner: Runner::Direct(Direct::new(spared.clone())), spared }
    }

    /// Adds a hook; `@` in its body stands for the bench's directory.
    pub(crate) fn hook(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path("hooks.d").join(name);
        let body = body.replace('@', self.home.path().to_str().unwrap());
        // By another process: a fork of a test beside us would inherit a descriptor of ours that can
        // write, and the kernel starts no script that somebody can write.
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "umask 022; cat >\"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// What a hook wrote, line by line; nothing while it is not there.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The process numbers that hooks wrote into `pids`.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.lines("pids").iter().map(|line| line.parse().unwrap()).collect()
    }

    pub(crate) fn calls(&self, event: HookEvent, started: Option<&[Hook]>) -> Vec<Call> {
        let found = HookDirectory::read(&self.path("hooks.d")).unwrap();
        assert!(found.all_trusted(), "{:?}", found.refused);
        plan(event, &found.hooks, &facts(), started, &[])
    }

    /// Promotes with all hooks, uncancelled and permitted.
    pub(crate) async fn promote(&self, timeout: Span) -> PromoteOutcome {
        let calls = self.calls(HookEvent::Promote, None);
        let (_keep, cancel) = watch::channel(false);
        run_promote(&self.runner, &calls, timeout, || true, cancel, &mut StepLog::default()).await
    }

    /// Promotes, and cancels as soon as `when` holds.
    pub(crate) async fn promote_cancelled(&self, when: impl Fn() -> bool) -> PromoteOutcome {
        let calls = self.calls(HookEvent::Promote, None);
        let (cancel, cancelled) = watch::channel(false);
        let mut log = StepLog::default();
        let run = run_promote(&self.runner, &calls, LONG, || true, cancelled, &mut log);
        tokio::join!(run, async {
            eventually(when).await;
            cancel.send(true).unwrap();
        })
        .0
    }

    pub(crate) async fn demote(&self, within: Span, urgent: bool) -> DemoteOutcome {
        let calls = self.calls(HookEvent::Demote, None);
        let (_keep, limit) = watch::channel(DemoteLimit { deadline: now().plus(within), urgent });
        run_demote(&self.runner, &calls, limit).await
    }
}

pub(crate) fn facts() -> Facts {
    Facts {
        cluster: "web".to_owned(),
        node: "alpha".to_owned(),
        state: HookState::Master,
        epoch: Some(7),
        term: 9,
        current: Some("alpha".to_owned()),
        current_address: Some("10.0.0.1:26770".to_owned()),
        previous: None,
        reason: "first boss".to_owned(),
        transition: "t-1".to_owned(),
        urgent: false,
        deadline_ms: 0,
        priority: 100,
        role: None,
        members: vec!["alpha".to_owned(), "beta".to_owned()],
        dry_run: false,
        run_directory: "/run/boss".to_owned(),
    }
}

pub(crate) fn names(hooks: &[Hook]) -> Vec<&str> {
    hooks.iter().map(|hook| hook.name.as_str()).collect()
}

pub(crate) fn texts(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

/// For a call that nobody cancels.
pub(crate) fn go_on() -> watch::Receiver<bool> {
    static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);
    NEVER.subscribe()
}

/// Runs a test on a runtime like the executor's; one that hangs fails.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::select! {
            () = test => {}
            _ = pause(LONG.times(2)) => panic!("the test hangs"),
        }
    });
}

pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let give_up = now().plus(LONG);
    while !condition() {
        assert!(!give_up.over_when_either(now()), "it did not come true");
        pause(Span::from_millis(2)).await.unwrap();
    }
}

pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

pub(crate) async fn all_gone(pids: &[i32]) {
    eventually(|| pids.iter().all(|pid| !lives(*pid))).await;
}

/// Ends what a test left running on purpose.
pub(crate) fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}
