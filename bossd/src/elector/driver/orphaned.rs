//! What an elector does whose executor has died (protocol.md 4): leave if nothing of this node can
//! be active, else hold the lease until somebody has cleaned up.

use election::{Command, Marker, Phase, Span, Word};
use tokio::process;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::Driver;
use crate::clock;
use crate::executor::marker::MarkerFile;
use crate::executor::supervise::OWN_PROGRAM;
use crate::sysexits;

/// How often a clean-up after a dead executor is tried again while the lease is held.
const CLEAN_UP_AGAIN: Span = Span::from_secs(1);
/// How often the marker is looked at while somebody else is to clean up.
const MARKER_AGAIN: Span = Span::from_millis(100);

impl Driver {
    /// The executor is gone. What it did may stand, so the lease is held until somebody has
    /// cleaned up: here, if nobody else will and the rights are there.
    pub(super) fn handle_executor_gone(&mut self, cleaned: &mpsc::UnboundedSender<bool>) {
        self.executor_gone = true;
        if self.node.has_left() {
            self.end = Some(sysexits::OK);
        } else if matches!(self.node.snapshot(clock::now()).phase, Phase::Idle | Phase::Waiting) {
            // Nothing was permitted that has not ended: this node can only be in the others' way.
            error!("the executor is gone, nothing of this node is active: leaving (exit 70)");
            let _ = self.node.handle_command(clock::now(), 0, Command::Leave);
        } else if self.background.cleans_up() {
            error!("the executor is gone: cleaning up what it may have left standing");
            self.clean_up(cleaned, Span::ZERO);
        } else {
            let text = "the executor is gone, what it did may stand, and this elector has no rights \
                        to clean up: the lease is held until somebody does. Run `bossd --clean-up` \
                        as root, then start bossd again";
            error!("{text}");
            self.background.set_alarm(Some(text.to_owned()));
            self.watch_marker(cleaned);
        }
    }

    /// Whoever cleans up, the service manager or a person, leaves the marker "idle" (X5).
    fn watch_marker(&self, cleaned: &mpsc::UnboundedSender<bool>) {
        let marker = MarkerFile::new(&self.background.config().node.record_directory());
        let (last, cleaned) = (self.node.last_permit(), cleaned.clone());
        tokio::spawn(async move {
            while clock::pause(MARKER_AGAIN).await.is_ok() {
                if matches!(marker.read(), Marker::Idle { epoch } if epoch >= last) {
                    let _ = cleaned.send(true);
                    return;
                }
            }
        });
    }

    fn clean_up(&self, cleaned: &mpsc::UnboundedSender<bool>, delay: Span) {
        let (config, cleaned) = (self.background.config_file(), cleaned.clone());
        let shadow = self.background.config().node.shadow;
        tokio::spawn(async move {
            let _ = clock::pause(delay).await;
            let mut command = process::Command::new(OWN_PROGRAM);
            command.arg0(std::env::args_os().next().unwrap_or_else(|| "bossd".into()));
            command.arg("--clean-up").arg("--config").arg(config);
            if shadow {
                command.arg("--shadow");
            }
            command.stdin(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null());
            let success = command.status().await.is_ok_and(|status| status.success());
            let _ = cleaned.send(success);
        });
    }

    pub(super) fn handle_cleaned_up(
        &mut self,
        success: bool,
        cleaned: &mpsc::UnboundedSender<bool>,
    ) {
        if !success {
            let text = "the executor is gone and cleaning up failed: effects may stand; the lease \
                        is held. Run `bossd --clean-up` by hand, then restart bossd";
            error!("{text}");
            self.background.set_alarm(Some(text.to_owned()));
            return self.clean_up(cleaned, CLEAN_UP_AGAIN);
        }
        info!("cleaned up: handing over, then ending (exit 70)");
        let now = clock::now();
        if self.node.snapshot(now).stuck {
            // An executor that had given up never says idle again, and the node knows that. The
            // lease runs out; the next life of this node says Released (X5).
            self.end = Some(sysexits::SOFTWARE);
            return;
        }
        let epoch = self.node.last_permit();
        self.node.handle_hook_outcome(now, Word::Idle { epoch });
        let _ = self.node.handle_command(now, 0, Command::Leave);
    }
}
