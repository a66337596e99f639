//! What each client is to call on a real cluster, and what has to come of it. What is called is written
//! down, and in the end compared with what the interface description has.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use control::interface::{INTERFACE, SERVICE};
use harness::{Acting, Bed, plan, until};
use nix::unistd::geteuid;
use serde_json::{Value, json};

use crate::clients::{Answer, Client, Job, skip};
use crate::described;

/// A user who is in no group that counts.
const NOBODY: u32 = 65_534;

/// A client with a cluster, and what it has met.
struct Drive<'a> {
    client: &'a Client,
    bed: Bed,
    called: BTreeSet<String>,
    met: BTreeSet<String>,
}

impl<'a> Drive<'a> {
    fn start(client: &'a Client) -> Self {
        let bed = Bed::start(&plan(&["alpha", "beta", "gamma"]));
        Self { client, bed, called: BTreeSet::new(), met: BTreeSet::new() }
    }

    /// Calls a method of the cluster's interface.
    fn call(&mut self, asked: usize, method: &str, parameters: Value) -> Answer {
        self.call_as(None, asked, method, parameters, 1)
    }

    fn call_as(
        &mut self,
        uid: Option<u32>,
        asked: usize,
        method: &str,
        parameters: Value,
        replies: usize,
    ) -> Answer {
        let socket = self.bed.node(asked).socket();
        let full =
            if method.contains('.') { method.to_owned() } else { format!("{INTERFACE}.{method}") };
        let job = Job { socket: &socket, uid, method: &full, parameters, replies };
        let answer = self.client.call(&job);
        match &answer {
            Ok(_) => drop(self.called.insert(full)),
            Err((error, _)) => drop(self.met.insert(error.clone())),
        }
        answer
    }

    /// The one reply of a call that has to succeed.
    #[track_caller]
    fn reply(&mut self, asked: usize, method: &str, parameters: Value) -> Value {
        let replies = self.call(asked, method, parameters);
        let mut replies = replies.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    /// The text of an error that a call has to meet.
    #[track_caller]
    fn error(&mut self, asked: usize, method: &str, parameters: Value, wanted: &str) -> String {
        let (name, parameters) =
            self.call(asked, method, parameters).expect_err("it has to be refused");
        assert_eq!(name, format!("{INTERFACE}.{wanted}"), "{parameters}");
        parameters["text"].as_str().expect("a text").to_owned()
    }

    fn name(&self, index: usize) -> String {
        self.bed.node(index).name.clone()
    }

    /// A boss that all agree on and that has heard all who run.
    fn boss(&mut self) -> Acting {
        let boss = self.bed.boss();
        self.bed.agree_on(&boss);
        boss
    }
}

/// Calls every method, and sees that it does what it says.
pub(crate) fn methods(client: &Client) {
    let mut drive = Drive::start(client);
    let boss = drive.boss();
    let other = (boss.index + 1) % 3;
    reads(&mut drive, &boss, other);
    changes(&mut drive, other);
    files(&mut drive, other);
    handovers(&mut drive);
    confirmation(&mut drive);
    let of_cluster: BTreeSet<_> =
        drive.called.iter().filter(|name| name.starts_with(INTERFACE)).cloned().collect();
    assert_eq!(of_cluster, described::methods(), "each method is driven");
    let of_service = drive.called.iter().filter(|name| name.starts_with(SERVICE));
    assert_eq!(of_service.count(), 2);
}

fn reads(drive: &mut Drive<'_>, boss: &Acting, other: usize) {
    let (me, leader) = (drive.name(other), boss.name.clone());
    let status = drive.reply(other, "GetStatus", json!({}));
    assert_eq!(status["status"]["node"], me.as_str());
    assert_eq!(status["status"]["members"].as_array().expect("a list").len(), 3);
    let replies = drive.call_as(None, other, "GetStatus", json!({}), 3).expect("a stream");
    assert_eq!(replies.len(), 3);
    assert!(replies.iter().all(|reply| reply["status"]["boss"]["node"] == leader.as_str()));

    let explained = drive.reply(other, "Explain", json!({ "node": leader }));
    assert_eq!(explained["explanation"]["boss"], true);
    let explained = drive.reply(other, "Explain", json!({}));
    assert_eq!(explained["explanation"]["node"], me.as_str());
    let history = drive.reply(other, "GetHistory", json!({}));
    assert_eq!(history["history"]["entries"][0]["epoch"], boss.epoch);
    // The executor tells its hooks a moment after the start.
    until("the hooks", || {
        let hooks = drive.reply(other, "GetHooks", json!({}));
        (hooks["hooks"]["files"][0]["hook"] == "10-witness").then_some(())
    });
    let plan = drive.reply(other, "PlanHooks", json!({ "event": "promote" }));
    assert_eq!(plan["plan"]["calls"][0]["hook"], "10-witness");
    let order = json!({ "order": "switchover", "node": me });
    let preview = until("a preview that says yes", || {
        let preview = drive.reply(other, "PreviewOrder", order.clone());
        (preview["preview"]["accepted"] == true).then_some(preview)
    });
    assert_eq!(preview["preview"]["successor"], me.as_str());
    assert_eq!(preview["preview"]["leader"], leader.as_str());

    let info = drive.reply(other, &format!("{SERVICE}.GetInfo"), json!({}));
    assert_eq!(info["product"], "bossd");
    let which = json!({ "interface": INTERFACE });
    drive.reply(other, &format!("{SERVICE}.GetInterfaceDescription"), which);
}

fn changes(drive: &mut Drive<'_>, other: usize) {
    let node = drive.name(other);
    let drain = json!({ "node": node, "reason": "new disk", "for_s": 600, "force": false });
    let done = drive.reply(other, "Drain", drain);
    assert!(done["text"].as_str().is_some_and(|text| text.contains("is drained until")), "{done}");
    assert_eq!(done["undo"], format!("bossctl undrain {node}"));
    let done = drive.reply(other, "Undrain", json!({ "node": node }));
    assert_eq!(done["text"], format!("{node} is no longer drained"));
    let done = drive.reply(other, "Pause", json!({ "reason": "new switches", "for_s": 600 }));
    assert_eq!(done["undo"], "bossctl resume");
    let done = drive.reply(other, "Resume", json!({}));
    assert_eq!(done["text"], "the cluster is no longer paused");
    let done = drive.reply(other, "Clear", json!({ "node": node }));
    assert_eq!(done["text"], format!("{node} was not held off"));
}

/// The cluster gets another priority, and the node's own file says the same when it is read anew.
fn files(drive: &mut Drive<'_>, other: usize) {
    let path = drive.bed.node(other).config();
    let text = fs::read_to_string(&path).expect("its file");
    let text = text.replacen("priority = 100", "priority = 90", 1);
    let file = json!({ "file": "new.toml", "text": text });
    let compared = drive.reply(other, "Compare", file.clone());
    let differences = &compared["comparison"]["differences"];
    assert_eq!(differences[0]["key"], "member.alpha.priority", "{compared}");
    assert_eq!(differences.as_array().map(Vec::len), Some(1), "{compared}");
    let done = drive.reply(other, "Apply", file.clone());
    assert!(done["text"].as_str().is_some_and(|text| text.contains("of the file")), "{done}");
    until("the applied file is the cluster's", || {
        let compared = drive.reply(other, "Compare", file.clone());
        (compared["comparison"]["differences"] == json!([])).then_some(())
    });
    fs::write(&path, text).expect("written");
    let reloaded = drive.reply(other, "Reload", json!({ "wait": true }));
    assert_eq!(reloaded["reload"]["taken"], true, "{reloaded}");
}

fn handovers(drive: &mut Drive<'_>) {
    let before = drive.boss();
    let (to, asked) = ((before.index + 1) % 3, (before.index + 2) % 3);
    let name = drive.name(to);
    drive.reply(asked, "Switchover", json!({ "to": name }));
    let after = drive.bed.boss_after(&before);
    assert_eq!(after.name, name);
    drive.bed.agree_on(&after);
    drive.reply(asked, "Resign", json!({ "force": true }));
    let last = drive.bed.boss_after(&after);
    assert_ne!(last.name, name);
    drive.bed.judge(Some(&last));
}

fn confirmation(drive: &mut Drive<'_>) {
    let boss = drive.boss();
    let dead = (boss.index + 1) % 3;
    let name = drive.name(dead);
    drive.bed.host_dies(dead);
    let word = json!({ "node": name, "again": name });
    let done = until("the dead node is silent", || {
        match drive.call(boss.index, "ConfirmDead", word.clone()) {
            Ok(mut replies) => Some(replies.remove(0)),
            Err((_, parameters)) => {
                let text = parameters["text"].as_str().expect("a text");
                assert!(text.contains("connected") || text.contains("heard"), "{text}");
                None
            }
        }
    });
    assert_eq!(done["text"], format!("{name} is taken to be off; nobody waited for it"));
    drive.bed.judge(Some(&boss));
}

/// Meets every error, each by what an operator would do.
pub(crate) fn errors(client: &Client) {
    let mut drive = Drive::start(client);
    let boss = drive.boss();
    let other = (boss.index + 1) % 3;
    not_permitted(&mut drive, other);
    let text = drive.error(other, "Drain", json!({ "node": "delta" }), "UnknownNode");
    assert!(text.contains("delta"), "{text}");
    let text = drive.error(other, "Switchover", json!({ "to": boss.name }), "Refused");
    assert!(text.contains("is boss already"), "{text}");
    try_again(&mut drive, &boss, other);
    nobody_is_left(&mut drive);
    let mut missing = described::errors();
    missing.retain(|error| !drive.met.contains(error));
    if !geteuid().is_root() {
        // Said by name above.
        missing.remove(&format!("{INTERFACE}.NotPermitted"));
    }
    assert!(missing.is_empty(), "not met: {missing:?}");
}

/// Another user may connect here, and may nothing.
fn not_permitted(drive: &mut Drive<'_>, other: usize) {
    if !geteuid().is_root() {
        return skip("not_permitted", "it needs root to be another user");
    }
    let socket = drive.bed.node(other).socket();
    let above = socket.ancestors().skip(1).take_while(|at| at.starts_with(drive.bed.dir()));
    let doors: Vec<&Path> = above.collect();
    for door in doors {
        fs::set_permissions(door, fs::Permissions::from_mode(0o711)).expect("ours");
    }
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("ours");
    for (method, parameters) in [("Drain", json!({})), ("GetStatus", json!({}))] {
        let answer = drive.call_as(Some(NOBODY), other, method, parameters, 1);
        let (name, parameters) = answer.expect_err("nobody may");
        assert_eq!(name, format!("{INTERFACE}.NotPermitted"));
        assert!(parameters["needed"].as_str().is_some_and(|who| who.contains("root")));
    }
}

/// An order to a leader that is cut off from the node that was asked. A client that is slow to start
/// comes when that node knows already that it is alone: then once more.
fn try_again(drive: &mut Drive<'_>, boss: &Acting, other: usize) {
    let text = until("an order that is lost on its way", || {
        drive.bed.set_isolated(other, true);
        let answer = drive.call(other, "Drain", json!({ "node": boss.name }));
        drive.bed.set_isolated(other, false);
        drive.bed.agree_on(boss);
        let (name, parameters) = answer.expect_err("nobody heard of it");
        let lost = name == format!("{INTERFACE}.TryAgain");
        lost.then(|| parameters["text"].as_str().expect("a text").to_owned())
    });
    assert!(text.contains("was lost before it answered"), "{text}");
}

/// One after the other goes, until nobody can be boss and in the end nobody can decide.
fn nobody_is_left(drive: &mut Drive<'_>) {
    let boss = drive.boss();
    let (one, other) = ((boss.index + 1) % 3, (boss.index + 2) % 3);
    let (name, last) = (drive.name(one), drive.name(other));
    for node in [name, last] {
        drive.reply(boss.index, "Drain", json!({ "node": node }));
    }
    let text = drive.error(boss.index, "Resign", json!({}), "NobodyEligible");
    assert!(text.contains("it is drained"), "{text}");
    drive.reply(boss.index, "Resign", json!({ "force": true }));
    // Held off, it leads on and is not the boss, or another leads and is drained.
    until("a leader that is not the boss", || {
        match drive.call(one, "Resign", json!({ "force": true })) {
            Err((name, _)) if name == format!("{INTERFACE}.NotBoss") => Some(()),
            _ => None,
        }
    });
    drive.bed.host_dies(boss.index);
    drive.bed.host_dies(other);
    until("a node that has no quorum", || match drive.call(one, "Pause", json!({})) {
        Err((name, _)) if name == format!("{INTERFACE}.NoQuorum") => Some(()),
        _ => None,
    });
    drive.bed.judge(None);
}
