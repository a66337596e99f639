//! What the hooks of this node are, and what an event would call: answered from what the executor
//! said last and from the plan that it makes itself. Nothing is run: a promote that is only tried
//! would be a second boss if one hook did not know that it is.

use std::path::Path;

use control::hooks::{Hooks, Plan, PlannedCall};

use crate::elector::picture::Picture;
use crate::executor::hooks::directory::Hook;
use crate::executor::hooks::plan::{Facts, HookEvent, HookState, plan};
use crate::executor::keepalived;
use crate::executor::target::{self, is_target};
use crate::ipc::transition_id;

/// The hooks.
#[must_use]
pub fn hooks(picture: &Picture) -> Hooks {
    let ready = &picture.hooks.ready;
    let mut files = picture.hooks.files.clone();
    if picture.status.shadow {
        for file in files.iter_mut().filter(|file| file.runs) {
            (file.runs, file.why_not) = (false, Some("a shadow runs nothing".to_owned()));
        }
    }
    Hooks {
        node: picture.status.node.clone(),
        directory: picture.config.hooks.directory.display().to_string(),
        ready: ready.is_ok(),
        why_not: ready.as_ref().err().cloned(),
        runner: picture.status.this.runner.clone(),
        files,
    }
}

/// What this event would call now.
#[must_use]
pub fn planned(picture: &Picture, event: HookEvent) -> Plan {
    let files = picture.hooks.files.iter().filter(|file| file.runs);
    let scripts = &picture.config.keepalived;
    let is_script = |name: &str| scripts.scripts().any(|script| script.key == name);
    let hooks: Vec<Hook> = files
        .filter(|file| !is_script(&file.hook))
        .map(|file| {
            let is_of_directory =
                Path::new(&file.path).starts_with(&picture.config.hooks.directory);
            if is_target(&file.hook) && !is_of_directory {
                target::hook(&file.hook, &file.path)
            } else {
                Hook::new(file.hook.clone(), &file.path)
            }
        })
        .collect();
    let mut notes = vec![
        "what is known only when it happens is empty: BOSS_REASON, BOSS_PREVIOUS, and of a promote \
         the epoch"
            .to_owned(),
    ];
    let would_run = match (&picture.hooks.ready, event) {
        (Ok(()), _) => true,
        (Err(why), HookEvent::Demote) => {
            notes.push(format!("{why}: it would not run, and the demote would count as failed"));
            true
        }
        (Err(why), _) => {
            notes.push(format!("no hook would run: {why}"));
            false
        }
    };
    if picture.status.shadow {
        notes.insert(
            0,
            "this bossd is a shadow and runs nothing: so it would be without".to_owned(),
        );
    }
    match event {
        HookEvent::Demote => notes.push(
            "a demote calls those that the promote before it has called; after a crash, all"
                .to_owned(),
        ),
        HookEvent::Reassert => {
            notes.push("a reassert calls those that the promote before it has called".to_owned());
        }
        HookEvent::Promote | HookEvent::Follow | HookEvent::Stop => {}
    }
    let facts = facts(picture, event);
    let notified = match event {
        HookEvent::Reassert => Vec::new(),
        _ => keepalived::calls(scripts, facts.state, facts.priority),
    };
    if event == HookEvent::Follow && !notified.is_empty() {
        notes
            .push("the scripts of [keepalived] are told once, not after a demote again".to_owned());
    }
    let shadow = picture.status.shadow;
    let calls = if would_run { plan(event, &hooks, &facts, None, &notified) } else { vec![] };
    let shown = calls.into_iter().map(|call| PlannedCall {
        hook: call.hook.name,
        path: call.hook.path.display().to_string(),
        arguments: call.args,
        environment: call.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
    });
    Plan {
        node: picture.status.node.clone(),
        event: event.as_str().to_owned(),
        would_run: would_run && !shadow,
        notes,
        calls: shown.collect(),
    }
}

/// The facts as far as they are known before it happens.
fn facts(picture: &Picture, event: HookEvent) -> Facts {
    let (status, config) = (&picture.status, &picture.config);
    let node = status.node.clone();
    let known = status.boss.as_ref().filter(|_| event != HookEvent::Promote);
    let epoch = known.map(|boss| boss.epoch);
    let members = &status.members;
    let me = members.iter().find(|member| member.name == node);
    let itself = event == HookEvent::Promote;
    Facts {
        cluster: status.cluster.clone(),
        transition: epoch
            .map(|epoch| transition_id(&node, epoch, event.as_str()))
            .unwrap_or_default(),
        state: match event {
            HookEvent::Promote | HookEvent::Reassert => HookState::Master,
            HookEvent::Demote | HookEvent::Follow => HookState::Backup,
            HookEvent::Stop => HookState::Stop,
        },
        epoch,
        term: status.this.term,
        current: if itself { Some(node.clone()) } else { known.map(|boss| boss.node.clone()) },
        current_address: if itself {
            me.map(|me| me.address.clone())
        } else {
            known.map(|boss| boss.address.clone())
        },
        node,
        previous: None,
        reason: String::new(),
        urgent: false,
        deadline_ms: config.hooks.timeout.as_millis(),
        priority: me.map_or(election::DEFAULT_PRIORITY, |me| me.priority),
        role: None,
        members: members.iter().map(|member| member.name.clone()).collect(),
        dry_run: false,
        run_directory: config.node.run_directory.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::explain::tests::beta_follows_alpha;
    use super::*;

    fn names(plan: &Plan) -> Vec<&str> {
        plan.calls.iter().map(|call| call.hook.as_str()).collect()
    }

    #[test]
    fn the_hooks_are_those_of_the_golden_document() {
        let golden = include_str!("../../../../control/tests/hooks.json");
        let golden: Hooks = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(hooks(&beta_follows_alpha()), golden);
    }

    #[test]
    fn a_follow_is_planned_as_in_the_golden_document() {
        let mut picture = beta_follows_alpha();
        picture.hooks.ready = Ok(());
        picture.hooks.files.truncate(1);
        let golden = include_str!("../../../../control/tests/plan.json");
        let golden: Plan = serde_json::from_str(golden).expect("the golden document");
        assert_eq!(planned(&picture, HookEvent::Follow), golden);
    }

    #[test]
    fn a_hook_that_is_refused_keeps_all_from_running_but_in_a_demote() {
        let picture = beta_follows_alpha();
        let promote = planned(&picture, HookEvent::Promote);
        assert!(!promote.would_run && promote.calls.is_empty());
        assert!(promote.notes.iter().any(|note| note.contains("chmod go-w")), "{promote:?}");
        let demote = planned(&picture, HookEvent::Demote);
        assert!(demote.would_run);
        assert_eq!(names(&demote), ["40-cron", "10-address"]);
    }

    #[test]
    fn a_promote_is_of_this_node_under_an_epoch_that_is_not_known_yet() {
        let mut picture = beta_follows_alpha();
        picture.hooks.ready = Ok(());
        let promote = planned(&picture, HookEvent::Promote);
        assert_eq!(names(&promote), ["10-address", "40-cron"]);
        let environment = &promote.calls[0].environment;
        for wanted in ["BOSS_STATE=MASTER", "BOSS_CURRENT=beta", "BOSS_EPOCH="] {
            assert!(environment.iter().any(|it| it == wanted), "{wanted} in {environment:?}");
        }
    }
}
