//! A full disk where a vote has to be written.

use network::{Options, Site};

use crate::{others, with};

fn site() -> Option<Site> {
    with(3, Options { small_disks: true, ..Options::default() })
}

#[test]
fn a_voter_with_a_full_disk_gives_no_vote_until_there_is_room() {
    let Some(mut site) = site() else { return };
    let before = site.boss();
    let rest = others(&site, &[before.index]);
    for host in &rest {
        site.set_full(*host, true);
    }
    site.power_off(before.index);
    // Each can vote for itself as little as for the other.
    site.until("two that cannot write", |seen| {
        let cannot = |host: &usize| Some(!seen[*host].status()?.this.disk_ok);
        let all: Option<Vec<_>> = rest.iter().map(cannot).collect();
        all.filter(|all| all.contains(&true))
    });
    site.judge(None);
    for host in &rest {
        site.set_full(*host, false);
    }
    let after = site.boss_after(&before);
    site.power_on(before.index);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn a_boss_with_a_full_disk_does_not_keep_the_others_from_electing_one() {
    let Some(mut site) = site() else { return };
    let before = site.boss();
    site.set_full(before.index, true);
    // It can stay while nothing has to be written; to hand over it has to write.
    let resign = control::interface::Resign { force: None };
    let said = site.client(before.index).resign(&resign);
    let after = site.until("another boss", |seen| {
        harness::acting(seen).filter(|acting| acting.epoch > before.epoch)
    });
    assert_ne!(after.index, before.index, "{said:?}");
    site.set_full(before.index, false);
    let at_last = site.boss();
    site.judge(Some(&at_last));
}
