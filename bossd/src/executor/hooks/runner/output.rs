//! What goes into a hook and comes out of it: the facts to its stdin, its output line by line into
//! the log, both without ever waiting for it and both bounded.

use std::convert::Infallible;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Child;

use crate::clock;
use crate::executor::hooks::plan::Call;
use election::Span;

/// Our ends of the three pipes of a hook, whoever has started it.
pub(super) struct Pipes {
    stdin: Option<Box<dyn AsyncWrite + Unpin>>,
    stdout: Option<Box<dyn AsyncRead + Unpin>>,
    stderr: Option<Box<dyn AsyncRead + Unpin>>,
}

impl Pipes {
    /// Of our own child, from which they are taken.
    pub(super) fn of_child(child: &mut Child) -> Self {
        let stdin = child.stdin.take().map(|pipe| Box::new(pipe) as _);
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as _);
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as _);
        Self { stdin, stdout, stderr }
    }

    /// Of a unit.
    pub(super) fn of_unit(
        stdin: pipe::Sender,
        stdout: pipe::Receiver,
        stderr: pipe::Receiver,
    ) -> Self {
        let (stdin, stdout, stderr) = (Box::new(stdin), Box::new(stdout), Box::new(stderr));
        Self { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr) }
    }
}

/// What a running hook reads and writes.
pub(super) struct Output<'a> {
    stdin: Option<Box<dyn AsyncWrite + Unpin>>,
    facts: &'a [u8],
    stdout: Stream,
    stderr: Stream,
    log: Log<'a>,
}

impl<'a> Output<'a> {
    /// `unit` is the hook's own, if it has one.
    pub(super) fn of(pipes: Pipes, call: &'a Call, unit: Option<&'a str>) -> Self {
        Self {
            stdin: pipes.stdin,
            facts: call.stdin.as_bytes(),
            stdout: Stream::of(pipes.stdout),
            stderr: Stream::of(pipes.stderr),
            log: Log { call, unit, written: 0, dropped: 0 },
        }
    }

    /// Keeps the pipes moving; for the time that the hook runs.
    pub(super) async fn pump_for_ever(&mut self) -> Infallible {
        self.pump().await;
        std::future::pending().await
    }

    /// After the hook's end: reads what is there already. A child of the hook may hold the pipes
    /// open for as long as it likes; it does not hold us.
    pub(super) async fn drain(mut self) {
        self.stdin = None;
        tokio::select! {
            // In this order: on a busy host what is there is still read when the time is over.
            biased;
            () = self.pump() => {}
            _ = clock::pause(DRAIN) => {}
        }
        self.stdout.lines.finish(&mut self.log);
        self.stderr.lines.finish(&mut self.log);
        self.log.tell_dropped();
    }

    /// Until all pipes are closed.
    async fn pump(&mut self) {
        while self.stdin.is_some() || self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            tokio::select! {
                // In this order: a flood on stdout does not use up the room of an error before it.
                biased;
                () = feed(&mut self.stdin, &mut self.facts) => {}
                count = self.stderr.read() => self.stderr.take(count, &mut self.log),
                count = self.stdout.read() => self.stdout.take(count, &mut self.log),
            }
        }
    }
}

/// Writes the next part of the facts, and closes when they are all written or not wanted.
async fn feed(stdin: &mut Option<Box<dyn AsyncWrite + Unpin>>, facts: &mut &[u8]) {
    let Some(pipe) = stdin else { return std::future::pending().await };
    match pipe.write(facts).await {
        Ok(count) => *facts = &facts[count..],
        // It does not read what it is told, which is its own affair.
        Err(_) => *facts = &[],
    }
    if facts.is_empty() {
        *stdin = None;
    }
}

struct Stream {
    pipe: Option<Box<dyn AsyncRead + Unpin>>,
    buffer: Box<[u8; BUFFER]>,
    lines: Lines,
}

impl Stream {
    fn of(pipe: Option<Box<dyn AsyncRead + Unpin>>) -> Self {
        Self { pipe, buffer: Box::new([0; BUFFER]), lines: Lines::default() }
    }

    /// How much there is to take; zero at the end.
    async fn read(&mut self) -> usize {
        match &mut self.pipe {
            Some(pipe) => pipe.read(&mut self.buffer[..]).await.unwrap_or(0),
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, count: usize, log: &mut impl Sink) {
        if count == 0 {
            self.pipe = None;
        }
        self.lines.take(&self.buffer[..count], log);
    }
}

/// Takes finished lines.
trait Sink {
    fn line(&mut self, line: &[u8]);
}

/// Cuts bytes into lines, and lines off at [`MAX_LINE`].
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    /// The line is over-long and told; the rest of it is passed over.
    told: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            if !self.told {
                let room = MAX_LINE - self.begun.len();
                self.begun.extend_from_slice(&text[..text.len().min(room)]);
                if text.len() > room {
                    self.begun.extend_from_slice(" ...".as_bytes());
                    sink.line(&self.begun);
                    self.begun.clear();
                    self.told = true;
                }
            }
            if complete {
                if !self.told {
                    sink.line(&self.begun);
                }
                self.begun.clear();
                self.told = false;
            }
        }
    }

    /// A last line without its end counts as a line.
    fn finish(&mut self, sink: &mut impl Sink) {
        if !self.begun.is_empty() {
            sink.line(&self.begun);
            self.begun.clear();
        }
    }
}

/// Writes lines into the log until the call has written enough, and counts the others.
struct Log<'a> {
    call: &'a Call,
    unit: Option<&'a str>,
    written: usize,
    dropped: u64,
}

impl Log<'_> {
    fn write(&self, line: &str) {
        tracing::info!(
            target: "hook",
            boss_hook = self.call.hook.name,
            boss_event = self.call.event.as_str(),
            boss_epoch = self.call.facts.epoch,
            boss_transition = self.call.facts.transition,
            // By this field journalctl counts a line of root's to a unit.
            object_systemd_unit = self.unit,
            "{line}"
        );
    }

    fn tell_dropped(&self) {
        if self.dropped > 0 {
            self.write(&format!(
                "{} more lines of output were dropped: a call may write {MAX_LINES}",
                self.dropped
            ));
        }
    }
}

impl Sink for Log<'_> {
    fn line(&mut self, line: &[u8]) {
        if self.written == MAX_LINES {
            self.dropped += 1;
            return;
        }
        self.written += 1;
        let text = String::from_utf8_lossy(line);
        // Nothing that a hook prints may move the cursor of whoever reads the log.
        let safe: String =
            text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
        self.write(safe.trim_end());
    }
}

/// The longest line in the log: enough for any message, too short for a dump.
const MAX_LINE: usize = 1024;

/// The most lines of one call, stdout and stderr together.
const MAX_LINES: usize = 1000;

/// One read of a pipe.
const BUFFER: usize = 8 * 1024;

/// What a hook has written is in the pipe when it ends; this is only the time to fetch it.
const DRAIN: Span = Span::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    impl Sink for Vec<String> {
        fn line(&mut self, line: &[u8]) {
            self.push(String::from_utf8_lossy(line).into_owned());
        }
    }

    #[test]
    fn lines_come_out_whole_however_they_were_read() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for part in ["a", "b\nc", "\n\nd"] {
            lines.take(part.as_bytes(), &mut out);
        }
        lines.finish(&mut out);
        assert_eq!(out, ["ab", "c", "", "d"]);
    }

    #[test]
    fn an_endless_line_takes_bounded_room_and_the_next_one_is_whole() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for _ in 0..100 {
            lines.take(&[b'x'; 1000], &mut out);
            assert!(lines.begun.len() <= MAX_LINE);
        }
        lines.take(b"\nnext\n", &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(out[0].len(), MAX_LINE + 4);
        assert_eq!(out[1], "next");
    }
}
