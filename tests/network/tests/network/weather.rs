//! Late, doubled and overtaken datagrams, by the relay.

use network::Weather;

use crate::{all_idle, renewals, resign, site, successor};

#[test]
fn a_boss_is_kept_and_hands_over_while_datagrams_are_late_doubled_and_overtaken() {
    let Some(mut site) = site(3) else { return };
    let boss = site.boss();
    let weather = Weather { delay_ms: 20, twice: 30, overtaken: 30, hold_ms: 60 };
    site.set_weather(Some(weather));
    renewals(&mut site, &boss, 10);
    resign(&site, &boss);
    let after = site.boss_after(&boss);
    let (passed, doubled, overtaken) = site.weathered();
    assert!(passed > 50 && doubled > 5 && overtaken > 5, "{passed} {doubled} {overtaken}");
    site.set_weather(None);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn heartbeats_later_than_a_lease_leave_nobody_who_acts() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    site.set_weather(Some(Weather { delay_ms: 700, ..Weather::default() }));
    all_idle(&mut site);
    site.judge(None);
    site.set_weather(None);
    let after = successor(&mut site, &before);
    site.agree_on(&after);
    site.judge(Some(&after));
}

#[test]
fn words_of_the_old_boss_that_arrive_after_its_time_change_nothing() {
    let Some(mut site) = site(3) else { return };
    let before = site.boss();
    // Of what is said now much arrives at once and nearly all arrives again when its time is over.
    site.set_weather(Some(Weather { delay_ms: 0, twice: 100, overtaken: 50, hold_ms: 1_500 }));
    renewals(&mut site, &before, 20);
    site.power_off(before.index);
    // Fine weather for the living; what is on its way stays there.
    site.set_weather(Some(Weather::default()));
    let after = successor(&mut site, &before);
    site.power_on(before.index);
    site.set_weather(None);
    let at_last = site.boss();
    assert!(at_last.epoch >= after.epoch);
    site.judge(Some(&at_last));
}
