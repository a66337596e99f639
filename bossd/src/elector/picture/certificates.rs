//! The certificates of the members, as status shows them: this node's own by its files, those of the
//! others by their own word (`elector/driver/certificates.rs`).

use std::collections::BTreeMap;

use control::model::{Certificate, MemberCertificate};

use crate::clock;
use crate::elector::peer::{CertFacts, days};

/// Until when everybody can prove who he is.
pub(super) struct Certificates {
    /// Of this node; None if it cannot be read.
    own: Option<CertFacts>,
    /// Why the files on the disk could not be used; None when they could.
    trouble: Option<String>,
    /// Of the others, in seconds since 1970. What a member said last stays when it is gone: its end
    /// may be why it does not come back.
    others: BTreeMap<String, i64>,
}

impl Certificates {
    pub(super) fn new(own: Option<CertFacts>) -> Self {
        Self { own, trouble: None, others: BTreeMap::new() }
    }

    /// Until when this node's own is valid, in seconds since 1970.
    pub(super) fn own_end(&self) -> Option<i64> {
        self.own.as_ref().map(|facts| facts.not_after)
    }

    pub(super) fn set_own(&mut self, facts: CertFacts) {
        self.own = Some(facts);
    }

    pub(super) fn set_trouble(&mut self, why: Option<String>) {
        self.trouble = why;
    }

    /// That of `member` is valid until then, in seconds since 1970.
    pub(super) fn set_other(&mut self, member: &str, not_after: i64) {
        self.others.insert(member.to_owned(), not_after);
    }

    /// For status, in full.
    pub(super) fn own(&self) -> Option<Certificate> {
        let facts = self.own.as_ref()?;
        let now = now_s();
        Some(Certificate {
            not_after_s: facts.not_after,
            days_left: days(facts.not_after, now),
            authority_not_after_s: facts.authority_not_after,
            authority_days_left: days(facts.authority_not_after, now),
            fingerprint: facts.fingerprint.clone(),
            trouble: self.trouble.clone(),
        })
    }

    /// For status, of any member, `me` included.
    pub(super) fn of(&self, member: &str, me: &str) -> Option<MemberCertificate> {
        let not_after_s =
            if member == me { self.own_end() } else { self.others.get(member).copied() }?;
        Some(MemberCertificate { not_after_s, days_left: days(not_after_s, now_s()) })
    }
}

fn now_s() -> i64 {
    i64::try_from(clock::wall_s()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_said_last_counts_and_no_end_is_too_far_off() {
        let mut certificates = Certificates::new(None);
        assert_eq!(certificates.of("beta", "alpha"), None);
        certificates.set_other("beta", now_s() + 5 * 86_400 + 600);
        certificates.set_other("beta", now_s() + 90 * 86_400 + 600);
        assert_eq!(certificates.of("beta", "alpha").map(|it| it.days_left), Some(90));
        for end in [i64::MIN, i64::MAX] {
            certificates.set_other("gamma", end);
            let told = certificates.of("gamma", "alpha").expect("told");
            assert_eq!((told.not_after_s, told.days_left > 0), (end, end > 0));
        }
    }
}
