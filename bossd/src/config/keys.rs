//! The sections and keys that cluster.toml may have, in the order of the manual. A key is here
//! only if it does something; everything else is refused by its name.

/// Whom a section binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The same on every server, replicated after the first start; only in cluster.toml.
    Cluster,
    /// This server alone; node.toml may have it too, and wins.
    Server,
}

/// One section of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// As it is written between the brackets.
    pub name: &'static str,
    /// Whom it binds.
    pub scope: Scope,
    /// Written `[[name]]`, once for each.
    pub repeated: bool,
    /// Its keys.
    pub keys: &'static [&'static str],
}

impl Section {
    /// With its brackets, as the operator writes it.
    pub fn header(&self) -> String {
        let name = self.name;
        if self.repeated { format!("[[{name}]]") } else { format!("[{name}]") }
    }
}

/// Every section there is.
pub const SECTIONS: [Section; 11] = [
    Section { name: "cluster", scope: Scope::Cluster, repeated: false, keys: &["name"] },
    Section {
        name: "member",
        scope: Scope::Cluster,
        repeated: true,
        keys: &["name", "address", "priority", "kind"],
    },
    Section {
        name: "timing",
        scope: Scope::Cluster,
        repeated: false,
        keys: &["profile", "heartbeat", "lease", "fence-window", "rho"],
    },
    Section {
        name: "election",
        scope: Scope::Cluster,
        repeated: false,
        keys: &["prefer", "failback", "failback-delay", "hold-off"],
    },
    Section {
        name: "node",
        scope: Scope::Server,
        repeated: false,
        keys: &["name", "listen", "user", "state-directory", "run-directory", "realtime"],
    },
    Section { name: "log", scope: Scope::Server, repeated: false, keys: &["level"] },
    Section {
        name: "control",
        scope: Scope::Server,
        repeated: false,
        keys: &["socket", "operators"],
    },
    Section {
        name: "tls",
        scope: Scope::Server,
        repeated: false,
        keys: &["ca", "certificate", "key"],
    },
    Section {
        name: "hooks",
        scope: Scope::Server,
        repeated: false,
        keys: &[
            "directory",
            "timeout",
            "runner",
            "on-fence-failure",
            "escalation-command",
            "escalation-timeout",
        ],
    },
    Section { name: "fence", scope: Scope::Server, repeated: false, keys: &["run", "timeout"] },
    Section {
        name: "keepalived",
        scope: Scope::Server,
        repeated: false,
        keys: &[
            "instance",
            "notify",
            "notify-master",
            "notify-backup",
            "notify-fault",
            "notify-stop",
        ],
    },
];

/// The section of that name.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The help for a key that [`Section`] does not have: the nearest that it has, or the section
/// where the key belongs, or all that it has.
pub(super) fn help_for_key(section: &Section, unknown: &str) -> String {
    if let Some(near) = nearest(unknown, section.keys.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    if let Some(home) = SECTIONS.iter().find(|s| s.keys.contains(&unknown)) {
        return format!("`{unknown}` belongs to {}", home.header());
    }
    format!("known in {}: {}", section.header(), section.keys.join(", "))
}

/// The help for a section that does not exist.
pub(super) fn help_for_section(unknown: &str) -> String {
    if let Some(near) = nearest(unknown, SECTIONS.iter().map(|s| s.name)).and_then(section) {
        return format!("did you mean {}?", near.header());
    }
    if let Some(home) = SECTIONS.iter().find(|s| s.keys.contains(&unknown)) {
        return format!("`{unknown}` belongs to {}", home.header());
    }
    let headers: Vec<_> = SECTIONS.iter().map(Section::header).collect();
    format!("the sections are {}", headers.join(" "))
}

/// The known word that is a slip away from `word`: at most every third letter may differ.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    if word.len() > LONGEST_SLIP {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (edits(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or changed to make `a` into `b`: one row of the
/// usual table at a time.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// No key is nearly as long; a longer word is not a slip, and the table stays small.
const LONGEST_SLIP: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key_and_a_stranger_none() {
        let timing = section("timing").expect("known");
        assert_eq!(help_for_key(timing, "fence_window"), "did you mean `fence-window`?");
        assert_eq!(help_for_key(timing, "Lease"), "did you mean `lease`?");
        assert_eq!(help_for_key(timing, "priority"), "`priority` belongs to [[member]]");
        assert_eq!(nearest("nginx", timing.keys.iter().copied()), None);
    }

    #[test]
    fn edits_are_counted_as_a_person_would() {
        assert_eq!(edits("priorty", "priority"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
