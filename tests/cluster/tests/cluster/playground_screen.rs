//! The playground's full screen on a real terminal, which tmux is: what it shows, that its keys do
//! what they say, and that however it ends the terminal is as it was and nothing is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bossctl::playground::processes;
use harness::{bossctl, bossd, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn the_screen_shows_what_keys_do_and_fills_a_window_that_grows() {
    let Some(screen) =
        Screen::start("the_screen_shows_what_keys_do_and_fills_a_window_that_grows", "")
    else {
        return;
    };
    screen.shows(&["boss playground SAFE", ">1 alpha", "boss alpha, epoch", "promote epoch"]);
    let first = screen.text();
    assert!(first.lines().all(|line| line.chars().count() <= 80), "{first}");
    screen.type_keys(&["Down"]);
    screen.shows(&[">2 beta"]);
    screen.type_keys(&["d"]);
    screen.shows(&["drained", "bossctl drain beta", "answer: "]);
    screen.type_keys(&["3", "f"]);
    screen.shows(&[">3 gamma   frozen", "DEGRADED"]);
    screen.type_keys(&["f"]);
    screen.shows(&[">3 gamma   idle"]);
    screen.type_keys(&["2", "d"]);
    screen.shows(&["SAFE"]);
    screen.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    until("the wide screen", || {
        let text = screen.text();
        text.lines().any(|it| it.contains("-- who acted") && it.contains("-- hooks")).then_some(())
    });
    // The boss loses power: another one acts, and the time without one is told.
    screen.type_keys(&["1", "k"]);
    screen.shows(&[">1 alpha   ended", "signal 9", "host-died", "gap "]);
    screen.type_keys(&["h"]);
    screen.shows(&["its executor lets go and starts another"]);
    screen.type_keys(&["q"]);
    screen.ended_well();
}

#[test]
fn one_process_of_a_node_is_killed_and_mended() {
    let name = "one_process_of_a_node_is_killed_and_mended";
    let Some(screen) = Screen::start(name, "") else { return };
    screen.shows(&["boss playground SAFE", "boss alpha, epoch"]);
    // The executor starts another elector.
    screen.type_keys(&["l"]);
    screen.shows(&["the bossd that is the elector", "gap "]);
    screen.shows(&["boss playground SAFE"]);
    // The elector cleans up and ends.
    screen.type_keys(&["3", "x"]);
    screen.shows(&[">3 gamma   ended", "signal 9"]);
    screen.type_keys(&["r"]);
    screen.shows(&[">3 gamma   idle", "boss playground SAFE"]);
    screen.type_keys(&["C-c"]);
    screen.ended_well();
}

#[test]
fn a_playground_that_is_told_to_end_gives_the_terminal_back() {
    let name = "a_playground_that_is_told_to_end_gives_the_terminal_back";
    for signal in [Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGHUP] {
        let Some(screen) = Screen::start(name, "") else { return };
        screen.shows(&["boss playground "]);
        let pid = fs::read_to_string(screen.home.path().join("pid")).expect("written");
        kill(Pid::from_raw(pid.trim().parse().expect("a number")), signal).expect("it runs");
        screen.ended_well();
    }
}

#[test]
fn a_terminal_that_cannot_be_painted_on_gets_lines() {
    let name = "a_terminal_that_cannot_be_painted_on_gets_lines";
    let Some(screen) = Screen::start(name, "TERM=dumb") else { return };
    screen.shows(&["keys: 1 alpha", "alpha is boss, epoch"]);
    screen.type_keys(&["2"]);
    screen.shows(&["chosen: beta"]);
    screen.type_keys(&["q"]);
    screen.ended_well();
}

/// A playground in a terminal of 80 columns and 24 lines.
struct Screen {
    home: tempfile::TempDir,
}

impl Screen {
    /// None, said on the output, where there is no tmux.
    fn start(name: &str, environment: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("SKIPPED {name}: tmux is not there");
            return None;
        }
        let screen = Self { home: tempfile::tempdir().expect("a directory") };
        let (home, temporary) = (screen.home.path(), screen.temporary());
        fs::create_dir(&temporary).expect("made");
        // Ctrl-C is for all in the foreground; this shell has to stay.
        let script = format!(
            "trap : INT QUIT\ncd '{home}'\nstty -g >before\n\
             sh -c 'echo $$ >pid; exec env -u NO_COLOR TMPDIR={temporary} BOSSD={bossd} \
             {environment} {bossctl} playground'\n\
             echo \"ended with $?\"\nstty -g >after\nexec cat\n",
            home = home.display(),
            temporary = temporary.display(),
            bossd = bossd().display(),
            bossctl = bossctl().display(),
        );
        fs::write(home.join("run"), script).expect("written");
        let run = format!("sh '{}'", home.join("run").display());
        screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &run]);
        Some(screen)
    }

    fn temporary(&self) -> PathBuf {
        self.home.path().join("p")
    }

    /// A server of its own for each.
    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = tmux(self.home.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    fn type_keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until all of it is on the screen at once.
    #[track_caller]
    fn shows(&self, words: &[&str]) {
        let mut text = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(&format!("{words:?} on the screen"), || {
                text = self.text();
                words.iter().all(|word| text.contains(word)).then_some(())
            });
        }));
        assert!(found.is_ok(), "no {words:?} on the screen:\n{text}");
    }

    fn ended_well(self) {
        let read = |name: &str| fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        // Whatever has scrolled away since.
        until("the end", || {
            let output = self.tmux(&["capture-pane", "-p", "-S", "-"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (text.contains("All of it is ended") && text.contains("ended with 0")).then_some(())
        });
        until("the terminal's settings", || (!read("after").is_empty()).then_some(()));
        assert_eq!(read("after"), read("before"));
        // tmux tells whether the other page is still on, and whether the cursor is shown.
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(String::from_utf8_lossy(&flags.stdout).trim(), "0 1");
        let left: Vec<_> = fs::read_dir(self.temporary()).expect("ours").flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(processes::of(&self.temporary()).is_empty());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The playground gets a hang-up by that, if it still runs.
        drop(tmux(self.home.path(), &["kill-server"]));
    }
}

fn tmux(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("tmux");
    command.arg("-S").arg(home.join("tmux")).args(arguments).env_remove("TMUX");
    command.output().expect("tmux")
}
