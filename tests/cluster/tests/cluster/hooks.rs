//! Hooks that are not in order, repaired under a running daemon.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use control::model::Level;
use harness::Bed;

use crate::{three, with_script};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

#[test]
fn a_hook_that_others_could_change_makes_a_node_ineligible_until_it_is_repaired() {
    let mut bed = Bed::start(&with_script(three(), "50-job", "#!/bin/sh\nexit 0\n"));
    let boss = bed.boss();
    let other = (boss.index + 1) % 3;
    let hook = bed.node(other).dir.join("hooks.d/50-job");
    let eligible = |bed: &mut Bed, wanted: bool| {
        bed.until("the node's view of its hooks", |seen| {
            let this = &seen[other].status()?.this;
            (this.eligible == wanted).then(|| this.why_not.clone().unwrap_or_default())
        })
    };
    chmod(&hook, 0o777);
    let why = eligible(&mut bed, false);
    assert!(why.contains("50-job") && why.contains("chmod"), "{why}");
    bed.logged(other, "Until then this node is not eligible");
    chmod(&hook, 0o755);
    eligible(&mut bed, true);
    bed.logged(other, "the hooks are in order again");
    bed.judge(Some(&boss));
}

#[test]
fn a_boss_whose_hooks_cannot_be_trusted_any_more_stays_and_says_so() {
    // To give up it would need the very hook that must not be run.
    let mut bed = Bed::start(&with_script(three(), "50-job", "#!/bin/sh\nexit 0\n"));
    let boss = bed.boss();
    let job = bed.node(boss.index).dir.join("hooks.d/50-job");
    chmod(&job, 0o722);
    bed.until("the boss says that its hook is not in order", |seen| {
        let status = seen[boss.index].status()?;
        let told = status.posture.reasons.iter().any(|reason| reason.contains("50-job"));
        (told && status.posture.level == Level::Degraded).then_some(())
    });
    bed.agree_on(&boss);
    chmod(&job, 0o755);
    bed.until("all in order again", |seen| {
        (seen[boss.index].status()?.posture.level == Level::Safe).then_some(())
    });
    bed.agree_on(&boss);
    bed.judge(Some(&boss));
}
