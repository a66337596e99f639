//! What would happen if the boss died now: who would follow, and how soon, as one node sees it.

use election::Timing;

use super::Subject;

/// A sentence.
pub(super) fn if_lost(about: &Subject<'_>) -> String {
    let status = about.status;
    let boss = status.boss.as_ref().map(|boss| boss.node.as_str());
    let if_it_died = match boss {
        Some(boss) => format!("if {boss} died now"),
        None => "as things are".to_owned(),
    };
    if about.snapshot.state.paused.is_some() {
        return format!("{if_it_died}, nobody would become boss: the cluster is paused");
    }
    let left = status
        .members
        .iter()
        .filter(|member| member.voter && member.connected && Some(member.name.as_str()) != boss);
    let (left, needed) = (left.count(), status.quorum.needed as usize);
    if left < needed {
        return format!(
            "{if_it_died}, nobody could become boss: {left} of {} voters would be connected, and \
             {needed} are needed",
            status.quorum.voters
        );
    }
    let next = about.order().into_iter().find(|name| {
        let connected = status.member(name.as_str()).is_some_and(|member| member.connected);
        connected && Some(name.as_str()) != boss
    });
    let Some(next) = next else {
        return format!(
            "{if_it_died}, nobody could become boss: no other voter is connected, in service and \
             fit"
        );
    };
    let timing: &Timing = &about.snapshot.state.timing;
    let worst = timing.bounds(status.quorum.voters).host_loss_worst;
    match boss {
        Some(_) => format!(
            "{if_it_died}, {next} would follow: its promote hooks would begin within {worst} at \
             worst"
        ),
        None => format!("{if_it_died}, {next} is the next to become boss"),
    }
}
