//! What a running bossd takes of a configuration that was read anew: the sections of this server,
//! but for what is settled when a process starts. The cluster-wide part is the cluster's: a file that
//! differs from it is told, and changes nothing.

use std::collections::BTreeMap;

use super::values::written;
use super::{
    Config, ControlConfig, HooksConfig, KeepalivedConfig, LogConfig, NodeConfig, OnFenceFailure,
    Runner, Script, TlsConfig,
};

/// The keys that need a restart, each with the reason.
pub const NEED_RESTART: [(&str, &str); 8] = [
    ("node.name", "who this server is is settled at the start"),
    ("node.listen", "the port is bound at the start"),
    ("node.user", "the elector runs as this user since the start"),
    ("node.state-directory", "the state is locked and in use"),
    ("node.run-directory", "the lock and the record of what acts are in use"),
    ("node.realtime", "priority and memory are settled at the start"),
    ("control.socket", "the socket is bound at the start"),
    ("hooks.runner", "how hooks are started is settled at the start"),
];

/// A key whose value differs between two configurations, as an operator would write both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// `section.key`.
    pub key: &'static str,
    /// What counted so far; None if there was none.
    pub old: Option<String>,
    /// What the file has now.
    pub new: Option<String>,
    /// If it needs a restart: why.
    pub restart: Option<&'static str>,
}

impl Config {
    /// What counts after a reload that found `new`: that, with what needs a restart and the
    /// cluster-wide part as they are. And all in which both differ but the cluster-wide part.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> (Self, Vec<Difference>) {
        let control = ControlConfig {
            socket: self.control.socket.clone(),
            operators: new.control.operators.clone(),
        };
        let hooks = HooksConfig { runner: self.hooks.runner, ..new.hooks.clone() };
        let config = Self {
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            control,
            hooks,
            ..new.clone()
        };
        (config, differences(&values(self), &values(new)))
    }
}

type Values = BTreeMap<&'static str, Option<String>>;

fn differences(old: &Values, new: &Values) -> Vec<Difference> {
    let differing = old.iter().filter(|(key, value)| new[*key] != **value);
    let described = differing.map(|(&key, value)| Difference {
        key,
        old: value.clone(),
        new: new[key].clone(),
        restart: NEED_RESTART.iter().find(|(known, _)| *known == key).map(|(_, why)| *why),
    });
    described.collect()
}

/// Every key of this server's sections. Exhaustive, so that a new field does not compile until it is
/// here.
fn values(config: &Config) -> Values {
    let Config { files: _, cluster: _, node, log, control, tls, hooks, fence, keepalived, .. } =
        config;
    let NodeConfig { name, listen, user, state_directory, run_directory, realtime, shadow: _ } =
        node;
    let LogConfig { level } = log;
    let ControlConfig { socket, operators } = control;
    let TlsConfig { ca, certificate, key } = tls;
    let HooksConfig { directory, timeout, runner, on_fence_failure } = hooks;
    let KeepalivedConfig { instance, notify, master, backup, fault, stop } = keepalived;
    let path = |path: &std::path::Path| Some(path.display().to_string());
    let script = |script: &Option<Script>| {
        let script = script.as_ref()?;
        let words = std::iter::once(script.path.display().to_string());
        Some(words.chain(script.arguments.clone()).collect::<Vec<_>>().join(" "))
    };
    let (on_fence_failure, command, timeout_of_command) = match on_fence_failure {
        OnFenceFailure::Alarm => ("alarm", None, None),
        OnFenceFailure::StopUnits { timeout } => ("stop-units", None, Some(written(*timeout))),
        OnFenceFailure::Reboot { timeout } => ("reboot", None, Some(written(*timeout))),
        OnFenceFailure::Command { argv, timeout } => {
            ("command", Some(argv.join(" ")), Some(written(*timeout)))
        }
    };
    let fence = fence.as_ref();
    let runner = match runner {
        Runner::Auto => "auto",
        Runner::Systemd => "systemd",
        Runner::Direct => "direct",
    };
    BTreeMap::from([
        ("node.name", Some(name.to_string())),
        ("node.listen", Some(listen.clone())),
        ("node.user", Some(user.clone())),
        ("node.state-directory", path(state_directory)),
        ("node.run-directory", path(run_directory)),
        ("node.realtime", Some(if *realtime { "auto" } else { "off" }.to_owned())),
        ("log.level", Some(level.to_string().to_lowercase())),
        ("control.socket", path(socket)),
        ("control.operators", operators.clone()),
        ("tls.ca", path(ca)),
        ("tls.certificate", path(certificate)),
        ("tls.key", path(key)),
        ("hooks.directory", path(directory)),
        ("hooks.timeout", Some(written(*timeout))),
        ("hooks.runner", Some(runner.to_owned())),
        ("hooks.on-fence-failure", Some(on_fence_failure.to_owned())),
        ("hooks.escalation-command", command),
        ("hooks.escalation-timeout", timeout_of_command),
        ("fence.run", fence.map(|fence| fence.argv.join(" "))),
        ("fence.timeout", fence.map(|fence| written(fence.timeout))),
        ("keepalived.instance", Some(instance.clone())),
        ("keepalived.notify", script(notify)),
        ("keepalived.notify-master", script(master)),
        ("keepalived.notify-backup", script(backup)),
        ("keepalived.notify-fault", script(fault)),
        ("keepalived.notify-stop", script(stop)),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{SECTIONS, Scope, Source, Sources, parse};
    use super::*;

    fn config(node: &str) -> Config {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let cluster = "[cluster]\nname = \"web\"\n\
                       [[member]]\nname = \"alpha\"\naddress = \"10.0.0.1:26770\"\n\
                       [[member]]\nname = \"beta\"\naddress = \"10.0.0.2:26770\"\n";
        let sources = Sources {
            cluster: source("cluster.toml", cluster),
            node: Some(source("node.toml", node)),
            directory: "/etc/boss".into(),
        };
        parse(&sources, "alpha").expect("valid")
    }

    #[test]
    fn every_key_of_this_servers_sections_is_compared() {
        let known = values(&config(""));
        let server = SECTIONS.iter().filter(|section| section.scope == Scope::Server);
        let keys: Vec<String> = server
            .flat_map(|section| section.keys.iter().map(|key| format!("{}.{key}", section.name)))
            .collect();
        for key in &keys {
            assert!(known.contains_key(key.as_str()), "{key} is not compared");
        }
        assert_eq!(known.len(), keys.len());
        for (key, _) in NEED_RESTART {
            assert!(known.contains_key(key), "{key} is no key");
        }
    }

    #[test]
    fn what_can_be_taken_is_and_the_rest_is_told_with_the_reason() {
        let old = config("");
        let new = config(
            "[node]\nlisten = \"0.0.0.0:7\"\nrun-directory = \"/run/other\"\n\
             [log]\nlevel = \"debug\"\n\
             [hooks]\ntimeout = \"90s\"\ndirectory = \"/srv/hooks\"\n\
             [control]\noperators = \"ops\"\n\
             [keepalived]\nnotify = \"/etc/keepalived/notify.sh\"\n",
        );
        let (taken, differences) = old.reloaded(&new);
        assert_eq!((&taken.log, &taken.hooks, &taken.tls), (&new.log, &new.hooks, &new.tls));
        assert_eq!((&taken.node, &taken.cluster), (&old.node, &old.cluster));
        assert_eq!(taken.control.operators.as_deref(), Some("ops"));
        assert_eq!(taken.control.socket, old.control.socket);
        let told: Vec<_> = differences
            .iter()
            .map(|it| {
                let shown = |value: &Option<String>| value.clone().unwrap_or_default();
                let (old, new) = (shown(&it.old), shown(&it.new));
                (it.key, format!("{old}>{new}"), it.restart.is_some())
            })
            .collect();
        let wanted = [
            ("control.operators", ">ops", false),
            ("control.socket", "/run/boss/control.sock>/run/other/control.sock", true),
            ("hooks.directory", "/etc/boss/hooks.d>/srv/hooks", false),
            ("hooks.timeout", "30s>90s", false),
            ("keepalived.notify", ">/etc/keepalived/notify.sh", false),
            ("log.level", "info>debug", false),
            ("node.listen", "10.0.0.1:26770>0.0.0.0:7", true),
            ("node.run-directory", "/run/boss>/run/other", true),
        ];
        assert_eq!(told, wanted.map(|(key, both, restart)| (key, both.to_owned(), restart)));
    }

    #[test]
    fn the_same_files_change_nothing_and_a_second_reload_goes_on_from_the_start() {
        let old = config("[log]\nlevel = \"warn\"\n");
        assert_eq!(old.reloaded(&old), (old.clone(), Vec::new()));
        let later = config("[node]\nlisten = \"0.0.0.0:7\"\n");
        let (taken, _) = old.reloaded(&later);
        let last = config("[log]\nlevel = \"error\"\n");
        assert_eq!(taken.reloaded(&last).0, old.reloaded(&last).0);
    }
}
