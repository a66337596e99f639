//! `bossd --clean-up`: the same demote as the executor's, by the same machine and marker, for
//! when the executor itself died (protocol.md 4). The service manager runs it after the unit's
//! end; without one the elector does.

use std::path::Path;

use super::Effects;

/// Lets go of what may still stand. The exit status: 0 when nothing does any more.
pub fn run(config: &Path, effects: Effects) -> u8 {
    super::clean_up(config, effects)
}
