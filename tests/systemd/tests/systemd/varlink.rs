//! `varlinkctl`, systemd's own client, which came with version 255: on a host of Debian 13, on which the
//! package of Debian 12 is installed. A client that nobody here has written takes the interface.

use serde_json::Value;
use systemd::{Site, debian_13};

use crate::possible;

#[test]
fn varlinkctl_of_debian_13_lists_describes_and_calls_the_interface() {
    let Some((_, packages)) = possible() else { return };
    let tree = match debian_13() {
        Ok(tree) => tree,
        Err(why) => {
            let name = std::thread::current().name().unwrap_or("test").to_owned();
            println!("SKIPPED {name}: {why}");
            return;
        }
    };
    let mut site = Site::configured_some(&tree, &packages, 1);
    site.start(0);
    let boss = site.boss();
    let machine = site.machine(0);
    let info = machine.done(&format!("varlinkctl info {SOCKET}"));
    assert!(info.contains("io.boss.Cluster") && info.contains("org.varlink.service"), "{info}");
    let interfaces = machine.done(&format!("varlinkctl list-interfaces {SOCKET}"));
    assert_eq!(interfaces.lines().count(), 2, "{interfaces}");
    // It reads the description, and prints it as it has understood it.
    let described = machine.done(&format!("varlinkctl introspect {SOCKET} io.boss.Cluster"));
    assert!(described.contains("method GetStatus(") && described.contains("method Drain("));
    machine.done(&format!(
        "varlinkctl introspect {SOCKET} io.boss.Cluster >/tmp/boss.varlink &&
         varlinkctl validate-idl /tmp/boss.varlink"
    ));

    let answer = |line: &str| -> Value {
        let said = machine.done(&format!("varlinkctl --json=short call {SOCKET} {line}"));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let status = answer("io.boss.Cluster.GetStatus '{}'");
    assert_eq!(status["status"]["boss"]["epoch"], boss.epoch, "{status}");
    let hooks = answer("io.boss.Cluster.GetHooks '{}'");
    assert!(hooks.to_string().contains("10-witness"), "{hooks}");
    // A change, a refusal, and a call that makes no sense.
    answer("io.boss.Cluster.Pause '{\"reason\":\"varlinkctl\"}'");
    let status = answer("io.boss.Cluster.GetStatus '{}'");
    assert_eq!(status["status"]["paused"]["reason"], "varlinkctl", "{status}");
    answer("io.boss.Cluster.Resume '{}'");
    for (call, words) in [
        ("io.boss.Cluster.Switchover '{\"to\":\"nobody\"}'", "io.boss.Cluster."),
        ("io.boss.Cluster.Explode '{}'", "MethodNotFound"),
        ("io.boss.Cluster.Drain '{\"node\":7}'", "InvalidParameter"),
    ] {
        let said = machine.run(&format!("varlinkctl call {SOCKET} {call}"));
        assert!(!said.success && said.text.contains(words), "{call}: {}", said.text);
    }
    site.judge(Some(&boss));
}

const SOCKET: &str = "/run/boss/control.sock";
