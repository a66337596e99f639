//! The files of a playground's nodes, as text: cluster.toml, the same for all as on real servers,
//! and node.toml with the paths and the port of one node.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use control::model::Kind;

use super::cluster::Plan;

/// cluster.toml; `addresses` are those that the members know each other by.
pub(super) fn cluster_toml(plan: &Plan, addresses: &[SocketAddr]) -> String {
    let mut text = format!("[cluster]\nname = {}\n", quoted(&plan.cluster));
    for (member, address) in plan.members.iter().zip(addresses) {
        let kind = match member.kind {
            Kind::Voter => "voter",
            Kind::Witness => "witness",
            Kind::Observer => "observer",
        };
        let (name, priority) = (quoted(&member.name), member.priority);
        let _ = write!(
            text,
            "\n[[member]]\nname = {name}\naddress = \"{address}\"\npriority = {priority}\n\
             kind = \"{kind}\"\n"
        );
    }
    let _ = write!(text, "\n[timing]\n{}\n\n[election]\n{}\n", plan.timing, plan.election);
    text
}

/// node.toml of the node in `dir`, which listens at `listen`. Several of them share this machine with
/// whoever plays: none is realtime.
pub(super) fn node_toml(name: &str, dir: &Path, listen: SocketAddr, hook_timeout: &str) -> String {
    let path = |name: &str| quoted(&dir.join(name).to_string_lossy());
    format!(
        "[node]\nname = {name}\nlisten = \"{listen}\"\nuser = \"root\"\n\
         state-directory = {state}\nrun-directory = {run}\nrealtime = \"off\"\n\n\
         [control]\nsocket = {socket}\n\n\
         [tls]\nca = {ca}\ncertificate = {certificate}\nkey = {key}\n\n\
         [hooks]\ndirectory = {hooks}\nrunner = \"direct\"\ntimeout = {timeout}\n",
        name = quoted(name),
        state = path("state"),
        run = path("run"),
        socket = path(SOCKET),
        ca = path("tls/ca.crt"),
        certificate = path("tls/node.crt"),
        key = path("tls/node.key"),
        hooks = path("hooks.d"),
        timeout = quoted(hook_timeout),
    )
}

/// The control socket within a node's directory.
pub(super) const SOCKET: &str = "run/control.sock";

/// JSON's way to write a string is one of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
