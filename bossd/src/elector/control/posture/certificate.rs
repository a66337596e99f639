//! What the certificates do to the verdict: they end on a day that is known long before, and what
//! ends with them is every connection that is lost afterwards. Of the node that answers its own, its
//! authority and its files; of the others theirs.

use control::model::{Certificate, Level, Member, Status};

use super::Found;

/// From so many days before its end on, a certificate is told. Long enough to issue another one
/// without haste, and short enough that one is not told for half of its life.
pub const EXPIRES_SOON_DAYS: i64 = 30;

/// In the order of weight.
pub(super) fn certificates(status: &Status, found: &mut Found) {
    let mut say = |text: String| found.push((Level::Degraded, text));
    if let Some(certificate) = &status.certificate {
        own(status, certificate, &mut say);
    }
    let others = status.members.iter().filter(|member| member.name != status.node);
    others.filter_map(other).for_each(say);
}

fn own(status: &Status, certificate: &Certificate, say: &mut impl FnMut(String)) {
    let (node, cluster) = (&status.node, &status.cluster);
    if let Some(why) = &certificate.trouble {
        say(format!("{why}. What {node} uses now stays in use, and its next start would fail"));
    }
    if let Some(when) = when(certificate.days_left) {
        say(renew(node, &when));
    }
    if let Some(when) = when(certificate.authority_days_left) {
        say(format!(
            "the authority of {cluster} {when}: make another one, and put both into ca.crt \
             (bossctl(8), AUTHORITY)"
        ));
    }
}

/// What is to be said of another member. The authority is the cluster's, and each node says so itself.
fn other(member: &Member) -> Option<String> {
    let when = when(member.certificate?.days_left)?;
    Some(renew(&member.name, &when))
}

fn renew(node: &str, when: &str) -> String {
    format!(
        "the certificate of {node} {when}: `bossctl ca renew {node}` where the authority is makes \
         another one; copy it to {node}, and `bossctl reload` there takes it"
    )
}

/// None while there is time.
fn when(days_left: i64) -> Option<String> {
    match days_left {
        EXPIRES_SOON_DAYS.. => None,
        2.. => Some(format!("expires in {days_left} days")),
        1 => Some("expires tomorrow".to_owned()),
        0 => Some("expires today".to_owned()),
        -1 => Some(
            "has expired since yesterday: a connection that is lost does not come back".to_owned(),
        ),
        _ => Some(format!(
            "has expired ({} days ago): a connection that is lost does not come back",
            -days_left
        )),
    }
}

#[cfg(test)]
mod tests {
    use control::model::MemberCertificate;

    use super::*;

    fn told(certificate: Certificate) -> Vec<String> {
        let golden = include_str!("../../../../../control/tests/status.json");
        let mut status: Status = serde_json::from_str(golden).expect("the golden document");
        status.certificate = Some(certificate);
        let mut found = Vec::new();
        certificates(&status, &mut found);
        assert!(found.iter().all(|(level, _)| *level == Level::Degraded));
        found.into_iter().map(|(_, text)| text).collect()
    }

    fn lasting(days_left: i64, authority_days_left: i64) -> Certificate {
        Certificate { days_left, authority_days_left, ..Certificate::default() }
    }

    #[test]
    fn an_end_is_told_from_thirty_days_before_and_ever_after() {
        assert!(told(lasting(30, 30)).is_empty());
        let soon = told(lasting(29, 3_000));
        assert!(soon[0].starts_with("the certificate of beta expires in 29 days"), "{soon:?}");
        assert!(soon[0].contains("bossctl ca renew beta"), "{soon:?}");
        assert!(told(lasting(0, 3_000))[0].contains("expires today"));
        assert!(told(lasting(-2, 3_000))[0].contains("has expired (2 days ago)"));
        let both = told(lasting(5, 6));
        assert!(both[1].starts_with("the authority of web expires in 6 days"), "{both:?}");
    }

    #[test]
    fn the_end_of_another_members_is_told_as_well() {
        let golden = include_str!("../../../../../control/tests/status.json");
        let mut status: Status = serde_json::from_str(golden).expect("the golden document");
        let mut told = |days_left| {
            let ends = MemberCertificate { not_after_s: 0, days_left };
            status.members[0].certificate = Some(ends);
            let mut found = Vec::new();
            certificates(&status, &mut found);
            found.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert!(told(30).is_empty());
        let soon = told(3);
        assert_eq!(soon.len(), 1, "{soon:?}");
        assert!(soon[0].starts_with("the certificate of alpha expires in 3 days"), "{soon:?}");
        assert!(soon[0].contains("copy it to alpha"), "{soon:?}");
        assert!(told(-40)[0].contains("has expired (40 days ago)"));
    }

    #[test]
    fn files_that_could_not_be_used_are_told_while_those_in_use_are_well() {
        let trouble = Some("node.key: cannot be read: denied".to_owned());
        let told = told(Certificate { trouble, ..lasting(700, 3_000) });
        assert!(told[0].starts_with("node.key: cannot be read") && told[0].contains("next start"));
    }
}
