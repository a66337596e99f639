//! A wall clock that is stepped, on the boss and on a follower.

use harness::until;
use network::{Options, Site};

use crate::{renewals, resign, with};

#[test]
fn the_time_of_day_of_the_boss_may_jump() {
    let Some(mut site) = with(3, Options { stepped: Some(0), ..Options::default() }) else {
        return;
    };
    let boss = made_boss(&mut site, 0);
    for seconds in STEPS {
        site.step_clock(seconds);
        renewals(&mut site, &boss, 3);
    }
    resign(&site, &boss);
    let after = site.boss_after(&boss);
    stepped(&site);
    site.judge(Some(&after));
}

#[test]
fn the_time_of_day_of_a_voter_may_jump_and_it_takes_over_all_the_same() {
    let Some(mut site) = with(3, Options { stepped: Some(0), ..Options::default() }) else {
        return;
    };
    let boss = made_boss(&mut site, 1);
    for seconds in STEPS {
        site.step_clock(seconds);
        renewals(&mut site, &boss, 3);
    }
    // With one voter less, the stepped one decides.
    site.power_off(1);
    let after = site.boss_after(&boss);
    stepped(&site);
    // Certificates are judged by the time of day: who comes back is let in once that is right.
    site.step_clock(0);
    site.power_on(1);
    site.agree_on(&after);
    site.judge(Some(&after));
}

/// Sees to it that this host is boss.
fn made_boss(site: &mut Site, host: usize) -> harness::Acting {
    let boss = site.boss();
    if boss.index == host {
        return boss;
    }
    let to = site.node(host).name.clone();
    let switchover = control::interface::Switchover { to };
    site.client(boss.index).switchover(&switchover).expect("it is ready");
    site.boss_after(&boss)
}

/// The daemon itself says in its log what time it takes it to be: the step must have reached it.
fn stepped(site: &Site) {
    until("a line of the log from another year", || {
        let log = std::fs::read_to_string(site.node(0).log()).unwrap_or_default();
        let years = |line: &str| line.get(..4).and_then(|year| year.parse::<u32>().ok());
        let mut years: Vec<_> = log.lines().filter_map(years).collect();
        years.dedup();
        (years.len() > 1).then_some(())
    });
}

/// A day forward, ten years forward, and back beyond where it was.
const STEPS: [i64; 3] = [86_400, 315_360_000, -86_400 * 800];
