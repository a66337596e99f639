//! The terminal while the playground has it: single keys, and for the full screen its other page.
//! It is given back however the playground ends: when the seat is dropped, and by the last words of
//! a panic, after which nothing is dropped.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Mutex;

use nix::errno::Errno;
use nix::libc::_POSIX_VDISABLE;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::{read, write};
use ratatui::crossterm::Command;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};

use super::keys::{Key, Reader};
use super::{PlaygroundError, directory};

/// The right to the terminal; dropping it gives the terminal back.
#[derive(Debug)]
pub(super) struct Seat(());

/// How the terminal was, as long as somebody has it.
struct Taken {
    before: Termios,
    whole: bool,
}

/// In one place for all threads, because any of them may panic.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

impl Seat {
    /// Keys one by one, not shown; lines as ever.
    pub(super) fn for_lines() -> Result<Self, PlaygroundError> {
        take(false)
    }

    /// The same, and the whole screen: a page beside the one with the lines.
    pub(super) fn for_screen() -> Result<Self, PlaygroundError> {
        let seat = take(true)?;
        put(&commands(&[&EnterAlternateScreen, &Hide]));
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(whole: bool) -> Result<Seat, PlaygroundError> {
    let failed = |errno: nix::Error| PlaygroundError::Terminal {
        what: "switch the terminal to single keys",
        source: errno.into(),
    };
    let before = tcgetattr(io::stdin()).map_err(failed)?;
    let mut single = before.clone();
    // Signals stay on: Ctrl-C works.
    single.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    if whole {
        // A shell that comes back by Ctrl-Z would write on our page.
        single.control_chars[SpecialCharacterIndices::VSUSP as usize] = _POSIX_VDISABLE;
    }
    *taken() = Some(Taken { before, whole });
    let seat = Seat(());
    tcsetattr(io::stdin(), SetArg::TCSANOW, &single).map_err(failed)?;
    Ok(seat)
}

/// Puts the terminal back as it was, once.
fn give_back() {
    let Some(Taken { before, whole }) = taken().take() else { return };
    if whole {
        put(&commands(&[&ResetColor, &LeaveAlternateScreen, &Show]));
    }
    // Nothing can be done about a terminal that is gone.
    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
}

/// Whether the terminal is still ours to paint on.
pub(super) fn is_ours() -> bool {
    taken().is_some()
}

fn taken() -> std::sync::MutexGuard<'static, Option<Taken>> {
    // Nothing panics while it has this; and if it did, the terminal has to be given back.
    TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Has a panic, in whichever thread, give back the terminal, end what runs from `dir` and remove
/// it: bossctl ends right after, without dropping anything.
pub(super) fn tidy_up_on_panic(dir: PathBuf) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        usual(panic);
        directory::remove(&dir);
    }));
}

/// The bytes of some commands to the terminal.
fn commands(commands: &[&dyn Ansi]) -> String {
    let mut text = String::new();
    for command in commands {
        command.add_to(&mut text);
    }
    text
}

/// A command of whichever type.
trait Ansi {
    fn add_to(&self, text: &mut String);
}

impl<C: Command> Ansi for C {
    fn add_to(&self, text: &mut String) {
        // A string takes everything.
        let _ = self.write_ansi(text);
    }
}

/// Not through the standard library's output, which the thread that panics may not be able to lock.
fn put(text: &str) {
    let _ = write(io::stdout(), text.as_bytes());
}

/// The keys that are pressed.
#[derive(Debug, Default)]
pub(super) struct Keyboard(Reader);

impl Keyboard {
    /// A key, if one is pressed within `limit_ms`.
    pub(super) fn wait(&mut self, limit_ms: u8) -> Result<Option<Key>, PlaygroundError> {
        let stdin = io::stdin();
        let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let mut limit = PollTimeout::from(limit_ms);
        loop {
            // A signal ends the wait, which is what it is for.
            if poll(&mut polled, limit).unwrap_or(0) == 0 {
                return Ok(None);
            }
            let mut byte = [0];
            // Not through the standard library's buffer, in which poll sees nothing.
            match read(stdin.as_fd(), &mut byte) {
                // The terminal is gone.
                Ok(0) | Err(Errno::EIO) => return Ok(Some(Key::Quit)),
                Ok(_) => {
                    if let Some(key) = self.0.push(byte[0]) {
                        return Ok(Some(key));
                    }
                }
                Err(Errno::EINTR) => return Ok(None),
                Err(errno) => {
                    let what = "read a key";
                    return Err(PlaygroundError::Terminal { what, source: errno.into() });
                }
            }
            // The rest of what an arrow sends is there already.
            limit = PollTimeout::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command as Process, Stdio};

    use nix::pty::openpty;

    use super::super::processes::{self, MARK};

    /// Set for the process that is to panic: the directory of its playground.
    const PANICS_IN: &str = "BOSS_TEST_PANICS_IN";

    /// The test starts itself again, on a terminal of its own: only a process that panics shows what
    /// is left of it.
    #[test]
    fn a_panic_gives_the_terminal_back_and_ends_and_removes_all() {
        if let Some(dir) = std::env::var_os(PANICS_IN) {
            tidy_up_on_panic(dir.into());
            let _seat = Seat::for_screen().expect("a terminal");
            panic!("as the test wants it");
        }
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("boss-playground-panics");
        fs::create_dir(&dir).expect("made");
        let mut daemon = Process::new("sleep")
            .arg("600")
            .env(MARK, dir.join("alpha"))
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .expect("a process");
        let pair = openpty(None, None).expect("a terminal");
        let before = tcgetattr(&pair.slave).expect("a terminal");
        let end = || Stdio::from(pair.slave.try_clone().expect("an end"));
        let status = Process::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "--nocapture"])
            .arg(concat!(
                "playground::terminal::tests::",
                "a_panic_gives_the_terminal_back_and_ends_and_removes_all"
            ))
            .env(PANICS_IN, &dir)
            .env("RUST_BACKTRACE", "0")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .status()
            .expect("it runs");
        assert!(!status.success());
        assert!(!dir.exists());
        assert!(processes::of(&dir).is_empty());
        assert!(!daemon.wait().expect("reaped").success());
        let after = tcgetattr(&pair.slave).expect("a terminal");
        assert_eq!(after.local_flags, before.local_flags);
        assert_eq!(after.control_chars, before.control_chars);
        drop(pair.slave);
        let mut said = Vec::new();
        // A terminal whose other end is closed gives what it has, then an error.
        drop(File::from(pair.master).read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("no {what:?} in {said:?}"));
        let (on, off) = (commands(&[&EnterAlternateScreen]), commands(&[&LeaveAlternateScreen]));
        assert!(at(&on) < at(&off), "{said:?}");
        assert!(at(&off) < at("as the test wants it"), "told where it can be read: {said:?}");
    }
}
