//! The watch itself: what these tests judge by must find what is wrong.

use harness::until;
use network::{Firewall, Weather};

use crate::{renewals, site};

#[test]
fn an_address_on_two_hosts_is_found_by_the_client_and_by_looking() {
    let Some(mut site) = site(3) else { return };
    let boss = site.boss();
    site.answered_by(boss.index);
    assert_eq!(site.address().holders(), [boss.index]);
    let other = (boss.index + 1) % 3;
    site.lan().host(other).ip("address add 10.77.0.200/24 dev eth0\n").expect("added");
    let doubles = until("both ways of finding two", || {
        let doubles = site.address().doubles().expect("watched");
        let found = |how| doubles.iter().any(|double| double.how == how);
        (found("answered") && found("held")).then_some(doubles)
    });
    assert!(doubles.iter().all(|it| [it.first, it.second].contains(&other)), "{doubles:?}");
    // The hooks know nothing of it: two ways to judge are not one.
    site.agree_on(&boss);
    harness::judge::judge(&site.lines(), Some(&boss.name)).expect("one by the hooks");
}

#[test]
fn the_firewall_cuts_and_the_relay_passes() {
    let Some(mut site) = site(3) else { return };
    let boss = site.boss();
    let other = (boss.index + 1) % 3;
    site.set_firewall(Firewall::open(3).isolate(other));
    site.until("a node that reaches nobody", |seen| {
        (seen[other].status()?.quorum.connected == 1).then_some(())
    });
    site.heal();
    site.agree_on(&boss);
    assert_eq!(site.weathered(), (0, 0, 0), "nothing takes the detour yet");
    site.set_weather(Some(Weather::default()));
    renewals(&mut site, &boss, 5);
    assert!(site.weathered().0 > 20, "what is sent now goes through the relay");
    site.set_weather(None);
    site.agree_on(&boss);
    site.judge(Some(&boss));
}
