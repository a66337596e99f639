//! Hello and Welcome: what two electors tell each other before they count as connected, and the
//! one function that judges it, for both directions alike. Judging is pure; carrying is
//! `link` and `accept`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use control::identity::Identity;
use quinn::{Connection, RecvStream, SendStream};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::frame::{self, Frame, FrameError};
use super::identity;
use super::setback::Setback;

/// What a node says of itself. Welcome, the answer, is the same.
///
/// The fields are fixed for protocol 1; whatever comes later goes into `extensions`, of which a
/// node skips what it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Derived from the authority's key and the cluster's name.
    pub cluster_id: u128,
    /// The sender's name.
    pub node: String,
    /// The life of its state directory.
    pub incarnation: u128,
    /// The life of its process, drawn at its start.
    pub session: u64,
    /// The connection's id, drawn by whoever started it; Welcome repeats it.
    pub connection: u64,
    /// The id of the last connection to the receiver that the sender lost; 0 for none.
    pub lost: u64,
    /// What the sender is or can, one bit each: [`SHADOW`].
    pub features: u64,
    /// The sender's cluster state has not been committed yet.
    pub unborn: bool,
    /// The cluster-wide part of the sender's file in its canonical form.
    pub canonical: String,
    /// Additions by number: [`OTHER_IDS`].
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// By which ids the sender knows its cluster.
    fn cluster_ids(&self) -> impl Iterator<Item = u128> {
        let others = self.extensions.iter().filter(|(number, _)| *number == OTHER_IDS);
        let others = others.flat_map(|(_, bytes)| bytes.chunks_exact(16).take(MOST_IDS));
        let others = others.filter_map(|id| id.try_into().ok().map(u128::from_be_bytes));
        std::iter::once(self.cluster_id).chain(others)
    }
}

/// The extension with the further ids of a cluster whose authority has changed.
pub(super) fn other_ids(ids: &[u128]) -> Option<(u16, Vec<u8>)> {
    let bytes: Vec<u8> = ids.iter().take(MOST_IDS).flat_map(|id| id.to_be_bytes()).collect();
    (!bytes.is_empty()).then_some((OTHER_IDS, bytes))
}

/// What this node holds a Hello against.
#[derive(Debug, Clone, Copy)]
pub struct Local<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The ids by which this node knows it: more than one once its authority has changed. Never
    /// empty.
    pub cluster_ids: &'a [u128],
    /// This node's name.
    pub me: &'a str,
    /// This node is a shadow: it runs nothing.
    pub shadow: bool,
    /// Whether this node's cluster state has not been committed yet.
    pub unborn: bool,
    /// The cluster-wide part of this node's file in its canonical form.
    pub canonical: &'a str,
    /// Whether the other is a member as this node knows the cluster.
    pub is_member: bool,
}

/// Whether the node that `certificate` names may be a peer, having said `hello`. The text of a
/// refusal is read on both sides, so it says "this" and "that" by name.
pub fn check(hello: &Hello, certificate: &Identity, local: &Local<'_>) -> Result<(), String> {
    let me = local.me;
    let (name, said) = (certificate.node(), &hello.node);
    check_cluster(certificate, local)?;
    if name != said {
        return Err(format!(
            "the certificate is for node {name}, but the node calls itself \"{}\"; \
             install the certificate of that node, or mend [node] name",
            shown(said)
        ));
    }
    // First, for a shadow's cluster has another id as well, and this says why.
    check_shadow(hello.features & SHADOW != 0, name, local)?;
    if !hello.cluster_ids().any(|id| local.cluster_ids.contains(&id)) {
        return Err(format!(
            "{name} has cluster id {:032x} and {me} has {:032x}; \
             their state directories come from different authorities or cluster names",
            hello.cluster_id, local.cluster_ids[0]
        ));
    }
    check_certificate(certificate, local)?;
    if (hello.unborn || local.unborn) && hello.canonical != local.canonical {
        return Err(format!(
            "the cluster-wide part of cluster.toml differs between {me} and {name}: {}; \
             make the files equal before the first start",
            differences(local.canonical, &hello.canonical, me, name)
        ));
    }
    Ok(())
}

/// What can be said of a guest before it has said anything: whether the node that `certificate`
/// names could be a peer at all.
pub fn check_certificate(certificate: &Identity, local: &Local<'_>) -> Result<(), String> {
    let Local { cluster, me, .. } = *local;
    let name = certificate.node();
    check_cluster(certificate, local)?;
    if name == me {
        return Err(format!("two nodes call themselves {me}; give each its own name"));
    }
    if !local.is_member {
        return Err(format!(
            "{name} is not a member of cluster {cluster} as {me} knows it; \
             add it to every cluster.toml before the first start: a cluster that has started \
             takes no new members yet"
        ));
    }
    Ok(())
}

fn check_cluster(certificate: &Identity, local: &Local<'_>) -> Result<(), String> {
    let Local { cluster, me, .. } = *local;
    if certificate.cluster() == cluster {
        return Ok(());
    }
    let (name, theirs) = (certificate.node(), certificate.cluster());
    Err(format!(
        "{name} has a certificate for cluster {theirs}, and {me} belongs to cluster {cluster}; \
         check [cluster] name and the certificates on both"
    ))
}

/// A boss that runs nothing must not keep a node that would from doing the job, nor the other way
/// round: shadows have a cluster of their own.
fn check_shadow(theirs: bool, name: &str, local: &Local<'_>) -> Result<(), String> {
    let (shadow, real) = match (theirs, local.shadow) {
        (true, false) => (name, local.me),
        (false, true) => (local.me, name),
        _ => return Ok(()),
    };
    Err(format!(
        "{shadow} is a shadow (bossd --shadow), which runs no hook, and {real} is none; shadows \
         elect only among themselves: start all members with --shadow, or none"
    ))
}

/// Names the keys in which two canonical texts differ, with both values.
fn differences(ours: &str, theirs: &str, me: &str, name: &str) -> String {
    let (ours, theirs) = (keys(ours), keys(theirs));
    let mut all: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    all.sort();
    all.dedup();
    all.retain(|key| ours.get(*key) != theirs.get(*key));
    if all.is_empty() {
        return "the order of its lines".to_owned();
    }
    let mut text = String::new();
    for (n, key) in all.iter().take(MAX_KEYS_NAMED).enumerate() {
        let value = |of: &BTreeMap<String, String>| match of.get(*key) {
            Some(value) => shown(value),
            None => "not there".to_owned(),
        };
        let comma = if n == 0 { "" } else { ", " };
        let key = shown(key);
        let (ours, theirs) = (value(&ours), value(&theirs));
        write!(text, "{comma}{key} ({me}: {ours}, {name}: {theirs})").expect("a string grows");
    }
    if all.len() > MAX_KEYS_NAMED {
        write!(text, " and {} more", all.len() - MAX_KEYS_NAMED).expect("a string grows");
    }
    text
}

/// The beginning of a text that may come from a peer, without what a terminal would act on.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(MAX_VALUE_SHOWN).map(plain).collect()
}

/// The lines of a canonical text by key, `section.key` where there are sections.
fn keys(text: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut keys = BTreeMap::<String, String>::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, "there"));
        let dot = if section.is_empty() { "" } else { "." };
        let values = keys.entry(format!("{section}{dot}{}", key.trim())).or_default();
        // Repeated keys, as in a list of members, count as one key with all their values.
        if !values.is_empty() {
            values.push_str(" | ");
        }
        values.push_str(value.trim());
    }
    keys
}

/// The name in the certificate that the other side proved to hold the key of.
pub(super) fn certified(connection: &Connection) -> Result<Identity, Setback> {
    let refused = |why: String| Setback::Refused(format!("its certificate is of no use: {why}"));
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .ok_or_else(|| refused("none was shown".to_owned()))?;
    let leaf = chain.first().ok_or_else(|| refused("none was shown".to_owned()))?;
    identity::of_certificate(leaf).map_err(|error| refused(error.to_string()))
}

/// Sends `hello` as the stream's one frame.
pub(super) async fn send(stream: &mut SendStream, kind: u16, hello: &Hello) -> Result<(), Setback> {
    let body = postcard::to_stdvec(hello).expect("a Hello is plain data");
    let bytes =
        Frame::new(kind, body).to_stream().map_err(|error| Setback::Failed(error.to_string()))?;
    stream.write_all(&bytes).await.map_err(|error| Setback::Failed(error.to_string()))?;
    // Fails only if the stream was finished or reset before.
    let _ = stream.finish();
    Ok(())
}

/// Reads a Hello or Welcome. Its version is judged before its body.
pub(super) async fn read(stream: &mut RecvStream, kind: u16) -> Result<Hello, Setback> {
    let frame = match frame::read(stream, MAX_HELLO).await {
        Ok(Some(frame)) => frame,
        Ok(None) | Err(FrameError::Ended | FrameError::Truncated { .. }) => {
            return Err(Setback::Failed("the connection ended before the introduction".to_owned()));
        }
        Err(error) => return Err(Setback::Refused(error.to_string())),
    };
    let garbled = || Setback::Refused("the introduction cannot be read".to_owned());
    if frame.kind != kind {
        return Err(garbled());
    }
    postcard::from_bytes(&frame.body).map_err(|_| garbled())
}

/// The kinds of the two frames that this layer says itself, on a stream of their own.
pub(super) const HELLO: u16 = 1;
pub(super) const WELCOME: u16 = 2;
/// The cluster-wide part of a file is at most this long (protocol.md 6).
pub const MAX_CANONICAL: usize = 64 * 1024;
/// A Hello is that and the small rest.
const MAX_HELLO: usize = MAX_CANONICAL + 4 * 1024;
/// Of [`Hello::features`]: the sender elects and shows, and runs nothing.
pub const SHADOW: u64 = 1;
/// Of [`Hello::extensions`]: the further ids of the sender's cluster, 16 bytes each.
pub const OTHER_IDS: u16 = 1;
/// One for each change of the authority, and these are years apart.
pub const MOST_IDS: usize = 16;
/// A reason for closing must fit into one packet.
const MAX_KEYS_NAMED: usize = 5;
const MAX_VALUE_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            cluster_id: 7,
            node: "beta".to_owned(),
            incarnation: 1,
            session: 2,
            connection: 3,
            lost: 0,
            features: 0,
            unborn: false,
            canonical: "a = 1\n".to_owned(),
            extensions: Vec::new(),
        }
    }

    fn local() -> Local<'static> {
        Local {
            cluster: "web",
            cluster_ids: &[7],
            me: "alpha",
            shadow: false,
            unborn: false,
            canonical: "a = 1\n",
            is_member: true,
        }
    }

    fn beta() -> Identity {
        Identity::new("web", "beta").expect("valid names")
    }

    #[test]
    fn a_member_with_its_own_certificate_is_welcome() {
        assert_eq!(check(&hello(), &beta(), &local()), Ok(()));
    }

    #[test]
    fn each_thing_that_does_not_fit_is_refused_in_words() {
        let refusal = |hello: &Hello, certificate: &Identity, local: &Local<'_>| {
            check(hello, certificate, local).expect_err("a refusal")
        };
        let foreign = Identity::new("shop", "beta").expect("valid names");
        assert!(refusal(&hello(), &foreign, &local()).contains("certificate for cluster shop"));
        let gamma = Identity::new("web", "gamma").expect("valid names");
        assert!(refusal(&hello(), &gamma, &local()).contains("calls itself \"beta\""));
        let other_id = Local { cluster_ids: &[8], ..local() };
        assert!(refusal(&hello(), &beta(), &other_id).contains("cluster id"));
        let stranger = Local { is_member: false, ..local() };
        assert!(refusal(&hello(), &beta(), &stranger).contains("not a member"));
        let twin = Local { me: "beta", ..local() };
        assert!(refusal(&hello(), &beta(), &twin).contains("two nodes"));
    }

    #[test]
    fn a_cluster_whose_authority_has_changed_is_known_by_each_of_its_ids() {
        let after = Local { cluster_ids: &[5, 7], ..local() };
        assert_eq!(check(&hello(), &beta(), &after), Ok(()));
        let joined_later = Local { cluster_ids: &[9], ..local() };
        let extensions = other_ids(&[8, 9]).into_iter().collect();
        let known = Hello { extensions, ..hello() };
        assert_eq!(check(&known, &beta(), &joined_later), Ok(()));
        assert!(check(&known, &beta(), &Local { cluster_ids: &[6], ..local() }).is_err());
        let torn = Hello { extensions: vec![(OTHER_IDS, vec![0; 15])], ..hello() };
        assert!(check(&torn, &beta(), &Local { cluster_ids: &[0], ..local() }).is_err());
        assert_eq!(other_ids(&[]), None);
    }

    #[test]
    fn a_shadow_and_a_node_that_acts_refuse_each_other_by_name() {
        let shadow = Hello { features: SHADOW, ..hello() };
        let refusal = check(&shadow, &beta(), &local()).expect_err("alpha acts");
        assert!(refusal.starts_with("beta is a shadow"), "{refusal}");
        let refusal = check(&hello(), &beta(), &Local { shadow: true, ..local() });
        assert!(refusal.expect_err("beta acts").starts_with("alpha is a shadow"));
        assert_eq!(check(&shadow, &beta(), &Local { shadow: true, ..local() }), Ok(()));
    }

    #[test]
    fn canonical_texts_are_compared_only_while_either_side_is_unborn() {
        let other = Local { canonical: "a = 2\n", ..local() };
        assert_eq!(check(&hello(), &beta(), &other), Ok(()));
        let unborn = Hello { unborn: true, ..hello() };
        let refusal = check(&unborn, &beta(), &other).expect_err("the texts differ");
        assert!(refusal.contains("a (alpha: 2, beta: 1)"), "{refusal}");
        assert!(check(&hello(), &beta(), &Local { unborn: true, ..other }).is_err());
    }

    #[test]
    fn keys_are_named_with_their_section_and_never_too_many() {
        let ours = "[timing]\nprofile = lan\n[cluster]\nname = web\n";
        let theirs = "[timing]\nprofile = fast\n[cluster]\nname = web\nextra = 1\n";
        assert_eq!(
            differences(ours, theirs, "alpha", "beta"),
            "cluster.extra (alpha: not there, beta: 1), timing.profile (alpha: lan, beta: fast)"
        );
        let many = (0..20).map(|n| format!("key{n} = 1")).collect::<Vec<_>>().join("\n");
        assert!(differences("", &many, "alpha", "beta").ends_with(" and 15 more"));
        assert_eq!(differences("a = 1\nb = 2", "b = 2\na = 1", "x", "y"), "the order of its lines");
        let bell = differences("", "a\u{7} = \u{1b}[2J", "alpha", "beta");
        assert_eq!(bell, "a? (alpha: not there, beta: ?[2J)");
    }

    #[test]
    fn the_bytes_of_a_hello_are_these() {
        let bytes = postcard::to_stdvec(&hello()).expect("plain data");
        assert_eq!(bytes, b"\x07\x04beta\x01\x02\x03\x00\x00\x00\x06a = 1\n\x00");
    }
}
