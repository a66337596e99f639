//! The names in certificates, made here once and used by both sides: `bossctl` writes them, `bossd`
//! reads and checks them. Owns the rules for node and cluster names; knows nothing of X.509.

use std::fmt;

/// Who a certificate speaks for: one node of one cluster. Exists only with valid names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    cluster: String,
    node: String,
}

impl Identity {
    /// The node `node` of the cluster `cluster`.
    pub fn new(cluster: &str, node: &str) -> Result<Self, NameError> {
        check_name(NameOf::Cluster, cluster)?;
        check_name(NameOf::Node, node)?;
        Ok(Self { cluster: cluster.to_owned(), node: node.to_owned() })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The synthetic DNS name, `NODE.CLUSTER.boss`. It is the server name of a connection and is
    /// never resolved.
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{DNS_SUFFIX}", self.node, self.cluster)
    }

    /// The URI, `boss://CLUSTER/node/NODE`.
    pub fn uri(&self) -> String {
        format!("{URI_SCHEME}{}/node/{}", self.cluster, self.node)
    }

    /// Reads what [`Identity::dns_name`] wrote.
    pub fn parse_dns_name(text: &str) -> Result<Self, NameError> {
        let foreign = || NameError::Foreign { text: text.to_owned(), expected: DNS_FORM };
        let mut labels = text.split('.');
        match (labels.next(), labels.next(), labels.next(), labels.next()) {
            (Some(node), Some(cluster), Some(DNS_SUFFIX), None) => Self::new(cluster, node),
            _ => Err(foreign()),
        }
    }

    /// Reads what [`Identity::uri`] wrote.
    pub fn parse_uri(text: &str) -> Result<Self, NameError> {
        let foreign = || NameError::Foreign { text: text.to_owned(), expected: URI_FORM };
        let rest = text.strip_prefix(URI_SCHEME).ok_or_else(foreign)?;
        let (cluster, node) = rest.split_once("/node/").ok_or_else(foreign)?;
        Self::new(cluster, node)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of cluster {}", self.node, self.cluster)
    }
}

/// Checks a node's or a cluster's name: 1 to 63 characters of a-z, 0-9 and `-`, no `-` at either
/// end. That is a DNS label in lower case, so a name can stand in a certificate, a file name and
/// a host name alike.
pub fn check_name(what: NameOf, name: &str) -> Result<(), NameError> {
    let wrong = |why| NameError::Invalid { what, name: name.to_owned(), why };
    if name.is_empty() {
        return Err(wrong("it is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(wrong("it is longer than 63 characters"));
    }
    if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Err(wrong("only a-z, 0-9 and - may stand in it"));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(wrong("it starts or ends with -"));
    }
    Ok(())
}

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOf {
    /// A node.
    Node,
    /// A cluster.
    Cluster,
}

impl fmt::Display for NameOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Cluster => "cluster",
        })
    }
}

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A node or cluster may not be called so.
    #[error("{what} name {name:?}: {why}; choose a name like web-1")]
    Invalid {
        /// What it should name.
        what: NameOf,
        /// The name as given.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The text is not one of ours at all.
    #[error("{text:?} does not name a node of a cluster (expected {expected})")]
    Foreign {
        /// The text as read.
        text: String,
        /// The form that was expected.
        expected: &'static str,
    },
}

/// The longest name: a DNS label.
pub const MAX_NAME: usize = 63;
const DNS_SUFFIX: &str = "boss";
const URI_SCHEME: &str = "boss://";
const DNS_FORM: &str = "NODE.CLUSTER.boss";
const URI_FORM: &str = "boss://CLUSTER/node/NODE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_lead_back_to_the_same_identity() {
        let alpha = Identity::new("web", "alpha").expect("valid names");
        assert_eq!(alpha.dns_name(), "alpha.web.boss");
        assert_eq!(alpha.uri(), "boss://web/node/alpha");
        assert_eq!(Identity::parse_dns_name(&alpha.dns_name()), Ok(alpha.clone()));
        assert_eq!(Identity::parse_uri(&alpha.uri()), Ok(alpha));
    }

    #[test]
    fn a_name_that_is_no_lower_case_label_is_refused_with_the_rule() {
        for name in ["", "-a", "a-", "Alpha", "a.b", "a_b", "ä", &"a".repeat(64)] {
            let error = check_name(NameOf::Node, name).expect_err(name);
            assert!(error.to_string().starts_with("node name"), "{error}");
        }
        for name in ["a", "0", "a-0", &"a".repeat(63)] {
            check_name(NameOf::Cluster, name).expect("a valid name");
        }
    }

    #[test]
    fn foreign_texts_are_no_identity() {
        for text in ["alpha.web", "alpha.web.boss.example", "alpha.web.example", "a.b.c.boss"] {
            assert!(Identity::parse_dns_name(text).is_err(), "{text}");
        }
        for text in ["boss://web/alpha", "http://web/node/alpha", "boss://web/node/a/node/b"] {
            assert!(Identity::parse_uri(text).is_err(), "{text}");
        }
    }
}
