//! What has to be there: programs of other packages, and the right to make namespaces. Nothing is
//! installed by the bench itself.

use std::path::Path;

use nix::unistd::geteuid;

use crate::contender::{ETCD, ETCDCTL, KEEPALIVED};
use crate::field::Settings;

/// What is missing, a sentence each; empty if nothing is.
pub fn missing(settings: &Settings) -> Vec<String> {
    let mut missing = Vec::new();
    if !geteuid().is_root() {
        missing.push("namespaces need root".to_owned());
    }
    let tools = [("ip", "iproute2"), ("nft", "nftables"), ("strace", "strace")];
    for (program, package) in tools {
        let found = PATH.iter().any(|at| Path::new(at).join(program).is_file());
        if !found {
            missing.push(format!("{program} (package {package})"));
        }
    }
    let others = [
        ("keepalived", KEEPALIVED, "keepalived"),
        ("etcd", ETCD, "etcd-server"),
        ("etcd", ETCDCTL, "etcd-client"),
    ];
    for (family, program, package) in others {
        if settings.has(family) && !Path::new(program).is_file() {
            missing
                .push(format!("{program} (package {package}), or --contenders without {family}"));
        }
    }
    missing
}

const PATH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
