//! What the certificates of the node that answers do to the verdict: they end on a day that is known
//! long before, and what ends with them is every connection that is lost afterwards.

use control::model::{Level, Status};

use super::Found;

/// From so many days before its end on, a certificate is told. Long enough to issue another one
/// without haste, and short enough that one is not told for half of its life.
pub const EXPIRES_SOON_DAYS: i64 = 30;

/// In the order of weight.
pub(super) fn certificates(status: &Status, found: &mut Found) {
    let Some(certificate) = &status.certificate else { return };
    let (node, cluster) = (&status.node, &status.cluster);
    let mut say = |text: String| found.push((Level::Degraded, text));
    if let Some(why) = &certificate.trouble {
        say(format!("{why}. What {node} uses now stays in use, and its next start would fail"));
    }
    if let Some(when) = when(certificate.days_left) {
        say(format!(
            "the certificate of {node} {when}: `bossctl ca renew {node}` makes another one; copy \
             it there, and `bossctl reload` takes it"
        ));
    }
    if let Some(when) = when(certificate.authority_days_left) {
        say(format!(
            "the authority of {cluster} {when}: make another one, and put both into ca.crt \
             (bossctl(8), AUTHORITY)"
        ));
    }
}

/// None while there is time.
fn when(days_left: i64) -> Option<String> {
    match days_left {
        EXPIRES_SOON_DAYS.. => None,
        1.. => Some(format!("expires in {days_left} days")),
        0 => Some("expires today".to_owned()),
        _ => Some(format!(
            "has expired ({} days ago): a connection that is lost does not come back",
            -days_left
        )),
    }
}

#[cfg(test)]
mod tests {
    use control::model::Certificate;

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
    fn files_that_could_not_be_used_are_told_while_those_in_use_are_well() {
        let trouble = Some("node.key: cannot be read: denied".to_owned());
        let told = told(Certificate { trouble, ..lasting(700, 3_000) });
        assert!(told[0].starts_with("node.key: cannot be read") && told[0].contains("next start"));
    }
}
