//! Where log lines go: to the journal when the service manager listens there, else to standard
//! error, one readable line each.

use std::io;
use std::sync::OnceLock;

use tracing::{Level, warn};
use tracing_subscriber::filter::LevelFilter;
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
    is_it.then(|| {
        layer.with_field_prefix(Some("BOSS".to_owned())).with_syslog_identifier("bossd".to_owned())
    })
}
