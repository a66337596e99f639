//! `bossd --shadow`: the same configuration, at work without an effect. A shadow keeps its state and
//! its record of effects away from those of a bossd that acts, so that neither believes the other's;
//! lock, socket and state.json are the same, so that both never run at once.

use std::path::PathBuf;

use super::{Config, NodeConfig, OnFenceFailure};

/// Below the directories of a bossd that acts.
const SHADOW: &str = "shadow";

impl Config {
    /// As a shadow has it.
    #[must_use]
    pub fn in_shadow(mut self) -> Self {
        self.node.shadow = true;
        self.node.state_directory = self.node.state_directory.join(SHADOW);
        // Whatever else it says would be an effect.
        self.hooks.on_fence_failure = OnFenceFailure::Alarm;
        self.fence = None;
        self
    }
}

impl NodeConfig {
    /// Where the record is kept of what of this node may act. One of a shadow says nothing about
    /// what acts: the next bossd that is none must not let go because of it.
    pub fn record_directory(&self) -> PathBuf {
        if self.shadow { self.run_directory.join(SHADOW) } else { self.run_directory.clone() }
    }
}
