//! Tests of real bossd processes. Each has its own cluster, waits for conditions, and has its
//! witnesses judged at the end.

mod apply;
mod bad_disk;
mod commands;
mod daemon_errors;
mod deaths;
mod disk;
mod drain;
mod election;
mod escalation;
mod even;
mod failback;
mod fence;
mod hooks;
mod hooks_under_fire;
mod identity;
mod keepalived;
mod network;
mod orders;
mod pause;
mod playground;
mod playground_screen;
mod preference;
mod public_scripts;
mod reassert;
mod reload;
mod restarts;
mod rotation;
mod shadow;
mod state;
mod steps;
mod surface;
mod witness;

use bossctl::playground::cluster::{Hook, HookContent, Plan};

/// Three voters of equal rank.
fn three() -> Plan {
    harness::plan(&["alpha", "beta", "gamma"])
}

/// Gives every member this script as a further hook.
fn with_script(mut plan: Plan, name: &str, script: &str) -> Plan {
    for member in &mut plan.members {
        let content = HookContent::Script(script.to_owned());
        member.hooks.push(Hook { name: name.to_owned(), content });
    }
    plan
}
