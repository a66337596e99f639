//! What an operator and the scripts of a server see of a running cluster: explanations and the
//! history.

use control::explanation::{About, Explanation};
use control::history::History;
use control::interface::Resign;
use harness::{Bed, bossctl, until};

use crate::three;

fn explanation(bed: &Bed, asked: usize, node: Option<&str>) -> Explanation {
    let document = bed.client(asked).explanation(node).expect("explained");
    serde_json::from_value(document).expect("an explanation")
}

fn history(bed: &Bed, asked: usize) -> History {
    let document = bed.client(asked).history().expect("told");
    serde_json::from_value(document).expect("a history")
}

#[test]
fn a_boss_and_its_followers_are_explained_and_a_takeover_is_in_the_history_with_its_times() {
    let mut bed = Bed::start(&three());
    let first = bed.boss();
    bed.agree_on(&first);
    let of_boss = explanation(&bed, first.index, None);
    assert!(of_boss.boss && of_boss.grounds.iter().all(|ground| ground.holds == Some(true)));
    let follower = (first.index + 1) % 3;
    let found = explanation(&bed, follower, None);
    assert!(!found.boss, "{found:?}");
    let promised = |ground: &control::explanation::Ground| {
        ground.about == About::Promise && ground.text.contains(&first.name)
    };
    assert!(found.grounds.iter().any(promised), "{found:?}");
    assert!(explanation(&bed, follower, Some(&first.name)).boss);
    // The prospect is one of the other two.
    assert!(found.if_lost.contains("would follow"), "{}", found.if_lost);

    let resign = Resign { force: None };
    bed.client(follower).resign(&resign).expect("two others could");
    let second = bed.boss_after(&first);
    bed.agree_on(&second);
    let told = until("both bosses in the history", || {
        let told = history(&bed, follower);
        (told.entries.len() == 2 && told.entries[0].acts).then_some(told)
    });
    let (new, old) = (&told.entries[0], &told.entries[1]);
    assert_eq!((new.epoch, new.node.as_str()), (second.epoch, second.name.as_str()));
    assert_eq!((old.epoch, old.node.as_str()), (first.epoch, first.name.as_str()));
    assert!(new.from_start && new.without_boss_ms.is_some() && !old.acts, "{told:?}");
    assert!(old.acted_ms.is_some(), "{told:?}");

    // As an operator sees it.
    let node = bed.node(follower);
    let mut command = node.command(&bossctl());
    let output = command.arg("--socket").arg(node.socket()).arg("history").output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("handover"), "{output:?}");
    bed.judge(Some(&second));
}
