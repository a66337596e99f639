//! What the tour concludes from what it sees: who is boss by everybody's word, what `bossd --check`
//! promises, and whether the hooks' log shows two at once. Pure; the steps are in [`super::tour`].

use std::time::Duration;

use control::model::{Phase, Status};

/// Who acts, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acting {
    pub(super) index: usize,
    pub(super) epoch: u64,
}

/// Who acts by its own word and by that of all others, who are all there.
pub(super) fn agreed(statuses: &[Option<Status>]) -> Option<Acting> {
    let acting = acting(statuses)?;
    let name = &statuses[acting.index].as_ref()?.node;
    let agrees = |status: &Status| {
        status.boss.as_ref().is_some_and(|boss| {
            boss.node == *name && boss.epoch == acting.epoch && boss.phase == Phase::Boss
        })
    };
    statuses.iter().all(|status| status.as_ref().is_some_and(agrees)).then_some(acting)
}

/// Who acts by its own word.
pub(super) fn acting(statuses: &[Option<Status>]) -> Option<Acting> {
    let epoch = |status: &Status| {
        let boss = status.boss.as_ref().filter(|boss| boss.node == status.node);
        boss.filter(|_| status.this.phase == Phase::Boss).map(|boss| boss.epoch)
    };
    let find = |(index, status): (usize, &Option<Status>)| {
        Some(Acting { index, epoch: epoch(status.as_ref()?)? })
    };
    statuses.iter().enumerate().find_map(find)
}

/// Another than before, with a later epoch.
pub(super) fn acting_after(statuses: &[Option<Status>], before: Acting) -> Option<Acting> {
    acting(statuses).filter(|acting| acting.index != before.index && acting.epoch > before.epoch)
}

/// From what `bossd --check` says: how long a lost host takes at worst, as it says it and in
/// milliseconds.
pub(super) fn host_loss_bound(said: &str) -> Option<(String, u64)> {
    let line = said.lines().map(str::trim).find(|line| line.starts_with("host lost"))?;
    let phrase = line.trim_start_matches("host lost").trim();
    let (before, _) = phrase.split_once(" at worst")?;
    let mut words = before.rsplit(' ');
    let per_unit = match words.next()? {
        "ms" => 1.0,
        "s" => 1000.0,
        _ => return None,
    };
    let figure: f64 = words.next()?.parse().ok()?;
    let bound = Duration::try_from_secs_f64(figure * per_unit / 1000.0).ok()?;
    Some((phrase.to_owned(), u64::try_from(bound.as_millis()).ok()?))
}

/// Reads the playground's hooks.log: how many promotes there were, and who acts at its end. Between
/// two promotes there has to be the end of the first, by its demote or its host's death.
pub(super) fn judge(log: &str) -> Result<(usize, Option<String>), String> {
    let (mut promotes, mut acting, mut epoch) = (0, None::<String>, 0);
    for line in log.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, node, event, rest @ ..] = words.as_slice() else { continue };
        let ended = || acting.as_deref() == Some(*node);
        match *event {
            "promote" => {
                if let Some(acting) = acting {
                    return Err(format!("{node} was promoted while {acting} acted: {line}"));
                }
                let new: u64 = rest.last().and_then(|word| word.parse().ok()).unwrap_or(0);
                if new <= epoch {
                    return Err(format!("the epoch did not grow from {epoch}: {line}"));
                }
                (promotes, acting, epoch) = (promotes + 1, Some((*node).to_owned()), new);
            }
            "demote" | "host-died" if ended() => acting = None,
            _ => {}
        }
    }
    Ok((promotes, acting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses() -> Vec<Option<Status>> {
        let golden: Status =
            serde_json::from_str(include_str!("../../../control/tests/status.json"))
                .expect("golden");
        let mut alpha = golden.clone();
        alpha.node = "alpha".to_owned();
        alpha.this.phase = Phase::Boss;
        vec![Some(alpha), Some(golden)]
    }

    #[test]
    fn a_boss_is_agreed_on_when_all_are_there_and_say_the_same() {
        let alpha = Acting { index: 0, epoch: 1_790_000_007 };
        assert_eq!(agreed(&statuses()), Some(alpha));
        let mut silent = statuses();
        silent[1] = None;
        assert_eq!((agreed(&silent), acting(&silent)), (None, Some(alpha)));
        let mut behind = statuses();
        behind[1].as_mut().expect("there").boss = None;
        assert_eq!(agreed(&behind), None);
        assert_eq!(acting_after(&statuses(), alpha), None);
        assert_eq!(acting_after(&statuses(), Acting { index: 1, epoch: 7 }), Some(alpha));
    }

    #[test]
    fn the_bound_is_read_from_the_line_about_a_lost_host() {
        let said = "timing\n  lease   400 ms\n  host lost              the next boss starts after \
                    1304 ms at worst, 1139 ms at least\n";
        let (phrase, bound) = host_loss_bound(said).expect("found");
        assert_eq!(bound, 1304);
        assert!(phrase.starts_with("the next boss starts after 1304 ms at worst"));
        assert_eq!(host_loss_bound("host lost after 12.5 s at worst").expect("found").1, 12_500);
        assert_eq!(host_loss_bound("nothing"), None);
    }

    #[test]
    fn hooks_that_overlap_or_repeat_an_epoch_are_noticed() {
        let good = "1 alpha promote epoch 5\n2 beta follow epoch 5\n3 alpha host-died\n\
                    4 beta promote epoch 7\n5 beta demote epoch 7 urgent\n6 alpha promote epoch 9\n";
        assert_eq!(judge(good), Ok((3, Some("alpha".to_owned()))));
        let overlap = "1 alpha promote epoch 5\n2 beta promote epoch 6\n";
        assert!(judge(overlap).expect_err("two").contains("beta was promoted while alpha acted"));
        let foreign = "1 alpha promote epoch 5\n2 gamma demote epoch 5\n3 beta promote epoch 6\n";
        assert!(judge(foreign).is_err());
        let same = "1 alpha promote epoch 5\n2 alpha demote epoch 5\n3 beta promote epoch 5\n";
        assert!(judge(same).expect_err("same").contains("did not grow"));
    }
}
