//! Where log lines go: to the journal when the service manager listens there, with all fields, else
//! to standard error, one readable line each.
//!
//! Fields are named as the journal is to have them: `boss_transition` is BOSS_TRANSITION there, and
//! `transition` on a line. `message_id` says of which kind the event is ([`crate::journal`]); it and
//! the fields after it are for the journal alone, for the text has said the same.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Level, warn};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// What is written of this process from now on is decided here.
static FILTER: OnceLock<Handle<LevelFilter, Registry>> = OnceLock::new();

/// Sets the log up for this process. Later calls change nothing.
pub fn init(level: Level) {
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
    if FILTER.set(handle).is_err() {
        return;
    }
    let registry = tracing_subscriber::registry();
    if let Some(journal) = journal() {
        let _ = registry.with(journal.with_filter(filter)).try_init();
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_target(false)
            .fmt_fields(Lines)
            .with_filter(filter);
        let _ = registry.with(lines).try_init();
    }
}

/// Another level, from now on.
pub fn set_level(level: Level) {
    let Some(filter) = FILTER.get() else { return };
    if let Err(error) = filter.reload(LevelFilter::from_level(level)) {
        warn!("the log stays at its level: {error}");
    }
}

/// systemd sets JOURNAL_STREAM for what it starts; a shell below it inherits it, but then standard
/// error is a terminal or a file.
fn journal() -> Option<tracing_journald::Layer> {
    use std::os::linux::fs::MetadataExt;
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    let is_it = stream == format!("{}:{}", stderr.st_dev(), stderr.st_ino());
    let layer = tracing_journald::layer().ok()?;
    // MESSAGE_ID has no prefix, so all others bring theirs.
    is_it.then(|| layer.with_field_prefix(None).with_syslog_identifier("bossd".to_owned()))
}

/// A line's text and the fields that are for people.
struct Lines;

impl<'writer> FormatFields<'writer> for Lines {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, begun: false, rest_is_hidden: false, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    begun: bool,
    rest_is_hidden: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if std::mem::replace(&mut self.begun, true) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return write!(self.writer, "{value:?}");
        }
        write!(self.writer, "{}={value:?}", name.strip_prefix("boss_").unwrap_or(name))
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.rest_is_hidden |= field.name() == "message_id";
        if field.name() == "object_systemd_unit" {
            return;
        }
        if self.result.is_ok() && !self.rest_is_hidden {
            self.result = self.write(field.name(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_its_text_and_what_is_for_people() {
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt::layer()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_writer(move || writer.clone())
            .fmt_fields(Lines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let none: Option<u64> = None;
            tracing::info!(boss_transition = "a-7-promote", boss_epoch = 7, "done");
            tracing::info!(boss_hook = "10-a", message_id = "abc", boss_term = 4, "{}", "told");
            tracing::info!(boss_epoch = none, message_id = "abc", "only this");
        });
        let text = String::from_utf8(sink.0.lock().expect("one thread").clone()).expect("UTF-8");
        let wanted = "done transition=\"a-7-promote\" epoch=7\ntold hook=\"10-a\"\nonly this\n";
        assert_eq!(text, wanted);
    }
}
