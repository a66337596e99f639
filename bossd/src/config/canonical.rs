//! The cluster-wide part as a text that does not depend on how it was written: one `key = value`
//! per line, defaults included, members by name. Nodes that never started compare it in Hello; a
//! running cluster is compared with its file by it (protocol.md 6).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use election::{ClusterState, Failback, Member, Members, NodeId, Span};

/// The most that Hello carries.
pub const LONGEST_CANONICAL: usize = 64 * 1024;

/// The text of what `state` has in common with a file: not the version, claims, drains and lives.
pub fn canonical_of(name: &str, state: &ClusterState) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &dyn fmt::Display| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("cluster.name", &name);
    let policy = &state.policy;
    match policy.failback {
        Failback::Never => line("election.failback", &"never"),
        Failback::After(delay) => {
            line("election.failback", &"auto");
            line("election.failback-delay", &Exact(delay));
        }
    }
    line("election.hold-off", &Exact(policy.hold_off));
    let prefer: Vec<_> = policy.prefer.iter().map(|criterion| criterion.name()).collect();
    line("election.prefer", &prefer.join(" "));
    let oldest_first = by_age(&state.members);
    for (member, facts) in state.members.iter() {
        line(&format!("member.{member}.address"), &facts.address);
        line(&format!("member.{member}.joined"), &oldest_first[member]);
        line(&format!("member.{member}.kind"), &facts.kind.name());
        line(&format!("member.{member}.priority"), &facts.priority);
    }
    let timing = &state.timing;
    line("timing.fence-window", &Exact(timing.fence));
    line("timing.heartbeat", &Exact(timing.heartbeat));
    line("timing.lease", &Exact(timing.lease));
    line("timing.margin", &Exact(timing.margin));
    line("timing.profile", &timing.profile.name());
    line("timing.rho", &format_args!("{}ppm", timing.rho_ppm));
    line("timing.slot", &Exact(timing.slot));
    text
}

/// The keys in which two canonical texts differ, in their order. A member that only one of them
/// has is named once, as `member.NAME`. The texts may come from a peer: a line that is no key and
/// value counts as a key of its own, and nothing that a terminal would act on is passed on.
pub fn differing_keys(a: &str, b: &str) -> Vec<String> {
    let (a, b) = (entries(a), entries(b));
    let mut differing: Vec<String> = a
        .keys()
        .chain(b.keys())
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| match member_of(key) {
            Some(member) if has_member(&a, member) != has_member(&b, member) => member.to_owned(),
            _ => key.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        })
        .collect();
    differing.sort();
    differing.dedup();
    differing
}

/// The keys in which two canonical texts differ, each with the value of both; None where one has
/// none.
pub fn differing_values(a: &str, b: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let (ours, theirs) = (entries(a), entries(b));
    let value = |of: &BTreeMap<&str, &str>, key: &str| {
        let whole = || has_member(of, key).then(|| "a member".to_owned());
        of.get(key).map(|value| (*value).to_owned()).or_else(whole)
    };
    let with_values = |key: String| {
        let (a, b) = (value(&ours, &key), value(&theirs, &key));
        (key, a, b)
    };
    differing_keys(a, b).into_iter().map(with_values).collect()
}

/// The rank of each member by when it joined: that survives additions and removals.
fn by_age(members: &Members) -> BTreeMap<&NodeId, usize> {
    let mut list: Vec<(&NodeId, &Member)> = members.iter().collect();
    list.sort_by_key(|(name, member)| (member.joined, *name));
    list.into_iter().enumerate().map(|(rank, (name, _))| (name, rank)).collect()
}

fn entries(text: &str) -> BTreeMap<&str, &str> {
    text.lines().map(|line| line.split_once(" = ").unwrap_or((line, ""))).collect()
}

/// `member.alpha` of `member.alpha.kind`.
fn member_of(key: &str) -> Option<&str> {
    key.starts_with("member.").then(|| key.rsplit_once('.')).flatten().map(|(member, _)| member)
}

fn has_member(entries: &BTreeMap<&str, &str>, member: &str) -> bool {
    let kind = format!("{member}.kind");
    entries.contains_key(kind.as_str())
}

/// A time without rounding.
struct Exact(Span);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_nanos() {
            ns if ns.is_multiple_of(1_000_000) => write!(f, "{}ms", ns / 1_000_000),
            ns => write!(f, "{ns}ns"),
        }
    }
}
