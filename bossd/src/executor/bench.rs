//! The bench of the executor's tests: a directory with a configuration and hooks, and what the
//! executor works with, without an elector.

use std::io::Write;
use std::process::{Command, Stdio};

use election::Span;

use super::*;
use crate::config::Source;

/// Longer than anything here takes, shorter than anybody wants to wait.
pub(super) const LONG: Span = Span::from_secs(20);

pub(super) struct Bench {
    home: tempfile::TempDir,
    /// Further lines of node.toml.
    lines: String,
}

impl Bench {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("hooks.d")).expect("a directory");
        Self { home, lines: String::new() }
    }

    /// Adds lines to node.toml; `@` stands for the bench's directory.
    pub(super) fn configure(&mut self, lines: &str) {
        self.lines.push_str(&lines.replace('@', self.home.path().to_str().expect("plain")));
    }

    /// Adds a hook; `@` in its body stands for the bench's directory.
    pub(super) fn hook(&self, name: &str, body: &str) {
        let body = body.replace('@', self.home.path().to_str().expect("plain"));
        // By another process: the kernel starts no script that a fork beside us could write.
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "umask 022; cat >\"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(self.home.path().join("hooks.d").join(name))
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut pipe = writer.stdin.take().expect("piped");
        pipe.write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).expect("it reads");
        drop(pipe);
        assert!(writer.wait().expect("our child").success());
    }

    /// What hooks wrote, line by line; nothing while it is not there.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn touch(&self, name: &str) {
        fs::write(self.home.path().join(name), "").expect("writable");
    }

    pub(super) fn environment(&self) -> Environment {
        let text = "[cluster]\nname = \"web\"\n[[member]]\nname = \"alpha\"\n\
                    address = \"127.0.0.1:26771\"\n";
        let node = "[node]\nname = \"alpha\"\nrun-directory = \"run\"\nstate-directory = \"state\"\n\
                    [hooks]\ndirectory = \"hooks.d\"\n";
        let node = &format!("{node}{}", self.lines);
        let source = |name: &str, text: &str| Source {
            path: self.home.path().join(name),
            text: text.to_owned(),
        };
        let sources = Sources {
            cluster: source("cluster.toml", text),
            node: Some(source("node.toml", node)),
            directory: self.home.path().to_owned(),
        };
        let config = config::parse(&sources, "alpha").expect("a good configuration");
        let spared = Spared::default();
        Environment {
            lock: lock(&config.node.run_directory).expect("nobody else has it"),
            runner: Rc::new(Runner::Direct(Direct::new(spared.clone()))),
            runner_in_use: RunnerInUse { runner: "direct".to_owned(), why: "a test".to_owned() },
            config: Rc::new(config),
            sources,
            reloaded: None,
            host_name: "alpha".to_owned(),
            spared,
            target: None,
            serving: None,
            is_clean_up: true,
        }
    }
}

/// Runs a test as the executor runs; one that hangs fails.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        tokio::select! {
            () = test => {}
            _ = clock::pause(LONG.times(2)) => panic!("the test hangs"),
        }
    });
}

pub(super) async fn eventually(condition: impl Fn() -> bool) {
    let give_up = clock::now().plus(LONG);
    while !condition() {
        assert!(!give_up.over_when_either(clock::now()), "it did not come true");
        clock::pause(Span::from_millis(2)).await.expect("a timer");
    }
}
