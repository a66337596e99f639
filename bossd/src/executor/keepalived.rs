//! The scripts of `[keepalived]`: which are called in which state and with what, as keepalived does:
//! the one of the state with its own arguments, then the general one with its own and after them
//! `INSTANCE`, the name, the state and the priority. They run as hooks do, with the same trust, time and kill; unlike
//! keepalived's, their exit status counts.

use std::os::unix::fs::MetadataExt;

use super::hooks::directory::{Hook, RefusedHook};
use super::hooks::plan::HookState;
use super::hooks::trust::{self, Distrust};
use crate::config::{KeepalivedConfig, Script};

/// What is called when this node enters a state, in its order.
#[must_use]
pub fn calls(config: &KeepalivedConfig, state: HookState, priority: u8) -> Vec<Hook> {
    let of_state = match state {
        HookState::Master => &config.master,
        HookState::Backup => &config.backup,
        HookState::Fault => &config.fault,
        HookState::Stop => &config.stop,
    };
    let own = of_state.as_ref().map(|script| hook(script, script.arguments.clone()));
    let general = config.notify.as_ref().map(|script| {
        let words = ["INSTANCE", &config.instance, state.as_str(), &priority.to_string()];
        let own = script.arguments.iter().cloned();
        hook(script, own.chain(words.map(str::to_owned)).collect())
    });
    own.into_iter().chain(general).collect()
}

/// Those that must not be run, with the reason: each keeps the node from becoming boss.
#[must_use]
pub fn refused(config: &KeepalivedConfig) -> Vec<RefusedHook> {
    let refused = config.scripts().filter_map(|script| {
        let reason = judge(script).err()?;
        Some(RefusedHook { path: script.path.clone(), reason })
    });
    refused.collect()
}

/// Every script that is named, for those who list them.
pub(super) fn named(config: &KeepalivedConfig) -> impl Iterator<Item = (&Script, Option<String>)> {
    config.scripts().map(|script| (script, judge(script).err().map(|why| why.to_string())))
}

fn judge(script: &Script) -> Result<(), Distrust> {
    trust::check(&script.path)?;
    let runs = script.path.metadata().is_ok_and(|it| it.is_file() && it.mode() & 0o111 != 0);
    runs.then_some(()).ok_or_else(|| Distrust::NotExecutable { path: script.path.clone() })
}

fn hook(script: &Script, arguments: Vec<String>) -> Hook {
    Hook { arguments: Some(arguments), ..Hook::new(script.key, script.path.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(key: &'static str, arguments: &[&str]) -> Script {
        let arguments = arguments.iter().map(|&it| it.to_owned()).collect();
        Script { key, path: format!("/etc/keepalived/{key}").into(), arguments }
    }

    fn words(config: &KeepalivedConfig, state: HookState) -> Vec<String> {
        let line = |hook: Hook| format!("{} {}", hook.name, hook.arguments.expect("own").join(" "));
        calls(config, state, 150).into_iter().map(line).collect()
    }

    #[test]
    fn the_script_of_the_state_comes_first_and_the_general_one_gets_its_four_words() {
        let config = KeepalivedConfig {
            instance: "VI_1".to_owned(),
            notify: Some(script("notify", &["--loud"])),
            master: Some(script("notify-master", &["master"])),
            backup: Some(script("notify-backup", &["backup", "quietly"])),
            fault: None,
            stop: Some(script("notify-stop", &[])),
        };
        let wanted = ["notify-master master", "notify --loud INSTANCE VI_1 MASTER 150"];
        assert_eq!(words(&config, HookState::Master), wanted);
        let wanted = ["notify-backup backup quietly", "notify --loud INSTANCE VI_1 BACKUP 150"];
        assert_eq!(words(&config, HookState::Backup), wanted);
        assert_eq!(words(&config, HookState::Fault), ["notify --loud INSTANCE VI_1 FAULT 150"]);
        let wanted = ["notify-stop ", "notify --loud INSTANCE VI_1 STOP 150"];
        assert_eq!(words(&config, HookState::Stop), wanted);
        assert!(words(&KeepalivedConfig::default(), HookState::Master).is_empty());
    }

    #[test]
    fn a_script_that_is_not_there_or_not_executable_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify.sh");
        let script = Script { key: "notify", path: path.clone(), arguments: Vec::new() };
        let config = KeepalivedConfig { notify: Some(script), ..KeepalivedConfig::default() };
        let why = || refused(&config).first().map(|refused| refused.reason.to_string());
        assert!(why().expect("not there").contains("cannot be looked at"));
        std::fs::write(&path, "#!/bin/sh\n").expect("writable");
        let mode = |mode| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        };
        mode(0o644);
        assert!(why().expect("not executable").contains("chmod +x"));
        mode(0o777);
        assert!(why().expect("open").contains("chmod go-w"));
        mode(0o755);
        assert_eq!(why(), None);
    }
}
