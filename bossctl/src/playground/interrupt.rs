//! Ctrl-C, Ctrl-\, TERM and HUP as a flag: a playground that is told to end still removes what it
//! made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::PlaygroundError;

/// Whether one of these signals has come.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on. By handlers, not by a mask, which the daemons would inherit.
    pub(super) fn listen() -> Result<Self, PlaygroundError> {
        let caught = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&caught);
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                let signals = Signals::open();
                let (answer, signals) = match signals {
                    Ok(signals) => (Ok(()), Some(signals)),
                    Err(error) => (Err(error), None),
                };
                drop(ready.send(answer));
                if let Some(mut signals) = signals {
                    loop {
                        signals.next().await;
                        flag.store(true, Ordering::Relaxed);
                    }
                }
            });
        });
        let failed = |source| PlaygroundError::Terminal { what: "catch signals", source };
        is_ready.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(failed)?;
        Ok(Self(caught))
    }

    pub(super) fn was_caught(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn open() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
