//! Which hooks a transition calls, in which order, and with which facts. Pure: no file is read and
//! nothing is started here.

use serde::Serialize;

use super::directory::Hook;

/// What hooks are called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookEvent {
    /// This node is to act; the exit status decides.
    Promote,
    /// This node must stop acting.
    Demote,
    /// Another node is boss.
    Follow,
    /// This node is still boss; what it holds is to be announced anew.
    Reassert,
    /// The daemon stops.
    Stop,
}

/// keepalived's word for what the node is after the transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HookState {
    /// It is boss.
    Master,
    /// Another node is boss, or none.
    Backup,
    /// Its health keeps it from becoming boss.
    Fault,
    /// The daemon stops.
    Stop,
}

/// What a hook is told, as environment and as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The cluster's name.
    pub cluster: String,
    /// This node's name.
    pub node: String,
    /// What this node is after the transition.
    pub state: HookState,
    /// The fencing token, when this node is or was boss, or knows of one.
    pub epoch: Option<u64>,
    /// The term of the election.
    pub term: u64,
    /// The boss's name.
    pub current: Option<String>,
    /// The boss's address.
    pub current_address: Option<String>,
    /// The boss before that.
    pub previous: Option<String>,
    /// Why, in words for a person.
    pub reason: String,
    /// Runs through log, hooks and history of one transition.
    pub transition: String,
    /// It is an emergency.
    pub urgent: bool,
    /// How long the hook has.
    pub deadline_ms: u64,
    /// This node's priority.
    pub priority: u8,
    /// This node's role, where roles are used.
    pub role: Option<String>,
    /// All members' names.
    pub members: Vec<String>,
    /// Say what would be done, do nothing.
    pub dry_run: bool,
    /// Where this instance keeps what lasts until the next boot. No other instance has the same.
    pub run_directory: String,
}

/// By this variable the processes that hooks of an instance started are told from all others.
pub const RUN_DIRECTORY: &str = "BOSS_RUN_DIRECTORY";

/// One call of one hook, ready for a runner. The environment is this and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is started.
    pub hook: Hook,
    /// For what.
    pub event: HookEvent,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(&'static str, String)>,
    /// What it reads: a JSON document of the same facts.
    pub stdin: String,
    /// What environment and document were made from.
    pub facts: Facts,
}

/// The calls of a transition, in their order. `notified` are the scripts for keepalived that the
/// change of state calls: after the hooks where something begins, before them where it ends.
///
/// Promote, follow and stop run ascending, and reassert those of them that were `started`. Demote
/// is the exact reverse of `started`, which are the hooks as they were when promote called them, so
/// that one that has vanished since fails aloud instead of being left out. None means unknown, as
/// after a crash: all of `hooks`, in reverse.
pub fn plan(
    event: HookEvent,
    hooks: &[Hook],
    facts: &Facts,
    started: Option<&[Hook]>,
    notified: &[Hook],
) -> Vec<Call> {
    let call = |hook: &Hook| Call::new(hook.clone(), event, facts.clone());
    // A script for keepalived that a promote started is told of the new state, not of the event.
    let started = || started.unwrap_or(hooks).iter().filter(|hook| hook.arguments.is_none());
    let is_told = |hook: &&Hook| hook.before_event.is_empty();
    match event {
        HookEvent::Promote => hooks.iter().chain(notified).map(call).collect(),
        HookEvent::Follow | HookEvent::Stop => {
            hooks.iter().filter(is_told).chain(notified).map(call).collect()
        }
        // Only what will be let go again: a hook that was added since is left out.
        HookEvent::Reassert => started().filter(is_told).map(call).collect(),
        HookEvent::Demote => notified.iter().chain(started().rev()).map(call).collect(),
    }
}

impl Call {
    fn new(hook: Hook, event: HookEvent, facts: Facts) -> Self {
        let with_event = || {
            let before = hook.before_event.iter().cloned();
            before.chain([event.as_str().to_owned()]).collect()
        };
        Self {
            args: hook.arguments.clone().unwrap_or_else(with_event),
            hook,
            event,
            env: environment(event, &facts),
            stdin: document(event, &facts),
            facts,
        }
    }

    /// The same call with what is known only when it starts: how long it has, and whether the
    /// transition has become urgent since it was planned.
    #[must_use]
    pub fn limited(&self, urgent: bool, deadline_ms: u64) -> Self {
        let facts = Facts { urgent, deadline_ms, ..self.facts.clone() };
        Self::new(self.hook.clone(), self.event, facts)
    }
}

impl HookEvent {
    /// Every event.
    pub const ALL: [Self; 5] =
        [Self::Promote, Self::Demote, Self::Follow, Self::Reassert, Self::Stop];

    /// The word that the hook gets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Follow => "follow",
            Self::Reassert => "reassert",
            Self::Stop => "stop",
        }
    }
}

impl HookState {
    /// The word that the hook gets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

/// Every variable is there on every call, empty when it has nothing to say, so that scripts with
/// `set -u` work; what is yes or no is `1` or empty.
fn environment(event: HookEvent, facts: &Facts) -> Vec<(&'static str, String)> {
    // Exhaustive, so that a new fact does not compile until it has a variable.
    let Facts {
        cluster,
        node,
        state,
        epoch,
        term,
        current,
        current_address,
        previous,
        reason,
        transition,
        urgent,
        deadline_ms,
        priority,
        role,
        members,
        dry_run,
        run_directory,
    } = facts;
    let text = |value: &Option<String>| value.as_deref().map(one_line).unwrap_or_default();
    let flag = |value: bool| if value { "1".to_owned() } else { String::new() };
    vec![
        ("PATH", PATH.to_owned()),
        ("BOSS_EVENT", event.as_str().to_owned()),
        ("BOSS_CLUSTER", one_line(cluster)),
        ("BOSS_NODE", one_line(node)),
        ("BOSS_STATE", state.as_str().to_owned()),
        ("BOSS_EPOCH", epoch.map(|epoch| epoch.to_string()).unwrap_or_default()),
        ("BOSS_TERM", term.to_string()),
        ("BOSS_CURRENT", text(current)),
        ("BOSS_CURRENT_ADDRESS", text(current_address)),
        ("BOSS_PREVIOUS", text(previous)),
        ("BOSS_REASON", one_line(reason)),
        ("BOSS_TRANSITION", one_line(transition)),
        ("BOSS_URGENT", flag(*urgent)),
        ("BOSS_DEADLINE_MS", deadline_ms.to_string()),
        ("BOSS_PRIORITY", priority.to_string()),
        ("BOSS_ROLE", text(role)),
        ("BOSS_MEMBERS", one_line(&members.join(" "))),
        ("BOSS_DRY_RUN", flag(*dry_run)),
        (RUN_DIRECTORY, one_line(run_directory)),
    ]
}

fn document(event: HookEvent, facts: &Facts) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        event: &'static str,
        #[serde(flatten)]
        facts: &'a Facts,
    }
    let document = Document { event: event.as_str(), facts };
    let mut text = serde_json::to_string(&document).expect("facts are strings and numbers");
    text.push('\n');
    text
}

/// A value that the kernel takes: a zero byte in somebody's reason, or a reason of a megabyte,
/// must not be what keeps a demote from starting. The document has the whole text.
fn one_line(value: &str) -> String {
    let mut line: String =
        value.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let mut end = line.len().min(MAX_VALUE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

/// Where hooks find their tools: the usual path of a root shell.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The kernel takes 128 KiB for one string; this holds the names of some hundred members, and all
/// variables at this size still fit into the room for an environment.
const MAX_VALUE: usize = 32 * 1024;

#[cfg(test)]
pub(in crate::executor) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A promote of this hook, epoch 7.
    pub(in crate::executor) fn call_of(hook: &str) -> Call {
        plan(HookEvent::Promote, &hooks(&[hook]), &facts(), None, &[]).remove(0)
    }

    fn hooks(names: &[&str]) -> Vec<Hook> {
        let hook = |name: &&str| Hook::new(*name, PathBuf::from("/etc/boss/hooks.d").join(name));
        names.iter().map(hook).collect()
    }

    fn facts() -> Facts {
        Facts {
            cluster: "web".to_owned(),
            node: "alpha".to_owned(),
            state: HookState::Master,
            epoch: Some(7),
            term: 9,
            current: Some("alpha".to_owned()),
            current_address: None,
            previous: Some("beta".to_owned()),
            reason: "beta was lost".to_owned(),
            transition: "t-1".to_owned(),
            urgent: false,
            deadline_ms: 30_000,
            priority: 100,
            role: None,
            members: vec!["alpha".to_owned(), "beta".to_owned()],
            dry_run: false,
            run_directory: "/run/boss".to_owned(),
        }
    }

    fn names(calls: &[Call]) -> Vec<&str> {
        calls.iter().map(|call| call.hook.name.as_str()).collect()
    }

    fn value<'a>(call: &'a Call, name: &str) -> &'a str {
        &call.env.iter().find(|(key, _)| *key == name).unwrap().1
    }

    #[test]
    fn demote_is_the_exact_reverse_of_what_started() {
        let all = hooks(&["10-a", "20-b", "30-c"]);
        assert_eq!(
            names(&plan(HookEvent::Promote, &all, &facts(), None, &[])),
            ["10-a", "20-b", "30-c"]
        );
        let started = Some(&all[..2]);
        assert_eq!(names(&plan(HookEvent::Demote, &all, &facts(), started, &[])), ["20-b", "10-a"]);
    }

    #[test]
    fn a_demote_after_a_crash_calls_every_hook_in_reverse() {
        let all = hooks(&["10-a", "20-b", "30-c"]);
        assert_eq!(
            names(&plan(HookEvent::Demote, &all, &facts(), None, &[])),
            ["30-c", "20-b", "10-a"]
        );
    }

    #[test]
    fn a_hook_that_started_and_has_vanished_is_still_called() {
        let started = hooks(&["10-a", "20-b"]);
        let now = hooks(&["10-a"]);
        assert_eq!(
            names(&plan(HookEvent::Demote, &now, &facts(), Some(&started), &[])),
            ["20-b", "10-a"]
        );
    }

    #[test]
    fn a_reassert_is_for_what_was_promoted_in_the_same_order() {
        let all = hooks(&["10-a", "20-b", "30-new"]);
        let calls = plan(HookEvent::Reassert, &all, &facts(), Some(&all[..2]), &[]);
        assert_eq!(names(&calls), ["10-a", "20-b"]);
    }

    #[test]
    fn scripts_for_keepalived_come_last_in_a_promote_and_first_in_a_demote() {
        let all = hooks(&["10-a", "20-b"]);
        let script = |name: &str, word: &str| Hook {
            arguments: Some(vec![word.to_owned()]),
            ..Hook::new(name, "/etc/keepalived/notify.sh")
        };
        let up = [script("notify-master", "up"), script("notify", "MASTER")];
        let calls = plan(HookEvent::Promote, &all, &facts(), None, &up);
        assert_eq!(names(&calls), ["10-a", "20-b", "notify-master", "notify"]);
        assert_eq!((&calls[0].args, &calls[2].args), (&vec!["promote".into()], &vec!["up".into()]));
        assert_eq!(calls[2].limited(true, 7).args, ["up"]);
        // What the promote started of them is not asked for the event.
        let started: Vec<Hook> = calls.iter().map(|call| call.hook.clone()).collect();
        let down = [script("notify-backup", "down")];
        let calls = plan(HookEvent::Demote, &all, &facts(), Some(&started), &down);
        assert_eq!(names(&calls), ["notify-backup", "20-b", "10-a"]);
        let calls = plan(HookEvent::Reassert, &all, &facts(), Some(&started), &[]);
        assert_eq!(names(&calls), ["10-a", "20-b"]);
    }

    #[test]
    fn what_follows_the_boss_is_last_in_a_promote_first_in_a_demote_and_told_nothing_else() {
        let mut all = hooks(&["10-a", "boss.target"]);
        all[1].before_event = vec!["--boss-target".into(), "boss.target".into()];
        let calls = plan(HookEvent::Promote, &all, &facts(), None, &[]);
        assert_eq!(names(&calls), ["10-a", "boss.target"]);
        assert_eq!(calls[1].args, ["--boss-target", "boss.target", "promote"]);
        assert_eq!(calls[1].limited(true, 7).args, calls[1].args);
        let calls = plan(HookEvent::Demote, &all, &facts(), Some(&all), &[]);
        assert_eq!(names(&calls), ["boss.target", "10-a"]);
        for event in [HookEvent::Follow, HookEvent::Stop, HookEvent::Reassert] {
            assert_eq!(names(&plan(event, &all, &facts(), Some(&all), &[])), ["10-a"]);
        }
    }

    #[test]
    fn nothing_is_demoted_when_nothing_started() {
        assert!(plan(HookEvent::Demote, &hooks(&["10-a"]), &facts(), Some(&[]), &[]).is_empty());
    }

    #[test]
    fn environment_and_document_say_the_same() {
        let call = &plan(HookEvent::Promote, &hooks(&["10-a"]), &facts(), None, &[])[0];
        assert_eq!(call.args, ["promote"]);
        assert_eq!(value(call, "BOSS_STATE"), "MASTER");
        assert_eq!(value(call, "BOSS_EPOCH"), "7");
        assert_eq!(value(call, "BOSS_CURRENT_ADDRESS"), "");
        assert_eq!(value(call, "BOSS_MEMBERS"), "alpha beta");
        assert_eq!(value(call, "BOSS_URGENT"), "");
        assert!(value(call, "PATH").starts_with("/usr/local/sbin:"));
        let document: serde_json::Value = serde_json::from_str(&call.stdin).unwrap();
        assert_eq!(document["event"], "promote");
        assert_eq!(document["state"], "MASTER");
        assert_eq!(document["epoch"], 7);
        assert_eq!(document["current_address"], serde_json::Value::Null);
        assert_eq!(document["members"][1], "beta");
    }

    #[test]
    fn a_call_learns_at_its_start_that_it_has_become_urgent() {
        let planned = &plan(HookEvent::Demote, &hooks(&["10-a"]), &facts(), None, &[])[0];
        let call = planned.limited(true, 350);
        assert_eq!(value(&call, "BOSS_URGENT"), "1");
        assert_eq!(value(&call, "BOSS_DEADLINE_MS"), "350");
        assert!(call.stdin.contains("\"urgent\":true"));
    }

    #[test]
    fn no_reason_that_somebody_gives_can_keep_a_hook_from_starting() {
        let facts = Facts { reason: format!("a\0b\n{}", "ü".repeat(200_000)), ..facts() };
        let call = &plan(HookEvent::Demote, &hooks(&["10-a"]), &facts, None, &[])[0];
        let reason = value(call, "BOSS_REASON");
        assert!(reason.starts_with("a b ü") && reason.len() <= MAX_VALUE);
    }
}
