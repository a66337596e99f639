//! What the playground tells once: what it is about to do and where things are, its hook, and in
//! the end how the same is done with three real servers.

use super::cluster::{Cluster, Plan};

/// Before anything runs.
pub(super) fn opening(plan: &Plan, cluster: &Cluster, script: bool) -> String {
    let dir = cluster.dir().display();
    let first = &plan.members[0].name;
    let nodes = match plan.members.len() {
        1 => "one node".to_owned(),
        count => format!("{count} nodes"),
    };
    let and_then = if script { "a tour breaks it and checks it" } else { "you break it by keys" };
    format!(
        "This starts {nodes} of a throw-away cluster on loopback, with an authority of its own; \
         {and_then}.\nNothing outside {dir} is written, and that is removed at the end.\n\n  \
           daemon     {bossd}\n  \
           logs       {dir}/NODE/log\n  \
           hooks      {dir}/hooks.log has what they were called for\n  \
           configs    {dir}/NODE/cluster.toml and node.toml\n  \
           sockets    {dir}/NODE/run/control.sock; from another terminal:\n             \
           bossctl --socket {dir}/{first}/run/control.sock status\n\n\
         Times are UTC, as in the logs.\n\n",
        bossd = plan.bossd.display(),
    )
}

/// Run on every transition of every node: one line in the playground's hooks.log, which is two
/// directories above the hook.
pub(super) const HOOK: &str = "#!/bin/sh\n\
    line=\"$(date -u +%H:%M:%S) $BOSS_NODE $1 epoch $BOSS_EPOCH\"\n\
    test -z \"$BOSS_URGENT\" || line=\"$line urgent\"\n\
    echo \"$line\" >> \"${0%/*}/../../hooks.log\"\n";

/// The same for real.
pub(super) fn three_real_servers() -> String {
    "\n\
     The same with three real servers, alpha, beta and gamma:\n\n  \
       on your own machine\n    \
         bossctl ca init web --dir boss-ca\n    \
         for n in alpha beta gamma; do bossctl ca issue $n --dir boss-ca; done\n  \
       on each server, after copying bossd, bossctl and the files of boss-ca/NAME to it\n    \
         install -d -m 0755 /etc/boss/tls /etc/boss/hooks.d\n    \
         install -m 0644 ca.crt node.crt /etc/boss/tls/\n    \
         install -m 0600 node.key /etc/boss/tls/\n    \
         editor /etc/boss/cluster.toml        # names and addresses; the same file everywhere\n    \
         editor /etc/boss/hooks.d/50-my-job   # what starts and stops the job; executable\n    \
         bossd --check\n    \
         bossd --config /etc/boss/cluster.toml\n  \
       on any of them\n    \
         bossctl status\n"
        .to_owned()
}
